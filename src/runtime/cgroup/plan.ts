// A container's cgroups as operations: which directories to make, what to write there before the first process joins,
// where it joins, and how everything goes away again. Decides only; keel acts.
// Hot path: a container without limits costs one mkdir per hierarchy and the device list, nothing else (measured
// here: 110–200 µs for nine mkdirs, 30–45 µs for the 13 writes of the device list). cpuset needs no writes, only looks,
// because the parent is made with cgroup.clone_children.

import { readdirSync } from "node:fs";
import {
  type CgroupHost,
  type CgroupPaths,
  cgroupPathsOf,
  cleanCgroupPath,
} from "../../linux/cgroupfs/hierarchy.ts";
import { oomFileOf } from "../../linux/cgroupfs/stats.ts";
import { host as hostOp, type Op } from "../../linux/ops.ts";
import { readProcTextIfPresent } from "../../linux/procfs/read.ts";
import { Fault } from "../../lib/errors.ts";
import type { OciResources } from "../spec/oci.ts";
import { planCpusetV1, planResourcesV1 } from "./v1.ts";
import { planParentV2, planResourcesV2 } from "./v2.ts";

/** Reads a cgroup file, undefined when it is not there; tests give a fake. */
export type ReadCgroupFile = (path: string) => string | undefined;

export interface CgroupRequest {
  /** Parent path inside the hierarchies; Docker's default is /docker. */
  parent?: string;
  /** Name of the container's own directory: its id. */
  id: string;
  resources?: OciResources;
}

/** All that is to be done about a container's cgroups. */
export interface CgroupPlan {
  paths: CgroupPaths;
  /** The hierarchies as a container should see them in /sys/fs/cgroup. */
  views: CgroupView[];
  /** Host operations before the shim starts, each directory with its removal on failure. */
  create: Op[];
  /** For ShimPlan.cgroups and ShimPlan.cgroup2. */
  join: { cgroups: string[]; cgroup2: string };
  /** Host operations after the last process is gone. */
  remove: Op[];
  /** For ShimPlan.oomFile. */
  oomFile: string;
  warnings: string[];
}

/** One hierarchy: where it appears, what mount(2) calls it, and the container's own directory in it. */
export interface CgroupView {
  version: 1 | 2;
  /** Name below /sys/fs/cgroup (that of the host's mount point), "" for a v2 hierarchy that is all there is. */
  name: string;
  /** Controllers or `name=…` for a v1 mount. */
  data: string;
  dir: string;
}

export const DEFAULT_CGROUP_PARENT = "/docker";

/** Returns the directories of the container's cgroup, without planning anything: the same as its plan's `paths`. */
export function containerCgroup(host: CgroupHost, request: CgroupRequest): CgroupPaths {
  return cgroupPathsOf(host, containerPath(request), { usesV2: usesV2Beside(host, request.resources) });
}

function containerPath(request: CgroupRequest): string {
  return `${cleanCgroupPath(request.parent ?? DEFAULT_CGROUP_PARENT)}/${request.id}`;
}

/** On hybrid machines the container gets a v2 directory only for limits whose controller is bound there. */
function usesV2Beside(host: CgroupHost, resources: OciResources | undefined): boolean {
  if (host.mode !== "hybrid" || !host.v2) return false;
  const needsHugetlb = (resources?.hugepageLimits?.length ?? 0) > 0 && hasHugetlbV2(host);
  return needsHugetlb || Object.keys(resources?.unified ?? {}).length > 0;
}

/** Whether huge pages are limited by version 2, which on hybrid machines is there for that, too. */
export const hasHugetlbV2 = (host: CgroupHost) => host.v2?.controllers.includes("hugetlb") === true;

function checkUnified(host: CgroupHost, resources: OciResources): void {
  if (host.v2 || Object.keys(resources.unified ?? {}).length === 0) return;
  throw new Fault("invalidParameter", "invalid configuration: cannot use unified on cgroup v1", {
    code: "cgroup.unified",
  });
}

/**
 * Plans the cgroups of a container. The parent's state is read (one small file when it is prepared already), since
 * only a new parent needs preparation. Throws Fault invalidParameter for limits that contradict each other.
 */
