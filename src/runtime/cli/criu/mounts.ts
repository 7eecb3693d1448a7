// Mounts that criu does not put into its images because they are not the container's own: binds of the host's files. Each has a name in the
// images, which is the place where the container's configuration wants it; at a restore the name stands for what is bound there now.
//
// compat: runc and crun give the same names, so that an image can be restored by any of the three.

import { posix } from "node:path";
import { resolvePaths } from "../../../linux/criu.ts";
import { inner, type Op } from "../../../linux/ops.ts";
import { MS, parseMountOptions } from "../../../linux/mount-flags.ts";
import { type MountInfo, parseMountInfo } from "../../../linux/procfs/mountinfo.ts";
import { readProcText } from "../../../linux/procfs/read.ts";
import { asList, asText } from "../../../linux/wire.ts";
import type { CgroupView } from "../../cgroup/plan.ts";
import { isBind } from "../../plan/bind.ts";
import { DEFAULT_DEVICES } from "../../spec/defaults.ts";
import type { OciMount, OciSpec } from "../../spec/oci.ts";
import { runOps } from "../life/keel-run.ts";

export interface MountName {
  key: string;
  val: string;
}

const NULL_DEVICE = "/dev/null";

const isRemount = (mount: OciMount) => (parseMountOptions(mount.options ?? []).flags & MS.REMOUNT) !== 0;

const bindsOf = (spec: OciSpec) => (spec.mounts ?? []).filter((m) => isBind(m) && !isRemount(m));

const clean = (path: string) => posix.normalize(path).replace(/(?<=.)\/$/, "");

const devicesOf = (spec: OciSpec) => [...DEFAULT_DEVICES, ...(spec.linux?.devices ?? [])].map((d) => d.path);

/** Returns the names that a running container's mounts get: from where they are to what they are called. */
export function namesAtCheckpoint(pid: number, spec: OciSpec, dir: string): MountName[] {
  const mounts = new Map(
    parseMountInfo(readProcText(`/proc/${pid}/mountinfo`)).map((m) => [m.mountpoint, m]),
  );
  const wanted = bindsOf(spec).map((m) => clean(m.destination));
  const found = resolved(pid, wanted, mounts, dir);
  const names = wanted.flatMap((val, i) => (found[i] ? [{ key: found[i], val }] : []));
  const masked = (spec.linux?.maskedPaths ?? []).filter((path) => isFile(mounts.get(clean(path))));
  const devices = devicesOf(spec).filter((path) => mounts.has(path));
  return unique([
    ...names,
    ...masked.map((path) => ({ key: clean(path), val: NULL_DEVICE })),
    ...devices.map((path) => ({ key: path, val: path })),
    ...(hasOwnCgroups(spec) ? [] : cgroupMounts(spec, [...mounts.values()])),
  ]);
}

/** A masked directory has a tmpfs on it, which is the container's own. */
const isFile = (mount: MountInfo | undefined) => mount !== undefined && mount.fstype !== "tmpfs";

/** Where destinations are: behind a symbolic link a mount is somewhere else. */
function resolved(
  pid: number,
  wanted: readonly string[],
  mounts: ReadonlyMap<string, MountInfo>,
  dir: string,
): string[] {
  if (wanted.every((path) => mounts.has(path))) return [...wanted];
  const outcome = runOps([resolvePaths(`/proc/${pid}/root`, wanted)], dir);
  return asList(outcome.results[0]).map(asText);
}

const hasOwnCgroups = (spec: OciSpec) => spec.linux?.namespaces?.some((n) => n.type === "cgroup") === true;

/** Without a cgroup namespace version 1's hierarchies are binds of the host's directories. */
function cgroupMounts(spec: OciSpec, mounts: readonly MountInfo[]): MountName[] {
  const at = (spec.mounts ?? []).filter((m) => m.type === "cgroup").map((m) => `${clean(m.destination)}/`);
  return mounts
    .filter((m) => m.fstype === "cgroup" && at.some((dir) => m.mountpoint.startsWith(dir)))
    .map((m) => ({ key: m.mountpoint, val: m.mountpoint }));
}

/** Returns what the names stand for in the container to be restored. */
export function namesAtRestore(spec: OciSpec, views: readonly CgroupView[]): MountName[] {
  const cgroups = (spec.mounts ?? []).filter((m) => m.type === "cgroup" && !hasOwnCgroups(spec));
  return unique([
    ...bindsOf(spec).map((m) => ({ key: clean(m.destination), val: m.source ?? "" })),
    { key: NULL_DEVICE, val: NULL_DEVICE },
    ...devicesOf(spec).map((path) => ({ key: path, val: path })),
    ...cgroups.flatMap((m) =>
      views
        .filter((v) => v.version === 1)
        .map((v) => ({ key: `${clean(m.destination)}/${v.name}`, val: v.dir })),
    ),
  ]);
}

/** The first of a name counts. */
function unique(names: readonly MountName[]): MountName[] {
  return [...new Map(names.toReversed().map((name) => [name.key, name])).values()].toReversed();
}

/**
 * Returns the operations that make the places for all mounts, as creating the container would. Binds are made, because others may lie in
 * them; a file system of the container's own is an empty one here, since its content, mount points too, is in the images.
 */
export function mountPointOps(spec: OciSpec): Op[] {
  return (spec.mounts ?? []).flatMap((m) => {
    if (isRemount(m)) return [];
    if (!isBind(m)) return [inner.mount("tmpfs", "tmpfs", m.destination, 0)];
    return [inner.bind(m.source ?? "", m.destination, { recursive: true })];
  });
}
