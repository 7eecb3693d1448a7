// Requests and responses of the system operations: version, info, events, disk usage, registry login.

import {
  anyValue,
  bool,
  exactInt64,
  type Input,
  int,
  int64,
  list,
  map,
  nullable,
  type Output,
  optional,
  struct,
  text,
  word,
} from "../../lib/schema/schema.ts";
import { buildCacheRecord } from "./build.ts";
import { containerSummary } from "./container.ts";
import { imageSummary } from "./image.ts";
import { volume } from "./volume.ts";

export const systemVersion = struct("system.VersionResponse", {
  Platform: struct("system.PlatformInfo", { Name: text }),
  Components: list(
    struct("system.ComponentVersion", { Name: text, Version: text, Details: optional(map(text)) }),
  ),
  Version: text,
  ApiVersion: text,
  MinAPIVersion: text,
  GitCommit: text,
  GoVersion: text,
  Os: text,
  Arch: text,
  KernelVersion: text,
  Experimental: optional(bool),
  BuildTime: optional(text),
});

const commit = struct("system.Commit", { ID: text });

const indexInfo = struct("registry.IndexInfo", {
  Name: text,
  Mirrors: list(text),
  Secure: bool,
  Official: bool,
});

export const swarmInfo = struct("swarm.Info", {
  NodeID: text,
  NodeAddr: text,
  LocalNodeState: word("swarm.LocalNodeState", "", "inactive", "pending", "active", "error", "locked"),
  ControlAvailable: bool,
  Error: text,
  RemoteManagers: nullable(list(struct("swarm.Peer", { NodeID: text, Addr: text }))),
  Nodes: optional(int),
  Managers: optional(int),
  Cluster: optional(anyValue),
});

export const systemInfo = struct("system.Info", {
  ID: text,
  Containers: int,
  ContainersRunning: int,
  ContainersPaused: int,
  ContainersStopped: int,
  Images: int,
  Driver: text,
  /** Pairs of name and value. */
  DriverStatus: list(list(text)),
  SystemStatus: optional(list(list(text))),
  Plugins: struct("system.PluginsInfo", {
    Volume: list(text),
    Network: list(text),
    Authorization: nullable(list(text)),
    Log: list(text),
  }),
  MemoryLimit: bool,
  SwapLimit: bool,
  CpuCfsPeriod: bool,
  CpuCfsQuota: bool,
  CPUShares: bool,
  CPUSet: bool,
  PidsLimit: bool,
  IPv4Forwarding: bool,
  Debug: bool,
  /** File descriptors in use. */
  NFd: int,
  OomKillDisable: bool,
  NGoroutines: int,
  SystemTime: text,
  LoggingDriver: text,
  CgroupDriver: text,
  CgroupVersion: optional(text),
  NEventsListener: int,
  KernelVersion: text,
  OperatingSystem: text,
  OSVersion: text,
  OSType: text,
  Architecture: text,
  IndexServerAddress: text,
  RegistryConfig: nullable(
    struct("registry.ServiceConfig", {
      InsecureRegistryCIDRs: list(text),
      IndexConfigs: map(indexInfo),
      Mirrors: nullable(list(text)),
    }),
  ),
  NCPU: int,
  MemTotal: int64,
  GenericResources: nullable(list(anyValue)),
  DockerRootDir: text,
  HttpProxy: text,
  HttpsProxy: text,
  NoProxy: text,
  Name: text,
  Labels: list(text),
  ExperimentalBuild: bool,
  ServerVersion: text,
  Runtimes: map(
    struct("system.RuntimeWithStatus", {
      path: optional(text),
      runtimeArgs: optional(list(text)),
      runtimeType: optional(text),
      options: optional(map(anyValue)),
      status: optional(map(text)),
    }),
  ),
  DefaultRuntime: text,
  Swarm: swarmInfo,
  LiveRestoreEnabled: bool,
  Isolation: text,
  InitBinary: text,
  ContainerdCommit: commit,
  RuncCommit: commit,
  InitCommit: commit,
  SecurityOptions: list(text),
  ProductLicense: optional(text),
  DefaultAddressPools: optional(list(struct("system.NetworkAddressPool", { Base: text, Size: int }))),
  FirewallBackend: optional(
    struct("system.FirewallInfo", { Driver: text, Info: optional(list(list(text))) }),
  ),
  CDISpecDirs: list(text),
  DiscoveredDevices: optional(list(struct("system.DeviceInfo", { Source: text, ID: text }))),
  NRI: optional(struct("system.NRIInfo", { Info: optional(list(list(text))) })),
  Containerd: optional(
    struct("system.ContainerdInfo", {
      Address: optional(text),
      Namespaces: struct("system.ContainerdNamespaces", { Containers: text, Plugins: text }),
    }),
  ),
  Warnings: nullable(list(text)),
});

export const eventMessage = struct("events.Message", {
  /** Of container and image events, as old clients expect it; absent elsewhere and for API ≥ 1.52. */
  status: optional(text),
  id: optional(text),
  from: optional(text),
  Type: word(
    "events.Type",
    "builder",
    "config",
    "container",
    "daemon",
    "image",
    "network",
    "node",
    "plugin",
    "secret",
    "service",
    "volume",
  ),
  Action: text,
  Actor: struct("events.Actor", { ID: text, Attributes: map(text) }),
  scope: optional(text),
  /** Unix seconds. */
  time: int64,
  /** Unix nanoseconds. */
  timeNano: exactInt64,
  /** An extension: the event's number, with which a stream resumes (`after`). */
  Sequence: optional(int64),
});

function usageOf<const I extends Parameters<typeof list>[0]>(item: I) {
  return struct("system.DiskUsage", {
    ActiveCount: int64,
    TotalCount: int64,
    Reclaimable: int64,
    TotalSize: int64,
    Items: optional(list(item)),
  });
}

/** Both shapes: the flat one of API < 1.52 and the `…Usage` objects of later versions; the server sends the fitting one. */
export const diskUsage = struct("system.DiskUsage", {
  LayersSize: optional(int64),
  Images: optional(nullable(list(imageSummary))),
  Containers: optional(nullable(list(containerSummary))),
  Volumes: optional(nullable(list(volume))),
  BuildCache: optional(nullable(list(buildCacheRecord))),
  BuilderSize: optional(int64),
  ImageUsage: optional(usageOf(imageSummary)),
  ContainerUsage: optional(usageOf(containerSummary)),
  VolumeUsage: optional(usageOf(volume)),
  BuildCacheUsage: optional(usageOf(buildCacheRecord)),
});

export const authConfig = struct("registry.AuthConfig", {
  username: optional(text),
  password: optional(text),
  auth: optional(text),
  email: optional(text),
  serveraddress: optional(text),
  identitytoken: optional(text),
  registrytoken: optional(text),
});

export const authResponse = struct("registry.AuthResponse", { IdentityToken: optional(text), Status: text });

export type SystemVersion = Output<typeof systemVersion>;
export type SystemInfo = Output<typeof systemInfo>;
export type SwarmInfo = Output<typeof swarmInfo>;
export type EventMessage = Output<typeof eventMessage>;
/** An extension. Kind is blob, layer or image, Text what is wrong with it. */
export const systemCheck = struct("system.CheckReport", {
  Images: int,
  Layers: int,
  Blobs: int,
  Problems: list(struct("system.CheckProblem", { Kind: text, ID: text, Text: text, Repaired: bool })),
});

export type SystemCheck = Output<typeof systemCheck>;
export type DiskUsage = Output<typeof diskUsage>;
export type AuthConfigRequest = Input<typeof authConfig>;
export type AuthResponse = Output<typeof authResponse>;
