// `update`: other limits for a container's cgroup.

import { readFileSync } from "node:fs";
import { int, string } from "../../../lib/flags/spec.ts";
import { readFreezerState } from "../../../linux/cgroupfs/freezer-state.ts";
import { freezeCgroup, thawCgroup } from "../../../linux/cgroupfs/freezer.ts";
import { type CgroupPaths, loadCgroupHost } from "../../../linux/cgroupfs/hierarchy.ts";
import type { Op } from "../../../linux/ops.ts";
import { planCgroupUpdate } from "../../cgroup/plan.ts";
import { parseResources } from "../../spec/bundle/parse.ts";
import type { OciIntelRdt } from "../../spec/oci.ts";
import { command } from "../invocation.ts";
import { runOps } from "../life/keel-run.ts";
import { refuseLostLimits } from "../place/rootless.ts";
import { withLock } from "../life/lock.ts";
import { ContainerDir, type ContainerState } from "../life/store.ts";
import { checkMemory, mergedResources, resourcesOf } from "../update-resources.ts";

export const UPDATE_FLAGS = {
  resources: string(
    "path to the file containing the resources to update or '-' to read from the standard input; all other options are ignored then",
    { short: "r" },
  ),
  "blkio-weight": int("per cgroup weight, range is from 10 to 1000"),
  "cpu-period": string("CPU CFS period to be used for hardcapping (in usecs). 0 to use system default"),
  "cpu-quota": string("CPU CFS hardcap limit (in usecs). Allowed cpu time in a given period"),
  "cpu-burst": string(
    "CPU CFS hardcap burst limit (in usecs). Allowed accumulated cpu time additionally for burst a given period",
  ),
  "cpu-share": string("CPU shares (relative weight vs. other containers)"),
  "cpu-rt-period": string(
    "CPU realtime period to be used for hardcapping (in usecs). 0 to use system default",
  ),
  "cpu-rt-runtime": string("CPU realtime hardcap limit (in usecs). Allowed cpu time in a given period"),
  "cpuset-cpus": string("CPU(s) to use"),
  "cpuset-mems": string("memory node(s) to use"),
  "kernel-memory": string("obsolete: ignored, as kernels since 5.4 do", { hidden: true }),
  "kernel-memory-tcp": string("obsolete: ignored, as kernels since 5.4 do", { hidden: true }),
  memory: string("memory limit (in bytes)"),
  "cpu-idle": string("set cgroup SCHED_IDLE or not, 0: default behavior, 1: SCHED_IDLE"),
  "memory-reservation": string("memory reservation or soft_limit (in bytes)"),
  "memory-swap": string("total memory usage (memory + swap); set '-1' to enable unlimited swap"),
  "pids-limit": string("maximum number of pids allowed in the container"),
  "l3-cache-schema": string("the string of Intel RDT/CAT L3 cache schema"),
  "mem-bw-schema": string("the string of Intel RDT/MBA memory bandwidth schema"),
} as const;

const STDIN = 0;

export const update = command({
  operands: "<container-id>",
  flags: UPDATE_FLAGS,
  least: 1,
  most: 1,
  interspersed: true,
  async run(call, flags, [id = ""]) {
    const dir = new ContainerDir(call.root, id);
    dir.load();
    const change =
      flags.resources === ""
        ? resourcesOf(flags)
        : parseResources(readFileSync(flags.resources === "-" ? STDIN : flags.resources, "utf8"));
    if (change.memory?.kernel !== undefined || change.memory?.kernelTCP !== undefined)
      call.log.warn("Kernel memory settings are ignored and will be removed");
    await withLock(dir.path, async () => {
      const state = dir.load();
      const { paths } = state.cgroup;
      checkMemory(paths, change.memory);
      const { steps, kept } = mergedResources(state.spec.linux?.resources ?? {}, change);
      const host = loadCgroupHost(() => true);
      refuseLostLimits(host, paths, change);
      // in version 2 quota and period are one file
      const whole = steps.reduce((all, step) => ({ ...all, ...step, cpu: { ...all.cpu, ...step.cpu } }), {});
      const { unit } = state.cgroup;
      const systemd = unit === undefined ? undefined : await import("../../systemd/scope.ts");
      const quota = systemd?.withSystemdQuota(whole).cpu?.quota;
      const plans = (paths.v2 !== "" && Object.keys(paths.v1).length === 0 ? [whole] : steps).map((step) =>
        planCgroupUpdate(
          host,
          paths,
          quota && step.cpu?.quota ? { ...step, cpu: { ...step.cpu, quota } } : step,
        ),
      );
      const ops = plans.flatMap((plan) => plan.ops);
      const warnings = plans.flatMap((plan) => plan.warnings);
      if (unit !== undefined)
        await whileFrozen(dir, paths, async () => systemd?.updateScope(unit, host, whole));
      for (const warning of warnings) call.log.warn(warning);
      for (const warning of runOps(ops, dir.path).warnings) call.log.warn(warning);
      const linux = { ...state.spec.linux, resources: kept, ...(await updatedRdt(state, flags)) };
      dir.save({ ...state, spec: { ...state.spec, linux } });
    });
    return 0;
  },
});

/** Changes the container's resctrl group, and returns what its specification says of it then. */
async function updatedRdt(
  { cgroup, spec }: ContainerState,
  flags: { "l3-cache-schema": string; "mem-bw-schema": string; resources: string },
): Promise<{ intelRdt?: OciIntelRdt }> {
  const { "l3-cache-schema": l3CacheSchema, "mem-bw-schema": memBwSchema } = flags;
  if (flags.resources !== "" || (l3CacheSchema === "" && memBwSchema === "")) return {};
  const change = {
    ...(l3CacheSchema === "" ? {} : { l3CacheSchema }),
    ...(memBwSchema === "" ? {} : { memBwSchema }),
  };
  (await import("../../resctrl/group.ts")).updateSchemata(cgroup.resctrl, change);
  return { intelRdt: { ...spec.linux?.intelRdt, ...change } };
}

/**
 * Runs `body`, in which systemd sets the device rules of a cgroup of version 1 anew, with its processes frozen.
 * compat: runc does so, because for a moment nothing is allowed.
 */
async function whileFrozen(dir: ContainerDir, paths: CgroupPaths, body: () => Promise<void>): Promise<void> {
  if (paths.v1["devices"] === undefined || readFreezerState(paths) !== "thawed") return await body();
  const run = async (ops: readonly Op[]) => runOps(ops, dir.path);
  await freezeCgroup(run, paths);
  try {
    await body();
  } finally {
    await thawCgroup(run, paths);
  }
}
