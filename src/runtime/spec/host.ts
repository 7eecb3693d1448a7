// Facts of this machine that a specification depends on: what the daemon itself may do, what the kernel has, which
// device nodes there are. Read-only and cached; everything in spec/ gets them as an argument, so tests use their own.

import {
  type Dirent,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { type CgroupFeatures, loadCgroupFeatures } from "../../linux/cgroupfs/features.ts";
import { type CgroupHost, loadCgroupHost } from "../../linux/cgroupfs/hierarchy.ts";
import { isMapped, loadIdMap } from "../../linux/idmap.ts";
import { type MountInfo, parseMountInfo } from "../../linux/procfs/mountinfo.ts";
import { readProcText } from "../../linux/procfs/read.ts";
import { hasAppArmor, isProfileLoaded } from "../apparmor/load.ts";
import { DEFAULT_PROFILE_NAME } from "../apparmor/profile.ts";
import { type CapabilityMask, parseMask } from "../caps/sets.ts";
import { hardLimitsOf } from "./rlimits.ts";

/** A device node on the host. */
export interface HostDevice {
  path: string;
  type: "b" | "c";
  major: number;
  minor: number;
  /** Permission bits. */
  fileMode: number;
  uid: number;
  gid: number;
}

export interface SpecHost {
  /** Bounding set of this process: no container can have more. */
  boundingMask: CapabilityMask;
  /** Highest value that a process of this daemon can have without privileges, by OCI's name (RLIM_INFINITY for none). */
  hardLimit(type: string): number;
  /** The daemon's own, which its children start with. */
  oomScoreAdj: number;
  /** Go's architecture name. */
  arch: string;
  kernelRelease: string;
  cpuCount: number;
  cgroups: CgroupHost;
  features: CgroupFeatures;
  /** The daemon itself is in a user namespace: ids are missing, and some settings with them. */
  isMapped: boolean;
  hasAppArmor: boolean;
  /** The AppArmor profile of containers that ask for none; "" where it is not loaded. */
  defaultProfile: string;
  hasSelinux: boolean;
  /** Per-CPU thermal files that are masked besides the fixed paths. */
  thermalPaths: readonly string[];
  hasSysctl(name: string): boolean;
  /** The device at a path (symlinks followed), "directory", or undefined when it is neither. */
  deviceAt(path: string): HostDevice | "directory" | undefined;
  exists(path: string): boolean;
  /** All devices below a directory. */
  devicesBelow(directory: string): HostDevice[];
  /** The mount that a path is on. */
  mountOf(path: string): MountInfo | undefined;
}

let cached: SpecHost | undefined;

/** Returns the facts of this machine; read at the first call. */
export function loadSpecHost(): SpecHost {
  cached ??= readSpecHost();
  return cached;
}

function readSpecHost(): SpecHost {
  return whenAsked<SpecHost>({
    boundingMask: () =>
      parseMask(/^CapBnd:\s*([0-9a-f]+)/m.exec(readProcText("/proc/self/status"))?.[1] ?? "0"),
    hardLimit: () => hardLimitsOf(readProcText("/proc/self/limits")),
    oomScoreAdj: () => Number(readProcText("/proc/self/oom_score_adj")),
    arch: () => goArch(process.arch),
    kernelRelease: () => readProcText("/proc/sys/kernel/osrelease").trim(),
    cpuCount: () => readProcText("/proc/stat").match(/^cpu\d+ /gm)?.length ?? 1,
    cgroups: loadCgroupHost,
    features: () => loadCgroupFeatures(loadSpecHost().cgroups),
    isMapped: () => isMapped(loadIdMap("self")),
    hasAppArmor,
    defaultProfile: () => (isProfileLoaded(DEFAULT_PROFILE_NAME) ? DEFAULT_PROFILE_NAME : ""),
    hasSelinux: () => existsSync("/sys/fs/selinux/enforce"),
    thermalPaths: readThermalPaths,
    hasSysctl: () => {
      const known = new Map<string, boolean>();
      return (name) => {
        const has = known.get(name) ?? existsSync(`/proc/sys/${name.replaceAll(".", "/")}`);
        known.set(name, has);
        return has;
      };
    },
    deviceAt: () => deviceAt,
    exists: () => existsSync,
    devicesBelow: () => (directory) => devicesBelow(directory, 0),
    mountOf: () => mountOf,
  });
}

/** Returns an object whose members are read when they are first asked for: a command line needs few of them. */
function whenAsked<T extends object>(readers: { [K in keyof T]: () => T[K] }): T {
  const facts = {} as T;
  for (const key of Object.keys(readers) as (keyof T)[])
    Object.defineProperty(facts, key, {
      configurable: true,
      enumerable: true,
      get() {
        const value = readers[key]();
        Object.defineProperty(facts, key, { value, enumerable: true });
        return value;
      },
    });
  return facts;
}

/** Returns Go's name (which Docker's API and profiles use) of Node's name of an architecture. */
export function goArch(name: string): string {
  return name === "x64" ? "amd64" : name === "ia32" ? "386" : name;
}

function readThermalPaths(): string[] {
  let possible: string;
  try {
    possible = readFileSync("/sys/devices/system/cpu/possible", "utf8").trim();
  } catch {
    return []; // ignored: without sysfs there is nothing to mask
  }
  return parseCpuList(possible)
    .map((cpu) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`)
    .filter((path) => existsSync(path));
}

/** Returns the numbers of a list such as `0-3,8` (cpuset(7) "List format"), at most 8192; NaN parts are dropped. */
export function parseCpuList(text: string): number[] {
  const numbers: number[] = [];
  for (const part of text.split(",")) {
    const [from, to = from] = part.split("-");
    const last = Math.min(Number(to), 8191);
    for (let n = Number(from); n <= last; n++) numbers.push(n);
  }
  return numbers;
}

function deviceAt(path: string): HostDevice | "directory" | undefined {
  try {
    const stat = statSync(path);
    return stat.isDirectory() ? "directory" : deviceOf(path, stat);
  } catch {
    return undefined; // the caller says what was wanted
  }
}

function deviceOf(path: string, stat: Stats): HostDevice | undefined {
  const type = stat.isCharacterDevice() ? "c" : stat.isBlockDevice() ? "b" : undefined;
  if (type === undefined) return undefined;
  const { major, minor } = splitDeviceNumber(stat.rdev);
  return { path, type, major, minor, fileMode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
}

/** Splits a dev_t as glibc packs it (makedev(3)): both numbers have a low and a high part. */
export function splitDeviceNumber(rdev: number): { major: number; minor: number } {
  const high = Math.floor(rdev / 2 ** 32);
  const low = rdev % 2 ** 32;
  return {
    major: ((low >>> 8) & 0xfff) + (high & ~0xfff),
    minor: (low & 0xff) + ((low >>> 12) & 0xfff00),
  };
}

/** Directories of /dev that a container has of its own, and the host's console. */
const SKIPPED = new Set(["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"]);

function devicesBelow(directory: string, depth: number): HostDevice[] {
  const devices: HostDevice[] = [];
  if (depth > 16) return devices;
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return devices; // ignored: a directory that vanished or may not be read has no devices to pass on
  }
  for (const entry of entries) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name)) devices.push(...devicesBelow(path, depth + 1));
    } else if (entry.isCharacterDevice() || entry.isBlockDevice()) {
      if (path === "/dev/console") continue;
      try {
        const device = deviceOf(path, lstatSync(path));
        if (device) devices.push(device);
      } catch {} // ignored: unplugged meanwhile
    }
  }
  return devices;
}

function mountOf(path: string): MountInfo | undefined {
  let real = path;
  try {
    real = realpathSync(path);
  } catch {} // ignored: a path that is not there yet is looked up as it is written
  let best: MountInfo | undefined;
  for (const mount of parseMountInfo(readProcText("/proc/self/mountinfo"))) {
    const isAbove =
      real === mount.mountpoint || mount.mountpoint === "/" || real.startsWith(`${mount.mountpoint}/`);
    // the later of two mounts at one place hides the earlier
    if (isAbove && mount.mountpoint.length >= (best?.mountpoint.length ?? 0)) best = mount;
  }
  return best;
}
