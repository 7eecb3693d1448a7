// Flags of `create` and `run` → the create request. Pure but for files the flags name (env files, seccomp profiles).
// Throws Faults with Docker's text for what contradicts itself; everything else is the daemon's to judge.

import type { ContainerCreateRequest } from "../../../api/schemas/container.ts";
import type { HostConfigRequest } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import type { FlagValues } from "../../../lib/flags/spec.ts";
import { readKeyValues, toRecord } from "../../options/env.ts";
import { parseVolumes } from "../../options/mount.ts";
import { checkMac, resolveNetworking } from "../../options/network.ts";
import { parsePorts } from "../../options/ports.ts";
import {
  isCdiDevice,
  parseDevice,
  parseLogOptions,
  parseRestartPolicy,
  parseSecurityOptions,
  parseStorageOptions,
} from "../../options/security.ts";
import type { createFlags } from "./_create-flags.ts";
import { healthcheckOf } from "./_health-request.ts";

export type CreateFlags = FlagValues<typeof createFlags>;

export interface CreateInput {
  readonly flags: CreateFlags;
  readonly given: ReadonlySet<string>;
  readonly image: string;
  readonly args: readonly string[];
}

type Config = Omit<ContainerCreateRequest, "HostConfig" | "NetworkingConfig">;

/** What is sent, with the parts that the client needs afterwards. */
export interface CreateRequest {
  readonly body: ContainerCreateRequest & { readonly HostConfig: HostConfigRequest };
  readonly attach: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
}

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "cli.create" });
}

