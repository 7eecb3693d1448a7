// The end of a run whose shim is gone without a word: killed, or down with the host while no daemon was there.
import { nowNano } from "../../../lib/time.ts";
import type { CgroupPaths } from "../../../linux/cgroupfs/hierarchy.ts";
import { listPids } from "../../../linux/cgroupfs/processes.ts";
import { host } from "../../../linux/ops.ts";
import { readExitFile, type ShimExit } from "../../../runtime/shim/client.ts";
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
  if (known !== null) return known;
  killAll(cgroup);
  const dirs = new Set([...Object.values(cgroup.v1), ...(cgroup.v2 === "" ? [] : [cgroup.v2])]);
  for (const dir of dirs) await context.keel.run([host.rmdir(dir, { tree: true })]).catch(() => {}); // ignored: something moved in that is not ours
  const exitCode = isForced ? KILLED_EXIT_CODE : UNKNOWN_EXIT_CODE;
  return { exitCode, signal: 0, isOomKilled: false, finishedAtNano: nowNano() };
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
