// Which cgroup a container has: the parent that it, or the daemon, asks for, and its id; with systemd a scope in a slice. As the latest start
// made it, it is in the container's record: the daemon's settings may change while the container runs.
import { messageOf } from "../../../lib/errors.ts";
import type { CgroupPaths } from "../../../linux/cgroupfs/hierarchy.ts";
import { OPCODES, type Op } from "../../../linux/ops.ts";
import { containerCgroup, DEFAULT_CGROUP_PARENT, type CgroupPlan } from "../../../runtime/cgroup/plan.ts";
import type { ScopePlace } from "../../../runtime/systemd/driver.ts";
import type { OciResources } from "../../../runtime/spec/oci.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";

/** Where a cgroup is, as CgroupRequest names it. */
export interface CgroupPlace {
  readonly parent: string;
  /** The directory's name. */
  readonly id: string;
  /** It is a scope of systemd's, in this slice. */
  readonly slice?: string;
}

/** Returns the place of a container, or a build step, that is to be started. Throws Fault for a parent that cannot be. */
export function newCgroupPlace(
  { cgroupParent, systemd }: Pick<ContainerContext, "cgroupParent" | "systemd">,
  parent: string | undefined,
  id: string,
): CgroupPlace {
  return systemd === undefined ? { parent: parent || cgroupParent, id } : systemd.place(parent ?? "", id);
}

/** Returns the directories of a container's cgroup. */
export function cgroupOf(
  context: Pick<ContainerContext, "cgroupParent" | "cgroups">,
  record: Pick<ContainerRecord, "id" | "hostConfig" | "cgroup">,
): CgroupPaths {
  const { cgroup, hostConfig, id } = record;
  // Older versions kept no place, and knew no scopes.
  const parent = hostConfig.CgroupParent || context.cgroupParent || DEFAULT_CGROUP_PARENT;
  return containerCgroup(context.cgroups, cgroup ?? { parent, id });
}

const isScope = (place: CgroupPlace): place is ScopePlace => place.slice !== undefined;

/**
 * Has systemd know of a scope whose cgroups, of `plan`, were just made, with the first process still waiting in them. Nothing to do for other
 * cgroups. Throws Fault.
 */
export async function adoptScope(
  { systemd, keel }: Pick<ContainerContext, "systemd" | "keel">,
  place: CgroupPlace,
  { pid, resources, plan }: { pid: number; resources: OciResources; plan: Pick<CgroupPlan, "create"> },
): Promise<void> {
  if (systemd === undefined || !isScope(place)) return;
  await systemd.adopt(place, { id: place.id, pid, resources });
  await keel.run(plan.create.filter(isLimit));
}

/** What makes and takes away directories is done. */
const isLimit = ([code]: Op): boolean => code !== OPCODES.mkdir && code !== OPCODES.onFailure;

/** Stops a scope whose processes have ended, which systemd may have seen by itself; a failure is told in the log alone. */
export async function endScope(
  { systemd, log }: Pick<ContainerContext, "systemd" | "log">,
  place: CgroupPlace | undefined,
): Promise<void> {
  if (systemd === undefined || place === undefined || !isScope(place)) return;
  await systemd.stop(place).catch((error: unknown) => log("warn", messageOf(error)));
}

/** Tells systemd of other limits of a scope; its files are the caller's to write. Throws Fault. */
export async function updateScope(
  { systemd, keel }: Pick<ContainerContext, "systemd" | "keel">,
  place: CgroupPlace | undefined,
  paths: CgroupPaths,
  change: OciResources,
): Promise<void> {
  if (systemd === undefined || place === undefined || !isScope(place)) return;
  await systemd.update(place, paths, change, (ops) => keel.run(ops));
}
