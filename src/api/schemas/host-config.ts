// HostConfig: how a container is run on this host, and the resource limits within it that can be updated.
// Field order is the wire's. Slices and maps that Docker prints as null when unset are nullable.

import {
  bool,
  emptyStruct,
  int,
  int64,
  type Input,
  list,
  listOrSingle,
  map,
  nullable,
  type Output,
  optional,
  struct,
  text,
  textOf,
  uint,
  uint16,
  uint32,
  uint64,
} from "../../lib/schema/schema.ts";

export const deviceMapping = struct("container.DeviceMapping", {
  PathOnHost: text,
  PathInContainer: text,
  CgroupPermissions: text,
});

export const deviceRequest = struct("container.DeviceRequest", {
  Driver: text,
  /** Number of devices, -1 for all. */
  Count: int,
  DeviceIDs: nullable(list(text)),
  /** OR of ANDs of capability names. */
  Capabilities: nullable(list(list(text))),
  Options: nullable(map(text)),
});

export const throttleDevice = struct("blkiodev.ThrottleDevice", { Path: text, Rate: uint64 });
export const weightDevice = struct("blkiodev.WeightDevice", { Path: text, Weight: uint16 });
export const ulimit = struct("units.Ulimit", { Name: text, Hard: int64, Soft: int64 });

export const restartPolicy = struct("container.RestartPolicy", {
  /** "", "no", "always", "unless-stopped" or "on-failure". */
  Name: textOf("container.RestartPolicyMode"),
  MaximumRetryCount: int,
});

export const logConfig = struct("container.LogConfig", { Type: text, Config: nullable(map(text)) });
export const portBinding = struct("network.PortBinding", { HostIp: text, HostPort: text });

/** Container port (`80/tcp`) → host bindings; null when exposed but not published. */
export const portMap = map(nullable(list(portBinding)));
/** Set of ports (`80/tcp`). */
export const portSet = map(emptyStruct);

export const mount = struct("mount.Mount", {
  /** bind, volume, tmpfs, image, cluster or npipe. */
  Type: optional(textOf("mount.Type")),
  Source: optional(text),
  Target: optional(text),
  ReadOnly: optional(bool),
  Consistency: optional(textOf("mount.Consistency")),
  BindOptions: optional(
    struct("mount.BindOptions", {
      Propagation: optional(textOf("mount.Propagation")),
      NonRecursive: optional(bool),
      CreateMountpoint: optional(bool),
      ReadOnlyNonRecursive: optional(bool),
      ReadOnlyForceRecursive: optional(bool),
      /** Not Docker's: how the owners of files are shown, `owner` or `uids=DISK-HOST-COUNT#...;gids=...`. */
      IDMap: optional(text),
    }),
  ),
  VolumeOptions: optional(
    struct("mount.VolumeOptions", {
      NoCopy: optional(bool),
      Labels: optional(map(text)),
      Subpath: optional(text),
      /** Not Docker's, as in BindOptions. */
      IDMap: optional(text),
      DriverConfig: optional(struct("mount.Driver", { Name: optional(text), Options: optional(map(text)) })),
    }),
  ),
  ImageOptions: optional(struct("mount.ImageOptions", { Subpath: optional(text) })),
  TmpfsOptions: optional(
    struct("mount.TmpfsOptions", {
      SizeBytes: optional(int64),
      /** File mode bits. */
      Mode: optional(uint32),
      Options: optional(list(list(text))),
    }),
  ),
  ClusterOptions: optional(emptyStruct),
});

