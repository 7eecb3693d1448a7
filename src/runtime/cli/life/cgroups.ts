// Where a bundle's container is put: linux.cgroupsPath by runc's rules, relative to our own cgroup in each hierarchy where it is not
// absolute, and absent the container's id. An existing cgroup is joined when nobody is in it. Limits are runtime/cgroup's.

import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../../../lib/errors.ts";
import { readFreezerState } from "../../../linux/cgroupfs/freezer-state.ts";
import {
  type CgroupHost,
  type CgroupPaths,
  cleanCgroupPath,
  parseOwnCgroups,
} from "../../../linux/cgroupfs/hierarchy.ts";
import { oomFileOf } from "../../../linux/cgroupfs/stats.ts";
import { host as hostOp, type Op } from "../../../linux/ops.ts";
import { readProcTextIfPresent } from "../../../linux/procfs/read.ts";
import { type CgroupPlan, type CgroupView, hasHugetlbV2 } from "../../cgroup/plan.ts";
import { planCpusetV1, planResourcesV1 } from "../../cgroup/v1.ts";
import { planParentV2, planResourcesV2 } from "../../cgroup/v2.ts";
import { defaultDeviceRules } from "../../spec/defaults.ts";
import type { OciDeviceRule, OciResources } from "../../spec/oci.ts";
import { cgroupDirs, pidsIn } from "./cgroup-end.ts";

/** Returns the directories of the container's cgroup. */
export function bundleCgroup(
  host: CgroupHost,
  request: { cgroupsPath: string | undefined; id: string },
  own: ReadonlyMap<string, string>,
): CgroupPaths {
  const path = request.cgroupsPath || request.id;
  const isAbsolute = request.cgroupsPath?.startsWith("/") === true;
  const below = (base: string) => (isAbsolute ? "" : cleanCgroupPath(base)) + cleanCgroupPath(path);
  const v1: Record<string, string> = {};
  for (const { controllers, name, mountpoint } of host.v1) {
    const keys = name === "" ? controllers : [`name=${name}`];
    for (const key of keys) v1[key] = mountpoint + below(own.get(key) ?? "/");
  }
  const v2 = host.v2 ? host.v2.mountpoint + below(v2Base(host, own.get("") ?? "/")) : "";
  return { v1, v2 };
}

/** compat: where version 2 has controllers our own cgroup, which has processes, can have no children that have them: beside it. */
function v2Base(host: CgroupHost, own: string): string {
  return host.mode === "unified" ? dirname(own) : own;
}

/**
 * What every container may use, whatever its list says (runtime-spec config-linux.md "Default Devices"), behind a
 * list that starts from nothing.
 */
export function deviceRules(given: readonly OciDeviceRule[]): OciDeviceRule[] {
  const [denyAll, ...defaults] = defaultDeviceRules();
  const isTun = (rule: OciDeviceRule) => rule.major === 10 && rule.minor === 200; // Docker's, not the specification's
  return [denyAll as OciDeviceRule, ...given, ...defaults.filter((rule) => !isTun(rule))];
}

/** Plans the cgroups. Throws Fault conflict when processes of somebody else's are in there already. */
export function planBundleCgroup(
  host: CgroupHost,
  request: { cgroupsPath: string | undefined; id: string; resources: OciResources; paths?: CgroupPaths },
): CgroupPlan {
  if (host.mode !== "unified" && Object.keys(request.resources.unified ?? {}).length > 0)
    throw new Fault("invalidParameter", "invalid configuration: cannot use unified on cgroup v1", {
      code: "container.cgroup-unified",
    });
  const warnings: string[] = [];
  const resources = { ...request.resources, devices: deviceRules(request.resources.devices ?? []) };
  const own = parseOwnCgroups(readProcTextIfPresent("/proc/self/cgroup") ?? "");
  const paths = request.paths ?? bundleCgroup(host, request, own);
  checkUnused(paths);
  const dirs = [...new Set(Object.values(paths.v1))];
  const create = planMake(host, paths, dirs, resources, warnings);
  return {
    paths,
    views: viewsOf(host, paths),
    create,
    join: { cgroups: dirs, cgroup2: paths.v2 },
    remove: [],
    oomFile: oomFileOf(paths),
    warnings,
  };
}

function planMake(
  host: CgroupHost,
  paths: CgroupPaths,
  v1Dirs: readonly string[],
  resources: OciResources,
  warnings: string[],
): Op[] {
  const read = readProcTextIfPresent;
  const ops: Op[] = [];
  const cpusetMount = host.v1.find((h) => h.controllers.includes("cpuset"))?.mountpoint;
  const cpusetParent = dirname(paths.v1["cpuset"] ?? "/").slice(cpusetMount?.length ?? 0);
  const parentV2 = paths.v2 === "" ? "" : dirname(paths.v2).slice(host.v2?.mountpoint.length ?? 0);
  for (const dir of paths.v2 === "" ? v1Dirs : [...v1Dirs, paths.v2]) {
    // what was there before us stays when we fail
    if (!existsSync(dir)) ops.push(hostOp.onFailure(hostOp.rmdir(dir)));
    ops.push(hostOp.mkdir(dir, 0o755, { parents: true }));
  }
  if (paths.v2 !== "") ops.push(...planParentV2(host, parentV2, read));
  if (v1Dirs.length > 0) {
    ops.push(...planCpusetV1(host, { parent: cpusetParent, dir: paths.v1["cpuset"] }, read));
    ops.push(...planResourcesV1(paths.v1, resources, warnings, { hasHugetlbV2: hasHugetlbV2(host) }));
  }
  if (paths.v2 !== "") {
    const options = { isOnlyBeside: v1Dirs.length > 0, read, parent: parentV2 };
    ops.push(...planResourcesV2(paths.v2, resources, options, host, warnings));
  }
  return ops;
}

/** compat: runc's two refusals, in its words. */
function checkUnused(paths: CgroupPaths): void {
  const conflict = (message: string) => new Fault("conflict", message, { code: "container.cgroup-in-use" });
  const dirs = cgroupDirs(paths);
  if (!dirs.some((dir) => existsSync(dir))) return;
  if (paths.v1["freezer"] !== undefined ? existsSync(paths.v1["freezer"]) : paths.v2 !== "")
    if (readFreezerState(paths) === "frozen") throw conflict("container's cgroup unexpectedly frozen");
  const pids = pidsIn(paths);
  if (pids.length > 0) throw conflict(`container's cgroup is not empty: ${pids.length} process(es) found`);
}

function viewsOf(host: CgroupHost, paths: CgroupPaths): CgroupView[] {
  if (host.mode === "unified") return [{ version: 2, name: "", data: "", dir: paths.v2 }];
  return host.v1.map((h) => {
    const data = h.name === "" ? h.controllers.join(",") : `name=${h.name}`;
    const dir = paths.v1[h.name === "" ? (h.controllers[0] ?? "") : data] ?? "";
    return { version: 1, name: h.mountpoint.slice(h.mountpoint.lastIndexOf("/") + 1), data, dir };
  });
}
