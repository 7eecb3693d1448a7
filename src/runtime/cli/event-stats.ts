// The data of a `stats` event: runc's names (types/events.go), which containerd's and monitoring tools' parsers know. Pure but for
// the few files that the engine's statistics have no use for.

import type { CgroupPaths } from "../../linux/cgroupfs/hierarchy.ts";
import type { BlkioEntry, BlkioStats, CgroupStats } from "../../linux/cgroupfs/stats.ts";
import { readProcTextIfPresent } from "../../linux/procfs/read.ts";
import { parseCpuList } from "../spec/host.ts";

/** Returns the data. */
export function eventStats(stats: CgroupStats, paths: CgroupPaths): object {
  const { cpu, memory, pids, blkio } = stats;
  return {
    cpu: {
      usage: {
        total: cpu?.totalNs ?? 0,
        ...(cpu?.perCpuNs ? { percpu: cpu.perCpuNs } : {}),
        kernel: cpu?.kernelNs ?? 0,
        user: cpu?.userNs ?? 0,
      },
      throttling: {
        periods: cpu?.periods ?? 0,
        throttledPeriods: cpu?.throttledPeriods ?? 0,
        throttledTime: cpu?.throttledNs ?? 0,
      },
    },
    cpuset: cpusetOf(paths),
    memory: {
      cache: Number(memory?.stats["cache"] ?? memory?.stats["file"] ?? 0),
      usage: {
        limit: memory?.limitBytes ?? 0,
        usage: memory?.usageBytes ?? 0,
        max: memory?.maxUsageBytes ?? 0,
        failcnt: memory?.failCount ?? 0,
      },
      swap: swapOf(paths),
      kernel: v1MemoryOf(paths, "kmem."),
      kernelTCP: v1MemoryOf(paths, "kmem.tcp."),
      raw: Object.fromEntries(
        Object.entries(memory?.stats ?? {}).map(([name, value]) => [name, Number(value)]),
      ),
    },
    pids: { current: pids?.current ?? 0, limit: pids?.limit ?? 0 },
    blkio: blkioOf(blkio),
    hugetlb: {},
    intel_rdt: {},
    network_interfaces: null,
  };
}

function cpusetOf(paths: CgroupPaths): object {
  const dir = paths.v1["cpuset"] ?? paths.v2;
  const list = (name: string) => {
    const text = readProcTextIfPresent(`${dir}/cpuset.${name}`)?.trim();
    return text ? { [name]: parseCpuList(text) } : {};
  };
  const flag = (name: string) => Number(readProcTextIfPresent(`${dir}/cpuset.${name}`) ?? 0);
  return {
    ...list("cpus"),
    cpu_exclusive: flag("cpu_exclusive"),
    ...list("mems"),
    mem_hardwall: flag("mem_hardwall"),
    mem_exclusive: flag("mem_exclusive"),
    memory_migrate: flag("memory_migrate"),
    memory_spread_page: flag("memory_spread_page"),
    memory_spread_slab: flag("memory_spread_slab"),
    memory_pressure: flag("memory_pressure"),
    sched_load_balance: flag("sched_load_balance"),
    sched_relax_domain_level: flag("sched_relax_domain_level"),
  };
}

function v1MemoryOf({ v1 }: CgroupPaths, part: string): object {
  const dir = v1["memory"];
  const read = (file: string) =>
    dir === undefined ? 0 : Number(readProcTextIfPresent(`${dir}/memory.${part}${file}`) ?? 0);
  return {
    limit: read("limit_in_bytes"),
    usage: read("usage_in_bytes"),
    max: read("max_usage_in_bytes"),
    failcnt: read("failcnt"),
  };
}

function swapOf(paths: CgroupPaths): object {
  if (paths.v1["memory"] !== undefined) return v1MemoryOf(paths, "memsw.");
  const read = (file: string) => Number(readProcTextIfPresent(`${paths.v2}/${file}`) ?? 0) || 0;
  return { limit: read("memory.swap.max"), usage: read("memory.swap.current"), failcnt: 0 };
}

function blkioOf(blkio: BlkioStats): object {
  const lists: readonly [name: string, entries: readonly BlkioEntry[]][] = [
    ["ioServiceBytesRecursive", blkio.ioServiceBytesRecursive],
    ["ioServicedRecursive", blkio.ioServicedRecursive],
    ["ioQueueRecursive", blkio.ioQueuedRecursive],
    ["ioServiceTimeRecursive", blkio.ioServiceTimeRecursive],
    ["ioWaitTimeRecursive", blkio.ioWaitTimeRecursive],
    ["ioMergedRecursive", blkio.ioMergedRecursive],
    ["ioTimeRecursive", blkio.ioTimeRecursive],
    ["sectorsRecursive", blkio.sectorsRecursive],
  ];
  return Object.fromEntries(lists.filter(([, entries]) => entries.length > 0));
}
