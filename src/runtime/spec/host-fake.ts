// A machine for tests: facts that never change, so that specifications and plans can be compared as texts.

import type { CgroupFeatures } from "../../linux/cgroupfs/features.ts";
import type { CgroupHost } from "../../linux/cgroupfs/hierarchy.ts";
import type { HostDevice, SpecHost } from "./host.ts";

/** All controllers on v1, one hierarchy each, cpu and cpuacct together, as Debian 10 had it. */
export const LEGACY_HOST: CgroupHost = {
  mode: "legacy",
  v1: [
    ...["cpuset", "memory", "devices", "freezer", "blkio", "pids"].map((name) => ({
      controllers: [name],
      name: "",
      mountpoint: `/sys/fs/cgroup/${name}`,
    })),
    { controllers: ["cpu", "cpuacct"], name: "", mountpoint: "/sys/fs/cgroup/cpu,cpuacct" },
    { controllers: [], name: "systemd", mountpoint: "/sys/fs/cgroup/systemd" },
  ],
};

export const UNIFIED_HOST: CgroupHost = {
  mode: "unified",
  v1: [],
  v2: { mountpoint: "/sys/fs/cgroup", controllers: ["cpuset", "cpu", "io", "memory", "hugetlb", "pids"] },
};

/** Everything that v1 can do. */
export const ALL_FEATURES: CgroupFeatures = {
  memoryLimit: true,
  swapLimit: true,
  memoryReservation: true,
  memorySwappiness: true,
  oomKillDisable: true,
  cpuShares: true,
  cpuCfs: true,
  cpuRealtime: true,
  cpuset: true,
  cpus: "0-3",
  mems: "0",
  blkioWeight: true,
  blkioWeightDevice: true,
  blkioThrottle: true,
  pidsLimit: true,
  devices: true,
  cgroupNamespaces: true,
};

const DEVICES: readonly HostDevice[] = [
  { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 },
  { path: "/dev/sda", type: "b", major: 8, minor: 0, fileMode: 0o660, uid: 0, gid: 6 },
  { path: "/dev/snd/seq", type: "c", major: 116, minor: 1, fileMode: 0o660, uid: 0, gid: 29 },
  { path: "/dev/snd/timer", type: "c", major: 116, minor: 33, fileMode: 0o660, uid: 0, gid: 29 },
];

/** Returns the machine; `change` replaces facts. */
export function fakeSpecHost(change: Partial<SpecHost> = {}): SpecHost {
  return {
    boundingMask: 2 ** 41 - 1,
    hardLimit: () => 2 ** 64,
    oomScoreAdj: 0,
    arch: "amd64",
    kernelRelease: "6.1.0-18-amd64",
    cpuCount: 4,
    cgroups: LEGACY_HOST,
    features: ALL_FEATURES,
    isMapped: false,
    hasAppArmor: false,
    defaultProfile: "",
    hasSelinux: false,
    thermalPaths: [],
    hasSysctl: () => true,
    deviceAt: (path) =>
      DEVICES.find((d) => d.path === path) ?? (path === "/dev/snd" ? "directory" : undefined),
    exists: () => false,
    devicesBelow: (directory) => DEVICES.filter((d) => d.path.startsWith(`${directory}/`)),
    mountOf: (path) => ({
      id: 1,
      parentId: 0,
      root: "/",
      mountpoint: path.startsWith("/shared") ? "/shared" : "/",
      options: "rw",
      optional: path.startsWith("/shared") ? "shared:7" : "",
      fstype: "ext4",
      source: "/dev/sda1",
      superOptions: "rw",
    }),
    ...change,
  };
}
