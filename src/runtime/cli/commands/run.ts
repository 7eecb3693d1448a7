// `run`: create and start in one, in the foreground unless told otherwise.

import { bool } from "../../../lib/flags/spec.ts";
import { BUNDLE_FLAGS, createOptions } from "../bundle-flags.ts";
import { createContainer, type Created } from "../life/create.ts";
import { destroyContainer, destroyUnlessGone, killContainer } from "../life/destroy.ts";
import { SignalForwarder, stayWith } from "../life/foreground.ts";
import { command, failing } from "../invocation.ts";
import { startContainer } from "../life/start.ts";

export const run = command({
  operands: "<container-id>",
  flags: {
    ...BUNDLE_FLAGS,
    detach: bool("detach from the container's process", { short: "d" }),
    keep: bool("do not delete the container after it exits"),
    "no-subreaper": bool("disable the use of the subreaper used to reap reparented processes"),
  },
  least: 1,
  most: 1,
  interspersed: true,
  async run(call, flags, [id = ""]) {
    const options = {
      ...createOptions(id, flags),
      isDetached: flags.detach,
      isSubreaper: !flags["no-subreaper"] && !flags.detach,
    };
    return await failing(`${call.program} run failed`, 1, async () => {
      const signals = flags.detach ? undefined : new SignalForwarder();
      const created = await createContainer(call, options);
      try {
        await startContainer(created.dir, created.state);
      } catch (error) {
        await giveUp(created);
        throw error;
      }
      if (!signals || !created.foreground) return 0;
      const code = await stayWith(signals, created.state.pid, created.foreground);
      if (!flags.keep) await destroyUnlessGone(created.dir);
      return code;
    });
  },
});

async function giveUp({ dir, state, foreground }: Created): Promise<void> {
  killContainer(state);
  await foreground?.ended;
  await destroyContainer(dir, state);
}
