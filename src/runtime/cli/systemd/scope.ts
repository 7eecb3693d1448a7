// A container's scope over its life: made before its first process, whose cgroups the plan then names, and stopped when it is gone.
//
// A scope begins with a process. A process of keel's that waits for a request keeps it until the container's own is in it, and then ends.

import { Fault } from "../../../lib/errors.ts";
import { type CgroupHost, type CgroupPaths, isOrdinaryUser } from "../../../linux/cgroupfs/hierarchy.ts";
import { removeCgroup } from "../life/cgroup-end.ts";
import { deviceRules, hasSystemd } from "../life/cgroups.ts";
import { placeholder } from "../life/keel-run.ts";
import type { OciResources, OciSpec } from "../../spec/oci.ts";
import { annotatedProperties } from "./annotations.ts";
import { withManager } from "./manager.ts";
import { limitProperties, oomProperties, scopeProperties } from "./properties.ts";
import { type Unit, unitOf, unitPaths } from "./unit.ts";

export { withSystemdQuota } from "./properties.ts";

export interface Scope {
  unit: Unit;
  paths: CgroupPaths;
  spec: OciSpec;
  id: string;
}

/** Throws Fault where systemd is not the machine's init, or we may not ask it. */
function requireSystemd(): void {
  if (!hasSystemd())
    throw new Fault(
      "notImplemented",
      "systemd cgroup flag passed, but systemd support for managing cgroups is not available: systemd is not this machine's init",
      { code: "runtime.systemd-cgroup" },
    );
  if (isOrdinaryUser())
    throw new Fault(
      "notImplemented",
      "--systemd-cgroup needs root: a user's own systemd is not asked by this version",
      { code: "runtime.systemd-cgroup" },
    );
}

/** Decides. Throws Fault for a cgroupsPath or annotations that do not make a unit. */
export function planScope(host: CgroupHost, spec: OciSpec, id: string): Scope {
  requireSystemd();
  const unit = unitOf(spec.linux?.cgroupsPath, id, false);
  annotatedProperties(spec.annotations ?? {});
  return { unit, paths: unitPaths(host, unit, ""), spec, id };
}

/** Runs `body`, which puts processes into the scope's cgroups, in a scope that is there. When it fails the scope is gone, too. */
export async function inScope<T>(scope: Scope, host: CgroupHost, body: () => Promise<T>): Promise<T> {
  const holder = await placeholder();
  try {
    await start(scope, host, holder.pid);
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

async function start({ unit, spec, id }: Scope, host: CgroupHost, pid: number): Promise<void> {
  const isUnified = host.mode === "unified";
  const resources = spec.linux?.resources ?? {};
  await withManager(false, async (manager) => {
    const kind = { version: await manager.version(), isUnified };
    const devices = deviceRules(resources.devices ?? []);
    await manager.startTransient(unit.name, [
      ...scopeProperties(unit.slice, `berth container ${id}`, pid, isUnified),
      ...limitProperties({ ...resources, devices }, kind),
      ...oomProperties(resources, kind),
      ...annotatedProperties(spec.annotations ?? {}),
    ]);
  });
}

/** Tells systemd of other limits, before the files are written. */
export async function updateScope(unit: string, host: CgroupHost, change: OciResources): Promise<void> {
  await withManager(false, async (manager) => {
    const kind = { version: await manager.version(), isUnified: host.mode === "unified" };
    const { devices: _, ...limits } = change;
    const properties = limitProperties(limits, kind);
    if (properties.length > 0) await manager.setProperties(unit, properties);
  });
}

export async function stopScope(unit: string): Promise<void> {
  await withManager(false, (manager) => manager.stop(unit));
}
