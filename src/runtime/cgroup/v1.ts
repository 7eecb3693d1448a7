// Limits as writes to cgroup v1 files, and the preparation of a new parent.
// Order matters in three places, each said where it is done: memory against memory+swap, period against quota,
// period against runtime of the realtime scheduler. Everything is written before a process joins.

import type { CgroupHost } from "../../linux/cgroupfs/hierarchy.ts";
import { host, type Op } from "../../linux/ops.ts";
import type { OciBlockIo, OciCpu, OciMemory, OciResources } from "../spec/oci.ts";
import { devicePolicyOf, planDevicesV1 } from "./devices.ts";
import type { ReadCgroupFile } from "./plan.ts";

/** What a child has to write into its own cpuset; undefined when it inherits both (clone_children). */
export interface InheritedCpuset {
  cpus: string;
  mems: string;
}

/**
 * Returns what has to be done so that children of `parent` can be used: a new cpuset starts without CPUs and memory
 * nodes and no process can enter it (cgroup-v1/cpusets.rst), so each new level copies its parent's, and the last
 * one is told to pass them on. A parent that somebody else made is left as it is.
 */
export function planParentV1(
  cgroups: CgroupHost,
  parent: string,
  read: ReadCgroupFile,
): { ops: Op[]; cpuset?: InheritedCpuset } {
  const mount = cgroups.v1.find((h) => h.controllers.includes("cpuset"))?.mountpoint;
  if (mount === undefined) return { ops: [] };
  const clone = read(`${mount}${parent}/cgroup.clone_children`);
  const cpus = read(`${mount}${parent}/cpuset.cpus`)?.trim();
  if (clone?.trim() === "1" && cpus) return { ops: [] };
  if (clone !== undefined && cpus) {
    return { ops: [], cpuset: { cpus, mems: read(`${mount}${parent}/cpuset.mems`)?.trim() ?? "" } };
  }
  const ops: Op[] = [];
  let inherited: InheritedCpuset = { cpus: "", mems: "" };
  let path = "";
  for (const part of ["", ...parent.split("/").filter(Boolean)]) {
    path = part === "" ? "" : `${path}/${part}`;
    const own = {
      cpus: read(`${mount}${path}/cpuset.cpus`)?.trim() ?? "",
      mems: read(`${mount}${path}/cpuset.mems`)?.trim() ?? "",
    };
    if (part !== "") ops.push(...fillCpuset(`${mount}${path}`, own, inherited));
    inherited = { cpus: own.cpus || inherited.cpus, mems: own.mems || inherited.mems };
  }
  if (parent === "") return { ops, cpuset: inherited }; // the root itself is not ours to configure
  ops.push(host.write(`${mount}${parent}/cgroup.clone_children`, "1"));
  return { ops };
}

function fillCpuset(dir: string, own: InheritedCpuset, inherited: InheritedCpuset): Op[] {
  if (own.cpus !== "" && own.mems !== "") return [];
  const ops: Op[] = [host.mkdir(dir, 0o755)];
  if (own.cpus === "" && inherited.cpus !== "") ops.push(host.write(`${dir}/cpuset.cpus`, inherited.cpus));
  if (own.mems === "" && inherited.mems !== "") ops.push(host.write(`${dir}/cpuset.mems`, inherited.mems));
  return ops;
}

export interface V1Options {
  /** Given when the cgroup is in use already (an update). */
  currentMemoryLimit?: number;
  /** The limits of huge pages are v2's matter. */
  hasHugetlbV2?: boolean;
}

