// ContainerUpdate: new limits for a container, written to its cgroups while it runs and kept in its record, and a new
// restart policy. The kernel is asked first: what it refuses is not recorded.
import type { HostConfig, UpdateConfigRequest } from "../../../api/schemas/host-config.ts";
import { Fault, messageOf, SysError } from "../../../lib/errors.ts";
import { planCgroupUpdate } from "../../../runtime/cgroup/plan.ts";
import { loadSpecHost } from "../../../runtime/spec/host.ts";
import { generateResources } from "../../../runtime/spec/resources.ts";
import { validateResources } from "../../../runtime/spec/validate.ts";
import { checkHostConfig } from "../host-config/check.ts";
import { type ContainerContext, publish } from "../context.ts";
import { type ContainerRecord, isRunning } from "../record.ts";
import { cgroupOf } from "./cgroup.ts";
import { resourcesOf } from "./spec-input.ts";

/** Limits that a request changes where it gives something else than zero, as Docker does. */
const LIMITS = [
  "CpuShares",
  "NanoCpus",
  "CpuPeriod",
  "CpuQuota",
  "CpuRealtimePeriod",
  "CpuRealtimeRuntime",
  "CpusetCpus",
  "CpusetMems",
  "Memory",
  "MemorySwap",
  "MemoryReservation",
  "PidsLimit",
  "BlkioWeight",
] as const;

const conflicting = (message: string): Fault => new Fault("conflict", message, { code: "container.update" });

/** Returns a container's configuration with the changes. Fails with conflict or invalidParameter in Docker's words. */
export function updatedConfig(current: HostConfig, request: UpdateConfigRequest): HostConfig {
  checkHostConfig({ RestartPolicy: request.RestartPolicy } as Parameters<typeof checkHostConfig>[0]);
  checkCpu(current, request);
  const { Memory: memory, MemorySwap: swap } = request;
  if (memory && !swap && memory > current.MemorySwap)
    throw conflicting(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  const given = LIMITS.filter(
    (key) => request[key] !== undefined && request[key] !== null && request[key] !== 0,
  );
  const limits = Object.fromEntries(
    given.filter((key) => request[key] !== "").map((key) => [key, request[key]]),
  );
  const policy = request.RestartPolicy;
  if (!policy?.Name) return { ...current, ...limits };
  if (current.AutoRemove && policy.Name !== "no")
    throw conflicting("Restart policy cannot be updated because AutoRemove is enabled for the container");
  const RestartPolicy = { Name: policy.Name, MaximumRetryCount: policy.MaximumRetryCount ?? 0 };
  return { ...current, ...limits, RestartPolicy };
}

/** `--cpus` and quota with period are two words for one thing. */
function checkCpu(current: HostConfig, request: UpdateConfigRequest): void {
  if (request.NanoCpus && current.CpuPeriod)
    throw conflicting("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
  if (request.NanoCpus && current.CpuQuota)
    throw conflicting("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
  if (request.CpuPeriod && current.NanoCpus)
    throw conflicting("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
  if (request.CpuQuota && current.NanoCpus)
    throw conflicting("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
}

/** Changes a container; the caller is in its lane. Returns warnings about limits that this machine does not have. */
export async function updateContainer(
  context: ContainerContext,
  record: ContainerRecord,
  request: UpdateConfigRequest,
): Promise<string[]> {
  const warnings: string[] = [];
  try {
    const hostConfig = updatedConfig(record.hostConfig, request);
    const host = loadSpecHost();
    const limits = validateResources(resourcesOf(hostConfig), host, warnings);
    if (isRunning(record)) {
      const resources = generateResources(limits, [], host);
      const plan = planCgroupUpdate(context.cgroups, cgroupOf(context, record), resources);
      await context.keel.run(plan.ops);
      warnings.push(...plan.warnings);
    }
    publish(context, await context.table.put({ ...record, hostConfig }), "update");
    return warnings;
  } catch (error) {
    throw refused(record.id, error);
  }
}

function refused(id: string, error: unknown): unknown {
  if (!(error instanceof Fault) && !(error instanceof SysError)) return error;
  // compat: a wrong limit is refused before Docker looks at the container, without naming it.
  if (error instanceof Fault && error.kind === "invalidParameter") return error;
  const kind = error instanceof Fault ? error.kind : "system";
  const code = error instanceof Fault ? error.code : "container.update";
  return new Fault(kind, `Cannot update container ${id}: ${messageOf(error)}`, { code, cause: error });
}
