// What the engine says about a container when it asks for a runtime specification: camelCase, already merged from
// image and request, names resolved to paths. Plain data; generate.ts checks it and turns it into an OciSpec.

import type { IdMap } from "../../linux/idmap.ts";
import type { DockerSeccompProfile } from "../seccomp/profile.ts";

/** A namespace mode: an own one, the host's, another container's (by namespace file), or, for ipc and net, none. */
export type NamespaceMode =
  | { kind: "private" }
  | { kind: "host" }
  | { kind: "path"; path: string }
  | { kind: "none" };

/** Docker's limits (API field names in camelCase; 0, "" and absent mean "not set"). */
export interface SpecResources {
  /** Bytes. */
  memory?: number;
  /** Bytes of memory plus swap; -1 is unlimited. */
  memorySwap?: number;
  memoryReservation?: number;
  /** 0…100; -1 means not set (API MemorySwappiness). */
  swappiness?: number;
  oomKillDisable?: boolean;
  cpuShares?: number;
  /** Microseconds. */
  cpuQuota?: number;
  /** Microseconds. */
  cpuPeriod?: number;
  /** Billionths of a CPU (`--cpus 1.5` is 1 500 000 000). */
  nanoCpus?: number;
  cpusetCpus?: string;
  cpusetMems?: string;
  /** Microseconds. */
  cpuRealtimePeriod?: number;
  /** Microseconds. */
  cpuRealtimeRuntime?: number;
  /** 0 and -1 are unlimited. */
  pidsLimit?: number;
  /** 10…1000. */
  blkioWeight?: number;
  blkioWeightDevice?: { path: string; weight: number }[];
  blkioDeviceReadBps?: { path: string; rate: number }[];
  blkioDeviceWriteBps?: { path: string; rate: number }[];
  blkioDeviceReadIops?: { path: string; rate: number }[];
  blkioDeviceWriteIops?: { path: string; rate: number }[];
  /** Lines of `--device-cgroup-rule`, such as `c 1:3 rwm`. */
  deviceCgroupRules?: string[];
  hugepageLimits?: { pageSize: string; limit: number }[];
}

/** A bind or volume mount. The source is a host path that exists. */
export interface SpecBind {
  source: string;
  destination: string;
  readonly?: boolean;
  /** private, rprivate (the default), shared, rshared, slave, rslave. */
  propagation?: string;
  /** Bind the source's mount only, not the mounts below it. */
  nonRecursive?: boolean;
  /** Read-only for this mount alone, not for the mounts below it (API ReadOnlyNonRecursive). */
  readonlyNonRecursive?: boolean;
  /** A slave where the source's mount propagates, private where it does not. */
  isPropagationOptional?: boolean;
  /** What is to be bound, relative to `source`; never out of it. */
  subpath?: string;
  /** In a user namespace: the files' owners on the host are the container's own ids. */
  isIdMapped?: boolean;
  /** The files are shown with other owners: the ids on the disk (inside) as the host's (outside). */
  idMap?: IdMap;
}

/** The files of an image, read-only. */
export interface SpecImage {
  destination: string;
  /** Directories of its layers on the host, topmost first, at least two. */
  layers: readonly string[];
  /** Further options of the overlay, comma-separated. */
  options?: string;
  /** What is to be mounted, relative to the image's root; never out of it. */
  subpath?: string;
}

/** A tmpfs mount: comma-separated options as after `--tmpfs PATH:`. */
export interface SpecTmpfs {
  destination: string;
  options?: string;
}

/** `--device HOST:CONTAINER:rwm`; a directory stands for all devices in it. */
export interface SpecDevice {
  pathOnHost: string;
  pathInContainer: string;
  /** Of `rwm`; the default is all. */
  permissions?: string;
}

export interface SpecUlimit {
  /** Lower case and without prefix, such as `nofile`. */
  name: string;
  /** -1 is unlimited. */
  soft: number;
  hard: number;
}

export interface SpecInput {
  id: string;
  /** Entrypoint and arguments; argv[0] without a slash is looked up in PATH. */
  args: readonly string[];
  env: readonly string[];
  /** Absolute; "" is the root. */
  cwd?: string;
  /** Docker's USER text; "" is root. */
  user?: string;
  /** `--group-add`: names or ids. */
  groups?: readonly string[];
  tty?: boolean;
  /** Initial terminal size. */
  consoleSize?: { rows: number; columns: number };
  hostname?: string;
  domainname?: string;
  /** Path of the root on the host (OCI root.path); the plan's RootSource decides what is mounted there. */
  rootPath?: string;
  readonlyRootfs?: boolean;
  privileged?: boolean;
  /** Names with or without CAP_, any case, or ALL. */
  capAdd?: readonly string[];
  capDrop?: readonly string[];
  /** `--security-opt` texts. */
  securityOpts?: readonly string[];
  /** The daemon's own default for no-new-privileges; a security option overrides it. */
  noNewPrivileges?: boolean;
  /** The daemon's own default profile instead of the built-in one (daemon.json seccomp-profile). */
  seccompProfile?: "unconfined" | DockerSeccompProfile;
  /** Instead of the defaults; [] masks nothing (`systempaths=unconfined`). */
  maskedPaths?: readonly string[];
  readonlyPaths?: readonly string[];
  resources?: SpecResources;
  /** -1000…1000. */
  oomScoreAdj?: number;
  ulimits?: readonly SpecUlimit[];
  sysctls?: Readonly<Record<string, string>>;
  /** Bytes of /dev/shm, default 64 MiB. */
  shmSize?: number;
  tmpfs?: readonly SpecTmpfs[];
  binds?: readonly SpecBind[];
  images?: readonly SpecImage[];
  devices?: readonly SpecDevice[];
  namespaces?: {
    pid?: NamespaceMode;
    ipc?: NamespaceMode;
    uts?: NamespaceMode;
    net?: NamespaceMode;
    /** Absent: Docker's default, private on cgroup v2, the host's on v1. */
    cgroup?: NamespaceMode;
    user?: NamespaceMode;
  };
  /** With it the container has a user namespace: of its own, or with these ids, where `namespaces.user` names one. */
  idMap?: IdMap;
  /** Path of the keel binary on the host: run it as process 1 in front of the command (`--init`). */
  initPath?: string;
  /** Host files bound over /etc/hostname, /etc/hosts and /etc/resolv.conf. */
  etcFiles?: { hostname?: string; hosts?: string; resolvConf?: string };
  /** Parent of the container's cgroup, default /docker. */
  cgroupParent?: string;
  annotations?: Readonly<Record<string, string>>;
}
