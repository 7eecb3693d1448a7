// A creation that was interrupted: its processes end, and everything goes that it had noted (intent.ts), whether it came to make it or not.
// Its processes are copies of keel until they become programs, and keel's command line names the container's directory.

import { readdirSync } from "node:fs";
import { Fault } from "../../../lib/errors.ts";
import { parseMountInfo } from "../../../linux/procfs/mountinfo.ts";
import { readCommandLine } from "../../../linux/procfs/process.ts";
import { readProcText } from "../../../linux/procfs/read.ts";
import { removeResctrlGroup } from "../../resctrl/group.ts";
import { pidsIn, removeCgroup } from "../life/cgroup-end.ts";
import { pause } from "../life/pause-briefly.ts";
import { type ContainerDir, isAlive } from "../life/store.ts";
import { realPathOf, unmountRoot } from "../place/caller-root.ts";
import { type Intent, loadIntent } from "./intent.ts";

const PATIENCE_MS = 10_000;

/** Returns when nobody is making the container any more. Throws Fault unavailable after ten seconds of waiting. */
export function awaitCreator(dir: ContainerDir): void {
  for (let waitedMs = 0; ; waitedMs += pause(waitedMs)) {
    const creator = loadIntent(dir)?.creator;
    if (creator === undefined || !isAlive(creator)) return;
    if (waitedMs > PATIENCE_MS)
      throw new Fault("unavailable", `container ${dir.id} is being created by process ${creator.pid}`, {
        code: "container.locked",
      });
  }
}

/** Removes what a creation has left, and the container's directory. Throws Fault and SysError; it can be called again then. */
export async function recover(dir: ContainerDir): Promise<void> {
  const intent = loadIntent(dir);
  if (intent !== undefined) await takeBack(dir, intent);
  dir.remove();
}

async function takeBack(dir: ContainerDir, { cgroups, unit, resctrl, root }: Intent): Promise<void> {
  endAll(() => [...makersOf(dir), ...cgroups.flatMap((path) => pidsIn({ v1: {}, v2: path }))]);
  if (root !== undefined) unmountAbove(root, dir);
  if (unit !== undefined) await (await import("../../systemd/scope.ts")).stopScope(unit);
  for (const path of cgroups) removeCgroup({ v1: {}, v2: path });
  removeResctrlGroup({ remove: resctrl });
}

/** Kills until there is nobody: one that is killed may have just made another. */
function endAll(find: () => number[]): void {
  for (let waitedMs = 0; ; waitedMs += pause(waitedMs)) {
    const killed = find().filter(kill);
    if (killed.length === 0) return;
    if (waitedMs > PATIENCE_MS)
      throw new Fault("deadline", `process ${killed[0]} of an interrupted creation does not end`, {
        code: "container.still-running",
      });
  }
}

/** Returns false for one that is gone, or somebody else's: a command line is no proof. */
function kill(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}

/** keel, and whatever is still a copy of it: `keel run DIR`, `keel run WAY DIR`. */
function makersOf(dir: ContainerDir): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && isMaker(readCommandLine(pid), dir.path));
}

const isMaker = ([, verb, ...args]: readonly string[], path: string): boolean =>
  verb === "run" && args.length <= 2 && args.at(-1) === path;

/** The root was mounted on itself: what is on the mount that was there is the container's. */
function unmountAbove({ path, below }: { path: string; below: number }, dir: ContainerDir): void {
  const at = realPathOf(path);
  const mount = parseMountInfo(readProcText("/proc/self/mountinfo")).find(
    ({ parentId, mountpoint }) => parentId === below && mountpoint === at,
  );
  if (mount !== undefined) unmountRoot(path, mount.id, dir.path);
}
