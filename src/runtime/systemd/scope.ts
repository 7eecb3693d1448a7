// A container's scope as systemd knows it: made with a process that is there already, told of other limits, stopped. `resources.devices` is the
// whole list of rules.

import { type CgroupHost, isOrdinaryUser } from "../../linux/cgroupfs/hierarchy.ts";
import type { OciResources } from "../spec/oci.ts";
import type { Property } from "./annotations.ts";
import { withManager } from "./manager.ts";
import { limitProperties, oomProperties, scopeProperties } from "./properties.ts";
import type { Unit } from "./unit.ts";

export { withSystemdQuota } from "./properties.ts";

export interface ScopeStart {
  readonly unit: Unit;
  readonly host: CgroupHost;
  readonly id: string;
  /** Of its first process. */
  readonly pid: number;
  readonly resources: OciResources;
  /** What else systemd is to know of it. */
  readonly properties: readonly Property[];
}

/** Has systemd make the unit. Throws Fault. */
export async function startScope({ unit, host, id, pid, resources, properties }: ScopeStart): Promise<void> {
  const isUnified = host.mode === "unified";
  const { devices, ...limits } = resources;
  const isUser = isOrdinaryUser();
  await withManager(isUser, async (manager) => {
    const kind = { version: await manager.version(), isUnified };
    await manager.startTransient(unit.name, [
      ...scopeProperties(unit.slice, `berth container ${id}`, pid, isUnified),
      // a user's systemd may not load programs
      ...limitProperties(isUser || devices === undefined ? limits : { ...limits, devices }, kind),
      ...oomProperties(resources, kind),
      ...properties,
    ]);
  });
}

/** Tells systemd of other limits, before the files are written. */
export async function updateScope(unit: string, host: CgroupHost, change: OciResources): Promise<void> {
  const isUser = isOrdinaryUser();
  await withManager(isUser, async (manager) => {
    const kind = { version: await manager.version(), isUnified: isUser || host.mode === "unified" };
    const { devices: _, ...limits } = change;
    const properties = limitProperties(limits, kind);
    if (properties.length > 0) await manager.setProperties(unit, properties);
  });
}

/** Ends what is in it; one that is gone is fine. */
export async function stopScope(unit: string): Promise<void> {
  await withManager(isOrdinaryUser(), (manager) => manager.stop(unit));
}
