// What the daemon says about itself: version, info, events, disk usage.
import { readdirSync, readFileSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import type { Call } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { systemAuth, systemCheck, systemDataUsage, systemEvents } from "../../api/operations/system.ts";
import type {
  AuthResponse,
  DiskUsage,
  EventMessage,
  SystemCheck,
  SystemInfo,
  SystemVersion,
} from "../../api/schemas/system.ts";
import { Fault } from "../../lib/errors.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import type { CgroupFeatures } from "../../linux/cgroupfs/features.ts";
import { type CdiCatalogue, loadCdiDevices } from "../../runtime/cdi/load.ts";
import { DRIVER_NAMES } from "../container/log/options.ts";
import type { Runtimes } from "../container/runtime/runtimes.ts";
import type { ContainerService } from "../container/service.ts";
import type { ContainerTable } from "../container/table.ts";
import type { BuildCache } from "../build/cache/cache.ts";
import type { EventBus } from "../event/bus.ts";
import { mirrorsOf, type RegistrySettings } from "../image/registries.ts";
import type { ImageService } from "../image/service.ts";
import type { VolumeService } from "../volume/service.ts";
import { type CheckedStores, checkStores } from "./check.ts";
import { openEvents } from "../event/stream.ts";
import { table } from "../../lib/table.ts";

/** What the disk is used by, by the names that a request may ask for. */
const USAGE_TYPES: readonly string[] = ["container", "image", "volume", "build-cache"];

export interface SystemFacts {
  readonly daemonId: string;
  readonly version: string;
  readonly commit: string;
  readonly apiVersion: string;
  readonly minApiVersion: string;
  readonly dataRoot: string;
  readonly cgroupVersion: "1" | "2";
  /** Who makes containers' cgroups; "none": they have none. */
  readonly cgroupDriver: "cgroupfs" | "systemd" | "none";
  readonly features: CgroupFeatures;
  /** `builtin`, or the path of the profile that containers get which name none. */
  readonly seccompProfile: string;
  readonly hasNoNewPrivileges: boolean;
  /** Containers have a user namespace (`userns-remap`). */
  readonly isRemapped: boolean;
  /** The daemon is an ordinary user's. */
  readonly isRootless: boolean;
  /** Follows what a running daemon is told. */
  readonly registries: RegistrySettings;
  readonly hasAppArmor: boolean;
  readonly cgroupnsMode: "private" | "host";
  isLiveRestore(): boolean;
  isDebug(): boolean;
  /** `key=value` from the configuration. */
  labels(): readonly string[];
  /** Names of the plugins that are asked of every request. */
  authorizationPlugins(): readonly string[];
  readonly isExperimental: boolean;
  readonly cdiSpecDirs: readonly string[];
  /** What containers get that ask for none. */
  readonly logDriver: string;
  readonly runtimes: Runtimes;
}

export interface SystemDependencies {
  readonly table: ContainerTable;
  readonly containers: ContainerService;
  readonly images: ImageService;
  readonly volumes: VolumeService;
  readonly events: EventBus;
  readonly stores: CheckedStores;
  readonly buildCache: Pick<BuildCache, "list">;
}

/** Addresses, not a registry. */
const isBlock = (text: string): boolean => text.includes("/");

/** Go's name of the machine's architecture. */
const GOARCH: Readonly<Record<string, string>> = table({ x64: "amd64", arm64: "arm64", ia32: "386" });
/** uname's name of it. */
const MACHINE: Readonly<Record<string, string>> = table({ x64: "x86_64", arm64: "aarch64", ia32: "i686" });

export class SystemService {
  readonly #facts: SystemFacts;
  readonly #deps: SystemDependencies;

  constructor(facts: SystemFacts, deps: SystemDependencies) {
    this.#facts = facts;
    this.#deps = deps;
  }

  check({ repair }: InputOf<typeof systemCheck>, { signal }: Call): Promise<SystemCheck> {
    return checkStores(this.#deps.stores, this.#deps.images, { repairs: repair, signal });
  }

  async version(): Promise<SystemVersion> {
    const f = this.#facts;
    const common = {
      Os: "linux",
      Arch: GOARCH[arch()] ?? arch(),
      KernelVersion: release(),
      GitCommit: f.commit,
    };
    return {
      Platform: { Name: "Berth" },
      Components: [
        {
          Name: "Engine",
          Version: f.version,
          Details: {
            ApiVersion: f.apiVersion,
            Arch: common.Arch,
            Experimental: String(f.isExperimental),
            GitCommit: f.commit,
            KernelVersion: common.KernelVersion,
            MinAPIVersion: f.minApiVersion,
            Os: "linux",
          },
        },
      ],
      Version: f.version,
      ApiVersion: f.apiVersion,
      MinAPIVersion: f.minApiVersion,
      GoVersion: "",
      ...common,
    };
  }

  /** SystemAuth: whether a registry takes a name and password (`docker login`). */
  async auth(input: InputOf<typeof systemAuth>, call: Call): Promise<AuthResponse> {
    const identity = await this.#deps.images.login(input.body ?? {}, call.signal);
    return { Status: "Login Succeeded", IdentityToken: identity ?? "" };
  }

  async info(): Promise<SystemInfo> {
    const f = this.#facts;
    const { devices, problems } = await loadCdiDevices(f.cdiSpecDirs);
    const records = this.#deps.table.all();
    const count = (...statuses: string[]): number =>
      records.filter((r) => statuses.includes(r.state.status)).length;
    return {
      ID: f.daemonId,
      Containers: records.length,
      ContainersRunning: count("running", "restarting"),
      ContainersPaused: count("paused"),
      ContainersStopped: count("created", "exited", "dead"),
      Images: this.#deps.images.count,
      Driver: "overlay2",
      DriverStatus: [
        ["Backing Filesystem", "extfs"],
        ["Supports d_type", "true"],
        ["Native Overlay Diff", "true"],
        // compat: how buildx learns that the store keeps images of several platforms and what is attested of them.
        ["driver-type", "io.containerd.snapshotter.v1"],
      ],
      Plugins: {
        Volume: [...this.#deps.volumes.driverNames],
        // compat: overlay is listed although it can only be made in a swarm.
        Network: ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"],
        Authorization: f.authorizationPlugins().length === 0 ? null : [...f.authorizationPlugins()],
        Log: [...DRIVER_NAMES],
      },
      MemoryLimit: f.features.memoryLimit,
      SwapLimit: f.features.swapLimit,
      CpuCfsPeriod: f.features.cpuCfs,
      CpuCfsQuota: f.features.cpuCfs,
      CPUShares: f.features.cpuShares,
      CPUSet: f.features.cpuset,
      PidsLimit: f.features.pidsLimit,
      IPv4Forwarding: readText("/proc/sys/net/ipv4/ip_forward") === "1",
      Debug: f.isDebug(),
      NFd: f.isDebug() ? readdirSync("/proc/self/fd").length : 0,
      OomKillDisable: f.features.oomKillDisable,
      NGoroutines: 0,
      SystemTime: formatNano(nowNano()),
      LoggingDriver: f.logDriver,
      CgroupDriver: f.cgroupDriver,
      CgroupVersion: f.cgroupVersion,
      NEventsListener: this.#deps.events.readerCount,
      KernelVersion: release(),
      ...operatingSystem(),
      OSType: "linux",
      Architecture: MACHINE[arch()] ?? arch(),
      IndexServerAddress: "https://index.docker.io/v1/",
      RegistryConfig: {
        InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8", ...f.registries.insecure.filter(isBlock)],
        IndexConfigs: {
          "docker.io": {
            Name: "docker.io",
            Mirrors: shownMirrors(f.registries, "docker.io"),
            Secure: true,
            Official: true,
          },
          ...Object.fromEntries(
            f.registries.insecure
              .filter((r) => !isBlock(r))
              .map((r) => [
                r,
                { Name: r, Mirrors: shownMirrors(f.registries, r), Secure: false, Official: false },
              ]),
          ),
        },
        Mirrors: f.registries.mirrors.length === 0 ? null : shownMirrors(f.registries, "docker.io"),
      },
      NCPU: cpus().length,
      MemTotal: totalmem(),
      GenericResources: null,
      DockerRootDir: f.dataRoot,
      HttpProxy: process.env["HTTP_PROXY"] ?? "",
      HttpsProxy: process.env["HTTPS_PROXY"] ?? "",
      NoProxy: process.env["NO_PROXY"] ?? "",
      Name: hostname(),
      Labels: [...f.labels()],
      ExperimentalBuild: f.isExperimental,
      ServerVersion: f.version,
      Runtimes: f.runtimes.all,
      DefaultRuntime: f.runtimes.defaultName,
      Swarm: {
        NodeID: "",
        NodeAddr: "",
        LocalNodeState: "inactive",
        ControlAvailable: false,
        Error: "",
        RemoteManagers: null,
      },
      LiveRestoreEnabled: f.isLiveRestore(),
      Isolation: "",
      InitBinary: "docker-init",
      ContainerdCommit: { ID: "" },
      RuncCommit: { ID: "" },
      InitCommit: { ID: "" },
      SecurityOptions: [
        ...(f.hasAppArmor ? ["name=apparmor"] : []),
        `name=seccomp,profile=${f.seccompProfile}`,
        ...(f.isRemapped ? ["name=userns"] : []),
        ...(f.isRootless ? ["name=rootless"] : []),
        ...(f.features.cgroupNamespaces && f.cgroupnsMode === "private" ? ["name=cgroupns"] : []),
        ...(f.hasNoNewPrivileges ? ["name=no-new-privileges"] : []),
      ],
      FirewallBackend: { Driver: "nftables" },
      CDISpecDirs: [...f.cdiSpecDirs],
      ...(devices.size === 0
        ? {}
        : { DiscoveredDevices: [...devices.keys()].map((ID) => ({ Source: "cdi", ID })) }),
      Warnings: this.#warnings(problems),
    };
  }

  #warnings(cdiProblems: CdiCatalogue["problems"]): string[] | null {
    const { isRootless, cgroupDriver } = this.#facts;
    const warnings = this.#deps.containers.logWarnings() ?? [];
    // compat: moby's sentence.
    if (isRootless && cgroupDriver === "none")
      warnings.push(
        "WARNING: Running in rootless-mode without cgroups. Systemd is required to enable cgroups in rootless-mode.",
      );
    for (const { path, why } of cdiProblems)
      warnings.push(`CDI: Error associated with spec file ${path}: ${why}`);
    return warnings.length === 0 ? null : warnings;
  }

  async events(input: InputOf<typeof systemEvents>, call: Call): Promise<AsyncIterable<EventMessage>> {
    return openEvents(this.#deps.events, input, this.#facts.daemonId, call.signal);
  }

  /** Sizes in the shape of API 1.52 and later; the server derives the older one. */
  async dataUsage(input: InputOf<typeof systemDataUsage>): Promise<DiskUsage> {
    const unknown = input.types.find((type) => !USAGE_TYPES.includes(type));
    if (unknown !== undefined)
      throw new Fault("invalidParameter", `unknown object type: ${unknown}`, { code: "usage.type" });
    const wants = (type: string): boolean => input.types.length === 0 || input.types.includes(type);
    return {
      ...(wants("image") ? { ImageUsage: await this.#imageUsage() } : {}),
      ...(wants("container") ? { ContainerUsage: await this.#containerUsage() } : {}),
      ...(wants("volume") ? { VolumeUsage: await this.#volumeUsage() } : {}),
      ...(wants("build-cache") ? { BuildCacheUsage: this.#buildCacheUsage() } : {}),
    };
  }

  async #imageUsage(): Promise<NonNullable<DiskUsage["ImageUsage"]>> {
    const { images } = this.#deps;
    const query = { sharedSize: true, digests: false, manifests: false, identity: false };
    const Items = await images.list({ all: false, filters: {}, ...query });
    const used = Items.filter((i) => i.Containers > 0);
    // compat: what images share counts as nobody's.
    const usedBytes = used.reduce((sum, i) => sum + i.Size - i.SharedSize, 0);
    return {
      ActiveCount: used.length,
      TotalCount: Items.length,
      Reclaimable: Math.max(0, images.layersSizeBytes - usedBytes),
      TotalSize: images.layersSizeBytes,
      Items,
    };
  }

  async #volumeUsage(): Promise<NonNullable<DiskUsage["VolumeUsage"]>> {
    const Items = await this.#deps.volumes.usage();
    const isUsed = (v: (typeof Items)[number]): boolean => (v.UsageData?.RefCount ?? 0) > 0;
    const sizeOf = (list: typeof Items): number =>
      list.reduce((sum, v) => sum + Math.max(0, v.UsageData?.Size ?? 0), 0);
    return {
      ActiveCount: Items.filter(isUsed).length,
      TotalCount: Items.length,
      Reclaimable: sizeOf(Items.filter((v) => !isUsed(v))),
      TotalSize: sizeOf(Items),
      Items,
    };
  }

  #buildCacheUsage(): NonNullable<DiskUsage["BuildCacheUsage"]> {
    const Items = this.#deps.buildCache.list();
    const sizeOf = (list: typeof Items): number => list.reduce((sum, r) => sum + (r.Shared ? 0 : r.Size), 0);
    return {
      ActiveCount: Items.filter((r) => r.InUse).length,
      TotalCount: Items.length,
      Reclaimable: sizeOf(Items.filter((r) => !r.InUse)),
      TotalSize: sizeOf(Items),
      Items,
    };
  }

  async #containerUsage(): Promise<NonNullable<DiskUsage["ContainerUsage"]>> {
    const Items = await this.#deps.containers.list({ all: true, limit: undefined, size: true, filters: {} });
    const active = Items.filter(
      (c) => c.State === "running" || c.State === "paused" || c.State === "restarting",
    );
    const sizeOf = (list: typeof Items): number => list.reduce((sum, c) => sum + (c.SizeRw ?? 0), 0);
    const TotalSize = sizeOf(Items);
    return {
      ActiveCount: active.length,
      TotalCount: Items.length,
      Reclaimable: TotalSize - sizeOf(active),
      TotalSize,
      Items,
    };
  }
}

/** compat: each mirror's address ends with a slash. */
const shownMirrors = (registries: RegistrySettings, domain: string): string[] =>
  mirrorsOf(registries, domain).map((mirror) => (mirror.endsWith("/") ? mirror : `${mirror}/`));

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return ""; // ignored: what cannot be read is not known
  }
}

function operatingSystem(): Pick<SystemInfo, "OperatingSystem" | "OSVersion"> {
  const text = readText("/etc/os-release");
  const value = (key: string): string => new RegExp(`^${key}="?([^"\\n]*)"?$`, "m").exec(text)?.[1] ?? "";
  return { OperatingSystem: value("PRETTY_NAME") || "Linux", OSVersion: value("VERSION_ID") };
}
