// The part of the cgroup tree that an ordinary user's daemon may use: what the machine's manager has delegated to it (cgroup v2, "Delegation
// Containment"), as systemd does for a unit with Delegate=yes. Since a cgroup whose children have controllers takes no processes itself,
// the daemon moves into a leaf first.
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type MountInfo, parseMountInfo } from "../../linux/procfs/mountinfo.ts";

/** The daemon's own leaf. */
const LEAF = "berth-daemon";

/** Files that come with delegation; without them the directory alone is of no use. */
const DELEGATED = ["", "cgroup.procs", "cgroup.subtree_control"];

/** Returns the directory of this process's cgroup on a machine with version 2 alone, undefined on others. */
export function ownCgroup(mounts: readonly MountInfo[], procCgroup: string): string | undefined {
  const unified = mounts.find((m) => m.fstype === "cgroup2");
  const path = /^0::(\/.*)$/m.exec(procCgroup)?.[1];
  if (unified === undefined || path === undefined || mounts.some((m) => m.fstype === "cgroup"))
    return undefined;
  return path === "/" ? unified.mountpoint : `${unified.mountpoint}${path}`;
}

/**
 * Moves this process into a leaf of the cgroup that was delegated to it and returns that cgroup, for containers; undefined where
 * there is none, or where others are in it, whom nobody may move.
 */
export function claimCgroup(): string | undefined {
  const own = ownCgroup(parseMountInfo(read("/proc/self/mountinfo")), read("/proc/self/cgroup"));
  if (own === undefined) return undefined;
  const root = basename(own) === LEAF ? dirname(own) : own;
  try {
    for (const name of DELEGATED) accessSync(join(root, name), constants.W_OK);
    mkdirSync(join(root, LEAF), { recursive: true });
    writeFileSync(join(root, LEAF, "cgroup.procs"), String(process.pid));
    if (read(join(root, "cgroup.procs")).trim() === "") return root;
    writeFileSync(join(root, "cgroup.procs"), String(process.pid));
    return undefined;
  } catch {
    return undefined; // ignored: not delegated, which `info` says
  }
}

const read = (path: string): string => readFileSync(path, "utf8");
