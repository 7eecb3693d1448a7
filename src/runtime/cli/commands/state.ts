// `state`: what there is to say of a container, as JSON.

import { command } from "../invocation.ts";
import { print } from "../print.ts";
import { stateJson } from "../life/listed.ts";
import { ContainerDir } from "../life/store.ts";

export const state = command({
  operands: "<container-id>",
  flags: {},
  least: 1,
  most: 1,
  interspersed: true,
  run(call, _flags, [id = ""]) {
    const dir = new ContainerDir(call.root, id);
    const state = dir.load();
    print(stateJson(state, dir.statusOf(state)));
    return 0;
  },
});
