// Completes a create request: the image's defaults, Docker's zero values, and the rules by which they combine.
// Pure; the request has passed the contract, its values are judged here.
import type { ContainerConfig, ContainerConfigRequest } from "../../api/schemas/container.ts";
import type { HostConfig, HostConfigRequest } from "../../api/schemas/host-config.ts";
import { Fault } from "../../lib/errors.ts";
import type { Healthcheck, RunConfig } from "../../oci/image-config.ts";

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DEFAULT_SHM_BYTES = 64 << 20;

/** Defaults that the daemon's configuration or the host decide. */
export interface ContainerDefaults {
  logType: string;
  logOptions: Readonly<Record<string, string>>;
  /** "host" on cgroup v1, "private" on v2, as Docker's. */
  cgroupnsMode: "host" | "private";
  maskedPaths: readonly string[];
  readonlyPaths: readonly string[];
}

/**
 * Returns the configuration of a container: the request's, completed by the image's. A command of the request
 * replaces the image's; an entrypoint of the request also drops the image's command (Dockerfile reference,
 * "Understand how CMD and ENTRYPOINT interact"). Fails with invalidParameter when there is nothing to run.
 */
export function completeConfig(
  request: ContainerConfigRequest,
  image: RunConfig,
  defaultHostname: string,
): ContainerConfig {
  const wantsEntrypoint = (request.Entrypoint?.length ?? 0) > 0;
  // compat: [""] is how clients reset the image's entrypoint.
  const isReset = request.Entrypoint?.length === 1 && request.Entrypoint[0] === "";
  const entrypoint = isReset
    ? null
    : wantsEntrypoint
      ? (request.Entrypoint as string[])
      : [...(image.entrypoint ?? [])];
  const cmd =
    (request.Cmd?.length ?? 0) > 0
      ? (request.Cmd as string[])
      : wantsEntrypoint
        ? null
        : [...(image.cmd ?? [])];
  if ((entrypoint?.length ?? 0) + (cmd?.length ?? 0) === 0)
    throw new Fault("invalidParameter", "no command specified", { code: "container.no-command" });
  const exposed = { ...setOf(image.exposedPorts), ...request.ExposedPorts };
  const healthcheck = completeHealthcheck(request.Healthcheck, image.healthcheck);
  return {
    Hostname: request.Hostname || defaultHostname,
    Domainname: request.Domainname ?? "",
    User: request.User || (image.user ?? ""),
    AttachStdin: request.AttachStdin ?? false,
    AttachStdout: request.AttachStdout ?? false,
    AttachStderr: request.AttachStderr ?? false,
    ...(Object.keys(exposed).length > 0 ? { ExposedPorts: exposed } : {}),
    Tty: request.Tty ?? false,
    OpenStdin: request.OpenStdin ?? false,
    StdinOnce: request.StdinOnce ?? false,
    Env: completeEnv(image.env ?? [], request.Env ?? []),
    Cmd: cmd === null || cmd.length === 0 ? null : cmd,
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
    Image: request.Image ?? "",
    Volumes: volumesOf(request, image),
    WorkingDir: request.WorkingDir || (image.workingDir ?? ""),
    Entrypoint: entrypoint === null || entrypoint.length === 0 ? null : entrypoint,
    ...(request.NetworkDisabled ? { NetworkDisabled: true } : {}),
    ...(request.MacAddress ? { MacAddress: request.MacAddress } : {}),
    ...(image.onBuild === undefined ? {} : { OnBuild: [...image.onBuild] }),
    Labels: { ...image.labels, ...request.Labels },
    ...withStop(request, image),
    ...(image.shell === undefined ? {} : { Shell: [...image.shell] }),
  };
}

function volumesOf(request: ContainerConfigRequest, image: RunConfig): ContainerConfig["Volumes"] {
  const volumes = { ...setOf(image.volumes), ...request.Volumes };
  return Object.keys(volumes).length === 0 ? null : volumes;
}

