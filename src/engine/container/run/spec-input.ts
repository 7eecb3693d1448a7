// A container's record in the words of the runtime floor: what generateSpec needs. Pure, but for the namespaces of
// other containers, which the caller looks up.
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import type { NamespaceMode, SpecInput, SpecResources } from "../../../runtime/spec/input.ts";
import type { ContainerPaths } from "../context.ts";
import type { ContainerRecord } from "../record.ts";

/** Returns the process id of a running container; fails with notFound or conflict. */
export type PidOf = (reference: string) => number;

/** Returns the runtime's description of a container; without `mounts`, which an exec does not need. `isNetworkPlanned`: its network namespace comes with the request. */
export function specInputOf(
  record: ContainerRecord,
  paths: ContainerPaths,
  pidOf: PidOf,
  mounts: Pick<SpecInput, "binds" | "tmpfs" | "images"> = {},
): SpecInput {
  const { config, hostConfig: h } = record;
  const hasOwnUts = h.UTSMode !== "host";
  return {
    id: record.id,
    args: [record.path, ...record.args],
    env: config.Env ?? [],
    cwd: config.WorkingDir,
    user: config.User,
    groups: h.GroupAdd ?? [],
    tty: config.Tty,
    ...(hasOwnUts ? { hostname: config.Hostname, domainname: config.Domainname } : {}),
    readonlyRootfs: h.ReadonlyRootfs,
    privileged: h.Privileged,
    capAdd: h.CapAdd ?? [],
    capDrop: h.CapDrop ?? [],
    securityOpts: h.SecurityOpt ?? [],
    maskedPaths: h.MaskedPaths ?? [],
    readonlyPaths: h.ReadonlyPaths ?? [],
    resources: resourcesOf(h),
    oomScoreAdj: h.OomScoreAdj,
    ulimits: (h.Ulimits ?? []).map((u) => ({ name: u.Name, soft: u.Soft, hard: u.Hard })),
    sysctls: h.Sysctls ?? {},
    shmSize: h.ShmSize,
    ...mounts,
    devices: (h.Devices ?? []).map((d) => ({
      pathOnHost: d.PathOnHost,
      pathInContainer: d.PathInContainer,
      permissions: d.CgroupPermissions,
    })),
    namespaces: {
      pid: modeOf(h.PidMode, "pid", pidOf),
      ipc: modeOf(h.IpcMode, "ipc", pidOf),
      uts: modeOf(h.UTSMode, "uts", pidOf),
      net: h.NetworkMode === "host" ? { kind: "host" } : { kind: "private" },
      cgroup: modeOf(h.CgroupnsMode, "cgroup", pidOf),
    },
    ...(h.Init ? { initPath: paths.keelPath } : {}),
    etcFiles: etcFilesOf(record, paths),
    ...(h.CgroupParent ? { cgroupParent: h.CgroupParent } : {}),
    annotations: h.Annotations ?? {},
  };
}

/** A container in another's network sees the other's files. */
function etcFilesOf(record: ContainerRecord, paths: ContainerPaths): NonNullable<SpecInput["etcFiles"]> {
  const mode = record.hostConfig.NetworkMode;
  const owner = mode.startsWith("container:") ? mode.slice(10) : record.id;
  return {
    hostname: paths.etcFile(owner, "hostname"),
    hosts: paths.etcFile(owner, "hosts"),
    resolvConf: paths.etcFile(owner, "resolv.conf"),
  };
}

function modeOf(mode: string, type: "pid" | "ipc" | "uts" | "cgroup", pidOf: PidOf): NamespaceMode {
  if (mode === "" || mode === "private" || mode === "shareable") return { kind: "private" };
  if (mode === "host" || mode === "none") return { kind: mode };
  if (mode.startsWith("container:"))
    return { kind: "path", path: `/proc/${pidOf(mode.slice(10))}/ns/${type}` };
  throw new Fault("invalidParameter", `invalid ${type} mode: ${mode}`, { code: "container.namespace-mode" });
}

/** Returns the limits of a configuration in the runtime's words. */
export function resourcesOf(h: HostConfig): SpecResources {
  const rates = (list: HostConfig["BlkioDeviceReadBps"]): { path: string; rate: number }[] =>
    (list ?? []).map((d) => ({ path: d.Path, rate: d.Rate }));
  return {
    memory: h.Memory,
    memorySwap: h.MemorySwap,
    memoryReservation: h.MemoryReservation,
    ...(h.MemorySwappiness === null ? {} : { swappiness: h.MemorySwappiness }),
    ...(h.OomKillDisable === null ? {} : { oomKillDisable: h.OomKillDisable }),
    cpuShares: h.CpuShares,
    cpuQuota: h.CpuQuota,
    cpuPeriod: h.CpuPeriod,
    nanoCpus: h.NanoCpus,
    cpusetCpus: h.CpusetCpus,
    cpusetMems: h.CpusetMems,
    cpuRealtimePeriod: h.CpuRealtimePeriod,
    cpuRealtimeRuntime: h.CpuRealtimeRuntime,
    ...(h.PidsLimit === null ? {} : { pidsLimit: h.PidsLimit }),
    blkioWeight: h.BlkioWeight,
    blkioWeightDevice: (h.BlkioWeightDevice ?? []).map((d) => ({ path: d.Path, weight: d.Weight })),
    blkioDeviceReadBps: rates(h.BlkioDeviceReadBps),
    blkioDeviceWriteBps: rates(h.BlkioDeviceWriteBps),
    blkioDeviceReadIops: rates(h.BlkioDeviceReadIOps),
    blkioDeviceWriteIops: rates(h.BlkioDeviceWriteIOps),
    deviceCgroupRules: h.DeviceCgroupRules ?? [],
  };
}
