// The end of a run whose shim is gone without a word: killed, or down with the host while no daemon was there.
import { existsSync } from "node:fs";
import { nowNano } from "../../../lib/time.ts";
import type { CgroupPaths } from "../../../linux/cgroupfs/hierarchy.ts";
import { listPids } from "../../../linux/cgroupfs/processes.ts";
import { host } from "../../../linux/ops.ts";
import type { ShimExit } from "../../../runtime/shim/client.ts";
import { readExitFile } from "../../../runtime/shim/exit-file.ts";
import type { Keel } from "../../../linux/keel.ts";
import type { ContainerPaths } from "../context.ts";

/** What Docker shows for a container whose end nobody saw, such as one that went down with the host. */
const UNKNOWN_EXIT_CODE = 255;
const KILLED_EXIT_CODE = 128 + 9;

/**
 * Returns how the run ended (`isForced`: because the daemon killed it over its shim's head), from the file that the shim leaves last. Without one the shim was killed, its container with
 * it (by the kernel, except for what a set-id program started): whoever is left is killed, and the cgroups that the shim
 * would have removed are removed here.
 */
export async function lastExit(
  context: { readonly paths: Pick<ContainerPaths, "stateDir">; readonly keel: Keel },
  id: string,
  cgroup: CgroupPaths,
  { isForced = false }: { isForced?: boolean } = {},
): Promise<ShimExit> {
  const known = await readExitFile(context.paths.stateDir(id));
  // Also of a run whose end is known: its shim may have been killed a moment after it wrote it down.
  await removeCgroups(context, cgroup, { attempts: 3 });
  if (known !== null) return known;
  const exitCode = isForced ? KILLED_EXIT_CODE : UNKNOWN_EXIT_CODE;
  return { exitCode, signal: 0, isOomKilled: false, finishedAtNano: nowNano() };
}

/**
 * Removes what is left of a run's cgroups, with whoever is in them. Processes that were killed stay for as long as the kernel needs on a
 * loaded machine: each attempt waits a second for them. Returns whether they are gone.
 */
export async function removeCgroups(
  { keel }: { readonly keel: Keel },
  cgroup: CgroupPaths,
  { attempts }: { attempts: number },
): Promise<boolean> {
  const all = new Set([...Object.values(cgroup.v1), ...(cgroup.v2 === "" ? [] : [cgroup.v2])]);
  const dirs = [...all].filter((dir) => existsSync(dir));
  if (dirs.length === 0) return true;
  const ops = dirs.map((dir) => host.rmdir(dir, { tree: true }));
  for (let attempt = 1; attempt <= attempts; attempt++) {
    killAll(cgroup);
    try {
      await keel.run(ops);
      return true;
    } catch {
      // ignored: somebody is still in one of them; the next attempt, the container's removal or the next daemon is the answer
    }
  }
  return false;
}

function killAll(cgroup: CgroupPaths): void {
  let pids: number[] = [];
  try {
    pids = listPids(cgroup);
  } catch {
    return; // ignored: the cgroup is gone, and so is everything in it
  }
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // ignored: it ended by itself
    }
  }
}
