// Limits as writes to cgroup v1 files, and the preparation of a new parent.
// Order matters in three places, each said where it is done: memory against memory+swap, period against quota,
// period against runtime of the realtime scheduler. Everything is written before a process joins.

import { dirname } from "node:path";
import type { CgroupHost } from "../../linux/cgroupfs/hierarchy.ts";
import { host, type Op } from "../../linux/ops.ts";
import type { OciBlockIo, OciCpu, OciMemory, OciResources } from "../spec/oci.ts";
import { devicePolicyOf, planDevicesV1 } from "./devices.ts";
import type { ReadCgroupFile } from "./plan.ts";

/**
 * Returns what gives a new cgroup below `parent` its CPUs and memory nodes: a new cpuset has none and no process can
 * enter it (cgroup-v1/cpusets.rst), so each level that has none takes over its parent's. To be run when the cgroup is made,
 * which holds its parents in place: another engine may have removed the parent meanwhile, and making the cgroup has
 * made it anew. What is found filled is left as it is; a parent that is new is told to pass its own on
 * (cgroup.clone_children), so that nothing needs to be written for those that follow.
 */
export function planCpusetV1(
  cgroups: CgroupHost,
  { parent, dir }: { parent: string; dir: string | undefined },
  read: ReadCgroupFile,
): Op[] {
  const mount = cgroups.v1.find((h) => h.controllers.includes("cpuset"))?.mountpoint;
  if (mount === undefined || dir === undefined) return [];
  const fillBoth = (level: string) =>
    ["cpuset.cpus", "cpuset.mems"].flatMap((name) => {
      const value = valueAbove(mount, level, name, read);
      return value === "" ? [] : [host.write(`${level}/${name}`, value, { ifBlank: true })];
    });
  const top = mount + parent;
  if (parent === "") return fillBoth(dir); // the root itself is not ours to configure
  const isReady = Boolean(valueOf(top, "cpuset.cpus", read) && valueOf(top, "cpuset.mems", read));
  if (isReady) return [...fillBoth(top), ...fillBoth(dir)];
  const levels = parent.split("/").filter(Boolean);
  const paths = levels.map((_, i) => [mount, ...levels.slice(0, i + 1)].join("/"));
  return [...[...paths, dir].flatMap(fillBoth), host.write(`${top}/cgroup.clone_children`, "1")];
}

const valueOf = (dir: string, name: string, read: ReadCgroupFile) => read(`${dir}/${name}`)?.trim() ?? "";

/** The file's own value, or else that of the nearest level above that has one. */
function valueAbove(mount: string, level: string, name: string, read: ReadCgroupFile): string {
  const own = valueOf(level, name, read);
  return own !== "" || level.length <= mount.length ? own : valueAbove(mount, dirname(level), name, read);
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
  warnings: string[],
  { currentMemoryLimit, hasHugetlbV2 = false }: V1Options = {},
): Op[] {
  const ops: Op[] = [];
  const into = (controller: string, isWanted: boolean, plan: (dir: string) => Op[]) => {
    const dir = dirs[controller];
    if (dir !== undefined) ops.push(...plan(dir));
    else if (isWanted) warnings.push(`the ${controller} cgroup is not mounted: its limits are discarded`);
  };
  into("cpuset", Boolean(r.cpu?.cpus || r.cpu?.mems), (dir) => planCpuset(dir, r.cpu ?? {}));
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

function planCpuset(dir: string, cpu: OciCpu): Op[] {
  const ops: Op[] = [];
  if (cpu.cpus) ops.push(host.write(`${dir}/cpuset.cpus`, cpu.cpus));
  if (cpu.mems) ops.push(host.write(`${dir}/cpuset.mems`, cpu.mems));
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
