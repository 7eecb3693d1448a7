// A daemon inside of a container (or any cgroup that was delegated to it) on cgroup v2: the root that it sees is no real root, so the
// kernel gives controllers to cgroups below it only while no process is in it ("no internal processes", cgroup-v2.rst). Whoever is
// there, the daemon among them, moves into a leaf of its own. On a real root nothing is to be done.

import type { CgroupHost } from "../../linux/cgroupfs/hierarchy.ts";
import { host as hostOp, type Op } from "../../linux/ops.ts";
import { readProcTextIfPresent } from "../../linux/procfs/read.ts";
import type { ReadCgroupFile } from "./plan.ts";
import { lackingControllers, planParentV2 } from "./v2.ts";

/** The leaf's name, which is the one that other engines use. */
const LEAF = "init";
/** Processes that are started while others are moved stay behind: how often to look again. */
const MAX_ROUNDS = 10;

/** Returns one round of moving, [] when there is nothing to do (any more). */
export function planDelegation(host: CgroupHost, read: ReadCgroupFile = readProcTextIfPresent): Op[] {
  if (host.mode !== "unified" || !host.v2) return [];
  const root = host.v2.mountpoint;
  const isRealRoot = read(`${root}/cgroup.events`) === undefined;
  if (isRealRoot || lackingControllers(host, root, read).length === 0) return [];
  const pids = (read(`${root}/cgroup.procs`) ?? "").split("\n").filter((pid) => Number(pid) > 0);
  if (pids.length === 0) return planParentV2(host, "", read);
  const leaf = `${root}/${LEAF}`;
  const moves = pids.map((pid) => hostOp.write(`${leaf}/cgroup.procs`, pid, { optional: true }));
  return [hostOp.mkdir(leaf, 0o755), ...moves];
}

/** Moves and enables; returns whether anything was done. `run` is LinuxAgent.run. */
export async function delegateControllers(
  host: CgroupHost,
  run: (ops: readonly Op[]) => Promise<unknown>,
): Promise<boolean> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const ops = planDelegation(host);
    if (ops.length === 0) return round > 0;
    await run(ops);
  }
  return true;
}
