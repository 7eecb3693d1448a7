// The numbers of a cgroup, typed as Docker's stats JSON needs them (API schema ContainerStatsResponse), from v1 and v2.
// Reads only. A file or controller that is missing leaves its part out (v1: undefined), a cgroup that is gone is Fault
// notFound. Times are nanoseconds, sizes bytes; "no limit" in memory.stat is above 2^53 and therefore a bigint.

import { Fault } from "../../lib/errors.ts";
import { readProcText, readProcTextIfPresent } from "../procfs/read.ts";
import type { CgroupPaths } from "./hierarchy.ts";

export interface CpuStats {
  totalNs: number;
  kernelNs: number;
  userNs: number;
  /** v1 only. */
  perCpuNs?: number[];
  periods: number;
  throttledPeriods: number;
  throttledNs: number;
}

export interface MemoryStats {
  usageBytes: number;
  /** v1 only. */
  maxUsageBytes?: number;
  /** As set; larger than the machine's memory when there is no limit. */
  limitBytes: number;
  /** v1 memory.failcnt; v2 the `oom` count of memory.events. */
  failCount: number;
  /** memory.stat as Docker passes it on; the names differ between v1 and v2. */
  stats: Record<string, number | bigint>;
}

export interface BlkioEntry {
  major: number;
  minor: number;
  op: string;
  value: number;
}

/** One list per blkio file; Docker's field names in camelCase. v2 has only the first. */
export interface BlkioStats {
  ioServiceBytesRecursive: BlkioEntry[];
  ioServicedRecursive: BlkioEntry[];
  ioQueuedRecursive: BlkioEntry[];
  ioServiceTimeRecursive: BlkioEntry[];
  ioWaitTimeRecursive: BlkioEntry[];
  ioMergedRecursive: BlkioEntry[];
  ioTimeRecursive: BlkioEntry[];
  sectorsRecursive: BlkioEntry[];
}

export interface CgroupStats {
  cpu?: CpuStats;
  memory?: MemoryStats;
  /** limit 0 is unlimited. */
  pids?: { current: number; limit: number };
  blkio: BlkioStats;
}

const NO_LIMIT = 2 ** 63;

/** Reads all numbers of one cgroup. Costs about ten small reads. */
export function readStats(cgroup: CgroupPaths): CgroupStats {
  const stats: CgroupStats = { blkio: emptyBlkio() };
  const cpu = cgroup.v1["cpuacct"] !== undefined ? readCpuV1(cgroup) : readCpuV2(cgroup.v2);
  if (cpu) stats.cpu = cpu;
  const memory =
    cgroup.v1["memory"] !== undefined ? readMemoryV1(cgroup.v1["memory"]) : readMemoryV2(cgroup.v2);
  if (memory) stats.memory = memory;
  const pids = readPids(cgroup.v1["pids"] ?? cgroup.v2);
  if (pids) stats.pids = pids;
  if (cgroup.v1["blkio"] !== undefined) stats.blkio = readBlkioV1(cgroup.v1["blkio"]);
  else if (cgroup.v2 !== "") stats.blkio = readBlkioV2(cgroup.v2);
  if (!stats.cpu && !stats.memory && !stats.pids) {
    throw new Fault("notFound", "the container's cgroup is gone", { code: "cgroup.gone" });
  }
  return stats;
}

function readCpuV1(cgroup: CgroupPaths): CpuStats | undefined {
  const dir = cgroup.v1["cpuacct"] as string;
  const usage = readProcTextIfPresent(`${dir}/cpuacct.usage`);
  if (usage === undefined) return undefined;
  const perCpu = readProcTextIfPresent(`${dir}/cpuacct.usage_percpu`) ?? "";
  // one file with both modes in nanoseconds; cpuacct.stat has only clock ticks
  const userNs = numberOf(readProcTextIfPresent(`${dir}/cpuacct.usage_user`));
  const kernelNs = numberOf(readProcTextIfPresent(`${dir}/cpuacct.usage_sys`));
  const stat = keyed(readProcTextIfPresent(`${cgroup.v1["cpu"] ?? dir}/cpu.stat`));
  return {
    totalNs: numberOf(usage),
    kernelNs,
    userNs,
    perCpuNs: perCpu.trim().split(/\s+/).filter(Boolean).map(Number),
    periods: stat["nr_periods"] ?? 0,
    throttledPeriods: stat["nr_throttled"] ?? 0,
    throttledNs: stat["throttled_time"] ?? 0,
  };
}