function withStop(
  request: ContainerConfigRequest,
  image: RunConfig,
): Pick<ContainerConfig, "StopSignal" | "StopTimeout"> {
  const signal = request.StopSignal || image.stopSignal;
  const timeout = request.StopTimeout ?? image.stopTimeoutSeconds;
  return {
    ...(signal ? { StopSignal: signal } : {}),
    ...(timeout === undefined ? {} : { StopTimeout: timeout }),
  };
}

function completeHealthcheck(
  request: ContainerConfigRequest["Healthcheck"],
  image: Healthcheck | undefined,
): ContainerConfig["Healthcheck"] {
  if (!request && image === undefined) return undefined;
  const merged = {
    Test: request?.Test?.length ? request.Test : image?.test === undefined ? undefined : [...image.test],
    Interval: request?.Interval || image?.intervalNanos,
    Timeout: request?.Timeout || image?.timeoutNanos,
    StartPeriod: request?.StartPeriod || image?.startPeriodNanos,
    StartInterval: request?.StartInterval || image?.startIntervalNanos,
    Retries: request?.Retries || image?.retries,
  };
  return Object.fromEntries(Object.entries(merged).filter(([, v]) => v !== undefined && v !== null));
}

const setOf = (names: readonly string[] | undefined): Record<string, Record<never, never>> =>
  Object.fromEntries((names ?? []).map((n) => [n, {}]));

const keyOf = (pair: string): string => pair.split("=", 1)[0] as string;

/**
 * Returns the environment: the image's, with the request's variables replacing those of the same name and a default
 * PATH when neither has one. `-e NAME` without a value unsets the image's variable.
 */
export function completeEnv(image: readonly string[], request: readonly string[]): string[] {
  const wanted = new Map(request.map((pair) => [keyOf(pair), pair]));
  const merged = [...wanted.values(), ...image.filter((pair) => !wanted.has(keyOf(pair)))].filter((p) =>
    p.includes("="),
  );
  return merged.some((p) => keyOf(p) === "PATH") ? merged : [...merged, DEFAULT_PATH];
}

const IPC_MODES = /^(|none|private|shareable|host|container:.+)$/;
const RESTART = ["", "no", "always", "unless-stopped", "on-failure"];

