// The HostConfig of a new container: what the request says, with Docker's and the daemon's defaults. Pure; whether it can be
// granted is checked in check.ts and, against the machine, by the runtime.
import type { HostConfig, HostConfigRequest, Ulimit } from "../../../api/schemas/host-config.ts";
import { completeLogConfig, type LogDefaults } from "../log/options.ts";
import type { Runtimes } from "../runtime/runtimes.ts";
import { checkHostConfig } from "./check.ts";
import { completeResources } from "./resources.ts";

/** Defaults that the daemon's configuration or the host decide. */
export interface ContainerDefaults extends LogDefaults {
  /** "host" on cgroup v1, "private" on v2, as Docker's; the second one is for privileged containers. */
  cgroupnsMode: "host" | "private";
  privilegedCgroupnsMode: "host" | "private";
  ipcMode: "private" | "shareable";
  shmSizeBytes: number;
  /** Limits of processes for containers that say nothing of their name. */
  ulimits: readonly Ulimit[];
  /** How long a stop waits for containers that say nothing about it. */
  stopTimeoutSec: number;
  /** Whether an init program runs in containers that say nothing about it. */
  hasInit: boolean;
  runtimes: Runtimes;
  maskedPaths: readonly string[];
  readonlyPaths: readonly string[];
}

/** Returns the host configuration with every field that Docker shows; fails with invalidParameter on impossible wishes. */
export function completeHostConfig(
  request: HostConfigRequest | null | undefined,
  defaults: ContainerDefaults,
): HostConfig {
  const r = request ?? {};
  checkHostConfig(r);
  defaults.runtimes.choose(r.Runtime);
  const isUnconfined = r.Privileged || (r.SecurityOpt ?? []).includes("systempaths=unconfined");
  return {
    Binds: r.Binds ?? null,
    ContainerIDFile: r.ContainerIDFile ?? "",
    LogConfig: completeLogConfig(r.LogConfig, defaults),
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
    CgroupnsMode: r.CgroupnsMode || (r.Privileged ? defaults.privilegedCgroupnsMode : defaults.cgroupnsMode),
    Dns: r.Dns ?? null,
    DnsOptions: r.DnsOptions ?? null,
    DnsSearch: r.DnsSearch ?? null,
    ExtraHosts: r.ExtraHosts ?? null,
    GroupAdd: r.GroupAdd ?? null,
    IpcMode: r.IpcMode || defaults.ipcMode,
    Cgroup: r.Cgroup ?? "",
    Links: r.Links ?? null,
    OomScoreAdj: r.OomScoreAdj ?? 0,
    PidMode: r.PidMode ?? "",
    Privileged: r.Privileged ?? false,
    PublishAllPorts: r.PublishAllPorts ?? false,
    ReadonlyRootfs: r.ReadonlyRootfs ?? false,
    SecurityOpt: completeSecurityOptions(r),
    ...(r.StorageOpt ? { StorageOpt: r.StorageOpt } : {}),
    ...(r.Tmpfs ? { Tmpfs: r.Tmpfs } : {}),
    UTSMode: r.UTSMode ?? "",
    UsernsMode: r.UsernsMode ?? "",
    ShmSize: r.ShmSize || defaults.shmSizeBytes,
    ...(r.Sysctls ? { Sysctls: r.Sysctls } : {}),
    Runtime: r.Runtime || defaults.runtimes.defaultName,
    Isolation: r.Isolation ?? "",
    ...completeResources(r),
    Ulimits: completeUlimits(r.Ulimits, defaults.ulimits),
    ...(r.Mounts ? { Mounts: r.Mounts as NonNullable<HostConfig["Mounts"]> } : {}),
    MaskedPaths: isUnconfined ? null : (r.MaskedPaths ?? [...defaults.maskedPaths]),
    ReadonlyPaths: isUnconfined ? null : (r.ReadonlyPaths ?? [...defaults.readonlyPaths]),
    ...completeInit(r.Init, defaults),
  };
}

/** compat: whoever shares processes or IPC with the host is outside of SELinux, and `inspect` says so on any machine. */
function completeSecurityOptions(r: HostConfigRequest): HostConfig["SecurityOpt"] {
  const given = r.SecurityOpt ?? null;
  const isShared = r.Privileged || r.PidMode === "host" || r.IpcMode === "host";
  if (!isShared || given?.some((option) => option.startsWith("label="))) return given;
  return [...(given ?? []), "label=disable"];
}

/** compat: without a wish and without a default the field is left out. */
function completeInit(
  wish: HostConfigRequest["Init"],
  defaults: ContainerDefaults,
): Pick<HostConfig, "Init"> {
  if (typeof wish === "boolean") return { Init: wish };
  return defaults.hasInit ? { Init: true } : {};
}

function completeUlimits(
  given: HostConfigRequest["Ulimits"],
  defaults: readonly Ulimit[],
): HostConfig["Ulimits"] {
  const own = given?.map((u) => ({ Name: u.Name ?? "", Hard: u.Hard ?? 0, Soft: u.Soft ?? 0 })) ?? null;
  const missing = defaults.filter((d) => !own?.some((u) => u.Name === d.Name));
  return missing.length === 0 ? own : [...(own ?? []), ...missing];
}

/** Returns bindings with every field. */
export function completePortBindings(
  wishes: HostConfigRequest["PortBindings"],
): NonNullable<HostConfig["PortBindings"]> {
  return Object.fromEntries(
    Object.entries(wishes ?? {}).map(([port, list]) => [
      port,
      list?.map((b) => ({ HostIp: b.HostIp ?? "", HostPort: b.HostPort ?? "" })) ?? null,
    ]),
  );
}
