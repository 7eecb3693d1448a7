// The lines of `berth info` about the daemon.

import type { SystemInfo } from "../../api/schemas/system.ts";
import { humanDuration } from "../../lib/units/duration.ts";
import { binarySize } from "../../lib/units/size.ts";

export interface InfoOptions {
  readonly isDebug: boolean;
  /** The user's name at Docker Hub, empty when not logged in. */
  readonly userName: string;
}

/** Returns the lines, each ended by a newline. */
export function infoLines(info: SystemInfo, options: InfoOptions): string {
  const lines = [
    ...counts(info),
    ...drivers(info),
    ...swarm(info),
    ...runtimes(info),
    ...host(info, options),
    ...registries(info),
    "",
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** A line that is left out when it has nothing to say. */
function unlessEmpty(label: string, value: string | undefined): string[] {
  return value === undefined || value === "" ? [] : [`${label} ${value}`];
}

function counts(info: SystemInfo): string[] {
  return [
    ` Containers: ${info.Containers}`,
    `  Running: ${info.ContainersRunning}`,
    `  Paused: ${info.ContainersPaused}`,
    `  Stopped: ${info.ContainersStopped}`,
    ` Images: ${info.Images}`,
    ...unlessEmpty(" Server Version:", info.ServerVersion),
  ];
}

function drivers(info: SystemInfo): string[] {
  const { Volume, Network, Authorization, Log } = info.Plugins;
  const authorization =
    (Authorization ?? []).length === 0 ? [] : [`  Authorization: ${(Authorization ?? []).join(" ")}`];
  const devices = info.DiscoveredDevices ?? [];
  return [
    ...unlessEmpty(" Storage Driver:", info.Driver),
    ...(info.DriverStatus ?? []).map(([name, value]) => `  ${name}: ${value}`),
    ...(info.SystemStatus ?? []).map(([name, value]) => ` ${name}: ${value}`),
    ...unlessEmpty(" Logging Driver:", info.LoggingDriver),
    ...unlessEmpty(" Cgroup Driver:", info.CgroupDriver),
    ...unlessEmpty(" Cgroup Version:", info.CgroupVersion),
    " Plugins:",
    `  Volume: ${(Volume ?? []).join(" ")}`,
    `  Network: ${(Network ?? []).join(" ")}`,
    ...authorization,
    `  Log: ${(Log ?? []).join(" ")}`,
    ...section(
      " CDI spec directories:",
      (info.CDISpecDirs ?? []).map((dir) => `  ${dir}`),
    ),
    ...section(
      " Discovered Devices:",
      devices.map(({ Source, ID }) => `  ${Source}: ${ID}`),
    ),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines];
}

interface Cluster {
  readonly ID?: string;
  readonly DefaultAddrPool?: readonly string[] | null;
  readonly SubnetSize?: number;
  readonly DataPathPort?: number;
  readonly RootRotationInProgress?: boolean;
  readonly Spec?: {
    readonly Orchestration?: { readonly TaskHistoryRetentionLimit?: number };
    readonly Raft?: {
      readonly SnapshotInterval?: number;
      readonly KeepOldSnapshots?: number;
      readonly HeartbeatTick?: number;
      readonly ElectionTick?: number;
    };
    readonly Dispatcher?: { readonly HeartbeatPeriod?: number };
    readonly CAConfig?: { readonly NodeCertExpiry?: number; readonly ForceRotate?: number };
    readonly EncryptionConfig?: { readonly AutoLockManagers?: boolean };
  };
}

function swarm({ Swarm }: SystemInfo): string[] {
  const state = ` Swarm: ${Swarm.LocalNodeState}`;
  if (Swarm.LocalNodeState === "inactive" || Swarm.LocalNodeState === "locked" || Swarm.LocalNodeState === "")
    return [state];
  const cluster = Swarm.Cluster as Cluster | null | undefined;
  const isManager = Swarm.ControlAvailable && Swarm.Error === "" && Swarm.LocalNodeState !== "error";
  return [
    state,
    `  NodeID: ${Swarm.NodeID}`,
    ...unlessEmpty("  Error:", Swarm.Error),
    `  Is Manager: ${Swarm.ControlAvailable}`,
    ...(cluster && isManager ? clusterLines(cluster, Swarm.Managers ?? 0, Swarm.Nodes ?? 0) : []),
    `  Node Address: ${Swarm.NodeAddr}`,
    ...section("  Manager Addresses:", (Swarm.RemoteManagers ?? []).map(({ Addr }) => `   ${Addr}`).sort()),
  ];
}

function clusterLines(cluster: Cluster, managers: number, nodes: number): string[] {
  const { Orchestration, Raft, Dispatcher, CAConfig, EncryptionConfig } = cluster.Spec ?? {};
  const pools = cluster.DefaultAddrPool ?? null;
  return [
    `  ClusterID: ${cluster.ID ?? ""}`,
    `  Managers: ${managers}`,
    `  Nodes: ${nodes}`,
    ...(pools === null
      ? []
      : [
          `  Default Address Pool: ${pools.map((pool) => `${pool}  `).join("")}`,
          `  SubnetSize: ${cluster.SubnetSize ?? 0}`,
        ]),
    ...((cluster.DataPathPort ?? 0) > 0 ? [`  Data Path Port: ${cluster.DataPathPort}`] : []),
    "  Orchestration:",
    `   Task History Retention Limit: ${Orchestration?.TaskHistoryRetentionLimit ?? 0}`,
    "  Raft:",
    `   Snapshot Interval: ${Raft?.SnapshotInterval ?? 0}`,
    ...(Raft?.KeepOldSnapshots === undefined
      ? []
      : [`   Number of Old Snapshots to Retain: ${Raft.KeepOldSnapshots}`]),
    `   Heartbeat Tick: ${Raft?.HeartbeatTick ?? 0}`,
    `   Election Tick: ${Raft?.ElectionTick ?? 0}`,
    "  Dispatcher:",
    `   Heartbeat Period: ${humanDuration(Dispatcher?.HeartbeatPeriod ?? 0)}`,
    "  CA Configuration:",
    `   Expiry Duration: ${humanDuration(CAConfig?.NodeCertExpiry ?? 0)}`,
    `   Force Rotate: ${CAConfig?.ForceRotate ?? 0}`,
    `  Autolock Managers: ${EncryptionConfig?.AutoLockManagers ?? false}`,
    `  Root Rotation In Progress: ${cluster.RootRotationInProgress ?? false}`,
  ];
}

function runtimes(info: SystemInfo): string[] {
  const names = Object.keys(info.Runtimes ?? {});
  const used =
    names.length === 0 ? [] : [` Runtimes: ${names.join(" ")}`, ` Default Runtime: ${info.DefaultRuntime}`];
  if (info.OSType !== "linux") return used;
  return [
    ...used,
    ` Init Binary: ${info.InitBinary}`,
    ` containerd version: ${info.ContainerdCommit?.ID ?? ""}`,
    ` runc version: ${info.RuncCommit?.ID ?? ""}`,
    ` init version: ${info.InitCommit?.ID ?? ""}`,
    ...section(" Security Options:", (info.SecurityOptions ?? []).flatMap(securityLines)),
  ];
}

/** `name=seccomp,profile=builtin` → the name, and its profile below. */
function securityLines(text: string): string[] {
  if (!text.includes("=")) return [`  ${text}`];
  return text.split(",").flatMap((part) => {
    const [key, value = ""] = part.split("=");
    if (key === "name") return [`  ${value}`];
    return key === "profile" ? [`   Profile: ${value}`] : [];
  });
}

function host(info: SystemInfo, { isDebug, userName }: InfoOptions): string[] {
  const debug =
    info.Debug || isDebug
      ? [
          `  File Descriptors: ${info.NFd}`,
          `  Goroutines: ${info.NGoroutines}`,
          `  System Time: ${info.SystemTime}`,
          `  EventsListeners: ${info.NEventsListener}`,
        ]
      : [];
  return [
    ...unlessEmpty(" Kernel Version:", info.KernelVersion),
    ...unlessEmpty(" Operating System:", info.OperatingSystem),
    ...unlessEmpty(" OSType:", info.OSType),
    ...unlessEmpty(" Architecture:", info.Architecture),
    ` CPUs: ${info.NCPU}`,
    ` Total Memory: ${binarySize(info.MemTotal)}`,
    ...unlessEmpty(" Name:", info.Name),
    ...unlessEmpty(" ID:", info.ID),
    ` Docker Root Dir: ${info.DockerRootDir}`,
    ` Debug Mode: ${info.Debug}`,
    ...debug,
    ...unlessEmpty(" HTTP Proxy:", info.HttpProxy),
    ...unlessEmpty(" HTTPS Proxy:", info.HttpsProxy),
    ...unlessEmpty(" No Proxy:", info.NoProxy),
    ...unlessEmpty(" Username:", userName),
    ...section(
      " Labels:",
      (info.Labels ?? []).map((label) => `  ${label}`),
    ),
    ` Experimental: ${info.ExperimentalBuild}`,
  ];
}

function registries(info: SystemInfo): string[] {
  const { InsecureRegistryCIDRs = [], IndexConfigs = {}, Mirrors = [] } = info.RegistryConfig ?? {};
  const insecure = [
    ...Object.values(IndexConfigs ?? {})
      .filter(({ Secure }) => !Secure)
      .map(({ Name }) => `  ${Name}`),
    ...(InsecureRegistryCIDRs ?? []).map((cidr) => `  ${cidr}`),
  ];
  const hasInsecure = insecure.length > 0 || Object.keys(IndexConfigs ?? {}).length > 0;
  return [
    ...(hasInsecure ? [" Insecure Registries:", ...insecure] : []),
    ...section(
      " Registry Mirrors:",
      (Mirrors ?? []).map((mirror) => `  ${mirror}`),
    ),
    ` Live Restore Enabled: ${info.LiveRestoreEnabled}`,
    ...unlessEmpty(" Product License:", info.ProductLicense),
    ...section(
      " Default Address Pools:",
      (info.DefaultAddressPools ?? []).map(({ Base, Size }) => `   Base: ${Base}, Size: ${Size}`),
    ),
  ];
}
