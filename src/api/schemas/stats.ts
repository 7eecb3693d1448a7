// ContainerStats: one sample of a container's resource use. Counters are since the container's start,
// CPU times in nanoseconds, memory in bytes.

import {
  exactUint64,
  list,
  map,
  nullable,
  type Output,
  optional,
  struct,
  text,
  time,
  uint32,
  uint64,
} from "../../lib/schema/schema.ts";

const blkioEntries = nullable(
  list(struct("container.BlkioStatEntry", { major: uint64, minor: uint64, op: text, value: uint64 })),
);

const cpuStats = struct("container.CPUStats", {
  cpu_usage: struct("container.CPUUsage", {
    total_usage: uint64,
    percpu_usage: optional(list(uint64)),
    usage_in_kernelmode: uint64,
    usage_in_usermode: uint64,
  }),
  system_cpu_usage: optional(uint64),
  online_cpus: optional(uint32),
  throttling_data: struct("container.ThrottlingData", {
    periods: uint64,
    throttled_periods: uint64,
    throttled_time: uint64,
  }),
});

export const containerStats = struct("container.StatsResponse", {
  id: optional(text),
  /** With the leading slash. */
  name: optional(text),
  os_type: optional(text),
  read: time,
  preread: time,
  pids_stats: struct("container.PidsStats", { current: optional(uint64), limit: optional(exactUint64) }),
  blkio_stats: struct("container.BlkioStats", {
    io_service_bytes_recursive: blkioEntries,
    io_serviced_recursive: blkioEntries,
    io_queue_recursive: blkioEntries,
    io_service_time_recursive: blkioEntries,
    io_wait_time_recursive: blkioEntries,
    io_merged_recursive: blkioEntries,
    io_time_recursive: blkioEntries,
    sectors_recursive: blkioEntries,
  }),
  num_procs: uint32,
  storage_stats: struct("container.StorageStats", {}),
  cpu_stats: cpuStats,
  precpu_stats: cpuStats,
  memory_stats: struct("container.MemoryStats", {
    usage: optional(uint64),
    max_usage: optional(uint64),
    stats: optional(map(exactUint64)),
    failcnt: optional(uint64),
    limit: optional(uint64),
  }),
  /** By interface name. */
  networks: optional(
    map(
      struct("container.NetworkStats", {
        rx_bytes: uint64,
        rx_packets: uint64,
        rx_errors: uint64,
        rx_dropped: uint64,
        tx_bytes: uint64,
        tx_packets: uint64,
        tx_errors: uint64,
        tx_dropped: uint64,
        endpoint_id: optional(text),
        instance_id: optional(text),
      }),
    ),
  ),
});

export type ContainerStats = Output<typeof containerStats>;
export type CpuStats = Output<typeof cpuStats>;
