// Containers without a mount namespace: their root is mounted in the tree of whoever calls the runtime, and entered with chroot. The
// mount of the root is private, so that what is mounted in it reaches nobody else, and holds everything else: whoever unmounts it takes
// all of that along. Nothing around it is touched. Only for `berth runtime`; the engine's containers always have a namespace.

import { Fault } from "../../lib/errors.ts";
import { MS } from "../../linux/mount-flags.ts";
import { host, type Op } from "../../linux/ops.ts";
import type { OciSpec } from "../spec/oci.ts";

/** Whether the specification leaves the container in its caller's mount namespace. */
export function hasCallersMounts({ linux }: OciSpec): boolean {
  return linux?.namespaces?.some(({ type }) => type === "mount") !== true;
}

/** Throws Fault invalidParameter for what cannot be had, or would be the caller's, without a mount namespace. */
export function checkCallersMounts({ linux = {} }: OciSpec): void {
  const { rootfsPropagation = "", namespaces = [] } = linux;
  if (rootfsPropagation !== "") throw invalid("rootfsPropagation needs a mount namespace");
  if (namespaces.some(({ type }) => type === "user"))
    throw invalid("a container with a user namespace needs a mount namespace");
}

/** Returns the host operations that mount the root on itself, with their roll-back. */
export function mountCallersRoot(path: string): Op[] {
  return [
    host.mount("", path, path, MS.BIND | MS.REC),
    ...unmountCallersRoot(path).reverse().map(host.onFailure),
    host.mount("", "", path, MS.PRIVATE | MS.REC),
  ];
}

/**
 * Returns the host operations that unmount what is mounted at `path`, with everything in it. Private first: what a container has
 * bound from the host and shares with it would be unmounted there, too. The dot makes links lead to what they name.
 */
export function unmountCallersRoot(path: string): Op[] {
  return [host.mount("", "", `${path}/.`, MS.PRIVATE | MS.REC), host.unmount(`${path}/.`)];
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.no-mount-namespace" });
}
