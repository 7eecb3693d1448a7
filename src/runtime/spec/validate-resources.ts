// Docker's checks of limits, with Docker's texts (moby verifyPlatformContainerResources). A contradiction is Fault
// invalidParameter; a limit that this machine cannot enforce is taken out of the result and told as a warning.

import { Fault } from "../../lib/errors.ts";
import { parseCpuList, type SpecHost } from "./host.ts";
import type { SpecResources } from "./input.ts";

const MIN_MEMORY = 6 << 20;

/** Returns the limits that this machine can enforce; throws for contradictions. */
export function validateResources(input: SpecResources, host: SpecHost, warnings: string[]): SpecResources {
  const r: SpecResources = { ...input };
  if (r.swappiness === -1) delete r.swappiness;
  checkMemory(r, host, warnings);
  checkCpu(r, host, warnings);
  checkCpuset(r, host, warnings);
  checkBlkio(r, host, warnings);
  if (r.pidsLimit !== undefined && !host.features.pidsLimit) {
    if (r.pidsLimit > 0) warnings.push(unsupported("PIDs limit capabilities", "PIDs limit discarded."));
    delete r.pidsLimit;
  }
  return r;
}

function checkMemory(r: SpecResources, host: SpecHost, warnings: string[]): void {
  const f = host.features;
  if (r.memory && r.memory < MIN_MEMORY) throw invalid("Minimum memory limit allowed is 6MB");
  if (r.memory && !f.memoryLimit) {
    warnings.push(unsupported("memory limit capabilities", "Limitation discarded."));
    delete r.memory;
    r.memorySwap = -1;
  }
  if (r.memory && r.memorySwap !== -1 && !f.swapLimit) {
    warnings.push(unsupported("swap limit capabilities", "Memory limited without swap."));
    r.memorySwap = -1;
  }
  if (r.memory && r.memorySwap && r.memorySwap > 0 && r.memorySwap < r.memory) {
    throw invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  if (!r.memory && r.memorySwap && r.memorySwap > 0) {
    throw invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
  }
  if (r.swappiness !== undefined && !f.memorySwappiness) {
    warnings.push(unsupported("memory swappiness capabilities", "Memory swappiness discarded."));
    delete r.swappiness;
  }
  if (r.swappiness !== undefined && (r.swappiness < 0 || r.swappiness > 100)) {
    throw invalid(`Invalid value: ${r.swappiness}, valid memory swappiness range is 0-100`);
  }
  checkReservation(r, host, warnings);
  checkOomKill(r, host, warnings);
}

function checkReservation(r: SpecResources, host: SpecHost, warnings: string[]): void {
  if (!r.memoryReservation) return;
  if (!host.features.memoryReservation) {
    warnings.push(unsupported("memory soft limit capabilities", "Limitation discarded."));
    delete r.memoryReservation;
    return;
  }
  if (r.memoryReservation < MIN_MEMORY) throw invalid("Minimum memory reservation allowed is 6MB");
  if (r.memory && r.memory < r.memoryReservation) {
    throw invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
  }
}

function checkOomKill(r: SpecResources, host: SpecHost, warnings: string[]): void {
  if (r.oomKillDisable && !host.features.oomKillDisable) {
    warnings.push("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    delete r.oomKillDisable;
  }
  if (r.oomKillDisable && !r.memory) {
    warnings.push(
      "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
    );
  }
}

function checkCpu(r: SpecResources, host: SpecHost, warnings: string[]): void {
  const f = host.features;
  if (r.nanoCpus && r.cpuPeriod) {
    throw invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  }
  if (r.nanoCpus && r.cpuQuota) {
    throw invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  }
  if (r.nanoCpus && !f.cpuCfs) {
    throw invalid(
      "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted",
    );
  }
  if (r.nanoCpus && (r.nanoCpus < 0 || r.nanoCpus > host.cpuCount * 1e9)) {
    throw invalid(
      `range of CPUs is from 0.01 to ${host.cpuCount}.00, as there are only ${host.cpuCount} CPUs available`,
    );
  }
  if (r.cpuShares && r.cpuShares < 0) {
    throw invalid(`invalid CPU shares (${r.cpuShares}): value must be a positive integer`);
  }
  if (r.cpuShares && f.cpuShares && (r.cpuShares < 2 || r.cpuShares > 262_144)) {
    throw invalid(
      r.cpuShares < 2 ? "the minimum allowed cpu-shares is 2" : "the maximum allowed cpu-shares is 262144",
    );
  }
  if (r.cpuShares && !f.cpuShares) {
    warnings.push("Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.");
    delete r.cpuShares;
  }
  if ((r.cpuPeriod || r.cpuQuota) && !f.cpuCfs) {
    warnings.push("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
    delete r.cpuPeriod;
    delete r.cpuQuota;
  }
  if (r.cpuPeriod && (r.cpuPeriod < 1000 || r.cpuPeriod > 1_000_000)) {
    throw invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  }
  if (r.cpuQuota && r.cpuQuota > 0 && r.cpuQuota < 1000) {
    throw invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  }
  if ((r.cpuRealtimePeriod || r.cpuRealtimeRuntime) && !f.cpuRealtime) {
    throw invalid("kernel does not support CPU real-time scheduler");
  }
  if (r.cpuRealtimePeriod && r.cpuRealtimeRuntime && r.cpuRealtimeRuntime > r.cpuRealtimePeriod) {
    throw invalid("cpu real-time runtime cannot be higher than cpu real-time period");
  }
}

function checkCpuset(r: SpecResources, host: SpecHost, warnings: string[]): void {
  if ((r.cpusetCpus || r.cpusetMems) && !host.features.cpuset) {
    warnings.push("Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.");
    delete r.cpusetCpus;
    delete r.cpusetMems;
    return;
  }
  checkList(r.cpusetCpus ?? "", host.features.cpus, "cpus", "CPUs");
  checkList(r.cpusetMems ?? "", host.features.mems, "mems", "memory nodes");
}

function checkList(wanted: string, available: string, name: string, things: string): void {
  if (wanted === "") return;
  const isRange = (part: string) => {
    const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part);
    return match !== null && Number(match[1]) <= Number(match[2] ?? match[1]);
  };
  if (!wanted.split(",").every(isRange)) {
    throw invalid(`Invalid value ${wanted} for cpuset ${name}: invalid format: ${wanted}`);
  }
  const present = new Set(parseCpuList(available));
  if (parseCpuList(wanted).every((n) => present.has(n))) return;
  throw invalid(`Requested ${things} are not available - requested ${wanted}, available: ${available}`);
}

function checkBlkio(r: SpecResources, host: SpecHost, warnings: string[]): void {
  const f = host.features;
  if (r.blkioWeight && !f.blkioWeight) {
    warnings.push(unsupported("Block I/O weight", "Weight discarded."));
    delete r.blkioWeight;
  }
  if (r.blkioWeight && (r.blkioWeight < 10 || r.blkioWeight > 1000)) {
    throw invalid("Range of blkio weight is from 10 to 1000");
  }
  if (r.blkioWeightDevice?.length && !f.blkioWeightDevice) {
    warnings.push(unsupported("Block I/O weight_device", "Weight-device discarded."));
    delete r.blkioWeightDevice;
  }
  if (f.blkioThrottle) return;
  const limits = [
    ["blkioDeviceReadBps", "BPS Block I/O read limit", "Block I/O BPS read limit discarded."],
    ["blkioDeviceWriteBps", "BPS Block I/O write limit", "Block I/O BPS write limit discarded."],
    ["blkioDeviceReadIops", "IOPS Block read limit", "Block I/O IOPS read limit discarded."],
    ["blkioDeviceWriteIops", "IOPS Block write limit", "Block I/O IOPS write limit discarded."],
  ] as const;
  for (const [key, what, effect] of limits) {
    if (!r[key]?.length) continue;
    warnings.push(unsupported(what, effect));
    delete r[key];
  }
}

function unsupported(what: string, effect: string): string {
  return `Your kernel does not support ${what} or the cgroup is not mounted. ${effect}`;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-config" });
}
