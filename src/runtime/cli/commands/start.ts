// `start`: runs the program of a created container.

import { command } from "../invocation.ts";
import { startContainer } from "../life/start.ts";
import { ContainerDir } from "../life/store.ts";

export const start = command({
  operands: "<container-id>",
  flags: {},
  least: 1,
  most: 1,
  interspersed: true,
  async run(call, _flags, [id = ""]) {
    const dir = new ContainerDir(call.root, id);
    await startContainer(dir, dir.load());
    return 0;
  },
});
