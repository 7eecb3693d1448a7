// ContainerUpdate: new limits for a container, written to its cgroups while it runs and kept in its record, and a new
// restart policy. The kernel is asked first: what it refuses is not recorded.
import type { HostConfig, HostConfigRequest, UpdateConfigRequest } from "../../../api/schemas/host-config.ts";
import { Fault, messageOf, SysError } from "../../../lib/errors.ts";
import { planCgroupUpdate } from "../../../runtime/cgroup/plan.ts";
import { loadSpecHost, type SpecHost } from "../../../runtime/spec/host.ts";
import { generateResources } from "../../../runtime/spec/resources.ts";
import { validateResources } from "../../../runtime/spec/validate-resources.ts";
import { checkRestartPolicy } from "../host-config/check.ts";
import { type ContainerContext, publish } from "../context.ts";
import { limitsOf, withLimits } from "../host-config/limits.ts";
import { completeResources } from "../host-config/resources.ts";
import { type ContainerRecord, isRunning } from "../record.ts";
import { externalOf, updateExternal } from "../runtime/external.ts";
import { cgroupOf, updateScope } from "./cgroup.ts";

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
  "BlkioWeight",
] as const;

/** Limits that a request replaces as a whole; null leaves them as they are. */
const LISTS = [
  "BlkioWeightDevice",
  "BlkioDeviceReadBps",
  "BlkioDeviceWriteBps",
  "BlkioDeviceReadIOps",
  "BlkioDeviceWriteIOps",
] as const;

/** What the API's type has and an update does not change: told, where Docker says nothing. */
const FIXED = [
  "MemorySwappiness",
  "OomKillDisable",
  "Devices",
  "DeviceCgroupRules",
  "DeviceRequests",
  "Ulimits",
  "CgroupParent",
  "CpuCount",
  "CpuPercent",
  "IOMaximumIOps",
  "IOMaximumBandwidth",
  "Init",
] as const;

const conflicting = (message: string): Fault => new Fault("conflict", message, { code: "container.update" });

/** Returns a container's configuration with the changes. Fails with conflict or invalidParameter in Docker's words. */
export function updatedConfig(current: HostConfig, request: UpdateConfigRequest): HostConfig {
  checkRestartPolicy(request.RestartPolicy);
  checkCpu(current, request);
  const { Memory: memory, MemorySwap: swap } = request;
  if (memory && !swap && memory > current.MemorySwap)
    throw conflicting(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  const limits = { ...current, ...changedLimits(request) };
  const policy = request.RestartPolicy;
  if (!policy?.Name) return limits;
  if (current.AutoRemove && policy.Name !== "no")
    throw conflicting("Restart policy cannot be updated because AutoRemove is enabled for the container");
  return {
    ...limits,
    RestartPolicy: { Name: policy.Name, MaximumRetryCount: policy.MaximumRetryCount ?? 0 },
  };
}

function changedLimits(request: UpdateConfigRequest): Partial<HostConfig> {
  const complete = completeResources(request as HostConfigRequest);
  return Object.fromEntries([
    ...LIMITS.filter((key) => request[key]).map((key) => [key, request[key]]),
    ...LISTS.filter((key) => request[key]).map((key) => [key, complete[key]]),
    // compat: whatever lifts the limit is shown as 0.
    ...(typeof request.PidsLimit === "number" ? [["PidsLimit", Math.max(0, request.PidsLimit)]] : []),
  ]);
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
  const host = loadSpecHost();
  try {
    checkRequest(request, host, warnings);
    const wished = updatedConfig(record.hostConfig, request);
    const limits = validateResources(limitsOf(wished), host, []);
    if (isRunning(record)) {
      const asked = generateResources(limits, [], host);
      const resources = context.systemd?.limits(asked) ?? asked;
      const paths = cgroupOf(context, record);
      const external = externalOf(context, record);
      const plan = planCgroupUpdate(context.cgroups, paths, resources);
      if (external !== undefined) await updateExternal(context, external, resources);
      else {
        await updateScope(context, record.cgroup, paths, resources);
        await context.keel.run(plan.ops);
      }
      warnings.push(...plan.warnings);
    }
    const hostConfig = withLimits(wished, limits);
    publish(context, await context.table.put({ ...record, hostConfig }), "update");
    return warnings;
  } catch (error) {
    throw refused(record.id, error);
  }
}

/** The request alone, before the container: what is wrong with it is wrong with any. */
function checkRequest(request: UpdateConfigRequest, host: SpecHost, warnings: string[]): void {
  // Without a limit of memory the sum is judged together with the one that the container has.
  const alone = request.Memory ? request : { ...request, MemorySwap: 0 };
  validateResources(limitsOf(completeResources(alone as HostConfigRequest)), host, warnings);
  if (request.KernelMemory || request.KernelMemoryTCP)
    warnings.push(
      "Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
    );
  const fixed = FIXED.filter((key) => {
    const value = request[key];
    return Array.isArray(value) ? value.length > 0 : Boolean(value);
  });
  if (fixed.length > 0)
    warnings.push(`${fixed.join(", ")} cannot be changed by an update. Create the container anew for that.`);
}

function refused(id: string, error: unknown): unknown {
  if (!(error instanceof Fault) && !(error instanceof SysError)) return error;
  // compat: a wrong limit is refused before Docker looks at the container, without naming it.
  if (error instanceof Fault && error.kind === "invalidParameter") return error;
  const kind = error instanceof Fault ? error.kind : "system";
  const code = error instanceof Fault ? error.code : "container.update";
  return new Fault(kind, `Cannot update container ${id}: ${messageOf(error)}`, { code, cause: error });
}
