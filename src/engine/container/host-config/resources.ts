// The limits of a HostConfig with Docker's zero values.
import type { HostConfig, HostConfigRequest } from "../../../api/schemas/host-config.ts";

/** The fields of a HostConfig that are limits. */
export type LimitFields = Pick<
  HostConfig,
  | "CpuShares"
  | "Memory"
  | "NanoCpus"
  | "CgroupParent"
  | "BlkioWeight"
  | "BlkioWeightDevice"
  | "BlkioDeviceReadBps"
  | "BlkioDeviceWriteBps"
  | "BlkioDeviceReadIOps"
  | "BlkioDeviceWriteIOps"
  | "CpuPeriod"
  | "CpuQuota"
  | "CpuRealtimePeriod"
  | "CpuRealtimeRuntime"
  | "CpusetCpus"
  | "CpusetMems"
  | "Devices"
  | "DeviceCgroupRules"
  | "DeviceRequests"
  | "MemoryReservation"
  | "MemorySwap"
  | "MemorySwappiness"
  | "OomKillDisable"
  | "PidsLimit"
  | "CpuCount"
  | "CpuPercent"
  | "IOMaximumIOps"
  | "IOMaximumBandwidth"
>;

/** Returns the resource limits of a request with Docker's zero values; also what ContainerUpdate starts from. */
export function completeResources(r: HostConfigRequest): LimitFields {
  // The contract checked the shapes; struct members that were left out become Go's zero values here.
  const rated = (v: HostConfigRequest["BlkioDeviceReadBps"]): HostConfig["BlkioDeviceReadBps"] =>
    v?.map((d) => ({ Path: d.Path ?? "", Rate: d.Rate ?? 0 })) ?? null;
  const memory = r.Memory ?? 0;
  return {
    CpuShares: r.CpuShares ?? 0,
    Memory: memory,
    NanoCpus: r.NanoCpus ?? 0,
    CgroupParent: r.CgroupParent ?? "",
    BlkioWeight: r.BlkioWeight ?? 0,
    BlkioWeightDevice:
      r.BlkioWeightDevice?.map((d) => ({ Path: d.Path ?? "", Weight: d.Weight ?? 0 })) ?? null,
    BlkioDeviceReadBps: rated(r.BlkioDeviceReadBps),
    BlkioDeviceWriteBps: rated(r.BlkioDeviceWriteBps),
    BlkioDeviceReadIOps: rated(r.BlkioDeviceReadIOps),
    BlkioDeviceWriteIOps: rated(r.BlkioDeviceWriteIOps),
    CpuPeriod: r.CpuPeriod ?? 0,
    CpuQuota: r.CpuQuota ?? 0,
    CpuRealtimePeriod: r.CpuRealtimePeriod ?? 0,
    CpuRealtimeRuntime: r.CpuRealtimeRuntime ?? 0,
    CpusetCpus: r.CpusetCpus ?? "",
    CpusetMems: r.CpusetMems ?? "",
    Devices:
      r.Devices?.map((d) => ({
        PathOnHost: d.PathOnHost ?? "",
        PathInContainer: d.PathInContainer ?? "",
        CgroupPermissions: d.CgroupPermissions || "rwm",
      })) ?? null,
    DeviceCgroupRules: r.DeviceCgroupRules ?? null,
    DeviceRequests:
      r.DeviceRequests?.map((d) => ({
        Driver: d.Driver ?? "",
        Count: d.Count ?? 0,
        DeviceIDs: d.DeviceIDs ?? null,
        Capabilities: d.Capabilities ?? null,
        Options: d.Options ?? null,
      })) ?? null,
    MemoryReservation: r.MemoryReservation ?? 0,
    // compat: a memory limit without a swap limit allows as much swap again.
    MemorySwap: r.MemorySwap || (memory > 0 ? memory * 2 : 0),
    MemorySwappiness: r.MemorySwappiness === -1 ? null : (r.MemorySwappiness ?? null),
    OomKillDisable: r.OomKillDisable ?? false,
    // compat: 0 and anything negative mean "no limit" and are not remembered.
    PidsLimit: r.PidsLimit && r.PidsLimit > 0 ? r.PidsLimit : null,
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: r.IOMaximumIOps ?? 0,
    IOMaximumBandwidth: r.IOMaximumBandwidth ?? 0,
  };
}
