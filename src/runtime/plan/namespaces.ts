// Namespaces of a specification as CLONE_NEW* flags: which to make, which to join.

import { Fault } from "../../lib/errors.ts";
import type { NamespaceJoin, Register } from "../../linux/ops.ts";
import type { OciNamespaceType, OciSpec } from "../spec/oci.ts";

/** linux/sched.h. */
export const CLONE_FLAG: Readonly<Record<OciNamespaceType, number>> = {
  time: 0x80,
  mount: 0x0002_0000,
  cgroup: 0x0200_0000,
  uts: 0x0400_0000,
  ipc: 0x0800_0000,
  user: 0x1000_0000,
  pid: 0x2000_0000,
  network: 0x4000_0000,
};

export interface NamespacePlan {
  cloneFlags: number;
  joins: NamespaceJoin[];
  /** A network namespace is made that has nothing but a loopback which is down. */
  hasEmptyNetwork: boolean;
  hasOwnCgroup: boolean;
}

/** Decides. `netns` replaces what the specification says about the network; without `mayShareMounts` there has to be a mount namespace. */
export function planNamespaces(
  spec: OciSpec,
  netns: Register | string | undefined,
  mayShareMounts = false,
): NamespacePlan {
  const plan: NamespacePlan = { cloneFlags: 0, joins: [], hasEmptyNetwork: false, hasOwnCgroup: false };
  const seen = new Set<OciNamespaceType>();
  for (const { type, path } of spec.linux?.namespaces ?? []) {
    const flag = CLONE_FLAG[type];
    if (flag === undefined) throw invalid(`unknown namespace type "${type}"`);
    if (seen.has(type)) throw invalid(`malformed spec file: duplicated ns {"${type}" "${path ?? ""}"}`);
    seen.add(type);
    if (type === "user") continue; // userns.ts: it is made before everything else
    if (type === "network" && netns !== undefined) continue;
    if (path) plan.joins.push({ type: flag, path });
    else plan.cloneFlags += flag;
    if (path) continue;
    if (type === "network") plan.hasEmptyNetwork = true;
    if (type === "cgroup") plan.hasOwnCgroup = true;
  }
  if (!seen.has("mount") && !mayShareMounts) throw invalid("a container needs a mount namespace");
  if (plan.joins.some((join) => join.type === CLONE_FLAG.mount)) {
    throw new Fault(
      "notImplemented",
      "joining another's mount namespace is not supported: leave its path out",
      {
        code: "container.mount-namespace",
      },
    );
  }
  if (netns !== undefined) {
    const flag = CLONE_FLAG.network;
    plan.joins.push(typeof netns === "string" ? { type: flag, path: netns } : { type: flag, reg: netns });
  }
  return plan;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-namespace" });
}
