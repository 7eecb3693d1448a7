// How a container looks from outside: the answers of ContainerInspect and the items of ContainerList. Pure over the
// record; reads never wait.
import type {
  ContainerInspect,
  ContainerState,
  ContainerSummary,
  NetworkSettings,
} from "../../api/schemas/container.ts";
import type { EndpointSettings } from "../../api/schemas/endpoint.ts";
import { ZERO_TIME, parseNano } from "../../lib/time.ts";
import { humanDuration } from "../../lib/units/duration.ts";
import type { RootSource } from "../../linux/ops.ts";
import { graphData } from "../graph-data.ts";
import type { ContainerPaths } from "./context.ts";
import { mountPoints } from "./mounts.ts";
import { portMapOf, portSummaries } from "./ports.ts";
import { type ContainerRecord, isRunning, type NetworkEndpoint, type RunState } from "./record.ts";

/** What inspect shows besides the record. */
export interface InspectExtras {
  paths: ContainerPaths;
  execIds: readonly string[];
  /** How the root file system is mounted. */
  source: RootSource;
}

/** Returns the answer of ContainerInspect. */
export function inspectOf(record: ContainerRecord, extras: InspectExtras): ContainerInspect {
  const { paths } = extras;
  return {
    Id: record.id,
    Created: record.createdAt,
    Path: record.path,
    Args: [...record.args],
    State: stateOf(record.state),
    Image: record.imageId,
    ResolvConfPath: paths.etcFile(record.id, "resolv.conf"),
    HostnamePath: paths.etcFile(record.id, "hostname"),
    HostsPath: paths.etcFile(record.id, "hosts"),
    LogPath: record.hostConfig.LogConfig.Type === "none" ? "" : paths.log(record.id),
    Name: `/${record.name}`,
    RestartCount: record.state.restartCount,
    Driver: "overlay2",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: extras.execIds.length === 0 ? null : [...extras.execIds],
    HostConfig: record.hostConfig,
    GraphDriver: { Data: graphData(extras.source), Name: "overlay2" },
    Mounts: mountPoints(record.hostConfig),
    Config: record.config,
    NetworkSettings: networkSettings(record),
  };
}

function stateOf(s: RunState): ContainerState {
  return {
    Status: s.status,
    // compat: a container that waits for its restart counts as running.
    Running: s.status === "running" || s.status === "paused" || s.status === "restarting",
    Paused: s.status === "paused",
    Restarting: s.status === "restarting",
    OOMKilled: s.isOomKilled,
    Dead: s.status === "dead",
    Pid: s.pid,
    ExitCode: s.exitCode,
    Error: s.error,
    StartedAt: s.startedAt || ZERO_TIME,
    FinishedAt: s.finishedAt || ZERO_TIME,
  };
}

const exposedOf = (record: ContainerRecord): string[] => Object.keys(record.config.ExposedPorts ?? {});

function networkSettings(record: ContainerRecord): NetworkSettings {
  const published = record.endpoints.flatMap((e) => e.attached?.ports ?? []);
  const hasNetwork = isRunning(record) && record.endpoints.some((e) => e.attached !== undefined);
  return {
    // compat: the namespace has no path of its own; the id says that there is one.
    SandboxID: hasNetwork ? record.id : "",
    SandboxKey: hasNetwork ? `/proc/${record.state.pid}/ns/net` : "",
    Ports: hasNetwork ? portMapOf(published, exposedOf(record)) : {},
    Networks: Object.fromEntries(record.endpoints.map((e) => [e.networkName, endpointSettings(e, record)])),
  };
}

function endpointSettings(e: NetworkEndpoint, record: ContainerRecord): EndpointSettings {
  const a = e.attached;
  const isDefault = ["bridge", "host", "none"].includes(e.networkName);
  return {
    IPAMConfig: e.wantedIp === "" ? null : { IPv4Address: e.wantedIp },
    Links: null,
    Aliases: e.aliases.length === 0 ? null : [...e.aliases],
    MacAddress: a?.mac ?? "",
    DriverOpts: null,
    GwPriority: 0,
    NetworkID: e.networkId,
    EndpointID: a?.endpointId ?? "",
    Gateway: a?.gateway ?? "",
    IPAddress: a?.ip ?? "",
    IPPrefixLen: a?.prefixLength ?? 0,
    IPv6Gateway: "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    DNSNames: isDefault ? null : [record.name, ...e.aliases, record.id.slice(0, 12)],
  };
}

/** Returns the item of ContainerList. `imageName` is what the image is called now. */
export function summaryOf(record: ContainerRecord, imageName: string, nowMs: number): ContainerSummary {
  const published = record.endpoints.flatMap((e) => e.attached?.ports ?? []);
  const { Annotations, NetworkMode } = record.hostConfig;
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: imageName,
    ImageID: record.imageId,
    Command: [record.path, ...record.args.map(quoteArgument)].join(" "),
    Created: Number((parseNano(record.createdAt) ?? 0n) / 1_000_000_000n),
    Ports: isRunning(record) ? portSummaries(published, exposedOf(record)) : [],
    Labels: record.config.Labels ?? {},
    State: record.state.status,
    Status: statusText(record.state, nowMs),
    HostConfig: { NetworkMode, ...(Annotations === undefined ? {} : { Annotations }) },
    NetworkSettings: {
      Networks: Object.fromEntries(record.endpoints.map((e) => [e.networkName, endpointSettings(e, record)])),
    },
    Mounts: mountPoints(record.hostConfig),
  };
}

/** compat: arguments with blanks are shown in single quotes. */
function quoteArgument(argument: string): string {
  return /\s/.test(argument) ? `'${argument}'` : argument;
}

/** Returns the sentence of the STATUS column. */
export function statusText(s: RunState, nowMs: number): string {
  const since = (time: string): string => {
    const nano = parseNano(time);
    return nano === null ? "" : humanDuration(Math.max(0, nowMs * 1e6 - Number(nano)));
  };
  switch (s.status) {
    case "created":
      return "Created";
    case "running":
      return `Up ${since(s.startedAt)}`;
    case "paused":
      return `Up ${since(s.startedAt)} (Paused)`;
    case "restarting":
      return `Restarting (${s.exitCode}) ${since(s.finishedAt)} ago`;
    case "removing":
      return "Removal In Progress";
    case "dead":
      return "Dead";
    case "exited":
      return s.finishedAt === "" ? "Created" : `Exited (${s.exitCode}) ${since(s.finishedAt)} ago`;
  }
}