function readCpuV2(dir: string): CpuStats | undefined {
  if (dir === "") return undefined;
  const text = readProcTextIfPresent(`${dir}/cpu.stat`);
  if (text === undefined) return undefined;
  const stat = keyed(text);
  return {
    totalNs: (stat["usage_usec"] ?? 0) * 1000,
    kernelNs: (stat["system_usec"] ?? 0) * 1000,
    userNs: (stat["user_usec"] ?? 0) * 1000,
    periods: stat["nr_periods"] ?? 0,
    throttledPeriods: stat["nr_throttled"] ?? 0,
    throttledNs: (stat["throttled_usec"] ?? 0) * 1000,
  };
}

function readMemoryV1(dir: string): MemoryStats | undefined {
  const usage = readProcTextIfPresent(`${dir}/memory.usage_in_bytes`);
  if (usage === undefined) return undefined;
  return {
    usageBytes: numberOf(usage),
    maxUsageBytes: numberOf(readProcTextIfPresent(`${dir}/memory.max_usage_in_bytes`)),
    limitBytes: numberOf(readProcTextIfPresent(`${dir}/memory.limit_in_bytes`)),
    failCount: numberOf(readProcTextIfPresent(`${dir}/memory.failcnt`)),
    stats: keyedExactly(readProcTextIfPresent(`${dir}/memory.stat`)),
  };
}

function readMemoryV2(dir: string): MemoryStats | undefined {
  if (dir === "") return undefined;
  const usage = readProcTextIfPresent(`${dir}/memory.current`);
  if (usage === undefined) return undefined;
  const limit = readProcTextIfPresent(`${dir}/memory.max`)?.trim();
  return {
    usageBytes: numberOf(usage),
    limitBytes: limit === undefined || limit === "max" ? NO_LIMIT : Number(limit),
    failCount: keyed(readProcTextIfPresent(`${dir}/memory.events`))["oom"] ?? 0,
    stats: keyedExactly(readProcTextIfPresent(`${dir}/memory.stat`)),
  };
}

function readPids(dir: string): { current: number; limit: number } | undefined {
  if (dir === "") return undefined;
  const current = readProcTextIfPresent(`${dir}/pids.current`);
  if (current === undefined) return undefined;
  const limit = readProcTextIfPresent(`${dir}/pids.max`)?.trim() ?? "max";
  return { current: numberOf(current), limit: limit === "max" ? 0 : numberOf(limit) };
}

/** Pairs of file stem and Docker's field; bfq's own counters first, as its throttle files count nothing then. */
const V1_BLKIO = [
  ["ioServiceTimeRecursive", ["bfq.io_service_time_recursive"]],
  ["ioWaitTimeRecursive", ["bfq.io_wait_time_recursive"]],
  ["ioMergedRecursive", ["bfq.io_merged_recursive"]],
  ["ioQueuedRecursive", ["bfq.io_queued_recursive"]],
  ["ioTimeRecursive", ["bfq.time_recursive"]],
  ["sectorsRecursive", ["bfq.sectors_recursive"]],
  ["ioServiceBytesRecursive", ["bfq.io_service_bytes_recursive", "throttle.io_service_bytes_recursive"]],
  ["ioServicedRecursive", ["bfq.io_serviced_recursive", "throttle.io_serviced_recursive"]],
] as const;

function readBlkioV1(dir: string): BlkioStats {
  const stats = emptyBlkio();
  for (const [field, stems] of V1_BLKIO) {
    for (const stem of stems) {
      const entries = blkioEntries(readProcTextIfPresent(`${dir}/blkio.${stem}`) ?? "");
      if (entries.length === 0) continue;
      stats[field] = entries;
      break;
    }
  }
  return stats;
}

