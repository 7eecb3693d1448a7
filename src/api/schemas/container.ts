// Requests and responses of the container operations. Times are RFC 3339 with nanoseconds as Docker prints
// them ("0001-01-01T00:00:00Z" is "never"), `Created` of a summary is Unix seconds, sizes are bytes.

import {
  bool,
  emptyStruct,
  type Input,
  int,
  int64,
  list,
  listOrSingle,
  map,
  nullable,
  type Output,
  optional,
  struct,
  text,
  time,
  uint8,
  uint16,
  word,
} from "../../lib/schema/schema.ts";
import { descriptor, driverData, storage } from "./descriptor.ts";
import { endpointSettings, networkingConfig } from "./endpoint.ts";
import { hostConfig, portMap, portSet } from "./host-config.ts";

export const healthConfig = struct("container.HealthcheckConfig", {
  /** [] inherit, ["NONE"] off, ["CMD", …] exec, ["CMD-SHELL", script]; extensions: ["HTTP", url], ["TCP", "[host:]port"]. */
  Test: optional(list(text)),
  /** Nanoseconds, as the next four. */
  Interval: optional(int64),
  Timeout: optional(int64),
  StartPeriod: optional(int64),
  StartInterval: optional(int64),
  Retries: optional(int),
  /** Extension: what is done with a container that becomes unhealthy; none, restart, stop or kill. */
  OnFailure: optional(text),
});

const configFields = {
  Hostname: text,
  Domainname: text,
  User: text,
  AttachStdin: bool,
  AttachStdout: bool,
  AttachStderr: bool,
  ExposedPorts: optional(portSet),
  Tty: bool,
  OpenStdin: bool,
  StdinOnce: bool,
  Env: nullable(list(text)),
  Cmd: nullable(listOrSingle(text)),
  Healthcheck: optional(healthConfig),
  ArgsEscaped: optional(bool),
  Image: text,
  Volumes: nullable(map(emptyStruct)),
  WorkingDir: text,
  Entrypoint: nullable(listOrSingle(text)),
  NetworkDisabled: optional(bool),
  /** Container-wide MAC address of API < 1.44. */
  MacAddress: optional(text),
  OnBuild: optional(nullable(list(text))),
  Labels: nullable(map(text)),
  StopSignal: optional(text),
  /** Seconds. */
  StopTimeout: optional(nullable(int)),
  Shell: optional(listOrSingle(text)),
} as const;

export const containerConfig = struct("container.Config", configFields);

export const containerCreateRequest = struct("container.CreateRequest", {
  ...configFields,
  HostConfig: optional(hostConfig),
  NetworkingConfig: optional(networkingConfig),
});

export const containerCreateResponse = struct("container.CreateResponse", { Id: text, Warnings: list(text) });

export const healthResult = struct("container.HealthcheckResult", {
  Start: time,
  End: time,
  ExitCode: int,
  Output: text,
});

export const health = struct("container.Health", {
  Status: word("container.HealthStatus", "none", "starting", "healthy", "unhealthy"),
  FailingStreak: int,
  Log: nullable(list(healthResult)),
});

export const containerState = struct("container.State", {
  Status: word(
    "container.ContainerState",
    "created",
    "running",
    "paused",
    "restarting",
    "removing",
    "exited",
    "dead",
  ),
  Running: bool,
  Paused: bool,
  Restarting: bool,
  OOMKilled: bool,
  Dead: bool,
  Pid: int,
  ExitCode: int,
  Error: text,
  StartedAt: text,
  FinishedAt: text,
  Health: optional(health),
});

export const mountPoint = struct("container.MountPoint", {
  Type: optional(word("mount.Type", "bind", "volume", "tmpfs", "image", "cluster", "npipe")),
  Name: optional(text),
  Source: text,
  Destination: text,
  Driver: optional(text),
  Mode: text,
  RW: bool,
  Propagation: text,
});

export const networkSettings = struct("container.NetworkSettings", {
  SandboxID: text,
  SandboxKey: text,
  Ports: portMap,
  Networks: map(endpointSettings),
});

/** How the delivery of the log to its receiver stands; ours, Docker has no such thing. */
export const logStatus = struct("berth.LogStatus", {
  Driver: text,
  /** Messages that were delivered, that wait, that nobody will get. */
  Shipped: int64,
  Pending: int64,
  Dropped: int64,
  /** Why nothing is delivered at present. */
  Error: text,
});

