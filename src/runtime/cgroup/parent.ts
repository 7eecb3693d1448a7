// The parent cgroup that containers share, also with other engines: any of them removes it when its last container is
// gone, and one that was just made has no CPUs yet (cgroup-v1/cpusets.rst). Plans look at it once and hold no lock.

import { SysError } from "../../lib/errors.ts";
import type { CgroupHost } from "../../linux/cgroupfs/hierarchy.ts";

const ENOENT = 2;
const ENOSPC = 28;

/**
 * Runs `attempt`, which plans a cgroup and makes it, and once more when the kernel's refusal says that the parent is no longer what
 * the plan has seen. Throws what the last attempt threw.
 */
export async function withParent<T>(host: CgroupHost, attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (!isOfCgroup(error, host)) throw error;
    return await attempt();
  }
}

/** A directory that is gone, or a cpuset in which nothing can run. */
function isOfCgroup(error: unknown, host: CgroupHost): boolean {
  if (!(error instanceof SysError) || (error.errno !== ENOENT && error.errno !== ENOSPC)) return false;
  const mounts = [...host.v1, ...(host.v2 === undefined ? [] : [host.v2])];
  return mounts.some(({ mountpoint }) => error.path.startsWith(`${mountpoint}/`));
}
