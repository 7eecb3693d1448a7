// The HostConfig of a new container: what the request says, with Docker's and the daemon's defaults. Pure; whether it can be
// granted is checked in check.ts and, against the machine, by the runtime.
import type { HostConfig, HostConfigRequest } from "../../../api/schemas/host-config.ts";
import { completeLogConfig, type LogDefaults } from "../log/options.ts";
import { checkHostConfig } from "./check.ts";
import { completeResources } from "./resources.ts";

const DEFAULT_SHM_BYTES = 64 << 20;

/** Defaults that the daemon's configuration or the host decide. */
export interface ContainerDefaults extends LogDefaults {
  /** "host" on cgroup v1, "private" on v2, as Docker's. */
  cgroupnsMode: "host" | "private";
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
