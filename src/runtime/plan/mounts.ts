// The mounts of a specification as operations, in its order. Options come from mount-flags.ts, binds are bind.ts's; here are
// the root's propagation, new file systems, remounts, the cgroup tree, and what may be mounted in /proc.

import { posix } from "node:path";
import { Fault } from "../../lib/errors.ts";
import type { IdMap } from "../../linux/idmap.ts";
import {
  attrChangeOf,
  mountAttrOfFlags,
  type MountOptions,
  MOUNT_ATTR,
  MS,
  parseMountOptions,
  propagationFlags,
} from "../../linux/mount-flags.ts";
import { inner, type Op } from "../../linux/ops.ts";
import type { CgroupView } from "../cgroup/plan.ts";
import { labelledMountData } from "../selinux/label.ts";
import type { OciMount, OciSpec } from "../spec/oci.ts";
import { isProcFile } from "../spec/proc-files.ts";
import { bindOps, isBind, kernelFilesBind, recursiveOps } from "./bind.ts";

export interface MountContext {
  /** The container's cgroup hierarchies, empty when it has none of its own. */
  views: readonly CgroupView[];
  hasOwnCgroupNamespace: boolean;
  /** The mounts are made in the caller's tree, whose propagation stays as it is (caller-mounts.ts). */
  isCallersTree?: boolean;
  /** Binds have the options that are named alone (bind.ts). */
  hasExactBinds?: boolean;
  /** Host directory to mount file systems on of which only a part is wanted. */
  stageTarget?: string | undefined;
  /** Of the container's user namespace. */
  idMap?: IdMap | undefined;
  /** Whether a sysfs and a procfs can be mounted that show what is not the container's own. */
  mayMountKernelFiles: boolean;
  /** Whether a host path is on a procfs: only such a one may be bound over /proc. */
  isProcfs(path: string): boolean;
}

export interface MountPlan {
  ops: Op[];
  /** To come after everything that is made in the mounts: what becomes read-only only then. */
  later: Op[];
  warnings: string[];
}

/**
 * Returns the propagation of the host's tree as the new mount namespace sees it, before anything is mounted: private unless a
 * volume needs more, which also spares every single mount a call of its own.
 */
export function planTreePropagation(spec: OciSpec): number {
  const wanted = spec.linux?.rootfsPropagation;
  if (!wanted) return MS.PRIVATE | MS.REC;
  const flags = propagationFlags(wanted);
  if (flags === undefined) throw invalid(`rootfsPropagation=${wanted} is not a propagation`);
  if (flags & MS.UNBINDABLE) return MS.SLAVE | MS.REC;
  return flags;
}

/** Returns the operations for all mounts. Throws Fault invalidParameter for what contradicts itself. */
export function planMounts(spec: OciSpec, context: MountContext): MountPlan {
  // without MS_REC only the host's "/" is: what is bound from its other mounts would still share with them
  const isTreePrivate = !context.isCallersTree && planTreePropagation(spec) === (MS.PRIVATE | MS.REC);
  const mounts = spec.mounts ?? [];
  const plan: MountPlan = { ops: [], later: [], warnings: [] };
  for (const mount of mounts) {
    if (!mount.destination.startsWith("/")) {
      throw invalid(`mount destination ${mount.destination} is not absolute`);
    }
    const o = parseMountOptions(mount.options ?? []);
    checkProc(mount, context);
    const replacement = context.mayMountKernelFiles ? undefined : kernelFilesBind(mount, spec);
    const hasMountsBelow = mounts.some((m) => m.destination.startsWith(`${mount.destination}/`));
    if (o.flags & MS.REMOUNT) plan.ops.push(...remountOps(mount, o));
    else if (isBind(mount))
      plan.ops.push(
        ...bindOps(mount, { isTreePrivate, idMap: context.idMap, isExact: context.hasExactBinds === true }),
      );
    else if (replacement)
      plan.ops.push(...bindOps(replacement, { isTreePrivate, idMap: undefined, isExact: false }));
    else if (mount.type === "cgroup" || mount.type === "cgroup2") cgroupOps(mount, context, plan);
    else if (o.subdir !== "") plan.ops.push(...partOps(mount, context));
    else
      newMountOps(
        mount,
        o,
        {
          holdsOthers: hasMountsBelow || mount.destination === "/dev",
          isTreePrivate,
          mountLabel: spec.linux?.mountLabel,
        },
        plan,
      );
  }
  return plan;
}

