// Which cgroup a container has: the parent that it, or the daemon, asks for, and its id.
import type { CgroupPaths } from "../../../linux/cgroupfs/hierarchy.ts";
import { type CgroupRequest, containerCgroup } from "../../../runtime/cgroup/plan.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";

/** Returns what planCgroup needs to know of a container besides its limits. */
export function cgroupRequest(
  context: Pick<ContainerContext, "cgroupParent">,
  record: Pick<ContainerRecord, "id" | "hostConfig">,
): CgroupRequest {
  return { parent: record.hostConfig.CgroupParent || context.cgroupParent, id: record.id };
}

/** Returns the directories of a container's cgroup. */
export function cgroupOf(
  context: Pick<ContainerContext, "cgroupParent" | "cgroups">,
  record: Pick<ContainerRecord, "id" | "hostConfig">,
): CgroupPaths {
  return containerCgroup(context.cgroups, cgroupRequest(context, record));
}
