// A container's scope over its life (`--systemd-cgroup`): made before its first process, whose cgroups the plan then names, and stopped when it
// is gone.
//
// A scope begins with a process. A process of keel's that waits for a request keeps it until the container's own is in it, and then ends.

import { type CgroupHost, type CgroupPaths, isOrdinaryUser } from "../../../linux/cgroupfs/hierarchy.ts";
import type { OciSpec } from "../../spec/oci.ts";
import { annotatedProperties } from "../../systemd/annotations.ts";
import { scopeHost } from "../../systemd/host.ts";
import { startScope, stopScope } from "../../systemd/scope.ts";
import { type Unit, unitOf, unitPaths } from "../../systemd/unit.ts";
import { removeCgroup } from "../life/cgroup-end.ts";
import { deviceRules } from "../life/cgroups.ts";
import { placeholder } from "../life/keel-run.ts";

export { withSystemdQuota } from "../../systemd/properties.ts";

export interface Scope {
  unit: Unit;
  /** The hierarchies that it is in. */
  host: CgroupHost;
  paths: CgroupPaths;
  spec: OciSpec;
  id: string;
}

/** Decides; an ordinary user's scope is the user's own systemd's. Throws Fault for a cgroupsPath or annotations that do not make a unit. */
export async function planScope(spec: OciSpec, id: string): Promise<Scope> {
  const isUser = isOrdinaryUser();
  const host = await scopeHost(isUser ? "--systemd-cgroup" : "systemd cgroup flag passed");
  const unit = unitOf(spec.linux?.cgroupsPath, id, isUser);
  annotatedProperties(spec.annotations ?? {});
  return { unit, host, paths: unitPaths(host, unit), spec, id };
}

/** Runs `body`, which puts processes into the scope's cgroups, in a scope that is there. When it fails the scope is gone, too. */
export async function inScope<T>(scope: Scope, body: () => Promise<T>): Promise<T> {
  const holder = await placeholder();
  try {
    await start(scope, holder.pid);
    try {
      return await body();
    } catch (error) {
      await holder.end();
      await stopScope(scope.unit.name);
      removeCgroup(scope.paths); // of hierarchies that systemd does nothing in
      throw error;
    }
  } finally {
    await holder.end();
  }
}

async function start({ unit, host, spec, id }: Scope, pid: number): Promise<void> {
  const resources = spec.linux?.resources ?? {};
  await startScope({
    unit,
    host,
    id,
    pid,
    resources: { ...resources, devices: deviceRules(resources.devices ?? []) },
    properties: annotatedProperties(spec.annotations ?? {}),
  });
}
