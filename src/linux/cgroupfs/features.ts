// What the cgroup controllers of this machine can do: the facts behind Docker's validation of limits and behind
// the booleans of `docker info`. Reads file names and a few values below the hierarchies' roots, once; writes nothing.

import { existsSync, readdirSync } from "node:fs";
import { readProcTextIfPresent } from "../procfs/read.ts";
import type { CgroupHost } from "./hierarchy.ts";

/** One boolean per limit; a missing controller makes all of its limits false. */
export interface CgroupFeatures {
  memoryLimit: boolean;
  swapLimit: boolean;
  memoryReservation: boolean;
  memorySwappiness: boolean;
  oomKillDisable: boolean;
  cpuShares: boolean;
  cpuCfs: boolean;
  cpuRealtime: boolean;
  cpuset: boolean;
  /** CPUs and memory nodes that cpusets may use, such as `0-3`; "" without the controller. */
  cpus: string;
  mems: string;
  blkioWeight: boolean;
  blkioWeightDevice: boolean;
  blkioThrottle: boolean;
  pidsLimit: boolean;
  devices: boolean;
  cgroupNamespaces: boolean;
}

/** Reads the features of this machine. */
export function loadCgroupFeatures(host: CgroupHost): CgroupFeatures {
  const cgroupNamespaces = existsSync("/proc/self/ns/cgroup");
  return host.mode === "unified"
    ? unifiedFeatures(host, cgroupNamespaces)
    : v1Features(host, cgroupNamespaces);
}

function v1Features(host: CgroupHost, cgroupNamespaces: boolean): CgroupFeatures {
  const mountOf = (controller: string) => host.v1.find((h) => h.controllers.includes(controller))?.mountpoint;
  const has = (controller: string, file: string) => {
    const mount = mountOf(controller);
    return mount !== undefined && existsSync(`${mount}/${file}`);
  };
  const cpuset = mountOf("cpuset");
  return {
    memoryLimit: mountOf("memory") !== undefined,
    swapLimit: has("memory", "memory.memsw.limit_in_bytes"),
    memoryReservation: has("memory", "memory.soft_limit_in_bytes"),
    memorySwappiness: has("memory", "memory.swappiness"),
    oomKillDisable: has("memory", "memory.oom_control"),
    cpuShares: has("cpu", "cpu.shares"),
    cpuCfs: has("cpu", "cpu.cfs_quota_us"),
    cpuRealtime: has("cpu", "cpu.rt_period_us"),
    cpuset: cpuset !== undefined,
    cpus: cpuset === undefined ? "" : read(`${cpuset}/cpuset.cpus`),
    mems: cpuset === undefined ? "" : read(`${cpuset}/cpuset.mems`),
    blkioWeight: has("blkio", "blkio.weight"),
    blkioWeightDevice: has("blkio", "blkio.weight_device"),
    blkioThrottle: has("blkio", "blkio.throttle.read_bps_device"),
    pidsLimit: mountOf("pids") !== undefined,
    devices: mountOf("devices") !== undefined,
    cgroupNamespaces,
  };
}

/** Control files do not exist at the root of v2, so a controller that is there counts as whole (moby does the same). */
function unifiedFeatures(host: CgroupHost, cgroupNamespaces: boolean): CgroupFeatures {
  const has = (controller: string) => host.v2?.controllers.includes(controller) === true;
  const root = host.v2?.mountpoint ?? "";
  return {
    memoryLimit: has("memory"),
    swapLimit: has("memory") && hasSwapAccounting(root),
    memoryReservation: has("memory"),
    memorySwappiness: false,
    oomKillDisable: false,
    cpuShares: has("cpu"),
    cpuCfs: has("cpu"),
    cpuRealtime: false,
    cpuset: has("cpuset"),
    cpus: has("cpuset") ? read(`${root}/cpuset.cpus.effective`) : "",
    mems: has("cpuset") ? read(`${root}/cpuset.mems.effective`) : "",
    blkioWeight: has("io"),
    blkioWeightDevice: has("io"),
    blkioThrottle: has("io"),
    pidsLimit: has("pids"),
    devices: true,
    cgroupNamespaces,
  };
}

/**
 * memory.swap.max is missing where swap is not accounted for (swapaccount=0, no CONFIG_SWAP). The root has none in any case: the first
 * cgroup below it that has memory files tells, and before there is one, whether the kernel has swap at all.
 */
function hasSwapAccounting(root: string): boolean {
  const has = (dir: string, file: string) => existsSync(`${dir}/${file}`);
  const children = readdirSync(root, { withFileTypes: true }).filter((e) => e.isDirectory());
  const dirs = [root, ...children.map((e) => `${root}/${e.name}`)];
  const telling = dirs.find((dir) => has(dir, "memory.max"));
  return telling === undefined ? existsSync("/proc/swaps") : has(telling, "memory.swap.max");
}

function read(path: string): string {
  return readProcTextIfPresent(path)?.trim() ?? "";
}
