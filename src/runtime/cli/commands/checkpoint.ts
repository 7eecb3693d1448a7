// `checkpoint`: a container's processes become files, from which `restore` makes them again, here or elsewhere.

import { Fault, messageOf } from "../../../lib/errors.ts";
import { CHECKPOINT_FLAGS, checkpointContainer } from "../criu/checkpoint.ts";
import { command } from "../invocation.ts";
import { destroyContainer } from "../life/destroy.ts";
import { withLock } from "../life/lock.ts";
import { ContainerDir } from "../life/store.ts";

export const checkpoint = command({
  operands: "<container-id>",
  flags: CHECKPOINT_FLAGS,
  least: 1,
  most: 1,
  interspersed: true,
  async run(call, flags, [id = ""]) {
    const dir = new ContainerDir(call.root, id);
    dir.load();
    await withLock(dir.path, async () => {
      const state = dir.load();
      const status = dir.statusOf(state);
      if (status === "created" || status === "stopped")
        throw new Fault("conflict", `Container cannot be checkpointed in ${status} state`, {
          code: "container.not-running",
        });
      checkpointContainer(call.log, dir, state, flags);
      if (flags["leave-running"] || flags["pre-dump"]) return;
      try {
        await destroyContainer(dir, state);
      } catch (error) {
        call.log.warn(messageOf(error)); // the images are good
      }
    });
    return 0;
  },
});