/** Returns the host configuration with every field that Docker shows; fails with invalidParameter on impossible wishes. */
export function completeHostConfig(
  request: HostConfigRequest | null | undefined,
  defaults: ContainerDefaults,
): HostConfig {
  const r = request ?? {};
  checkHostConfig(r);
  const isUnconfined = r.Privileged || (r.SecurityOpt ?? []).includes("systempaths=unconfined");
  return {
    Binds: r.Binds ?? null,
    ContainerIDFile: r.ContainerIDFile ?? "",
    LogConfig: {
      Type: r.LogConfig?.Type || defaults.logType,
      Config: r.LogConfig?.Type
        ? (r.LogConfig.Config ?? {})
        : { ...defaults.logOptions, ...r.LogConfig?.Config },
    },
    // compat: since API 1.44 "default" is shown as the network it stands for.
    NetworkMode: !r.NetworkMode || r.NetworkMode === "default" ? "bridge" : r.NetworkMode,
    PortBindings: completePortBindings(r.PortBindings),
    RestartPolicy: {
      Name: r.RestartPolicy?.Name || "no",
      MaximumRetryCount: r.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    AutoRemove: r.AutoRemove ?? false,
    VolumeDriver: r.VolumeDriver ?? "",
    VolumesFrom: r.VolumesFrom ?? null,
    ConsoleSize: r.ConsoleSize ?? [0, 0],
    ...(r.Annotations ? { Annotations: r.Annotations } : {}),
    CapAdd: r.CapAdd ?? null,
    CapDrop: r.CapDrop ?? null,
    CgroupnsMode: r.CgroupnsMode || (r.Privileged ? "host" : defaults.cgroupnsMode),
    Dns: r.Dns ?? [],
    DnsOptions: r.DnsOptions ?? [],
    DnsSearch: r.DnsSearch ?? [],
    ExtraHosts: r.ExtraHosts ?? null,
    GroupAdd: r.GroupAdd ?? null,
    IpcMode: r.IpcMode || "private",
    Cgroup: r.Cgroup ?? "",
    Links: r.Links ?? null,
    OomScoreAdj: r.OomScoreAdj ?? 0,
    PidMode: r.PidMode ?? "",
    Privileged: r.Privileged ?? false,
    PublishAllPorts: r.PublishAllPorts ?? false,
    ReadonlyRootfs: r.ReadonlyRootfs ?? false,
    SecurityOpt: r.SecurityOpt ?? null,
    ...(r.StorageOpt ? { StorageOpt: r.StorageOpt } : {}),
    ...(r.Tmpfs ? { Tmpfs: r.Tmpfs } : {}),
    UTSMode: r.UTSMode ?? "",
    UsernsMode: r.UsernsMode ?? "",
    ShmSize: r.ShmSize || DEFAULT_SHM_BYTES,
    ...(r.Sysctls ? { Sysctls: r.Sysctls } : {}),
    Runtime: r.Runtime || "berth",
    Isolation: r.Isolation ?? "",
    ...completeResources(r),
    ...(r.Mounts ? { Mounts: r.Mounts as NonNullable<HostConfig["Mounts"]> } : {}),
    MaskedPaths: isUnconfined ? null : (r.MaskedPaths ?? [...defaults.maskedPaths]),
    ReadonlyPaths: isUnconfined ? null : (r.ReadonlyPaths ?? [...defaults.readonlyPaths]),
    ...(r.Init === undefined || r.Init === null ? {} : { Init: r.Init }),
  };
}

function completePortBindings(wishes: HostConfigRequest["PortBindings"]): HostConfig["PortBindings"] {
  return Object.fromEntries(
    Object.entries(wishes ?? {}).map(([port, list]) => [
      port,
      list?.map((b) => ({ HostIp: b.HostIp ?? "", HostPort: b.HostPort ?? "" })) ?? null,
    ]),
  );
}

type ResourceFields = Pick<
  HostConfig,
  | "CpuShares"
  | "Memory"
  | "NanoCpus"
  | "CgroupParent"
  | "BlkioWeight"
  | "BlkioWeightDevice"
  | "BlkioDeviceReadBps"
  | "BlkioDeviceWriteBps"
  | "BlkioDeviceReadIOps"
  | "BlkioDeviceWriteIOps"
  | "CpuPeriod"
  | "CpuQuota"
  | "CpuRealtimePeriod"
  | "CpuRealtimeRuntime"
  | "CpusetCpus"
  | "CpusetMems"
  | "Devices"
  | "DeviceCgroupRules"
  | "DeviceRequests"
  | "MemoryReservation"
  | "MemorySwap"
  | "MemorySwappiness"
  | "OomKillDisable"
  | "PidsLimit"
  | "Ulimits"
  | "CpuCount"
  | "CpuPercent"
  | "IOMaximumIOps"
  | "IOMaximumBandwidth"
>;

/** Returns the resource limits of a request with Docker's zero values; also what ContainerUpdate starts from. */
export function completeResources(r: HostConfigRequest): ResourceFields {
  // The contract checked the shapes; struct members that were left out become Go's zero values here.
  const rated = (v: HostConfigRequest["BlkioDeviceReadBps"]): HostConfig["BlkioDeviceReadBps"] =>
    v?.map((d) => ({ Path: d.Path ?? "", Rate: d.Rate ?? 0 })) ?? null;
  const memory = r.Memory ?? 0;
  return {
    CpuShares: r.CpuShares ?? 0,
    Memory: memory,
    NanoCpus: r.NanoCpus ?? 0,
    CgroupParent: r.CgroupParent ?? "",
    BlkioWeight: r.BlkioWeight ?? 0,
    BlkioWeightDevice:
      r.BlkioWeightDevice?.map((d) => ({ Path: d.Path ?? "", Weight: d.Weight ?? 0 })) ?? null,
    BlkioDeviceReadBps: rated(r.BlkioDeviceReadBps),
    BlkioDeviceWriteBps: rated(r.BlkioDeviceWriteBps),
    BlkioDeviceReadIOps: rated(r.BlkioDeviceReadIOps),
    BlkioDeviceWriteIOps: rated(r.BlkioDeviceWriteIOps),
    CpuPeriod: r.CpuPeriod ?? 0,
    CpuQuota: r.CpuQuota ?? 0,
    CpuRealtimePeriod: r.CpuRealtimePeriod ?? 0,
    CpuRealtimeRuntime: r.CpuRealtimeRuntime ?? 0,
    CpusetCpus: r.CpusetCpus ?? "",
    CpusetMems: r.CpusetMems ?? "",
    Devices:
      r.Devices?.map((d) => ({
        PathOnHost: d.PathOnHost ?? "",
        PathInContainer: d.PathInContainer ?? "",
        CgroupPermissions: d.CgroupPermissions || "rwm",
      })) ?? null,
    DeviceCgroupRules: r.DeviceCgroupRules ?? null,
    DeviceRequests: (r.DeviceRequests ?? null) as HostConfig["DeviceRequests"],
    MemoryReservation: r.MemoryReservation ?? 0,
    // compat: a memory limit without a swap limit allows as much swap again.
    MemorySwap: r.MemorySwap || (memory > 0 ? memory * 2 : 0),
    MemorySwappiness: r.MemorySwappiness === -1 ? null : (r.MemorySwappiness ?? null),
    OomKillDisable: r.OomKillDisable ?? null,
    PidsLimit: r.PidsLimit ?? null,
    Ulimits: r.Ulimits?.map((u) => ({ Name: u.Name ?? "", Hard: u.Hard ?? 0, Soft: u.Soft ?? 0 })) ?? null,
    CpuCount: r.CpuCount ?? 0,
    CpuPercent: r.CpuPercent ?? 0,
    IOMaximumIOps: r.IOMaximumIOps ?? 0,
    IOMaximumBandwidth: r.IOMaximumBandwidth ?? 0,
  };
}

const refuse = (message: string): never => {
  throw new Fault("invalidParameter", message);
};

/** Refuses contradictions and what this version has not, with invalidParameter or notImplemented. */
export function checkHostConfig(r: HostConfigRequest): void {
  if (!IPC_MODES.test(r.IpcMode ?? "")) refuse(`invalid IPC mode: ${r.IpcMode}`);
  const restart = r.RestartPolicy?.Name ?? "";
  if (!RESTART.includes(restart))
    refuse(
      `invalid restart policy: unknown policy '${restart}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  const retries = r.RestartPolicy?.MaximumRetryCount ?? 0;
  if (retries !== 0 && restart !== "on-failure")
    refuse("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  if (retries < 0) refuse("invalid restart policy: maximum retry count cannot be negative");
  if (r.AutoRemove && restart !== "" && restart !== "no")
    refuse("can't create 'AutoRemove' container with restart policy");
  if ((r.DeviceRequests?.length ?? 0) > 0)
    refuse('could not select device driver "" with capabilities: [[gpu]]');
  for (const [field, given] of Object.entries(unsupported(r)))
    if (given)
      throw new Fault("notImplemented", `${field} is not supported by this version`, {
        code: "container.unsupported",
      });
}

/** Wishes that this version cannot grant: refused, never ignored. */
function unsupported(r: HostConfigRequest): Record<string, boolean> {
  return {
    "a volume driver": Boolean(r.VolumeDriver),
    "--volumes-from": (r.VolumesFrom?.length ?? 0) > 0,
    "--link": (r.Links?.length ?? 0) > 0,
    "--storage-opt": Object.keys(r.StorageOpt ?? {}).length > 0,
    "--userns": !["", "host"].includes(r.UsernsMode ?? ""),
    "--isolation": !["", "default"].includes(r.Isolation ?? ""),
    "--runtime": !["", "berth", "runc", "io.containerd.runc.v2"].includes(r.Runtime ?? ""),
    [`the log driver "${r.LogConfig?.Type}" (json-file, local and none are)`]: ![
      "",
      "json-file",
      "local",
      "none",
    ].includes(r.LogConfig?.Type ?? ""),
  };
}
