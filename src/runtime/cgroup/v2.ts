// Limits as writes to cgroup v2 files, and the preparation of a new parent (cgroup-v2.rst).
// On hybrid machines only the controllers bound to v2 are written here; v1.ts does the rest.
// The device controller of v2 has no files: it is a program on the directory (device-program.ts).

import type { CgroupHost } from "../../linux/cgroupfs/hierarchy.ts";
import { host, type Op } from "../../linux/ops.ts";
import { Fault } from "../../lib/errors.ts";
import type { OciBlockIo, OciCpu, OciDeviceRule, OciMemory, OciResources } from "../spec/oci.ts";
import { cpuWeightOfShares, ioWeightOfBlkioWeight, swapMaxOf } from "./convert.ts";
import { cachedDeviceProgram } from "./device-program.ts";
import type { ReadCgroupFile } from "./plan.ts";
import { planPids, planRdma } from "./v1.ts";

/** Controllers that children of a parent get; others (such as perf_event, which is always on) need no enabling. */
const ENABLED = ["cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma", "misc"];

/**
 * Returns what has to be done so that children of `parent` have their controllers: every level above them lists them in
 * cgroup.subtree_control. To be run when the child is made, which holds its parents in place: a parent that had
 * them all may be a new one by then, since another engine may have removed it meanwhile.
 */
export function planParentV2(cgroups: CgroupHost, parent: string, read: ReadCgroupFile): Op[] {
  if (!cgroups.v2) return [];
  const { mountpoint } = cgroups.v2;
  const fileOf = (dir: string) => `${dir}/cgroup.subtree_control`;
  const lacking = (dir: string) => lackingControllers(cgroups, dir, read);
  if (lacking(mountpoint + parent).length === 0) {
    const all = ENABLED.filter((c) => cgroups.v2?.controllers.includes(c)).map((c) => `+${c}`);
    if (parent === "" || all.length === 0) return [];
    return [host.write(fileOf(mountpoint + parent), all.join(" "), { ifBlank: true })];
  }
  const ops: Op[] = [];
  let dir = mountpoint;
  for (const part of ["", ...parent.split("/").filter(Boolean)]) {
    if (part !== "") dir = `${dir}/${part}`;
    // one by one: a write of several fails as a whole when one of them cannot be enabled
    for (const c of lacking(dir)) ops.push(host.write(fileOf(dir), `+${c}`, { optional: true }));
  }
  return ops;
}

/** Returns the controllers that children of a directory could have and do not get. */
export function lackingControllers(cgroups: CgroupHost, dir: string, read: ReadCgroupFile): string[] {
  const present = (read(`${dir}/cgroup.subtree_control`) ?? "").split(/\s+/);
  return ENABLED.filter((c) => cgroups.v2?.controllers.includes(c) && !present.includes(c));
}

interface V2Options {
  /** v1 has the controllers, this directory only what is bound to v2. */
  isOnlyBeside: boolean;
  read: ReadCgroupFile;
  /** Of a cgroup that is still to be made; absent for one that is in use (an update). */
  parent?: string;
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
    const isUpdate = options.parent === undefined;
    const existing = isUpdate ? dir : `${cgroups.v2?.mountpoint}${options.parent}`;
    const hasBfq = options.read(`${existing}/io.bfq.weight`) !== undefined;
    if (r.memory?.checkBeforeUpdate === true && isUpdate) checkUsage(dir, r.memory, options.read);
    ops.push(...planPids(dir, r.pids?.limit, { isUpdate }));
    ops.push(...planMemory(dir, r.memory ?? {}, warnings));
    ops.push(...planIo(dir, r.blockIO ?? {}, hasBfq, warnings));
    ops.push(...planCpu(dir, r.cpu ?? {}, options, warnings));
    if (r.cpu?.cpus) ops.push(host.write(`${dir}/cpuset.cpus`, r.cpu.cpus));
    if (r.cpu?.mems) ops.push(host.write(`${dir}/cpuset.mems`, r.cpu.mems));
    ops.push(...planDevicesV2(dir, r.devices ?? [], options.read));
    ops.push(...planRdma(dir, r.rdma ?? {}));
    if (r.network?.classID !== undefined || r.network?.priorities?.length)
      warnings.push("network class and priorities are discarded on cgroup v2");
  }
  for (const { pageSize, limit } of r.hugepageLimits ?? []) {
    ops.push(host.write(`${dir}/hugetlb.${pageSize}.max`, String(limit)));
    ops.push(host.write(`${dir}/hugetlb.${pageSize}.rsvd.max`, String(limit), { optional: true }));
  }
  ops.push(...planUnified(dir, r.unified ?? {}, cgroups));
  return ops;
}

