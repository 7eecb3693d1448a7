// The end of a container: killing what is in it, waiting until it is gone, taking away cgroup and directory, poststop hooks.

import { Fault } from "../../../lib/errors.ts";
import { readFreezerState } from "../../../linux/cgroupfs/freezer-state.ts";
import { CLONE_FLAG } from "../../plan/namespaces.ts";
import { pidsIn, removeCgroup } from "./cgroup-end.ts";
import { runHooks } from "./hooks.ts";
import { withLock } from "./lock.ts";
import { pause } from "./pause-briefly.ts";
import { type ContainerDir, type ContainerState, isAlive } from "./store.ts";

const SIGKILL = 9;
/** As long as runc waits. */
const PATIENCE_MS = 10_000;

export const hasOwnPids = (state: ContainerState): boolean => (state.namespaces & CLONE_FLAG.pid) !== 0;

/** Sends a signal to the first process. Throws Fault when it is not running. */
export function signalContainer(state: ContainerState, signo: number): void {
  if (!isAlive(state) || !send(state.pid, signo)) throw notRunning();
}

/** Sends a signal to every process in the container's cgroup. */
export function signalAll(state: ContainerState, signo: number): void {
  for (const pid of pidsIn(state.cgroup.paths)) send(pid, signo);
}

/** Kills everything in the container; a frozen one is thawed for that. */
export function killContainer(state: ContainerState): void {
  if (isAlive(state)) send(state.pid, SIGKILL);
  if (!hasOwnPids(state)) signalAll(state, SIGKILL);
}

/** In version 1 a frozen process does not die of its signal. */
export async function thawForKill(dir: ContainerDir, state: ContainerState): Promise<void> {
  if (state.cgroup.paths.v1["freezer"] === undefined) return;
  try {
    if (readFreezerState(state.cgroup.paths) === "thawed") return;
    const { planThaw } = await import("../../../linux/cgroupfs/freezer.ts");
    const { runOps } = await import("./keel-run.ts");
    runOps(planThaw(state.cgroup.paths), dir.path);
  } catch (error) {
    if (!(error instanceof Fault)) throw error; // ignored: a cgroup that is gone is not frozen
  }
}

function send(pid: number, signo: number): boolean {
  try {
    process.kill(pid, signo);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** compat: containerd looks for these words. */
export function notRunning(): Fault {
  return new Fault("conflict", "container not running", { code: "container.not-running" });
}

/** Returns when the first process is gone. Throws Fault deadline after ten seconds. */
export function awaitEnd(state: ContainerState): void {
  for (let waitedMs = 0; isAlive(state); waitedMs += pause(waitedMs))
    if (waitedMs > PATIENCE_MS)
      throw new Fault("deadline", "container init still running", { code: "container.still-running" });
}

/** Removes what is left of a container whose first process is gone, or about to go. */
export async function destroyContainer(dir: ContainerDir, state: ContainerState): Promise<void> {
  awaitEnd(state);
  if (!hasOwnPids(state)) signalAll(state, SIGKILL);
  if (state.rootMount !== undefined)
    (await import("../place/caller-root.ts")).unmountRoot(
      state.spec.root?.path ?? "",
      state.rootMount,
      dir.path,
    );
  const { unit } = state.cgroup;
  if (unit !== undefined) await (await import("../../systemd/scope.ts")).stopScope(unit);
  removeCgroup(state.cgroup.paths);
  if (state.cgroup.resctrl) (await import("../../resctrl/group.ts")).removeResctrlGroup(state.cgroup.resctrl);
  dir.remove();
  await runHooks(state.spec.hooks?.poststop ?? [], "poststop", state, "stopped");
}

/** As destroyContainer, for who has stayed with the process: a checkpoint that has ended it removes the container itself. */
export async function destroyUnlessGone(dir: ContainerDir): Promise<void> {
  try {
    await withLock(dir.path, () => destroyContainer(dir, dir.load()));
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "container.not-found") throw error;
  }
}
