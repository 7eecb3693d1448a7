// The columns of `berth stats`, and the arithmetic from the kernel's counters to them.

import type { ContainerStats } from "../../api/schemas/stats.ts";
import { binarySize, humanSize } from "../../lib/units/size.ts";
import { type Formatter, truncateId } from "./list.ts";

/** One container's line; the numbers are missing until it has answered, and after it fell silent. */
export interface StatsRow {
  /** As the user named it. */
  readonly container: string;
  readonly id: string;
  /** With the leading slash. */
  readonly name: string;
  readonly usage: Usage | undefined;
}

export interface Usage {
  readonly cpuPercent: number;
  readonly memoryBytes: number;
  readonly memoryLimitBytes: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly processes: number;
}

const percent = (value: number): string => `${value.toFixed(2)}%`;

export const statsColumns: Formatter<StatsRow> = {
  type: "*container.statsContext",
  headers: {
    Container: "CONTAINER",
    Name: "NAME",
    ID: "CONTAINER ID",
    CPUPerc: "CPU %",
    MemUsage: "MEM USAGE / LIMIT",
    MemPerc: "MEM %",
    NetIO: "NET I/O",
    BlockIO: "BLOCK I/O",
    PIDs: "PIDS",
  },
  fields: {
    BlockIO: ({ usage }) => pair(usage, (u) => [humanSize(u.readBytes, 3), humanSize(u.writtenBytes, 3)]),
    CPUPerc: ({ usage }) => (usage === undefined ? "--" : percent(usage.cpuPercent)),
    Container: ({ container }) => container,
    ID: ({ id }, view) => (view.isTruncated ? truncateId(id) : id),
    MemPerc: ({ usage }) => (usage === undefined ? "--" : percent(memoryPercent(usage))),
    MemUsage: ({ usage }) =>
      usage === undefined
        ? "-- / --"
        : `${binarySize(usage.memoryBytes)} / ${binarySize(usage.memoryLimitBytes)}`,
    Name: ({ name }) => (name.length > 1 ? name.slice(1) : "--"),
    NetIO: ({ usage }) => pair(usage, (u) => [humanSize(u.receivedBytes, 3), humanSize(u.sentBytes, 3)]),
    PIDs: ({ usage }) => (usage === undefined ? "--" : String(usage.processes)),
  },
};

/** The default table. */
export const statsTable =
  "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

function pair(usage: Usage | undefined, values: (usage: Usage) => [string, string]): string {
  return usage === undefined ? "--" : values(usage).join(" / ");
}

function memoryPercent({ memoryBytes, memoryLimitBytes }: Usage): number {
  return memoryLimitBytes === 0 ? 0 : (memoryBytes / memoryLimitBytes) * 100;
}

/** Computes a line's numbers from one sample, as Docker does. */
export function usageOf(stats: ContainerStats): Usage {
  let receivedBytes = 0;
  let sentBytes = 0;
  for (const network of Object.values(stats.networks ?? {})) {
    receivedBytes += network.rx_bytes;
    sentBytes += network.tx_bytes;
  }
  return {
    cpuPercent: cpuPercent(stats),
    ...memory(stats),
    receivedBytes,
    sentBytes,
    ...blockIo(stats),
    processes: stats.pids_stats.current ?? 0,
  };
}

function cpuPercent({ cpu_stats: now, precpu_stats: before }: ContainerStats): number {
  const used = (now.cpu_usage.total_usage ?? 0) - (before.cpu_usage.total_usage ?? 0);
  const total = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus || (now.cpu_usage.percpu_usage?.length ?? 0);
  return used > 0 && total > 0 ? (used / total) * cpus * 100 : 0;
}

/** The page cache that the kernel can take back at once does not count as used. */
function memory({ memory_stats: stats }: ContainerStats): Pick<Usage, "memoryBytes" | "memoryLimitBytes"> {
  const usage = stats.usage ?? 0;
  const cache = Number(stats.stats?.["total_inactive_file"] ?? stats.stats?.["inactive_file"] ?? 0);
  return { memoryBytes: cache < usage ? usage - cache : usage, memoryLimitBytes: stats.limit ?? 0 };
}

function blockIo({ blkio_stats: stats }: ContainerStats): Pick<Usage, "readBytes" | "writtenBytes"> {
  let readBytes = 0;
  let writtenBytes = 0;
  for (const { op, value } of stats.io_service_bytes_recursive ?? []) {
    if (/^r/i.test(op)) readBytes += value;
    else if (/^w/i.test(op)) writtenBytes += value;
  }
  return { readBytes, writtenBytes };
}