/**
 * The program takes the place of an earlier one, so that the same plan is right for a new cgroup and for one in use. In a user
 * namespace the kernel takes none (EPERM): there nobody can make a node of a device either.
 */
function planDevicesV2(dir: string, rules: readonly OciDeviceRule[], read: ReadCgroupFile): Op[] {
  const program = cachedDeviceProgram(rules);
  if (program === undefined) return [];
  const isInitial = /^\s*0\s+0\s+4294967295\s*$/.test(read("/proc/self/uid_map") ?? "0 0 4294967295");
  return [host.cgroupDevices(dir, program, { optional: !isInitial })];
}

/** OCI's memory.checkBeforeUpdate: v2 takes a limit below the use and kills for it, v1 refuses it by itself. */
function checkUsage(dir: string, m: OciMemory, read: ReadCgroupFile): void {
  const usage = Number(read(`${dir}/memory.current`) ?? 0);
  const swap = Number(read(`${dir}/memory.swap.current`) ?? 0);
  const refuse = (what: string, limit: number, used: number): never => {
    throw new Fault("conflict", `rejecting ${what} limit ${limit} < usage ${used}`, {
      code: "cgroup.in-use",
    });
  };
  if (m.limit !== undefined && m.limit > 0 && m.limit < usage) refuse("memory", m.limit, usage);
  if (m.swap !== undefined && m.swap > 0 && m.swap < usage + swap)
    refuse("memory+swap", m.swap, usage + swap);
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
  if (m.kernel || m.kernelTCP) warnings.push("kernel memory limits are discarded on cgroup v2");
  return ops;
}

/** The kernel holds burst ≤ quota at every moment: a lower burst goes first, a higher one after the quota. */
function planCpu(dir: string, cpu: OciCpu, { read, parent }: V2Options, warnings: string[]): Op[] {
  const ops: Op[] = [];
  const burst = cpu.burst === undefined ? [] : [host.write(`${dir}/cpu.max.burst`, String(cpu.burst))];
  const present = parent === undefined ? Number(read(`${dir}/cpu.max.burst`) ?? 0) : 0;
  const isLowered = (cpu.burst ?? 0) < present;
  if (cpu.idle !== undefined) ops.push(host.write(`${dir}/cpu.idle`, String(cpu.idle)));
  if (cpu.shares) ops.push(host.write(`${dir}/cpu.weight`, String(cpuWeightOfShares(cpu.shares))));
  if (isLowered) ops.push(...burst);
  if (cpu.quota || cpu.period) {
    const quota = cpu.quota && cpu.quota > 0 ? String(cpu.quota) : "max";
    ops.push(host.write(`${dir}/cpu.max`, `${quota} ${cpu.period || 100_000}`));
  }
  if (!isLowered) ops.push(...burst);
  if (cpu.realtimePeriod || cpu.realtimeRuntime)
    warnings.push("realtime CPU limits are discarded on cgroup v2");
  return ops;
}

function planIo(dir: string, io: OciBlockIo, hasBfq: boolean, warnings: string[]): Op[] {
  const ops: Op[] = [];
  if (io.leafWeight || io.weightDevice?.some((d) => d.leafWeight))
    warnings.push("block I/O leaf weights are discarded on cgroup v2");
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
function planUnified(dir: string, files: Readonly<Record<string, string>>, cgroups: CgroupHost): Op[] {
  const ops: Op[] = [];
  for (const [name, text] of Object.entries(files)) {
    const refuse = (why: string): never => {
      throw new Fault("invalidParameter", `unified resource "${name}" ${why}`, { code: "cgroup.unified" });
    };
    if (name.includes("/")) refuse("must be a file name (no slashes)");
    const controller = /^([a-z0-9_]+)\.[a-zA-Z0-9_.]+$/.exec(name)?.[1];
    if (controller === undefined) refuse("must be in the form CONTROLLER.PARAMETER");
    else if (controller !== "cgroup" && cgroups.v2?.controllers.includes(controller) !== true)
      refuse(`can't be set: controller "${controller}" not available`);
    for (const line of text.split("\n")) if (line !== "") ops.push(host.write(`${dir}/${name}`, line));
  }
  return ops;
}

const numberOrMax = (n: number) => (n === -1 ? "max" : String(n));