export const containerInspect = struct("container.InspectResponse", {
  Id: text,
  Created: time,
  Path: text,
  Args: list(text),
  State: containerState,
  /** Image id. */
  Image: text,
  ResolvConfPath: text,
  HostnamePath: text,
  HostsPath: text,
  LogPath: text,
  /** Present where the log has a receiver. */
  LogStatus: optional(logStatus),
  /** With the leading slash. */
  Name: text,
  RestartCount: int,
  Driver: text,
  Platform: text,
  MountLabel: text,
  ProcessLabel: text,
  AppArmorProfile: text,
  ExecIDs: nullable(list(text)),
  HostConfig: hostConfig,
  GraphDriver: optional(driverData),
  Storage: optional(storage),
  SizeRw: optional(int64),
  SizeRootFs: optional(int64),
  Mounts: list(mountPoint),
  Config: containerConfig,
  NetworkSettings: networkSettings,
  ImageManifestDescriptor: optional(descriptor),
});

export const portSummary = struct("container.PortSummary", {
  IP: optional(text),
  PrivatePort: uint16,
  PublicPort: optional(uint16),
  Type: text,
});

export const containerSummary = struct("container.Summary", {
  Id: text,
  /** With the leading slash; links add `/other/alias`. */
  Names: list(text),
  /** As the user named it, or the id where the name was taken by another image. */
  Image: text,
  ImageID: text,
  ImageManifestDescriptor: optional(descriptor),
  Command: text,
  Created: int64,
  Ports: list(portSummary),
  SizeRw: optional(int64),
  SizeRootFs: optional(int64),
  Labels: map(text),
  State: word(
    "container.ContainerState",
    "created",
    "running",
    "paused",
    "restarting",
    "removing",
    "exited",
    "dead",
  ),
  /** Sentence such as "Up 2 hours (healthy)". */
  Status: text,
  HostConfig: struct("container.HostConfigSummary", {
    NetworkMode: optional(text),
    Annotations: optional(map(text)),
  }),
  NetworkSettings: nullable(struct("container.NetworkSettingsSummary", { Networks: map(endpointSettings) })),
  Mounts: list(mountPoint),
  Health: optional(
    struct("container.HealthSummary", {
      Status: word("container.HealthStatus", "none", "starting", "healthy", "unhealthy"),
      FailingStreak: int,
    }),
  ),
});

export const containerSummaries = list(containerSummary);

export const containerWait = struct("container.WaitResponse", {
  StatusCode: int64,
  Error: optional(struct("container.WaitExitError", { Message: text })),
});

export const containerTop = struct("container.TopResponse", {
  Titles: list(text),
  Processes: list(list(text)),
});

export const containerUpdateResponse = struct("container.UpdateResponse", { Warnings: nullable(list(text)) });

/** Kind: 0 modified, 1 added, 2 deleted. */
export const filesystemChanges = nullable(
  list(struct("container.FilesystemChange", { Kind: uint8, Path: text })),
);

/** Not in Docker's description of the API, but in its client and engine. */
export const checkpointCreateRequest = struct("checkpoint.CreateRequest", {
  CheckpointID: text,
  CheckpointDir: text,
  Exit: bool,
});

export const checkpoints = list(struct("checkpoint.Summary", { Name: text }));

/** Metadata of a path in a container; `mode` is Go's os.FileMode bits, not the kernel's. */
export const pathStat = struct("container.PathStat", {
  name: text,
  size: int64,
  mode: int64,
  mtime: time,
  linkTarget: text,
});

export const containersPrune = struct("container.PruneReport", {
  ContainersDeleted: nullable(list(text)),
  SpaceReclaimed: int64,
});

export const commitResponse = struct("container.CommitResponse", { Id: text });

export type HealthConfig = Output<typeof healthConfig>;
export type ContainerConfig = Output<typeof containerConfig>;
export type ContainerConfigRequest = Input<typeof containerConfig>;
export type ContainerCreateRequest = Input<typeof containerCreateRequest>;
export type ContainerCreateResponse = Output<typeof containerCreateResponse>;
export type HealthResult = Output<typeof healthResult>;
export type Health = Output<typeof health>;
export type ContainerState = Output<typeof containerState>;
export type MountPoint = Output<typeof mountPoint>;
export type NetworkSettings = Output<typeof networkSettings>;
export type ContainerInspect = Output<typeof containerInspect>;
export type PortSummary = Output<typeof portSummary>;
export type ContainerSummary = Output<typeof containerSummary>;
export type ContainerWait = Output<typeof containerWait>;
export type ContainerTop = Output<typeof containerTop>;
export type Checkpoints = Output<typeof checkpoints>;
export type FilesystemChanges = Output<typeof filesystemChanges>;
export type PathStat = Output<typeof pathStat>;
export type ContainersPrune = Output<typeof containersPrune>;
export type CommitResponse = Output<typeof commitResponse>;
