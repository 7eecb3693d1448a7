// Letting a created container run its program: one byte into the fifo at which its first process waits. Whoever renames the fifo is
// the one that starts it, so that two at once cannot both believe they did.

import { closeSync, constants, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { Fault } from "../../../lib/errors.ts";
import { runHooks } from "./hooks.ts";
import type { ContainerDir, ContainerState } from "./store.ts";

/** Starts it and runs the poststart hooks; one that fails ends the container. Throws Fault when it is not created. */
export async function startContainer(dir: ContainerDir, state: ContainerState): Promise<void> {
  const status = dir.statusOf(state);
  if (status === "stopped") throw cannot("cannot start a container that has stopped");
  if (status !== "created") throw cannot("cannot start an already running container");
  release(dir);
  try {
    await runHooks(state.spec.hooks?.poststart ?? [], "poststart", state, "running");
  } catch (error) {
    const { killContainer } = await import("./destroy.ts");
    killContainer(state);
    throw error;
  }
}

function release(dir: ContainerDir): void {
  const claimed = `${dir.fifo}.started`;
  try {
    renameSync(dir.fifo, claimed);
    // fails without a reader (ENXIO), which is a process that is gone
    const fd = openSync(claimed, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(fd, "0");
    closeSync(fd);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw cannot("cannot start an already running container");
    if (code === "ENXIO") throw cannot("cannot start a container that has stopped");
    throw error;
  } finally {
    rmSync(claimed, { force: true });
  }
}

function cannot(message: string): Fault {
  return new Fault("conflict", message, { code: "container.not-created" });
}