/** Returns the writes for all limits; a limit whose controller is missing becomes a warning. */
export function planResourcesV1(
  dirs: Readonly<Record<string, string>>,
  r: OciResources,
  cpuset: InheritedCpuset | undefined,
  warnings: string[],
  { currentMemoryLimit, hasHugetlbV2 = false }: V1Options = {},
): Op[] {
  const ops: Op[] = [];
  const into = (controller: string, isWanted: boolean, plan: (dir: string) => Op[]) => {
    const dir = dirs[controller];
    if (dir !== undefined) ops.push(...plan(dir));
    else if (isWanted) warnings.push(`the ${controller} cgroup is not mounted: its limits are discarded`);
  };
  into("cpuset", Boolean(r.cpu?.cpus || r.cpu?.mems), (dir) => planCpuset(dir, r.cpu ?? {}, cpuset));
  into("devices", r.devices !== undefined, (dir) =>
    planDevicesV1(dir, devicePolicyOf(r.devices ?? []), warnings),
  );
  into("memory", hasValue(r.memory), (dir) => planMemory(dir, r.memory ?? {}, currentMemoryLimit, warnings));
  into("cpu", hasCpuTime(r.cpu), (dir) => planCpu(dir, r.cpu ?? {}));
  into("pids", r.pids?.limit !== undefined, (dir) =>
    planPids(dir, r.pids?.limit, { isUpdate: currentMemoryLimit !== undefined }),
  );
  into("blkio", hasValue(r.blockIO), (dir) => planBlkio(dir, r.blockIO ?? {}));
  into("hugetlb", !hasHugetlbV2 && (r.hugepageLimits?.length ?? 0) > 0, (dir) =>
    planHugetlb(dir, r.hugepageLimits ?? []),
  );
  into("rdma", hasValue(r.rdma), (dir) => planRdma(dir, r.rdma ?? {}));
  into("net_cls", r.network?.classID !== undefined, (dir) =>
    r.network?.classID === undefined ? [] : [host.write(`${dir}/net_cls.classid`, String(r.network.classID))],
  );
  into("net_prio", (r.network?.priorities?.length ?? 0) > 0, (dir) =>
    (r.network?.priorities ?? []).map((p) =>
      host.write(`${dir}/net_prio.ifpriomap`, `${p.name} ${p.priority}`),
    ),
  );
  return ops;
}

/** Returns whether any member of a limits object is set. */
export function hasValue(limits: object | undefined): boolean {
  return Object.values(limits ?? {}).some((v) =>
    Array.isArray(v) ? v.length > 0 : v !== undefined && v !== false,
  );
}

function hasCpuTime(cpu: OciCpu | undefined): boolean {
  const { cpus: _c, mems: _m, ...time } = cpu ?? {};
  return hasValue(time);
}

function planCpuset(dir: string, cpu: OciCpu, inherited: InheritedCpuset | undefined): Op[] {
  const ops: Op[] = [];
  const cpus = cpu.cpus || inherited?.cpus;
  const mems = cpu.mems || inherited?.mems;
  if (cpus) ops.push(host.write(`${dir}/cpuset.cpus`, cpus));
  if (mems) ops.push(host.write(`${dir}/cpuset.mems`, mems));
  return ops;
}

/** The kernel holds memory ≤ memory+swap at every moment: raising needs the sum first, lowering the memory first. */
function planMemory(dir: string, m: OciMemory, current: number | undefined, warnings: string[]): Op[] {
  const ops: Op[] = [];
  const swap = m.limit === -1 && !m.swap ? -1 : m.swap;
  const limitOp = m.limit ? [host.write(`${dir}/memory.limit_in_bytes`, String(m.limit))] : [];
  // without swap accounting the file is missing, and "no more than the memory" cannot be enforced: say so, go on
  const swapOp = swap
    ? [host.write(`${dir}/memory.memsw.limit_in_bytes`, String(swap), { optional: true })]
    : [];
  const isRaised = current !== undefined && swap !== undefined && (swap === -1 || current < swap);
  ops.push(...(isRaised ? [...swapOp, ...limitOp] : [...limitOp, ...swapOp]));
  if (m.reservation) ops.push(host.write(`${dir}/memory.soft_limit_in_bytes`, String(m.reservation)));
  if (m.disableOOMKiller === true) ops.push(host.write(`${dir}/memory.oom_control`, "1"));
  if (m.swappiness !== undefined && m.swappiness >= 0) {
    ops.push(host.write(`${dir}/memory.swappiness`, String(m.swappiness)));
  }
  if (m.kernel || m.kernelTCP)
    warnings.push("kernel memory limits are not supported by this kernel: discarded");
  return ops;
}

