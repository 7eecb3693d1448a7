// `state`: what there is to say of a container, as JSON.

import { goJson } from "../../../lib/json/go-json.ts";
import { command } from "../invocation.ts";
import { print } from "../print.ts";
import { listed } from "../life/listed.ts";
import { ContainerDir } from "../life/store.ts";

export const state = command({
  operands: "<container-id>",
  flags: {},
  least: 1,
  most: 1,
  interspersed: true,
  run(call, _flags, [id = ""]) {
    const dir = new ContainerDir(call.root, id);
    const entry = { ...listed(dir, dir.load()), owner: "" };
    print(`${JSON.stringify(JSON.parse(goJson(entry)), null, 2)}`);
    return 0;
  },
});
