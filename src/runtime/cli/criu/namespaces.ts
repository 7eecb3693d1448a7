// Namespaces that are not the container's own: criu leaves them out of its images, and the container is restored into those that its
// configuration names then.

import { readlinkSync, statSync } from "node:fs";
import { Fault } from "../../../lib/errors.ts";
import { hasCallersMounts } from "../../plan/caller-mounts.ts";
import { CLONE_FLAG } from "../../plan/namespaces.ts";
import type { OciNamespace, OciNamespaceType, OciSpec } from "../../spec/oci.ts";

/** How /proc/PID/ns and criu call them. */
const FILES: Readonly<Record<OciNamespaceType, string>> = {
  time: "time",
  mount: "mnt",
  cgroup: "cgroup",
  uts: "uts",
  ipc: "ipc",
  user: "user",
  pid: "pid",
  network: "net",
};

/** Those that criu takes as external by a name of ours; the others it joins by path. */
const BY_NAME: Partial<Record<OciNamespaceType, string>> = { network: "extRootNetNS", pid: "extRootPidNS" };

const joinedBy = (spec: OciSpec): (OciNamespace & { path: string })[] =>
  (spec.linux?.namespaces ?? []).filter((n): n is OciNamespace & { path: string } => Boolean(n.path));

/** For a checkpoint: criu's names of the external ones. Throws Fault notImplemented without a mount namespace. */
export function externalNamespaces(spec: OciSpec): string[] {
  refuseCallersMounts(spec);
  return joinedBy(spec).flatMap(({ type, path }) => {
    const name = BY_NAME[type];
    return name === undefined ? [] : [`${FILES[type]}[${statSync(path).ino}]:${name}`];
  });
}

export interface RestoredNamespaces {
  /** To be opened for criu, in this order. */
  opened: string[];
  named: { key: string; path: string }[];
  joined: { ns: string; file: string }[];
}

function refuseCallersMounts(spec: OciSpec): void {
  if (hasCallersMounts(spec))
    throw new Fault("notImplemented", "criu cannot hold a container without a mount namespace", {
      code: "runtime.criu-namespace",
    });
}

/** For a restore. Throws Fault notImplemented for a cgroup namespace to be joined, which criu cannot, and without a mount namespace. */
export function namespacesToJoin(spec: OciSpec): RestoredNamespaces {
  refuseCallersMounts(spec);
  const joins: RestoredNamespaces = { opened: [], named: [], joined: [] };
  for (const { type, path } of joinedBy(spec)) {
    const name = BY_NAME[type];
    if (type === "cgroup")
      throw new Fault("notImplemented", "criu cannot restore into a cgroup namespace that is there already", {
        code: "runtime.criu-namespace",
      });
    if (name === undefined) joins.joined.push({ ns: FILES[type], file: path });
    else {
      joins.opened.push(path);
      joins.named.push({ key: name, path });
    }
  }
  return joins;
}

/** Returns CLONE_NEW* of all namespaces of a process that are not ours; criu makes one for the clocks, whatever was asked for. */
export function foreignNamespaces(pid: number): number {
  return (Object.keys(FILES) as OciNamespaceType[])
    .filter((type) => namespaceOf(pid, type) !== namespaceOf("self", type))
    .reduce((flags, type) => flags + CLONE_FLAG[type], 0);
}

function namespaceOf(pid: number | "self", type: OciNamespaceType): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/${FILES[type]}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return ""; // a kernel without this kind
    throw error;
  }
}
