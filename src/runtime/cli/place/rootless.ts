// `--rootless`: who may not make cgroups everywhere runs containers without them. Hierarchies in which nothing can be made are left out, and device
// rules that cannot be set are warnings; only a limit that would be lost is an error, as it is for everybody.

import { dirname } from "node:path";
import { Fault } from "../../../lib/errors.ts";
import { goBool } from "../../../lib/units/go-scalar.ts";
import {
  type CgroupHost,
  type CgroupPaths,
  isOrdinaryUser,
  isWritable,
  loadCgroupHost,
  parseOwnCgroups,
} from "../../../linux/cgroupfs/hierarchy.ts";
import { OPCODES, type Op } from "../../../linux/ops.ts";
import { hasHugetlbV2 } from "../../cgroup/plan.ts";
import type { MountInfo } from "../../../linux/procfs/mountinfo.ts";
import { readProcTextIfPresent } from "../../../linux/procfs/read.ts";
import type { OciResources } from "../../spec/oci.ts";

/** Returns what `--rootless` says: `auto` is anybody but the machine's root. Throws Fault for what says nothing. */
export function isRootless(text: string): boolean {
  if (text === "auto" || text === "") return isOrdinaryUser();
  const said = goBool(text);
  if (said !== null) return said;
  throw new Fault("invalidParameter", `invalid --rootless value "${text}": true, false or auto`, {
    code: "runtime.rootless",
  });
}

/** Returns the hierarchies in which a container's cgroup can be made; all of them for who is not rootless. */
export function hierarchiesOf(rootless: boolean): CgroupHost {
  if (!rootless) return loadCgroupHost(() => true);
  const own = parseOwnCgroups(readProcTextIfPresent("/proc/self/cgroup") ?? "");
  return loadCgroupHost((mount) => isWritable(parentOf(mount, own)));
}

/** The directory that the container's is made in, with a relative cgroupsPath or none; in version 2 alone it is beside ours. */
export function parentOf(
  { fstype, mountpoint, superOptions }: Pick<MountInfo, "fstype" | "mountpoint" | "superOptions">,
  own: ReadonlyMap<string, string>,
): string {
  const v2 = own.get("") ?? "/";
  if (fstype === "cgroup2") return mountpoint + (own.size > 1 ? v2 : dirname(v2));
  const key = superOptions.split(",").find((option) => own.has(option));
  return mountpoint + (own.get(key ?? "") ?? "/");
}

/** compat: runc sets what it can of device rules. */
export function withOptionalDevices(ops: readonly Op[]): Op[] {
  return ops.map(([code, ...args]): Op => {
    const [path = "", data = ""] = args;
    const isRule =
      code === OPCODES.cgroupDevices ||
      (code === OPCODES.write && typeof path === "string" && /\/devices\.(allow|deny)$/.test(path));
    return isRule ? [code, path, data, 1] : [code, ...args];
  });
}

/** Throws Fault for a limit whose controller the container has not got. compat: runc's words. */
export function refuseLostLimits(host: CgroupHost, paths: CgroupPaths, r: OciResources): void {
  if (paths.v2 !== "" && Object.keys(paths.v1).length === 0) return; // its files say what they cannot take
  const isAsked = (limits: object | undefined) => Object.values(limits ?? {}).some((value) => Boolean(value));
  const { cpus, mems, ...cpu } = r.cpu ?? {};
  const asked = {
    memory: isAsked(r.memory),
    cpu: isAsked(cpu),
    cpuset: isAsked({ cpus, mems }),
    pids: isAsked(r.pids),
    blkio: isAsked(r.blockIO),
    hugetlb: isAsked(r.hugepageLimits) && !hasHugetlbV2(host),
    rdma: isAsked(r.rdma),
    net_cls: isAsked({ classID: r.network?.classID }),
    net_prio: isAsked(r.network?.priorities),
  };
  for (const [controller, isLimited] of Object.entries(asked))
    if (isLimited && paths.v1[controller] === undefined)
      throw new Fault(
        "forbidden",
        `cannot set ${controller} limit: container could not join or create cgroup`,
        { code: "container.cgroup-limit" },
      );
}
