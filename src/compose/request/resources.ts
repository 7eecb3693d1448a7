// Limits, devices and restart policy of a service in the daemon's terms.

import type { HostConfigRequest } from "../../api/schemas/host-config.ts";
import type { Service } from "../model/project.ts";
import { table } from "../../lib/table.ts";

/** Returns the part of a container's HostConfig that limits it. */
export function resourcesOf(service: Service): HostConfigRequest {
  const { limits, reservations } = service.deploy?.resources ?? {};
  const cpus = limits?.cpus ?? service.cpus ?? 0;
  const pids = limits?.pids ?? service.pids_limit ?? 0;
  const blkio = service.blkio_config ?? {};
  const rates = (devices: readonly { readonly path?: string; readonly rate?: number }[] | undefined) =>
    devices?.map(({ path = "", rate = 0 }) => ({ Path: path, Rate: BigInt(rate) as unknown as number })) ??
    null;
  return {
    CgroupParent: service.cgroup_parent ?? "",
    Memory: limits?.memory ?? service.mem_limit ?? 0,
    MemorySwap: service.memswap_limit ?? 0,
    MemorySwappiness: service.mem_swappiness ?? null,
    MemoryReservation: reservations?.memory ?? service.mem_reservation ?? 0,
    OomKillDisable: service.oom_kill_disable ?? false,
    CpuCount: service.cpu_count ?? 0,
    CpuPeriod: service.cpu_period ?? 0,
    CpuQuota: service.cpu_quota ?? 0,
    CpuRealtimePeriod: service.cpu_rt_period ?? 0,
    CpuRealtimeRuntime: service.cpu_rt_runtime ?? 0,
    CpuShares: service.cpu_shares ?? 0,
    NanoCpus: Math.round(cpus * 1e9),
    CpuPercent: Math.trunc((service.cpu_percent ?? 0) * 100),
    CpusetCpus: service.cpuset ?? "",
    DeviceCgroupRules: service.device_cgroup_rules === undefined ? null : [...service.device_cgroup_rules],
    ...(pids === 0 ? {} : { PidsLimit: pids }),
    BlkioWeight: blkio.weight ?? 0,
    BlkioWeightDevice:
      blkio.weight_device?.map(({ path = "", weight = 0 }) => ({ Path: path, Weight: weight })) ?? null,
    BlkioDeviceReadBps: rates(blkio.device_read_bps),
    BlkioDeviceReadIOps: rates(blkio.device_read_iops),
    BlkioDeviceWriteBps: rates(blkio.device_write_bps),
    BlkioDeviceWriteIOps: rates(blkio.device_write_iops),
    ...devicesOf(service),
    Ulimits: ulimitsOf(service),
  };
}

function devicesOf(service: Service): HostConfigRequest {
  // A device of the container device interface (vendor.com/class=name) is no file.
  const isQualified = (source: string): boolean => /^[^/]+\/[^/=]+=.+$/.test(source);
  const devices = service.devices ?? [];
  const named = devices.map(({ source = "" }) => source).filter(isQualified);
  const request = (capabilities: readonly string[], spec: NonNullable<Service["gpus"]>[number]) => ({
    Driver: spec.driver ?? "",
    Count: spec.count ?? 0,
    DeviceIDs: spec.device_ids === undefined ? null : [...spec.device_ids],
    Capabilities: [[...capabilities]],
    Options: spec.options ?? null,
  });
  const requests = [
    ...(service.deploy?.resources?.reservations?.devices ?? []).map((spec) =>
      request(spec.capabilities ?? [], spec),
    ),
    ...(named.length === 0
      ? []
      : [{ Driver: "cdi", Count: 0, DeviceIDs: named, Capabilities: null, Options: null }]),
    ...(service.gpus ?? []).map((spec) => request([...(spec.capabilities ?? []), "gpu"], spec)),
  ];
  return {
    Devices: devices
      .filter(({ source = "" }) => !isQualified(source))
      .map(({ source = "", target = source, permissions = "rwm" }) => ({
        PathOnHost: source,
        PathInContainer: target,
        CgroupPermissions: permissions,
      })),
    DeviceRequests: requests.length === 0 ? null : requests,
  };
}

function ulimitsOf({ ulimits = {} }: Service): { Name: string; Soft: number; Hard: number }[] {
  return Object.entries(ulimits)
    .map(([Name, limit]) =>
      typeof limit === "number"
        ? { Name, Soft: limit, Hard: limit }
        : { Name, Soft: limit.soft ?? 0, Hard: limit.hard ?? 0 },
    )
    .sort((a, b) => (a.Name < b.Name ? -1 : 1));
}

const conditions: Readonly<Record<string, string>> = table({ none: "no", any: "always" });

/** Returns the restart policy: that of `deploy` goes before `restart`. */
export function restartPolicyOf(service: Service): { Name: string; MaximumRetryCount: number } {
  const policy = service.deploy?.restart_policy;
  if (policy !== undefined) {
    const condition = policy.condition ?? "any";
    return { Name: conditions[condition] ?? condition, MaximumRetryCount: policy.max_attempts ?? 0 };
  }
  const [name = "", attempts = "0"] = (service.restart ?? "").split(":");
  return { Name: conditions[name] ?? name, MaximumRetryCount: Number(attempts) || 0 };
}