/** Lines `8:0 Read 4096`, `8:0 4096`, and totals without a device, which Docker leaves out. */
function blkioEntries(text: string): BlkioEntry[] {
  const entries: BlkioEntry[] = [];
  for (const line of text.split("\n")) {
    const match = /^(\d+):(\d+) (?:([A-Za-z]+) )?(\d+)$/.exec(line);
    if (!match) continue;
    entries.push({
      major: Number(match[1]),
      minor: Number(match[2]),
      op: match[3] ?? "",
      value: Number(match[4]),
    });
  }
  return entries;
}

/** io.stat: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`. */
function readBlkioV2(dir: string): BlkioStats {
  const stats = emptyBlkio();
  for (const line of (readProcTextIfPresent(`${dir}/io.stat`) ?? "").split("\n")) {
    const match = /^(\d+):(\d+) (.*)$/.exec(line);
    if (!match) continue;
    const device = { major: Number(match[1]), minor: Number(match[2]) };
    const values = Object.fromEntries((match[3] ?? "").split(" ").map((pair) => pair.split("=", 2)));
    const entry = (op: string, key: string): BlkioEntry => ({ ...device, op, value: numberOf(values[key]) });
    // compat: Docker leaves the numbers of operations out on v2, although the kernel counts them
    stats.ioServiceBytesRecursive.push(entry("read", "rbytes"), entry("write", "wbytes"));
  }
  return stats;
}

function emptyBlkio(): BlkioStats {
  return {
    ioServiceBytesRecursive: [],
    ioServicedRecursive: [],
    ioQueuedRecursive: [],
    ioServiceTimeRecursive: [],
    ioWaitTimeRecursive: [],
    ioMergedRecursive: [],
    ioTimeRecursive: [],
    sectorsRecursive: [],
  };
}

function numberOf(text: string | undefined): number {
  const n = Number(text?.trim());
  return Number.isFinite(n) ? n : 0;
}

/** Lines `key number`; others are skipped. */
function keyed<T = number>(
  text: string | undefined,
  parse: (text: string) => T = numberOf as (text: string) => T,
): Record<string, T> {
  const map: Record<string, T> = {};
  for (const line of (text ?? "").split("\n")) {
    const blank = line.indexOf(" ");
    if (blank > 0) map[line.slice(0, blank)] = parse(line.slice(blank + 1));
  }
  return map;
}

function keyedExactly(text: string | undefined): Record<string, number | bigint> {
  return keyed<number | bigint>(text, (value) => {
    const n = numberOf(value);
    return Number.isSafeInteger(n) || !/^\d+$/.test(value) ? n : BigInt(value);
  });
}

/** How often processes of this cgroup were killed for want of memory (memory.oom_control, memory.events). */
export function readOomKills(cgroup: CgroupPaths): number {
  const file = oomFileOf(cgroup);
  return file === "" ? 0 : (keyed(readProcTextIfPresent(file))["oom_kill"] ?? 0);
}

/** The file with the line `oom_kill N`, "" where there is no memory controller. */
export function oomFileOf(cgroup: CgroupPaths): string {
  const memory = cgroup.v1["memory"];
  if (memory !== undefined) return `${memory}/memory.oom_control`;
  return cgroup.v2 === "" || Object.keys(cgroup.v1).length > 0 ? "" : `${cgroup.v2}/memory.events`;
}

/** Machine-wide CPU time and number of CPUs that Docker divides by (stats fields system_cpu_usage, online_cpus). */
export function readSystemCpu(): { totalNs: number; onlineCpus: number } {
  const lines = readProcText("/proc/stat").split("\n");
  // user, nice, system, idle, iowait, irq, softirq, steal: guest times are contained in user
  const ticks = (lines[0] ?? "").trim().split(/\s+/).slice(1, 9).map(Number);
  const onlineCpus = lines.filter((line) => /^cpu\d/.test(line)).length;
  return { totalNs: ticks.reduce((sum, n) => sum + n, 0) * 10_000_000, onlineCpus };
}
