// `delete`: what is left of a container goes; with --force the container, too.

import { Fault } from "../../../lib/errors.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { destroyContainer, killContainer, thawForKill } from "../life/destroy.ts";
import { command } from "../invocation.ts";
import { withLock } from "../life/lock.ts";
import { ContainerDir } from "../life/store.ts";

export const remove = command({
  operands: "<container-id>",
  flags: {
    force: bool("forcibly delete the container if it is still running (uses SIGKILL)", { short: "f" }),
  },
  least: 1,
  most: 1,
  interspersed: true,
  async run(call, { force }, [id = ""]) {
    const dir = new ContainerDir(call.root, id);
    try {
      await withLock(dir.path, () => removeContainer(dir, force));
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "container.not-found") throw error;
      dir.remove(); // of a creation that was interrupted
      if (!force) throw error;
    }
    return 0;
  },
});

async function removeContainer(dir: ContainerDir, force: boolean): Promise<void> {
  const state = dir.load();
  const status = dir.statusOf(state);
  if (!force && status !== "stopped" && status !== "created")
    throw new Fault("conflict", `cannot delete container ${dir.id} that is not stopped: ${status}`, {
      code: "container.not-stopped",
    });
  if (force || status === "created") {
    killContainer(state);
    await thawForKill(dir, state);
  }
  await destroyContainer(dir, state);
}
