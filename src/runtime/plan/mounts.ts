// The mounts of a specification as operations, in its order. Flags come from mount-flags.ts; the special cases are
// here: the root's propagation, the cgroup tree, read-only file systems that are still to be mounted into.

import { Fault } from "../../lib/errors.ts";
import type { IdMap } from "../../linux/idmap.ts";
import { mountAttrOfFlags, MS, parseMountOptions, propagationFlags } from "../../linux/mount-flags.ts";
import { inner, type Op } from "../../linux/ops.ts";
import type { CgroupView } from "../cgroup/plan.ts";
import { labelledMountData } from "../selinux/label.ts";
import type { OciMount, OciSpec } from "../spec/oci.ts";
import { idMapOfMount } from "./userns.ts";

export interface MountContext {
  /** The container's cgroup hierarchies, empty when it has none of its own. */
  views: readonly CgroupView[];
  hasOwnCgroupNamespace: boolean;
  /** Host directory to mount file systems on of which only a part is wanted. */
  stageTarget?: string | undefined;
  /** Of the container's user namespace. */
  idMap?: IdMap | undefined;
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

/** Returns the operations for all mounts. */
export function planMounts(spec: OciSpec, context: MountContext): Op[] {
  const isTreePrivate = (planTreePropagation(spec) & MS.PRIVATE) !== 0;
  const mounts = spec.mounts ?? [];
  const ops: Op[] = [];
  const later: Op[] = [];
  for (const mount of mounts) {
    if (!mount.destination.startsWith("/")) {
      throw invalid(`mount destination ${mount.destination} is not absolute`);
    }
    const hasMountsBelow = mounts.some((m) => m.destination.startsWith(`${mount.destination}/`));
    if (isBind(mount)) ops.push(bindOp(mount, isTreePrivate, context.idMap));
    else if (mount.type === "cgroup" || mount.type === "cgroup2") ops.push(...cgroupOps(mount, context));
    else if (parseMountOptions(mount.options ?? []).subdir !== "") ops.push(...partOps(mount, context));
    else if (mount.uidMappings?.length || parseMountOptions(mount.options ?? []).isIdMapped)
      throw invalid(`mount ${mount.destination}: only bind mounts can be id-mapped`);
    else ops.push(...newMountOps(mount, { hasMountsBelow, mountLabel: spec.linux?.mountLabel }, later));
  }
  return [...ops, ...later];
}

function isBind(mount: OciMount): boolean {
  return mount.type === "bind" || (parseMountOptions(mount.options ?? []).flags & MS.BIND) !== 0;
}

function bindOp(mount: OciMount, isTreePrivate: boolean, container: IdMap | undefined): Op {
  const o = parseMountOptions(mount.options ?? []);
  if (!mount.source) throw invalid(`mount ${mount.destination} has no source`);
  if (o.data.length > 0)
    throw invalid(`bind mounts cannot have any filesystem-specific options applied: ${o.data}`);
  // one call sets both kinds: where a recursive attribute is asked for, the others follow it down
  const attr = mountAttrOfFlags(o.flags) | o.recursiveAttr;
  const isDefault = isTreePrivate && (o.propagation === 0 || (o.propagation & MS.PRIVATE) !== 0);
  const idMap = idMapOfMount(mount, o, container);
  return inner.bind(mount.source, mount.destination, {
    ...(idMap === undefined ? {} : { idMap }),
    recursive: (o.flags & MS.REC) !== 0,
    attr,
    attrRecursive: o.recursiveAttr !== 0,
    propagation: isDefault ? 0 : o.propagation || MS.PRIVATE | MS.REC,
    sub: o.subdir,
  });
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

/** A tmpfs that others are mounted into becomes read-only only after them. */
function newMountOps(
  mount: OciMount,
  { hasMountsBelow, mountLabel }: { hasMountsBelow: boolean; mountLabel: string | undefined },
  later: Op[],
): Op[] {
  const o = parseMountOptions(mount.options ?? []);
  const type = mount.type ?? "";
  if (type === "") throw invalid(`mount ${mount.destination} has no type`);
  let flags = o.flags & ~(MS.BIND | MS.REC);
  if (type === "tmpfs" && hasMountsBelow && flags & MS.RDONLY) {
    flags &= ~MS.RDONLY;
    later.push(inner.readonly(mount.destination));
  }
  const options = o.data.filter((option) => option !== "tmpcopyup").join(",");
  const data = labelledMountData(type, options, mountLabel);
  return [inner.mount(type, mount.source || type, mount.destination, flags, data)];
}

/**
 * The cgroup tree. v2: one mount. v1: a tmpfs with one directory per hierarchy, in which the container sees its own
 * cgroup: mounted afresh in an own cgroup namespace, else bound from the host's tree. Controllers that are
 * mounted together get a link each, as on the host.
 */
function cgroupOps(mount: OciMount, context: MountContext): Op[] {
  const o = parseMountOptions(mount.options ?? []);
  const dest = mount.destination;
  const unified = context.views.find((view) => view.version === 2);
  if (unified) return [inner.mount("cgroup2", "cgroup", dest, o.flags, o.data.join(","))];
  if (context.views.length === 0) return [];
  const base = MS.NOSUID | MS.NODEV | MS.NOEXEC;
  const ops: Op[] = [inner.mount("tmpfs", "tmpfs", dest, base, "mode=755")];
  for (const view of context.views) {
    const at = `${dest}/${view.name}`;
    ops.push(
      context.hasOwnCgroupNamespace
        ? inner.mount("cgroup", "cgroup", at, base | (o.flags & MS.RDONLY), view.data)
        : inner.bind(view.dir, at, { attr: mountAttrOfFlags(o.flags | base) }),
    );
    const controllers = view.name.split(",");
    if (controllers.length > 1)
      for (const c of controllers) ops.push(inner.symlink(view.name, `${dest}/${c}`));
  }
  return ops;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-mount" });
}
