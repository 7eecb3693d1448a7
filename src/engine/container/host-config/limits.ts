// The limits of a configuration in the runtime's words, and back: what this machine cannot enforce is not recorded either.
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import type { SpecResources } from "../../../runtime/spec/input.ts";
import type { LimitFields } from "./resources.ts";

/** Returns the limits of a configuration in the runtime's words. */
export function limitsOf(h: LimitFields): SpecResources {
  const rates = (list: HostConfig["BlkioDeviceReadBps"]): { path: string; rate: number }[] =>
    (list ?? []).map((d) => ({ path: d.Path, rate: d.Rate }));
  return {
    memory: h.Memory,
    memorySwap: h.MemorySwap,
    memoryReservation: h.MemoryReservation,
    ...(h.MemorySwappiness === null ? {} : { swappiness: h.MemorySwappiness }),
    ...(h.OomKillDisable === null ? {} : { oomKillDisable: h.OomKillDisable }),
    cpuShares: h.CpuShares,
    cpuQuota: h.CpuQuota,
    cpuPeriod: h.CpuPeriod,
    nanoCpus: h.NanoCpus,
    cpusetCpus: h.CpusetCpus,
    cpusetMems: h.CpusetMems,
    cpuRealtimePeriod: h.CpuRealtimePeriod,
    cpuRealtimeRuntime: h.CpuRealtimeRuntime,
    ...(h.PidsLimit === null ? {} : { pidsLimit: h.PidsLimit }),
    blkioWeight: h.BlkioWeight,
    blkioWeightDevice: (h.BlkioWeightDevice ?? []).map((d) => ({ path: d.Path, weight: d.Weight })),
    blkioDeviceReadBps: rates(h.BlkioDeviceReadBps),
    blkioDeviceWriteBps: rates(h.BlkioDeviceWriteBps),
    blkioDeviceReadIops: rates(h.BlkioDeviceReadIOps),
    blkioDeviceWriteIops: rates(h.BlkioDeviceWriteIOps),
    deviceCgroupRules: h.DeviceCgroupRules ?? [],
  };
}

/** Returns the configuration with `limits`, which a check against this machine has left of its own. */
export function withLimits(h: HostConfig, limits: SpecResources): HostConfig {
  const isKept = (list: readonly unknown[] | undefined): boolean => (list?.length ?? 0) > 0;
  const kept = <T>(list: T[] | null, left: readonly unknown[] | undefined): T[] | null =>
    list === null || isKept(left) ? list : [];
  return {
    ...h,
    Memory: limits.memory ?? 0,
    MemorySwap: limits.memorySwap ?? 0,
    MemoryReservation: limits.memoryReservation ?? 0,
    MemorySwappiness: limits.swappiness ?? null,
    OomKillDisable: limits.oomKillDisable ?? false,
    CpuShares: limits.cpuShares ?? 0,
    CpuPeriod: limits.cpuPeriod ?? 0,
    CpuQuota: limits.cpuQuota ?? 0,
    CpusetCpus: limits.cpusetCpus ?? "",
    CpusetMems: limits.cpusetMems ?? "",
    PidsLimit: limits.pidsLimit ?? null,
    BlkioWeight: limits.blkioWeight ?? 0,
    BlkioWeightDevice: kept(h.BlkioWeightDevice, limits.blkioWeightDevice),
    BlkioDeviceReadBps: kept(h.BlkioDeviceReadBps, limits.blkioDeviceReadBps),
    BlkioDeviceWriteBps: kept(h.BlkioDeviceWriteBps, limits.blkioDeviceWriteBps),
    BlkioDeviceReadIOps: kept(h.BlkioDeviceReadIOps, limits.blkioDeviceReadIops),
    BlkioDeviceWriteIOps: kept(h.BlkioDeviceWriteIOps, limits.blkioDeviceWriteIops),
  };
}