/** Builds the request. */
export function buildCreateRequest(input: CreateInput): CreateRequest {
  const { flags } = input;
  if (flags["mac-address"] !== "") checkMac(flags["mac-address"]);
  const swappiness = flags["memory-swappiness"];
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100)) {
    throw refuse(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  const { binds, volumes } = parseVolumes(flags.volume);
  const ports = parsePorts(flags.publish, flags.expose);
  const networking = networkingOf(flags);
  const isDefaultAttach = flags.attach.length === 0;
  const attach = {
    stdin: flags.attach.includes("stdin") || flags.interactive,
    stdout: isDefaultAttach || flags.attach.includes("stdout"),
    stderr: isDefaultAttach || flags.attach.includes("stderr"),
  };
  const mac = networking.endpoints[networking.mode]?.MacAddress ?? flags["mac-address"];
  const config: Config = {
    Hostname: flags.hostname,
    Domainname: flags.domainname,
    User: flags.user,
    AttachStdin: attach.stdin,
    AttachStdout: attach.stdout,
    AttachStderr: attach.stderr,
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    StdinOnce: flags.interactive && attach.stdin,
    ...(Object.keys(ports.exposed).length === 0 ? {} : { ExposedPorts: ports.exposed }),
    Env: readKeyValues(flags["env-file"], flags.env, (name) => process.env[name]),
    Cmd: input.args.length === 0 ? null : [...input.args],
    Image: input.image,
    Volumes: volumes,
    ...(mac === "" ? {} : { MacAddress: mac }),
    WorkingDir: flags.workdir,
    Entrypoint: entrypoint(input),
    Labels: toRecord(readKeyValues(flags["label-file"], flags.label)),
    ...(flags["stop-signal"] === "" ? {} : { StopSignal: flags["stop-signal"] }),
    ...(input.given.has("stop-timeout") ? { StopTimeout: flags["stop-timeout"] } : {}),
    ...healthcheckOf(flags),
  };
  const HostConfig = hostConfig(input, { binds, bindings: ports.bindings, networkMode: networking.mode });
  return {
    body: { ...config, HostConfig, NetworkingConfig: { EndpointsConfig: networking.endpoints } },
    attach,
  };
}

function networkingOf(flags: CreateFlags) {
  return resolveNetworking([...flags.network, ...flags.net], {
    aliases: [...flags["network-alias"], ...flags["net-alias"]],
    links: flags.link,
    ip: flags.ip,
    ip6: flags.ip6,
    mac: flags["mac-address"],
    linkLocalIps: flags["link-local-ip"],
  });
}

function entrypoint({ flags, given }: CreateInput): string[] | null {
  if (flags.entrypoint !== "") return [flags.entrypoint];
  // `--entrypoint=` takes the image's away.
  return given.has("entrypoint") ? [""] : null;
}

interface Derived {
  readonly binds: string[];
  readonly bindings: ReturnType<typeof parsePorts>["bindings"];
  readonly networkMode: string;
}

function hostConfig({ flags, given }: CreateInput, derived: Derived): HostConfigRequest {
  checkModes(flags);
  const RestartPolicy = parseRestartPolicy(flags.restart);
  if (flags.rm && RestartPolicy.Name !== "" && RestartPolicy.Name !== "no") {
    throw refuse("conflicting options: cannot specify both --restart and --rm");
  }
  const { options, maskedPaths, readonlyPaths } = parseSecurityOptions(flags["security-opt"]);
  return {
    ...(derived.binds.length === 0 ? {} : { Binds: derived.binds }),
    ContainerIDFile: flags.cidfile,
    LogConfig: { Type: flags["log-driver"], Config: parseLogOptions(flags["log-driver"], flags["log-opt"]) },
    NetworkMode: derived.networkMode,
    PortBindings: derived.bindings,
    RestartPolicy,
    AutoRemove: flags.rm,
    VolumeDriver: flags["volume-driver"],
    VolumesFrom: flags["volumes-from"],
    Annotations: flags.annotation,
    CapAdd: capabilities(flags["cap-add"]),
    CapDrop: capabilities(flags["cap-drop"]),
    CgroupnsMode: flags.cgroupns,
    Dns: flags.dns,
    DnsOptions: [...flags["dns-option"], ...flags["dns-opt"]],
    DnsSearch: flags["dns-search"],
    ExtraHosts: flags["add-host"],
    GroupAdd: flags["group-add"],
    IpcMode: flags.ipc,
    Links: flags.link,
    OomScoreAdj: flags["oom-score-adj"],
    PidMode: flags.pid,
    Privileged: flags.privileged,
    PublishAllPorts: flags["publish-all"],
    ReadonlyRootfs: flags["read-only"],
    SecurityOpt: options,
    StorageOpt: parseStorageOptions(flags["storage-opt"]),
    Tmpfs: tmpfs(flags.tmpfs),
    UTSMode: flags.uts,
    UsernsMode: flags.userns,
    ShmSize: flags["shm-size"],
    Sysctls: flags.sysctl,
    Runtime: flags.runtime,
    Isolation: flags.isolation,
    ...resources(flags),
    ...(flags.mount.length === 0 ? {} : { Mounts: flags.mount }),
    ...(maskedPaths === null ? {} : { MaskedPaths: maskedPaths, ReadonlyPaths: readonlyPaths }),
    ...(given.has("init") ? { Init: flags.init } : {}),
  };
}

function resources(flags: CreateFlags): Partial<HostConfigRequest> {
  const cdi = flags.device.filter(isCdiDevice);
  const cdiRequests = cdi.length === 0 ? [] : [{ Driver: "cdi", DeviceIDs: cdi }];
  return {
    CpuShares: flags["cpu-shares"],
    Memory: flags.memory,
    NanoCpus: flags.cpus,
    CgroupParent: flags["cgroup-parent"],
    BlkioWeight: flags["blkio-weight"],
    BlkioWeightDevice: flags["blkio-weight-device"],
    BlkioDeviceReadBps: flags["device-read-bps"],
    BlkioDeviceWriteBps: flags["device-write-bps"],
    BlkioDeviceReadIOps: flags["device-read-iops"],
    BlkioDeviceWriteIOps: flags["device-write-iops"],
    CpuPeriod: flags["cpu-period"],
    CpuQuota: flags["cpu-quota"],
    CpuRealtimePeriod: flags["cpu-rt-period"],
    CpuRealtimeRuntime: flags["cpu-rt-runtime"],
    CpusetCpus: flags["cpuset-cpus"],
    CpusetMems: flags["cpuset-mems"],
    Devices: flags.device.filter((device) => !isCdiDevice(device)).map(parseDevice),
    DeviceCgroupRules: flags["device-cgroup-rule"],
    DeviceRequests: [...flags.gpus, ...cdiRequests],
    ...(flags["kernel-memory"] === 0 ? {} : { KernelMemory: flags["kernel-memory"] }),
    MemoryReservation: flags["memory-reservation"],
    MemorySwap: flags["memory-swap"],
    MemorySwappiness: flags["memory-swappiness"],
    OomKillDisable: flags["oom-kill-disable"],
    PidsLimit: flags["pids-limit"],
    Ulimits: flags.ulimit,
    CpuCount: flags["cpu-count"],
    CpuPercent: flags["cpu-percent"],
    IOMaximumIOps: flags["io-maxiops"],
    IOMaximumBandwidth: flags["io-maxbandwidth"],
  };
}

function checkModes(flags: CreateFlags): void {
  const isContainer = /^container:./;
  const { pid, uts, userns, cgroupns } = flags;
  if (pid !== "" && pid !== "host" && !isContainer.test(pid)) throw refuse("--pid: invalid PID mode");
  if (uts !== "" && uts !== "host") throw refuse("--uts: invalid UTS mode");
  if (userns !== "" && userns !== "host" && !/^auto(:size=\d+)?$/.test(userns))
    throw refuse("--userns: invalid USER mode");
  if (!["", "host", "private"].includes(cgroupns)) throw refuse("--cgroupns: invalid CGROUP mode");
}

function tmpfs(texts: readonly string[]): Record<string, string> {
  const mounts: Record<string, string> = {};
  for (const text of texts) {
    const colon = text.indexOf(":");
    mounts[colon < 0 ? text : text.slice(0, colon)] = colon < 0 ? "" : text.slice(colon + 1);
  }
  return mounts;
}

/** Docker's clients send capabilities under their full names, sorted. */
function capabilities(names: readonly string[]): string[] {
  const full = names
    .map((name) => name.toUpperCase())
    .map((name) => (name === "ALL" || name.startsWith("CAP_") ? name : `CAP_${name}`));
  return [...new Set(full)].sort();
}
