// Which cgroup hierarchies this machine has and where a container's directories in them are.
// Reads /proc/self/mountinfo once; writes nothing. On hybrid machines a controller belongs to the hierarchy that
// the kernel has bound it to: v1 where it is mounted there, else v2.
// Used by runtime/cgroup (plans), by the readers beside this file and by engine/system (info).

import { accessSync, constants } from "node:fs";
import { Fault } from "../../lib/errors.ts";
import { isMapped, loadIdMap } from "../idmap.ts";
import { type MountInfo, parseMountInfo } from "../procfs/mountinfo.ts";
import { readProcText } from "../procfs/read.ts";

/** A mounted cgroup v1 hierarchy: one or more controllers, or a name. */
export interface V1Hierarchy {
  /** Controllers as mounted together, such as ["cpu", "cpuacct"]; empty for a named one. */
  controllers: readonly string[];
  /** Name of a hierarchy without controllers, such as "systemd", else "". */
  name: string;
  mountpoint: string;
}

/** The cgroup file systems of this machine. `mode` is what `docker info` calls the cgroup version: unified is 2. */
export interface CgroupHost {
  mode: "unified" | "hybrid" | "legacy" | "none";
  v1: readonly V1Hierarchy[];
  /** Mount point of the v2 hierarchy and the controllers it offers, absent when it is not mounted. */
  v2?: { mountpoint: string; controllers: readonly string[] };
}

/** The directories of one cgroup, by what can be found there. */
export interface CgroupPaths {
  /** v1 controller (or `name=systemd`) → directory. Controllers mounted together share theirs. */
  v1: Readonly<Record<string, string>>;
  /** v2 directory; "" where the container has none. */
  v2: string;
}

/** controllers known to v1 mount options; anything else in the options is a flag. */
const V1_CONTROLLERS: ReadonlySet<string> = new Set([
  "blkio",
  "cpu",
  "cpuacct",
  "cpuset",
  "devices",
  "freezer",
  "hugetlb",
  "memory",
  "misc",
  "net_cls",
  "net_prio",
  "perf_event",
  "pids",
  "rdma",
]);

/** Variable of the environment with the v2 directory that was delegated to an ordinary user's daemon. */
export const DELEGATED_CGROUP = "BERTH_CGROUP";

/**
 * Reads the machine's hierarchies, as far as `isOurs` says that cgroups can be made in them; by default an ordinary user's are those
 * that he may write to at their top. Call it once; they do not change while containers run.
 */
export function loadCgroupHost(isOurs: (mount: MountInfo) => boolean = defaultOurs()): CgroupHost {
  const delegated = process.env[DELEGATED_CGROUP];
  return delegated ? delegatedHost(delegated, readProcText) : machineCgroupHost(isOurs);
}

/** The same without regard to what was delegated. */
export function machineCgroupHost(isOurs: (mount: MountInfo) => boolean = () => true): CgroupHost {
  const mounts = parseMountInfo(cgroupLines(readProcText("/proc/self/mountinfo"))).filter(isOurs);
  return cgroupHostOf(mounts, (path) => readProcText(path));
}

/** Who is not root of the machine sees its hierarchies and may change none of them, or only a part. */
export function isOrdinaryUser(): boolean {
  return process.getuid?.() !== 0 || isMapped(loadIdMap("self"));
}

const defaultOurs = () => (isOrdinaryUser() ? (m: MountInfo) => isWritable(m.mountpoint) : () => true);

/** A machine with many containers has thousands of other mounts. */
function cgroupLines(mountinfo: string): string {
  return mountinfo
    .split("\n")
    .filter((line) => line.includes(" - cgroup"))
    .join("\n");
}

/** Our own cgroup per hierarchy (`memory`, `name=systemd`, "" for version 2), as /proc/self/cgroup tells it. */
export function parseOwnCgroups(text: string): Map<string, string> {
  const own = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, controllers = "", ...path] = line.split(":");
    if (path.length === 0) continue;
    for (const controller of controllers.split(",")) own.set(controller, path.join(":"));
  }
  return own;
}

/** A delegated directory takes the place of the whole tree. */
export function delegatedHost(directory: string, read: (path: string) => string): CgroupHost {
  const controllers = read(`${directory}/cgroup.controllers`).split(/\s+/).filter(Boolean);
  return { mode: "unified", v1: [], v2: { mountpoint: directory, controllers } };
}

export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Decides from a mount table; `read` yields the text of a file below a v2 mount point. Pure, for tests. */
export function cgroupHostOf(mounts: readonly MountInfo[], read: (path: string) => string): CgroupHost {
  const v1: V1Hierarchy[] = [];
  let v2: CgroupHost["v2"];
  const seen = new Set<string>();
  for (const mount of mounts) {
    if (mount.fstype === "cgroup2") {
      v2 ??= {
        mountpoint: mount.mountpoint,
        controllers: read(`${mount.mountpoint}/cgroup.controllers`).split(/\s+/).filter(Boolean),
      };
    } else if (mount.fstype === "cgroup") {
      const hierarchy = v1HierarchyOf(mount);
      const key = hierarchy.name === "" ? hierarchy.controllers.join(",") : `name=${hierarchy.name}`;
      if (key === "" || seen.has(key)) continue; // a second mount of the same hierarchy, as systemd's containers have
      seen.add(key);
      v1.push(hierarchy);
    }
  }
  const hasControllers = v1.some((h) => h.controllers.length > 0);
  const mode = hasControllers ? (v2 ? "hybrid" : "legacy") : v2 ? "unified" : "none";
  return v2 ? { mode, v1: hasControllers ? v1 : [], v2 } : { mode, v1 };
}

function v1HierarchyOf(mount: MountInfo): V1Hierarchy {
  const options = mount.superOptions.split(",");
  const name = options.find((o) => o.startsWith("name="))?.slice("name=".length) ?? "";
  const controllers = options.filter((o) => V1_CONTROLLERS.has(o));
  return { controllers, name: controllers.length > 0 ? "" : name, mountpoint: mount.mountpoint };
}

/** Returns whether a controller can be used at all, and in which version. */
export function controllerVersion(host: CgroupHost, controller: string): 1 | 2 | undefined {
  if (host.v1.some((h) => h.controllers.includes(controller))) return 1;
  return host.v2?.controllers.includes(controller) ? 2 : undefined;
}

/**
 * Returns the directories of the cgroup `path` (absolute inside the hierarchies, such as `/docker/ID`).
 * On hybrid machines `v2` is given only with `usesV2`.
 */
export function cgroupPathsOf(
  host: CgroupHost,
  path: string,
  options: { usesV2?: boolean } = {},
): CgroupPaths {
  const clean = cleanCgroupPath(path);
  const v1: Record<string, string> = {};
  for (const h of host.v1) {
    const dir = h.mountpoint + clean;
    if (h.name !== "") v1[`name=${h.name}`] = dir;
    for (const controller of h.controllers) v1[controller] = dir;
  }
  const usesV2 = host.v2 !== undefined && (host.mode === "unified" || options.usesV2 === true);
  return { v1, v2: usesV2 && host.v2 ? host.v2.mountpoint + clean : "" };
}

/** Returns an absolute path without empty, `.` and `..` parts: a cgroup parent comes from a request and must not climb. */
export function cleanCgroupPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  const clean = `/${parts.join("/")}`;
  if (clean.length > 3000 || clean.includes("\0") || clean.includes("\n")) {
    throw new Fault("invalidParameter", "invalid cgroup path: too long or with control characters", {
      code: "cgroup.invalid-path",
    });
  }
  return clean === "/" ? "" : clean;
}
