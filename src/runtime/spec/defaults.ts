// What every container gets when nothing else is said: Docker's defaults as data (moby's OCI defaults of 2026,
// which include the masks of GHSA-6fw5-f8r9-fgfm and GHSA-jq35-85cj-fj4p). Fresh objects on every call: generate.ts changes them.

import type { OciDeviceRule, OciMount } from "./oci.ts";
import { table } from "../../lib/table.ts";

export const OCI_VERSION = "1.2.1";

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Bytes of /dev/shm. */
export const DEFAULT_SHM_SIZE = 64 << 20;

/** Where the init program appears (`--init`); Docker's path, which scripts look for. */
export const INIT_DESTINATION = "/sbin/docker-init";

/** Returns the mounts of a container, in order. */
export function defaultMounts(): OciMount[] {
  return [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["ro", "nosuid", "noexec", "nodev"],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: ["nosuid", "noexec", "nodev", "mode=1777"],
    },
  ];
}

/** Paths that a container must not read; they say things about the host or talk to its hardware. */
export const MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];

/** Paths that a container may read and not write. */
export const READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

/** A device node that the OCI specification promises to every container ("default devices"). */
export interface DefaultDevice {
  path: string;
  major: number;
  minor: number;
}

/** Character devices, mode 0666; console and ptmx come from devpts. */
export const DEFAULT_DEVICES: readonly DefaultDevice[] = [
  { path: "/dev/null", major: 1, minor: 3 },
  { path: "/dev/zero", major: 1, minor: 5 },
  { path: "/dev/full", major: 1, minor: 7 },
  { path: "/dev/random", major: 1, minor: 8 },
  { path: "/dev/urandom", major: 1, minor: 9 },
  { path: "/dev/tty", major: 5, minor: 0 },
];

/** Symbolic links in /dev: target, path. */
export const DEV_SYMLINKS: readonly (readonly [target: string, path: string])[] = [
  ["/proc/self/fd", "/dev/fd"],
  ["/proc/self/fd/0", "/dev/stdin"],
  ["/proc/self/fd/1", "/dev/stdout"],
  ["/proc/self/fd/2", "/dev/stderr"],
  ["/proc/kcore", "/dev/core"],
  ["pts/ptmx", "/dev/ptmx"],
];

/**
 * Returns the rules of the device cgroup: nothing but the default devices, terminals, the container's own ptys and
 * /dev/net/tun (which openvpn images have relied on since Docker's first days), and mknod of anything, which gives
 * nodes that still cannot be opened.
 */
export function defaultDeviceRules(): OciDeviceRule[] {
  const allow = (type: string, major: number, minor: number, access = "rwm"): OciDeviceRule => ({
    allow: true,
    type,
    major,
    minor,
    access,
  });
  return [
    { allow: false, access: "rwm" },
    allow("c", -1, -1, "m"),
    allow("b", -1, -1, "m"),
    ...DEFAULT_DEVICES.map(({ major, minor }) => allow("c", major, minor)),
    allow("c", 5, 1),
    allow("c", 5, 2),
    allow("c", 136, -1),
    allow("c", 10, 200),
  ];
}

/** Sysctls of a container that has its own network namespace: ping without CAP_NET_RAW, low ports for everyone. */
export const DEFAULT_NET_SYSCTLS: Readonly<Record<string, string>> = table({
  "net.ipv4.ping_group_range": "0 2147483647",
  "net.ipv4.ip_unprivileged_port_start": "0",
});