/** A fresh cgroup has no quota, so the period may come first; an update may need it after the quota, too. */
function planCpu(dir: string, cpu: OciCpu): Op[] {
  const ops: Op[] = [];
  if (cpu.shares) ops.push(host.write(`${dir}/cpu.shares`, String(cpu.shares)));
  if (cpu.period) ops.push(host.write(`${dir}/cpu.cfs_period_us`, String(cpu.period)));
  if (cpu.quota) ops.push(host.write(`${dir}/cpu.cfs_quota_us`, String(cpu.quota)));
  if (cpu.burst !== undefined)
    ops.push(host.write(`${dir}/cpu.cfs_burst_us`, String(cpu.burst), { optional: cpu.burst === 0 }));
  if (cpu.idle !== undefined) ops.push(host.write(`${dir}/cpu.idle`, String(cpu.idle)));
  if (cpu.realtimePeriod) ops.push(host.write(`${dir}/cpu.rt_period_us`, String(cpu.realtimePeriod)));
  if (cpu.realtimeRuntime) ops.push(host.write(`${dir}/cpu.rt_runtime_us`, String(cpu.realtimeRuntime)));
  return ops;
}

/** Returns the write of pids.max, the same file in both versions; a new cgroup has no limit, so "none" costs nothing. */
export function planPids(dir: string, limit: number | undefined, options: { isUpdate?: boolean } = {}): Op[] {
  if (limit === undefined) return [];
  if (limit === 0) return [host.write(`${dir}/pids.max`, "1")]; // compat: runc's reading of 0, which has room for nobody
  if (limit < 0) return options.isUpdate ? [host.write(`${dir}/pids.max`, "max")] : [];
  return [host.write(`${dir}/pids.max`, String(limit))];
}

function planBlkio(dir: string, io: OciBlockIo): Op[] {
  const ops: Op[] = [];
  if (io.leafWeight)
    ops.push(host.write(`${dir}/blkio.leaf_weight`, String(io.leafWeight), { optional: true }));
  // bfq has its own files since 5.4 and blkio.weight is gone with cfq: the one that exists takes it
  if (io.weight) ops.push(host.write(`${dir}/blkio.bfq.weight`, String(io.weight), { optional: true }));
  for (const d of io.weightDevice ?? []) {
    for (const [file, weight] of [
      ["bfq.weight_device", d.weight],
      ["leaf_weight_device", d.leafWeight],
    ] as const) {
      if (weight === undefined) continue;
      ops.push(host.write(`${dir}/blkio.${file}`, `${d.major}:${d.minor} ${weight}`, { optional: true }));
    }
  }
  const throttle = [
    ["read_bps_device", io.throttleReadBpsDevice],
    ["write_bps_device", io.throttleWriteBpsDevice],
    ["read_iops_device", io.throttleReadIOPSDevice],
    ["write_iops_device", io.throttleWriteIOPSDevice],
  ] as const;
  for (const [file, devices] of throttle) {
    for (const d of devices ?? []) {
      ops.push(host.write(`${dir}/blkio.throttle.${file}`, `${d.major}:${d.minor} ${d.rate}`));
    }
  }
  return ops;
}

/** Returns the writes of rdma.max, the same file in both versions. */
export function planRdma(dir: string, limits: NonNullable<OciResources["rdma"]>): Op[] {
  return Object.entries(limits).map(([device, { hcaHandles, hcaObjects }]) => {
    const handles = hcaHandles === undefined ? "" : ` hca_handle=${hcaHandles}`;
    const objects = hcaObjects === undefined ? "" : ` hca_object=${hcaObjects}`;
    return host.write(`${dir}/rdma.max`, `${device}${handles}${objects}`);
  });
}

function planHugetlb(dir: string, limits: readonly { pageSize: string; limit: number }[]): Op[] {
  return limits.flatMap(({ pageSize, limit }) => [
    host.write(`${dir}/hugetlb.${pageSize}.limit_in_bytes`, String(limit)),
    host.write(`${dir}/hugetlb.${pageSize}.rsvd.limit_in_bytes`, String(limit), { optional: true }),
  ]);
}
