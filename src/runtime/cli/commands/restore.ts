// `restore`: a container as it was at its checkpoint, in the foreground unless told otherwise.

import { RESTORE_FLAGS, restoreContainer } from "../criu/restore.ts";
import { command } from "../invocation.ts";
import { destroyUnlessGone } from "../life/destroy.ts";
import { SignalForwarder, stayWith } from "../life/foreground.ts";

export const restore = command({
  operands: "<container-id>",
  flags: RESTORE_FLAGS,
  least: 1,
  most: 1,
  interspersed: true,
  async run(call, flags, [id = ""]) {
    const signals = flags.detach ? undefined : new SignalForwarder();
    const { dir, state, foreground } = await restoreContainer(call, id, flags);
    if (!signals || !foreground) return 0;
    const code = await stayWith(signals, state.pid, foreground);
    await destroyUnlessGone(dir);
    return code;
  },
});