const resourceFields = {
  CpuShares: int64,
  /** Bytes; 0 is unlimited. */
  Memory: int64,
  /** Billionths of a CPU. */
  NanoCpus: int64,
  CgroupParent: text,
  BlkioWeight: uint16,
  BlkioWeightDevice: nullable(list(weightDevice)),
  BlkioDeviceReadBps: nullable(list(throttleDevice)),
  BlkioDeviceWriteBps: nullable(list(throttleDevice)),
  BlkioDeviceReadIOps: nullable(list(throttleDevice)),
  BlkioDeviceWriteIOps: nullable(list(throttleDevice)),
  /** Microseconds. */
  CpuPeriod: int64,
  /** Microseconds. */
  CpuQuota: int64,
  CpuRealtimePeriod: int64,
  CpuRealtimeRuntime: int64,
  CpusetCpus: text,
  CpusetMems: text,
  Devices: nullable(list(deviceMapping)),
  DeviceCgroupRules: nullable(list(text)),
  DeviceRequests: nullable(list(deviceRequest)),
  /** Deprecated; accepted and stored. */
  KernelMemory: optional(int64),
  KernelMemoryTCP: optional(int64),
  MemoryReservation: int64,
  /** Bytes of memory plus swap; -1 is unlimited swap. */
  MemorySwap: int64,
  MemorySwappiness: nullable(int64),
  OomKillDisable: nullable(bool),
  /** 0, -1 or null: unlimited. */
  PidsLimit: nullable(int64),
  Ulimits: nullable(list(ulimit)),
  CpuCount: int64,
  CpuPercent: int64,
  IOMaximumIOps: uint,
  IOMaximumBandwidth: uint,
  /** Whether an init runs as process 1; null: the daemon's default. */
  Init: optional(nullable(bool)),
} as const;

/** Terminal size: [height, width]. */
export const consoleSize = list(uint);

export const hostConfig = struct("container.HostConfig", {
  Binds: nullable(list(text)),
  ContainerIDFile: text,
  LogConfig: logConfig,
  /** bridge, host, none, container:<id>, default or a network's name. */
  NetworkMode: textOf("container.NetworkMode"),
  PortBindings: nullable(portMap),
  RestartPolicy: restartPolicy,
  AutoRemove: bool,
  VolumeDriver: text,
  VolumesFrom: nullable(list(text)),
  ConsoleSize: consoleSize,
  Annotations: optional(map(text)),
  CapAdd: nullable(listOrSingle(text)),
  CapDrop: nullable(listOrSingle(text)),
  CgroupnsMode: textOf("container.CgroupnsMode"),
  Dns: nullable(list(text)),
  DnsOptions: nullable(list(text)),
  DnsSearch: nullable(list(text)),
  ExtraHosts: nullable(list(text)),
  GroupAdd: nullable(list(text)),
  IpcMode: textOf("container.IpcMode"),
  Cgroup: textOf("container.CgroupSpec"),
  Links: nullable(list(text)),
  OomScoreAdj: int,
  PidMode: textOf("container.PidMode"),
  Privileged: bool,
  PublishAllPorts: bool,
  ReadonlyRootfs: bool,
  SecurityOpt: nullable(list(text)),
  StorageOpt: optional(map(text)),
  Tmpfs: optional(map(text)),
  UTSMode: textOf("container.UTSMode"),
  UsernsMode: textOf("container.UsernsMode"),
  /** Bytes of /dev/shm. */
  ShmSize: int64,
  Sysctls: optional(map(text)),
  Runtime: optional(text),
  Isolation: textOf("container.Isolation"),
  ...resourceFields,
  Mounts: optional(list(mount)),
  /** null: Docker's defaults; []: none. */
  MaskedPaths: nullable(list(text)),
  ReadonlyPaths: nullable(list(text)),
});

/** Body of ContainerUpdate. */
export const updateConfig = struct("container.UpdateConfig", {
  ...resourceFields,
  RestartPolicy: restartPolicy,
  /** Not Docker's: ports to be published, and published ones to be taken away ("" for any host address or port). */
  PublishAdd: optional(portMap),
  PublishRemove: optional(portMap),
});

export type HostConfig = Output<typeof hostConfig>;
export type HostConfigRequest = Input<typeof hostConfig>;
export type UpdateConfigRequest = Input<typeof updateConfig>;
export type MountRequest = Input<typeof mount>;
export type MountSpec = Output<typeof mount>;
export type RestartPolicy = Output<typeof restartPolicy>;
export type LogConfig = Output<typeof logConfig>;
export type PortBinding = Output<typeof portBinding>;
export type PortMap = Output<typeof portMap>;
export type DeviceMapping = Output<typeof deviceMapping>;
export type DeviceRequest = Output<typeof deviceRequest>;
export type Ulimit = Output<typeof ulimit>;
