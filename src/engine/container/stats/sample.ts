// One sample of what a container uses: some twenty small reads of kernel files. A container that does not run has zero
// values, as Docker shows it.
import { totalmem } from "node:os";
import type { ContainerStats, CpuStats } from "../../../api/schemas/stats.ts";
import { Fault } from "../../../lib/errors.ts";
import { formatNano, nowNano, ZERO_TIME } from "../../../lib/time.ts";
import {
  type BlkioEntry,
  type CgroupStats,
  readStats,
  readSystemCpu,
} from "../../../linux/cgroupfs/stats.ts";
import { readProcTextIfPresent } from "../../../linux/procfs/read.ts";
import type { ContainerContext } from "../context.ts";
import { type ContainerRecord, isRunning } from "../record.ts";
import { cgroupOf } from "../run/cgroup.ts";

/** A sample on its own; readers add the one before. */
export type Sample = Omit<ContainerStats, "preread" | "precpu_stats">;

const NO_CPU: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

/** Returns the answer of ContainerStats: a sample, with the processor times of the one before it. */
export function statsOf(sample: Sample, previous: Sample | undefined): ContainerStats {
  const { id, name, os_type, read, ...rest } = sample;
  const before = { preread: previous?.read ?? ZERO_TIME, precpu_stats: previous?.cpu_stats ?? NO_CPU };
  return { id, name, os_type, read, ...rest, ...before };
}

/** Takes a sample of a container now. */
export function takeSample(context: ContainerContext, record: ContainerRecord): Sample {
  const head = { id: record.id, name: `/${record.name}`, os_type: "linux" };
  const tail = { num_procs: 0, storage_stats: {} };
  const numbers = isRunning(record) ? numbersOf(context, record) : undefined;
  if (numbers === undefined) return { ...head, read: ZERO_TIME, ...NOTHING, ...tail };
  const networks = record.hostConfig.NetworkMode === "host" ? undefined : networksOf(record.state.pid);
  const { cpu_stats, memory_stats, ...rest } = shapeStats(
    numbers,
    readSystemCpu(),
    totalmem(),
    Object.keys(cgroupOf(context, record).v1).length > 0,
  );
  return {
    ...head,
    read: formatNano(nowNano()),
    cpu_stats,
    memory_stats,
    ...(networks === undefined ? {} : { networks }),
    ...rest,
    ...tail,
  };
}

function numbersOf(context: ContainerContext, record: ContainerRecord): CgroupStats | undefined {
  try {
    return readStats(cgroupOf(context, record));
  } catch (error) {
    if (error instanceof Fault && error.kind === "notFound") return undefined; // ignored: it has just ended
    throw error;
  }
}

const MAX_UINT64 = 2n ** 64n - 1n;

const NO_BLKIO: ContainerStats["blkio_stats"] = {
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
};
const NOTHING = { cpu_stats: NO_CPU, memory_stats: {}, pids_stats: {}, blkio_stats: NO_BLKIO } as const;

type Shaped = Pick<ContainerStats, "pids_stats" | "blkio_stats" | "cpu_stats" | "memory_stats">;

/** Returns a cgroup's numbers in the API's words. A memory limit above the machine's memory is the machine's. */
export function shapeStats(
  stats: CgroupStats,
  system: { totalNs: number; onlineCpus: number },
  machineBytes: number,
  isV1: boolean,
): Shaped {
  const { memory, pids, blkio } = stats;
  // compat: what a v1 machine does not count is an empty list, what v2 does not know is null.
  const entriesOf = (entries: readonly BlkioEntry[]): BlkioEntry[] | null =>
    entries.length === 0 && !isV1 ? null : [...entries];
  return {
    pids_stats:
      pids === undefined
        ? {}
        : // compat: no limit is left out on v1, the largest number on v2.
          {
            current: pids.current,
            ...(pids.limit > 0 ? { limit: pids.limit } : isV1 ? {} : { limit: MAX_UINT64 }),
          },
    cpu_stats: cpuOf(stats.cpu, system),
    memory_stats:
      memory === undefined
        ? {}
        : {
            usage: memory.usageBytes,
            ...(memory.maxUsageBytes === undefined ? {} : { max_usage: memory.maxUsageBytes }),
            stats: { ...memory.stats },
            ...(memory.failCount > 0 ? { failcnt: memory.failCount } : {}),
            limit: Math.min(memory.limitBytes, machineBytes),
          },
    blkio_stats: {
      io_service_bytes_recursive: entriesOf(blkio.ioServiceBytesRecursive),
      io_serviced_recursive: entriesOf(blkio.ioServicedRecursive),
      io_queue_recursive: entriesOf(blkio.ioQueuedRecursive),
      io_service_time_recursive: entriesOf(blkio.ioServiceTimeRecursive),
      io_wait_time_recursive: entriesOf(blkio.ioWaitTimeRecursive),
      io_merged_recursive: entriesOf(blkio.ioMergedRecursive),
      io_time_recursive: entriesOf(blkio.ioTimeRecursive),
      sectors_recursive: entriesOf(blkio.sectorsRecursive),
    },
  };
}

function cpuOf(cpu: CgroupStats["cpu"], system: { totalNs: number; onlineCpus: number }): CpuStats {
  if (cpu === undefined) return NO_CPU;
  return {
    cpu_usage: {
      total_usage: cpu.totalNs,
      ...(cpu.perCpuNs === undefined ? {} : { percpu_usage: cpu.perCpuNs }),
      usage_in_kernelmode: cpu.kernelNs,
      usage_in_usermode: cpu.userNs,
    },
    system_cpu_usage: system.totalNs,
    online_cpus: system.onlineCpus,
    throttling_data: {
      periods: cpu.periods,
      throttled_periods: cpu.throttledPeriods,
      throttled_time: cpu.throttledNs,
    },
  };
}

function networksOf(pid: number): ContainerStats["networks"] {
  const text = readProcTextIfPresent(`/proc/${pid}/net/dev`);
  return text === undefined ? undefined : parseNetDev(text);
}

/** Parses /proc/PID/net/dev: two lines of heading, then `name: 8 received 8 transmitted`. Loopback is not counted. */
export function parseNetDev(text: string): NonNullable<ContainerStats["networks"]> {
  const networks: NonNullable<ContainerStats["networks"]> = {};
  for (const line of text.split("\n").slice(2)) {
    const colon = line.lastIndexOf(":");
    const name = line.slice(0, colon).trim();
    const n = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    if (colon < 0 || name === "lo" || n.length < 16) continue;
    networks[name] = {
      rx_bytes: n[0] ?? 0,
      rx_packets: n[1] ?? 0,
      rx_errors: n[2] ?? 0,
      rx_dropped: n[3] ?? 0,
      tx_bytes: n[8] ?? 0,
      tx_packets: n[9] ?? 0,
      tx_errors: n[10] ?? 0,
      tx_dropped: n[11] ?? 0,
    };
  }
  return networks;
}
