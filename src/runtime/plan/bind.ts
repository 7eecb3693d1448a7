// Bind mounts as operations: which attributes belong to the one mount, which to the tree, what is taken away again, and the host's own
// kernel file systems where the container may not mount new ones.

import { Fault } from "../../lib/errors.ts";
import type { IdMap } from "../../linux/idmap.ts";
import {
  type AttrChange,
  attrChangeOf,
  exactAttrChangeOf,
  type MountOptions,
  MS,
  parseMountOptions,
} from "../../linux/mount-flags.ts";
import { inner, type Op } from "../../linux/ops.ts";
import type { OciMount, OciNamespaceType, OciSpec } from "../spec/oci.ts";
import { idMapOfMount } from "./userns.ts";

export function isBind(mount: OciMount): boolean {
  return mount.type === "bind" || (parseMountOptions(mount.options ?? []).flags & MS.BIND) !== 0;
}

export interface BindContext {
  /** What is mounted is private without a word. */
  readonly isTreePrivate: boolean;
  /** Of the container's user namespace. */
  readonly idMap: IdMap | undefined;
  /** The mount has the options that are named, not those of its source besides. */
  readonly isExact: boolean;
}

/** Returns the operations of one bind. */
export function bindOps(mount: OciMount, { isTreePrivate, idMap: container, isExact }: BindContext): Op[] {
  const o = parseMountOptions(mount.options ?? []);
  if (!mount.source) throw invalid(`mount ${mount.destination} has no source`);
  if (/^\/(proc\/(self|thread-self)\/fd|dev\/fd)\//.test(mount.source))
    throw invalid(
      `mount ${mount.destination}: ${mount.source} is a descriptor of whoever looks: name its process`,
    );
  if (o.data.length > 0)
    throw invalid(`bind mounts cannot have any filesystem-specific options applied: ${o.data}`);
  const { must, ...one } = isExact ? exactAttrChangeOf(o) : { ...attrChangeOf(o), must: undefined };
  // one call does it all where what is set for the tree covers what is set for its top
  const isOneCall = isCovered(one, o.recursive);
  const isDefault = isTreePrivate && (o.propagation === 0 || (o.propagation & MS.PRIVATE) !== 0);
  const idMap = idMapOfMount(mount, o, container);
  const bind = inner.bind(mount.source, mount.destination, {
    ...(idMap === undefined ? {} : { idMap }),
    recursive: (o.flags & MS.REC) !== 0,
    attr: isOneCall ? o.recursive.set : one.set,
    attrRecursive: isOneCall,
    propagation: isDefault ? 0 : o.propagation || MS.PRIVATE | MS.REC,
    sub: o.subdir,
    clear: one.clear,
    ...(must === undefined ? {} : { mustClear: must }),
  });
  return [bind, ...(isOneCall ? [] : recursiveOps(mount, o))];
}

function isCovered(one: AttrChange, tree: AttrChange): boolean {
  return tree.set !== 0 && tree.clear === 0 && one.clear === 0 && (one.set & ~tree.set) === 0;
}

/** What `rro` and its like say of a mount that is there. */
export function recursiveOps(mount: OciMount, o: MountOptions): Op[] {
  if (o.recursive.set === 0 && o.recursive.clear === 0) return [];
  return [inner.mountAttributes(mount.destination, o.recursive, { recursive: true })];
}

/** The namespace without which the kernel refuses a new instance to who is root in a user namespace only. */
const OWNER_OF: ReadonlyMap<string, OciNamespaceType> = new Map([
  ["sysfs", "network"],
  ["proc", "pid"],
]);

/**
 * Returns the bind that takes the place of a sysfs or procfs which a container in a user namespace cannot mount, because the network
 * or the processes it would show are not its own; undefined where it can.
 */
export function kernelFilesBind(mount: OciMount, spec: OciSpec): OciMount | undefined {
  const owner = OWNER_OF.get(mount.type ?? "");
  const namespaces = spec.linux?.namespaces ?? [];
  if (owner === undefined || !namespaces.some((n) => n.type === "user")) return undefined;
  if (namespaces.some((n) => n.type === owner)) return undefined;
  const { flags } = parseMountOptions(mount.options ?? []);
  const options = ["rbind", "rslave", ...(flags & MS.RDONLY ? ["ro"] : [])];
  return {
    destination: mount.destination,
    type: "bind",
    source: mount.type === "proc" ? "/proc" : "/sys",
    options,
  };
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-mount" });
}
