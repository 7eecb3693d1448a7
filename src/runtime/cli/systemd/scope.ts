// A container's scope over its life: made before its first process, whose cgroups the plan then names, and stopped when it is gone.
//
// A scope begins with a process. A process of keel's that waits for a request keeps it until the container's own is in it, and then ends.

import { Fault } from "../../../lib/errors.ts";
import {
  type CgroupHost,
  type CgroupPaths,
  delegatedHost,
  isOrdinaryUser,
  loadCgroupHost,
} from "../../../linux/cgroupfs/hierarchy.ts";
import { readProcText } from "../../../linux/procfs/read.ts";
import { removeCgroup } from "../life/cgroup-end.ts";
import { deviceRules, hasSystemd, parseOwnCgroups } from "../life/cgroups.ts";
import { placeholder } from "../life/keel-run.ts";
import type { OciResources, OciSpec } from "../../spec/oci.ts";
import { annotatedProperties } from "./annotations.ts";
import { withManager } from "./manager.ts";
import { limitProperties, oomProperties, scopeProperties } from "./properties.ts";
import { type Unit, unitOf, unitPaths } from "./unit.ts";

export { withSystemdQuota } from "./properties.ts";

export interface Scope {
  unit: Unit;
  /** The hierarchies that it is in. */
  host: CgroupHost;
  paths: CgroupPaths;
  spec: OciSpec;
  id: string;
}

/** Throws Fault where systemd is not the machine's init. */
function requireSystemd(): void {
  if (!hasSystemd())
    throw new Fault(
      "notImplemented",
      "systemd cgroup flag passed, but systemd support for managing cgroups is not available: systemd is not this machine's init",
      { code: "runtime.systemd-cgroup" },
    );
}

/** Decides; an ordinary user's scope is the user's own systemd's. Throws Fault for a cgroupsPath or annotations that do not make a unit. */
export async function planScope(spec: OciSpec, id: string): Promise<Scope> {
  requireSystemd();
  const isUser = isOrdinaryUser();
  const unit = unitOf(spec.linux?.cgroupsPath, id, isUser);
  annotatedProperties(spec.annotations ?? {});
  const host = isUser ? await userHost() : loadCgroupHost(() => true);
  return { unit, host, paths: unitPaths(host, unit, ""), spec, id };
}

/** What is the user's to give: the cgroup of version 2 in which the user's systemd is. Throws Fault where we are not in it. */
async function userHost(): Promise<CgroupHost> {
  const { v2 } = loadCgroupHost(() => true);
  const base = await withManager(true, (manager) => manager.controlGroup());
  const own = parseOwnCgroups(readProcText("/proc/self/cgroup")).get("") ?? "/";
  // the kernel lets a user move processes within what is the user's only
  if (!v2 || base === "" || !own.startsWith(`${base}/`))
    throw new Fault(
      "forbidden",
      `--systemd-cgroup of an ordinary user has to be called from one of the user's own units (cgroup ${own} is not in ${base || "/"}): systemd-run --user --scope …`,
      { code: "runtime.systemd-cgroup" },
    );
  return delegatedHost(v2.mountpoint + base, readProcText);
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
  const isUnified = host.mode === "unified";
  const resources = spec.linux?.resources ?? {};
  const { devices: rules = [], ...limits } = resources;
  const isUser = isOrdinaryUser();
  await withManager(isUser, async (manager) => {
    const kind = { version: await manager.version(), isUnified };
    // a user's systemd may not load programs
    const devices = isUser ? {} : { devices: deviceRules(rules) };
    await manager.startTransient(unit.name, [
      ...scopeProperties(unit.slice, `berth container ${id}`, pid, isUnified),
      ...limitProperties({ ...limits, ...devices }, kind),
      ...oomProperties(resources, kind),
      ...annotatedProperties(spec.annotations ?? {}),
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

export async function stopScope(unit: string): Promise<void> {
  await withManager(isOrdinaryUser(), (manager) => manager.stop(unit));
}
