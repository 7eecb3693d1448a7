// `create`: makes a container from a bundle; its program waits for `start`.

import { BUNDLE_FLAGS, createOptions } from "../bundle-flags.ts";
import { createContainer } from "../life/create.ts";
import { command, failing } from "../invocation.ts";

export const create = command({
  operands: "<container-id>",
  flags: BUNDLE_FLAGS,
  least: 1,
  most: 1,
  interspersed: true,
  async run(call, flags, [id = ""]) {
    await failing(`${call.program} create failed`, 1, () =>
      createContainer(call, { ...createOptions(id, flags), isDetached: true, isSubreaper: false }),
    );
    return 0;
  },
});
