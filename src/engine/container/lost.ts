// The end of a run whose shim is gone without a word: killed, or down with the host while no daemon was there.
import { nowNano } from "../../lib/time.ts";
import { host } from "../../linux/ops.ts";
import { containerCgroup } from "../../runtime/cgroup/plan.ts";
import { readExitFile, type ShimExit } from "../../runtime/shim/client.ts";
import type { ContainerContext } from "./context.ts";

/** What Docker shows for a container whose end nobody saw. */
const UNKNOWN_EXIT_CODE = 255;

/**
 * Returns how the run ended, from the file that the shim leaves last; without one the shim was killed, its container with
 * it, and the cgroups that it would have removed are removed here.
 */
export async function lastExit(
  context: Pick<ContainerContext, "paths" | "keel" | "cgroups">,
  id: string,
  cgroupParent: string,
): Promise<ShimExit> {
  const known = await readExitFile(context.paths.stateDir(id));
  if (known !== null) return known;
  const paths = containerCgroup(context.cgroups, {
    ...(cgroupParent === "" ? {} : { parent: cgroupParent }),
    id,
  });
  const dirs = new Set([...Object.values(paths.v1), ...(paths.v2 === "" ? [] : [paths.v2])]);
  for (const dir of dirs) await context.keel.run([host.rmdir(dir)]).catch(() => {}); // ignored: something moved in that is not ours
  return { exitCode: UNKNOWN_EXIT_CODE, signal: 0, isOomKilled: false, finishedAtNano: nowNano() };
}