export function planCgroup(
  host: CgroupHost,
  request: CgroupRequest,
  read: ReadCgroupFile = readProcTextIfPresent,
): CgroupPlan {
  const resources = request.resources ?? {};
  checkUnified(host, resources);
  const readOnce = memoize(read);
  const parent = cleanCgroupPath(request.parent ?? DEFAULT_CGROUP_PARENT);
  const paths = containerCgroup(host, request);
  const warnings: string[] = [];
  const v1Dirs = unique(Object.values(paths.v1));
  const create: Op[] = [];
  const dirs = paths.v2 === "" ? v1Dirs : [...v1Dirs, paths.v2];
  // one registration for all: a roll-back removes whatever of them was made, rmdir of a missing one is fine
  for (const dir of dirs)
    create.push(hostOp.onFailure(hostOp.rmdir(dir)), hostOp.mkdir(dir, 0o755, { parents: true }));
  if (paths.v2 !== "") create.push(...planParentV2(host, parent, readOnce));
  if (v1Dirs.length > 0) {
    const options = { hasHugetlbV2: hasHugetlbV2(host) };
    create.push(...planCpusetV1(host, { parent, dir: paths.v1["cpuset"] }, readOnce));
    create.push(...planResourcesV1(paths.v1, resources, warnings, options));
  }
  if (paths.v2 !== "") {
    const isOnlyBeside = v1Dirs.length > 0;
    create.push(
      ...planResourcesV2(paths.v2, resources, { isOnlyBeside, read: readOnce, parent }, host, warnings),
    );
  }
  return {
    paths,
    views: viewsOf(host, paths),
    create,
    join: { cgroups: v1Dirs, cgroup2: paths.v2 },
    remove: dirs.map((dir) => hostOp.rmdir(dir, { tree: true })),
    oomFile: oomFileOf(paths),
    warnings,
  };
}

/** The parent's files are asked for by each level below it. */
function memoize(read: ReadCgroupFile): ReadCgroupFile {
  const known = new Map<string, string | undefined>();
  return (path) => {
    if (!known.has(path)) known.set(path, read(path));
    return known.get(path);
  };
}

/**
 * Returns the writes that change the limits of a running container (`docker update`). `read` tells the present memory
 * limit, on which the order of the two memory writes depends. Device rules are replaced as a whole on v2; on v1, where there
 * would be a moment without them, they stay.
 */
export function planCgroupUpdate(
  host: CgroupHost,
  paths: CgroupPaths,
  resources: OciResources,
  read: ReadCgroupFile = readProcTextIfPresent,
): { ops: Op[]; warnings: string[] } {
  checkUnified(host, resources);
  const warnings: string[] = [];
  const ops: Op[] = [];
  if (Object.keys(paths.v1).length > 0) {
    const { devices: _, ...limits } = resources;
    const memory = paths.v1["memory"];
    const currentMemoryLimit =
      memory === undefined ? 0 : Number(read(`${memory}/memory.limit_in_bytes`) ?? 0);
    const options = { currentMemoryLimit, hasHugetlbV2: hasHugetlbV2(host) };
    ops.push(...planResourcesV1(paths.v1, limits, warnings, options));
  }
  if (paths.v2 !== "") {
    const isOnlyBeside = Object.keys(paths.v1).length > 0;
    ops.push(...planResourcesV2(paths.v2, resources, { isOnlyBeside, read }, host, warnings));
  }
  return { ops, warnings };
}

/**
 * Returns the operations that remove the parent itself where nothing is below it any more: other engines use the same
 * one, and each rmdir of a busy directory would wait for a second. They fail harmlessly when it came into use meanwhile.
 */
export function planCgroupParentRemoval(
  host: CgroupHost,
  parent = DEFAULT_CGROUP_PARENT,
  isEmpty: (dir: string) => boolean = hasNoSubdirectory,
): Op[] {
  const clean = cleanCgroupPath(parent);
  if (clean === "") return [];
  const paths = cgroupPathsOf(host, clean, { usesV2: true });
  const dirs = unique(Object.values(paths.v1));
  if (paths.v2 !== "") dirs.push(paths.v2);
  return dirs.filter(isEmpty).map((dir) => hostOp.rmdir(dir));
}

function hasNoSubdirectory(dir: string): boolean {
  try {
    return !readdirSync(dir, { withFileTypes: true }).some((entry) => entry.isDirectory());
  } catch {
    return false; // ignored: a directory that is not there needs no removal
  }
}

function viewsOf(host: CgroupHost, paths: CgroupPaths): CgroupView[] {
  if (host.mode === "unified") return [{ version: 2, name: "", data: "", dir: paths.v2 }];
  return host.v1.map((h) => {
    const data = h.name === "" ? h.controllers.join(",") : `name=${h.name}`;
    const dir = paths.v1[h.name === "" ? (h.controllers[0] ?? "") : data] ?? "";
    return { version: 1, name: h.mountpoint.slice(h.mountpoint.lastIndexOf("/") + 1), data, dir };
  });
}

function unique(dirs: readonly string[]): string[] {
  return [...new Set(dirs)];
}
