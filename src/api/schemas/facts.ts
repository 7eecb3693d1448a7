// What the daemon knows beyond Docker's API and `explain` asks for. Ours, Docker has no such thing.

import {
  bool,
  int,
  int64,
  list,
  nullable,
  type Output,
  optional,
  struct,
  text,
} from "../../lib/schema/schema.ts";

/** A socket that waits for connections or datagrams. */
export const listener = struct("berth.Listener", {
  /** tcp or udp. */
  Protocol: text,
  Address: text,
  Port: int,
  /** Who has it open; 0 and "" where that cannot be told. */
  Pid: int,
  Command: text,
});

/** A published port as the daemon's firewall table has it now. */
export const portRule = struct("berth.PortRule", {
  Protocol: text,
  /** 0.0.0.0 or :: for every address of the host. */
  HostIp: text,
  HostPort: int,
  ContainerIp: text,
  ContainerPort: int,
});

export const containerFacts = struct("berth.ContainerFacts", {
  Id: text,
  /** Of the container's own network namespace; null while nothing runs in it or where it cannot be read. */
  Listeners: nullable(list(listener)),
  /** Rules that lead to the container's addresses; null where the table cannot be read. */
  Rules: nullable(list(portRule)),
  /** Of its cgroup while it runs: how often the kernel killed a process of it for want of memory, and what it uses. */
  Memory: optional(struct("berth.MemoryFacts", { OomKills: int64, UsageBytes: int64, LimitBytes: int64 })),
});

export const portFacts = struct("berth.PortFacts", {
  Port: int,
  /** Of the host's network namespace. */
  Listeners: nullable(list(listener)),
  Rules: nullable(list(portRule)),
});

export const diskFacts = struct("berth.DiskFacts", {
  DataRoot: text,
  /** Of the file system that the data root is on. */
  TotalBytes: int64,
  FreeBytes: int64,
  Logs: list(
    struct("berth.LogFacts", { Id: text, Name: text, SizeBytes: int64, Driver: text, IsRotated: bool }),
  ),
  /** Directories of the data root that hold what no list of the API shows, by their size. */
  Parts: list(struct("berth.DiskPart", { Name: text, SizeBytes: int64 })),
});

export type Listener = Output<typeof listener>;
export type PortRule = Output<typeof portRule>;
export type ContainerFacts = Output<typeof containerFacts>;
export type PortFacts = Output<typeof portFacts>;
export type DiskFacts = Output<typeof diskFacts>;
