// Limits as writes to cgroup v2 files, and the preparation of a new parent (cgroup-v2.rst).
// On hybrid machines only the controllers bound to v2 are written here; v1.ts does the rest.
// The device controller of v2 is an eBPF program on the directory, which keel does not load: devices
// are unrestricted there, and the plan says so. Its place is planDevicesV2 below.

import type { CgroupHost } from "../../linux/cgroupfs/hierarchy.ts";
import { host, type Op } from "../../linux/ops.ts";
import { Fault } from "../../lib/errors.ts";
import type { OciBlockIo, OciCpu, OciMemory, OciResources } from "../spec/oci.ts";
import { cpuWeightOfShares, ioWeightOfBlkioWeight, swapMaxOf } from "./convert.ts";
import { type DevicePolicy, devicePolicyOf } from "./devices.ts";
import type { ReadCgroupFile } from "./plan.ts";
import { planPids } from "./v1.ts";

/** Controllers that children of a parent get; others (such as perf_event, which is always on) need no enabling. */
const ENABLED = ["cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma", "misc"];

/**
 * Returns what has to be done so that children of `parent` have their controllers: every level above them lists them in
 * cgroup.subtree_control. Nothing when the parent has them all already.
 */
export function planParentV2(cgroups: CgroupHost, parent: string, read: ReadCgroupFile): Op[] {
  if (!cgroups.v2) return [];
  const { mountpoint, controllers } = cgroups.v2;
  const wanted = ENABLED.filter((c) => controllers.includes(c));
  const ops: Op[] = [];
  const lacking = (dir: string) => {
    const present = (read(`${dir}/cgroup.subtree_control`) ?? "").split(/\s+/);
    return wanted.filter((c) => !present.includes(c));
  };
  if (lacking(mountpoint + parent).length === 0) return ops;
  let dir = mountpoint;
  for (const part of ["", ...parent.split("/").filter(Boolean)]) {
    if (part !== "") {
      dir = `${dir}/${part}`;
      ops.push(host.mkdir(dir, 0o755));
    }
    // one by one: a write of several fails as a whole when one of them cannot be enabled
    for (const c of lacking(dir))
      ops.push(host.write(`${dir}/cgroup.subtree_control`, `+${c}`, { optional: true }));
  }
  return ops;
}

interface V2Options {
  /** v1 has the controllers, this directory only what is bound to v2. */
  isOnlyBeside: boolean;
  read: ReadCgroupFile;
  parent: string;
}

/** Returns the writes for all limits; what v2 cannot do becomes a warning. */
export function planResourcesV2(
  dir: string,
  r: OciResources,
  options: V2Options,
  cgroups: CgroupHost,
  warnings: string[],
): Op[] {
  const ops: Op[] = [];
  if (!options.isOnlyBeside) {
    const hasBfq = options.read(`${cgroups.v2?.mountpoint}${options.parent}/io.bfq.weight`) !== undefined;
    ops.push(...planPids(dir, r.pids?.limit, { isUpdate: options.parent === "" }));
    ops.push(...planMemory(dir, r.memory ?? {}, warnings));
    ops.push(...planIo(dir, r.blockIO ?? {}, hasBfq));
    ops.push(...planCpu(dir, r.cpu ?? {}, warnings));
    if (r.cpu?.cpus) ops.push(host.write(`${dir}/cpuset.cpus`, r.cpu.cpus));
    if (r.cpu?.mems) ops.push(host.write(`${dir}/cpuset.mems`, r.cpu.mems));
    ops.push(...planDevicesV2(devicePolicyOf(r.devices ?? []), warnings));
  }
  for (const { pageSize, limit } of r.hugepageLimits ?? []) {
    ops.push(host.write(`${dir}/hugetlb.${pageSize}.max`, String(limit)));
    ops.push(host.write(`${dir}/hugetlb.${pageSize}.rsvd.max`, String(limit), { optional: true }));
  }
  ops.push(...planUnified(dir, r.unified ?? {}));
  return ops;
}

