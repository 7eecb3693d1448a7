// `delete`: what is left of a container goes; with --force the container, too.

import { Fault } from "../../../lib/errors.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { destroyContainer, killContainer, thawForKill } from "../life/destroy.ts";
import { command } from "../invocation.ts";
import { withLock } from "../life/lock.ts";
import { ContainerDir, type ContainerState } from "../life/store.ts";

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
      if (!force || !isMissing(error)) throw error;
    }
    return 0;
  },
});

const isMissing = (error: unknown): boolean => error instanceof Fault && error.code === "container.not-found";

/** compat: of a creation that was interrupted everything goes, and it is no container. */
async function loadWhole(dir: ContainerDir): Promise<ContainerState> {
  try {
    return dir.load();
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const { awaitCreator, recover } = await import("../interrupted/recover.ts");
  awaitCreator(dir);
  try {
    return dir.load(); // it was only under way
  } catch (error) {
    if (isMissing(error)) await recover(dir);
    throw error;
  }
}

async function removeContainer(dir: ContainerDir, force: boolean): Promise<void> {
  const state = await loadWhole(dir);
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