/** runc's rule (CVE-2019-16884): /proc is a procfs, and of what is in it only some files may be something else. */
function checkProc(mount: OciMount, context: MountContext): void {
  const at = posix.normalize(mount.destination).replace(/(?<=.)\/$/, "");
  if (at === "/proc") {
    const isProcfs = isBind(mount) ? context.isProcfs(mount.source ?? "") : mount.type === "proc";
    if (!isProcfs) throw invalid(`"${at}" cannot be mounted because it is not of type proc`);
  } else if (at.startsWith("/proc/") && !isProcFile(at)) {
    throw invalid(`"${at}" cannot be mounted because it is inside /proc`);
  }
}

/** With `bind` it is about this one mount, as mount(8) has it; without about the whole file system. */
function remountOps(mount: OciMount, o: MountOptions): Op[] {
  if (o.flags & MS.BIND)
    return [inner.mountAttributes(mount.destination, attrChangeOf(o)), ...recursiveOps(mount, o)];
  const flags = o.flags & ~(MS.REMOUNT | MS.REC);
  return [inner.remount(mount.destination, flags, o.data.join(",")), ...recursiveOps(mount, o)];
}

/** A file system of which only a part is wanted: mounted aside, bound from there. */
function partOps(mount: OciMount, context: MountContext): Op[] {
  const o = parseMountOptions(mount.options ?? []);
  const at = context.stageTarget;
  if (at === undefined)
    throw invalid(`mount ${mount.destination}: parts of file systems cannot be mounted here`);
  const type = mount.type ?? "";
  return [
    inner.stage(type, mount.source || type, at, o.flags, o.data.join(",")),
    inner.bind(at, mount.destination, { attr: mountAttrOfFlags(o.flags), sub: o.subdir }),
  ];
}

/** A tmpfs that others, or the devices, are put into becomes read-only only after them. */
function newMountOps(
  mount: OciMount,
  o: MountOptions,
  where: { holdsOthers: boolean; isTreePrivate: boolean; mountLabel: string | undefined },
  plan: MountPlan,
): void {
  const { holdsOthers, isTreePrivate, mountLabel } = where;
  const type = mount.type ?? "";
  const at = mount.destination;
  if (type === "") throw invalid(`mount ${at} has no type`);
  if (o.copiesUp && type !== "tmpfs") throw invalid(`mount ${at}: tmpcopyup is an option of tmpfs only`);
  if (o.isIdMapped || mount.uidMappings?.length)
    throw invalid(`mount ${at}: id-mapped mounts are only supported for bind-mounts`);
  let flags = o.flags & ~MS.REC;
  if (type === "tmpfs" && holdsOthers && flags & MS.RDONLY) {
    flags &= ~MS.RDONLY;
    plan.later.push(inner.mountAttributes(at, { set: MOUNT_ATTR.RDONLY }));
  }
  const source = mount.source || type;
  const data = labelledMountData(type, o.data.join(","), mountLabel);
  plan.ops.push(
    o.copiesUp ? inner.mountCopyUp(source, at, flags, data) : inner.mount(type, source, at, flags, data),
    ...recursiveOps(mount, o),
    ...(isPrivateAnyway(o, isTreePrivate) ? [] : [inner.mountPropagation(at, o.propagation)]),
  );
}

const isPrivateAnyway = (o: MountOptions, isTreePrivate: boolean) =>
  o.propagation === 0 || (isTreePrivate && (o.propagation & MS.PRIVATE) !== 0);

/**
 * The cgroup tree. v2: one mount. v1: a tmpfs with one directory per hierarchy, in which the container sees its own
 * cgroup: mounted afresh in an own cgroup namespace, else bound from the host's tree. Controllers that are
 * mounted together get a link each, as on the host.
 */
function cgroupOps(mount: OciMount, context: MountContext, plan: MountPlan): void {
  const o = parseMountOptions(mount.options ?? []);
  const dest = mount.destination;
  const unified = context.views.find((view) => view.version === 2);
  if (unified) {
    plan.ops.push(inner.mount("cgroup2", "cgroup", dest, o.flags & ~MS.REC, o.data.join(",")));
    return;
  }
  if (context.views.length === 0) {
    plan.warnings.push(`mount ${dest}: the container has no cgroup of its own to be shown: ignored`);
    return;
  }
  const base = MS.NOSUID | MS.NODEV | MS.NOEXEC;
  plan.ops.push(inner.mount("tmpfs", "tmpfs", dest, base, "mode=755"));
  for (const view of context.views) {
    const at = `${dest}/${view.name}`;
    plan.ops.push(
      context.hasOwnCgroupNamespace
        ? inner.mount("cgroup", "cgroup", at, base | (o.flags & MS.RDONLY), view.data)
        : inner.bind(view.dir, at, { attr: mountAttrOfFlags(o.flags | base) }),
    );
    const controllers = view.name.split(",");
    if (controllers.length > 1)
      for (const c of controllers) plan.ops.push(inner.symlink(view.name, `${dest}/${c}`));
  }
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-mount" });
}