/** v2 has no device files; see the head of this file. */
function planDevicesV2(policy: DevicePolicy, warnings: string[]): Op[] {
  if (policy.default === "deny" || policy.exceptions.length > 0) {
    warnings.push("device access is not restricted by cgroup on this machine (cgroup v2)");
  }
  return [];
}

/** Swap first: when memory and swap are both lowered, pages may go to swap only as far as it is allowed. */
function planMemory(dir: string, m: OciMemory, warnings: string[]): Op[] {
  const ops: Op[] = [];
  const swap = swapMaxOf(m.limit, m.swap);
  // without swap in the kernel the file is missing; "no swap" and "any swap" are then true by themselves
  const isOptional = swap === "max" || swap === "0";
  if (swap !== undefined) ops.push(host.write(`${dir}/memory.swap.max`, swap, { optional: isOptional }));
  if (m.limit) ops.push(host.write(`${dir}/memory.max`, numberOrMax(m.limit)));
  if (m.reservation) ops.push(host.write(`${dir}/memory.low`, numberOrMax(m.reservation)));
  if (m.swappiness !== undefined && m.swappiness >= 0)
    warnings.push("memory swappiness is discarded on cgroup v2");
  if (m.disableOOMKiller === true) warnings.push("oom-kill-disable is discarded on cgroup v2");
  return ops;
}

function planCpu(dir: string, cpu: OciCpu, warnings: string[]): Op[] {
  const ops: Op[] = [];
  if (cpu.idle !== undefined) ops.push(host.write(`${dir}/cpu.idle`, String(cpu.idle)));
  if (cpu.shares) ops.push(host.write(`${dir}/cpu.weight`, String(cpuWeightOfShares(cpu.shares))));
  if (cpu.quota || cpu.period) {
    const quota = cpu.quota && cpu.quota > 0 ? String(cpu.quota) : "max";
    ops.push(host.write(`${dir}/cpu.max`, `${quota} ${cpu.period || 100_000}`));
  }
  if (cpu.burst) ops.push(host.write(`${dir}/cpu.max.burst`, String(cpu.burst)));
  if (cpu.realtimePeriod || cpu.realtimeRuntime)
    warnings.push("realtime CPU limits are discarded on cgroup v2");
  return ops;
}

function planIo(dir: string, io: OciBlockIo, hasBfq: boolean): Op[] {
  const ops: Op[] = [];
  if (io.weight) {
    ops.push(
      hasBfq
        ? host.write(`${dir}/io.bfq.weight`, String(io.weight))
        : host.write(`${dir}/io.weight`, String(ioWeightOfBlkioWeight(io.weight))),
    );
  }
  for (const d of io.weightDevice ?? []) {
    if (d.weight === undefined) continue;
    const file = hasBfq ? "io.bfq.weight" : "io.weight";
    const weight = hasBfq ? d.weight : ioWeightOfBlkioWeight(d.weight);
    ops.push(host.write(`${dir}/${file}`, `${d.major}:${d.minor} ${weight}`, { optional: true }));
  }
  const limits = [
    ["rbps", io.throttleReadBpsDevice],
    ["wbps", io.throttleWriteBpsDevice],
    ["riops", io.throttleReadIOPSDevice],
    ["wiops", io.throttleWriteIOPSDevice],
  ] as const;
  for (const [key, devices] of limits) {
    for (const d of devices ?? [])
      ops.push(host.write(`${dir}/io.max`, `${d.major}:${d.minor} ${key}=${d.rate}`));
  }
  return ops;
}

/** OCI's `unified`: file names, never paths; a text of several lines is written line by line. */
function planUnified(dir: string, files: Readonly<Record<string, string>>): Op[] {
  const ops: Op[] = [];
  for (const [name, text] of Object.entries(files)) {
    if (!/^[a-zA-Z0-9_]+\.[a-zA-Z0-9_.]+$/.test(name)) {
      throw new Fault("invalidParameter", `unified resource "${name}" must be a file name (no slashes)`, {
        code: "cgroup.unified",
      });
    }
    for (const line of text.split("\n")) if (line !== "") ops.push(host.write(`${dir}/${name}`, line));
  }
  return ops;
}

const numberOrMax = (n: number) => (n === -1 ? "max" : String(n));
