// Where a new container's processes go, and who makes that: the runtime itself, or systemd, which is loaded only when it is asked for.

import type { CgroupHost } from "../../../linux/cgroupfs/hierarchy.ts";
import { OPCODES } from "../../../linux/ops.ts";
import type { CgroupPlan } from "../../cgroup/plan.ts";
import type { OciSpec } from "../../spec/oci.ts";
import type { Invocation } from "../invocation.ts";
import type { Scope } from "./scope.ts";
import { planBundleCgroup } from "../life/cgroups.ts";
import { hierarchiesOf, isRootless, refuseLostLimits, withOptionalDevices } from "./rootless.ts";

export interface Place {
  host: CgroupHost;
  cgroup: CgroupPlan;
  /** When systemd makes it. */
  scope: Scope | undefined;
}

/** Decides. Throws Fault. */
export async function planPlace(call: Invocation, spec: OciSpec, id: string): Promise<Place> {
  const rootless = isRootless(call.rootless);
  const systemd = call.usesSystemd ? await import("./scope.ts") : undefined;
  const scope = await systemd?.planScope(spec, id);
  const host = scope?.host ?? hierarchiesOf(rootless);
  const limits = spec.linux?.resources ?? {};
  const cgroup = planBundleCgroup(host, {
    cgroupsPath: spec.linux?.cgroupsPath,
    id,
    resources: systemd?.withSystemdQuota(limits) ?? limits,
    ...(scope ? { paths: scope.paths } : {}),
  });
  refuseLostLimits(host, cgroup.paths, limits);
  const all = rootless ? withOptionalDevices(cgroup.create) : cgroup.create;
  // what is there when it fails is the scope's, and goes with it
  const create = scope ? all.filter(([code]) => code !== OPCODES.onFailure) : all;
  return { host, cgroup: { ...cgroup, create }, scope };
}

/** Runs `body`, which puts processes there. */
export async function inScope<T>(scope: Scope | undefined, body: () => Promise<T>): Promise<T> {
  if (scope === undefined) return await body();
  return await (await import("./scope.ts")).inScope(scope, body);
}
