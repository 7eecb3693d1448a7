// How a container looks from outside: the answers of ContainerInspect and the items of ContainerList. Pure over the
// record; reads never wait.
import type {
  ContainerInspect,
  ContainerState,
  ContainerSummary,
  PortSummary,
} from "../../api/schemas/container.ts";
import { ZERO_TIME, parseNano } from "../../lib/time.ts";
import { humanDuration } from "../../lib/units/duration.ts";
import type { RootSource } from "../../linux/ops.ts";
import { askedProfile, chooseProfile } from "../../runtime/apparmor/choose.ts";
import { loadSpecHost } from "../../runtime/spec/host.ts";
import { graphData } from "../graph-data.ts";
import type { ContainerPaths } from "./context.ts";
import type { LogStatus } from "./log/service.ts";
import { mountPoints } from "./mounts/points.ts";
import { listedNetworks, networkSettings, shownPorts } from "./network/view.ts";
import { portSummaries } from "./ports.ts";
import { type ContainerRecord, type Health, isRunning, type RunState } from "./record.ts";

/** What inspect shows besides the record. */
export interface InspectExtras {
  paths: ContainerPaths;
  execIds: readonly string[];
  /** How the root file system is mounted. */
  source: RootSource;
  /** HostConfig.Links, null without links. */
  links: string[] | null;
  /** Present when they are asked for. */
  sizes?: { readonly SizeRw: number; readonly SizeRootFs: number } | undefined;
  health: Health | null;
  /** Config.MacAddress, for clients that know it. */
  mac: { readonly MacAddress?: string };
  apparmorProfile: string;
  /** Of a container whose log has a receiver. */
  logStatus?: LogStatus | undefined;
}

/** Returns the answer of ContainerInspect. */
export function inspectOf(record: ContainerRecord, extras: InspectExtras): ContainerInspect {
  const { paths } = extras;
  // compat: a container that was never started has no files yet.
  const isFresh = record.state.status === "created" && record.state.startedAt === "";
  const etcFile = (name: Parameters<ContainerPaths["etcFile"]>[1]): string =>
    isFresh ? "" : paths.etcFile(record.id, name);
  return {
    Id: record.id,
    Created: record.createdAt,
    Path: record.path,
    Args: [...record.args],
    State: stateOf(record.state, extras.health),
    Image: record.imageId,
    ResolvConfPath: etcFile("resolv.conf"),
    HostnamePath: etcFile("hostname"),
    HostsPath: etcFile("hosts"),
    // compat: only json-file's file is of a form on which others may rely.
    LogPath:
      isFresh || record.hostConfig.LogConfig.Type !== "json-file" ? "" : paths.log(record.id, "json-file"),
    ...(extras.logStatus === undefined ? {} : { LogStatus: extras.logStatus }),
    Name: `/${record.name}`,
    RestartCount: record.state.restartCount,
    Driver: "overlay2",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: extras.apparmorProfile,
    ExecIDs: extras.execIds.length === 0 ? null : [...extras.execIds],
    HostConfig: { ...record.hostConfig, Links: extras.links },
    GraphDriver: { Data: graphData(extras.source, record.state.pid), Name: "overlay2" },
    ...extras.sizes,
    Mounts: mountPoints(record),
    Config: { ...record.config, ...extras.mac },
    NetworkSettings: networkSettings(record),
  };
}

/** Returns the AppArmor profile that a container's next start gives it; "" where it gives none. */
export function appArmorProfileOf({ hostConfig }: Pick<ContainerRecord, "hostConfig">): string {
  const isPrivileged = hostConfig.Privileged;
  return chooseProfile(askedProfile(hostConfig.SecurityOpt ?? []), { isPrivileged }, loadSpecHost());
}

function stateOf(s: RunState, health: Health | null): ContainerState {
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
    ...(health === null
      ? {}
      : {
          Health: {
            Status: health.status,
            FailingStreak: health.failingStreak,
            Log: health.log.map((r) => ({
              Start: r.start,
              End: r.end,
              ExitCode: r.exitCode,
              Output: r.output,
            })),
          },
        }),
  };
}

/** Returns the item of ContainerList. `imageName` is what the image is called now. */
export function summaryOf(
  record: ContainerRecord,
  imageName: string,
  health: Health | null,
  nowMs: number,
): ContainerSummary {
  const { Annotations, NetworkMode } = record.hostConfig;
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: imageName,
    ImageID: record.imageId,
    Command: [record.path, ...record.args.map(quoteArgument)].join(" "),
    Created: Number((parseNano(record.createdAt) ?? 0n) / 1_000_000_000n),
    Ports: portsOf(record),
    Labels: record.config.Labels ?? {},
    State: record.state.status,
    Status: statusText(record.state, nowMs, health?.status),
    Health: { Status: health?.status ?? "none", FailingStreak: health?.failingStreak ?? 0 },
    HostConfig: { NetworkMode, ...(Annotations === undefined ? {} : { Annotations }) },
    NetworkSettings: { Networks: listedNetworks(record) },
    Mounts: mountPoints(record),
  };
}

/** Returns the ports of `ps`: none unless it runs and is in a network. */
export function portsOf(record: ContainerRecord): PortSummary[] {
  return isRunning(record) ? portSummaries(shownPorts(record)) : [];
}

/** compat: arguments with blanks are shown in single quotes. */
function quoteArgument(argument: string): string {
  return /\s/.test(argument) ? `'${argument}'` : argument;
}

/** Returns the sentence of the STATUS column. */
export function statusText(s: RunState, nowMs: number, health?: Health["status"]): string {
  const since = (time: string): string => {
    const nano = parseNano(time);
    return nano === null ? "" : humanDuration(Math.max(0, nowMs * 1e6 - Number(nano)));
  };
  switch (s.status) {
    case "created":
      return "Created";
    case "running":
      return `Up ${since(s.startedAt)}${healthText(health)}`;
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

function healthText(status: Health["status"] | undefined): string {
  if (status === undefined) return "";
  return status === "starting" ? " (health: starting)" : ` (${status})`;
}
