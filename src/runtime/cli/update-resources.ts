// What `update` changes: flags to resources, and resources over those a container has. Pure but for checkMemory.

import { Fault, messageOf } from "../../lib/errors.ts";
import { parseBinarySize } from "../../lib/units/size.ts";
import type { CgroupPaths } from "../../linux/cgroupfs/hierarchy.ts";
import { readProcTextIfPresent } from "../../linux/procfs/read.ts";
import type { OciCpu, OciMemory, OciResources } from "../spec/oci.ts";

/** The flags of `update` that are limits; "" is not given. */
export type LimitFlags = Readonly<Record<string, string | number>>;

/** Returns the limits that flags name. Throws Fault invalidParameter for a value that is none. */
export function resourcesOf(flags: LimitFlags): OciResources {
  const integer = (name: string) => parsed(flags, name, parseInteger);
  const size = (name: string) => parsed(flags, name, parseSize);
  const text = (name: string) => flags[name] || undefined;
  const weight = Number(flags["blkio-weight"]) || undefined;
  const cpu: Partial<Record<keyof OciCpu, unknown>> = {
    shares: integer("cpu-share"),
    quota: integer("cpu-quota"),
    burst: integer("cpu-burst"),
    period: integer("cpu-period"),
    realtimeRuntime: integer("cpu-rt-runtime"),
    realtimePeriod: integer("cpu-rt-period"),
    cpus: text("cpuset-cpus"),
    mems: text("cpuset-mems"),
    idle: integer("cpu-idle"),
  };
  const memory: Partial<Record<keyof OciMemory, unknown>> = {
    limit: size("memory"),
    reservation: size("memory-reservation"),
    swap: size("memory-swap"),
    kernel: size("kernel-memory"),
    kernelTCP: size("kernel-memory-tcp"),
  };
  const limit = integer("pids-limit");
  return {
    memory: given(memory) as OciMemory,
    cpu: given(cpu) as OciCpu,
    ...(weight === undefined ? {} : { blockIO: { weight } }),
    ...(limit === undefined ? {} : { pids: { limit } }),
  };
}

const given = (values: object): object =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

function parsed(flags: LimitFlags, name: string, parse: (text: string) => number): number | undefined {
  const text = String(flags[name] ?? "");
  if (text === "") return undefined;
  try {
    return parse(text);
  } catch (error) {
    throw new Fault("invalidParameter", `invalid value for ${name}: ${messageOf(error)}`, {
      code: "runtime.limit",
      cause: error,
    });
  }
}

function parseInteger(text: string): number {
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new Fault("invalidParameter", `parsing ${JSON.stringify(text)}: invalid syntax`, {
      code: "runtime.limit",
    });
  return value;
}

const parseSize = (text: string): number => (text === "-1" ? -1 : parseBinarySize(text));

/**
 * Returns what has to be written, in steps, and what the container has afterwards. Quota and period are one setting in version 2, so
 * that where only one of them changes the other is written again. In version 1 they are two files, and the kernel refuses a share of
 * the time that is larger than the parent's at any moment: a period that gets shorter comes after what is allowed in it.
 */
export function mergedResources(
  old: OciResources,
  change: OciResources,
): { steps: OciResources[]; kept: OciResources } {
  const { devices: _, ...limits } = change; // compat: devices cannot be updated
  const cpu = { ...limits.cpu };
  const oldCpu = old.cpu ?? {};
  if (cpu.period && !cpu.quota && oldCpu.quota) cpu.quota = oldCpu.quota;
  if (cpu.quota && !cpu.period && oldCpu.period) cpu.period = oldCpu.period;
  const effective = { ...limits, cpu };
  const kept: OciResources = {
    ...old,
    ...limits,
    cpu: { ...oldCpu, ...cpu },
    memory: { ...old.memory, ...limits.memory },
    blockIO: { ...old.blockIO, ...limits.blockIO },
  };
  return { steps: inSteps(effective, oldCpu), kept };
}

function inSteps(change: OciResources, old: OciCpu): OciResources[] {
  const { period, realtimePeriod, ...cpu } = change.cpu ?? {};
  const later: OciCpu = {};
  const sooner: OciCpu = { ...cpu };
  const isLater = (now: number | undefined, before: number) => now !== undefined && now < before;
  if (period !== undefined)
    (isLater(period, old.period || DEFAULT_PERIOD_US) ? later : sooner).period = period;
  if (realtimePeriod !== undefined)
    (isLater(realtimePeriod, old.realtimePeriod || DEFAULT_RT_PERIOD_US) ? later : sooner).realtimePeriod =
      realtimePeriod;
  const first = { ...change, cpu: sooner };
  return Object.keys(later).length === 0 ? [first] : [first, { cpu: later }];
}

/** Of a new cgroup, in microseconds. */
const DEFAULT_PERIOD_US = 100_000;
const DEFAULT_RT_PERIOD_US = 1_000_000;

/** A limit below what is in use is refused where the request says so (runtime-spec memory.checkBeforeUpdate). */
export function checkMemory(paths: CgroupPaths, memory: OciMemory | undefined): void {
  if (!memory?.checkBeforeUpdate || memory.limit === undefined || memory.limit < 0) return;
  const v1 = paths.v1["memory"];
  const read = (file: string) => Number(readProcTextIfPresent(file) ?? 0);
  const usage = read(v1 === undefined ? `${paths.v2}/memory.current` : `${v1}/memory.usage_in_bytes`);
  if (usage <= memory.limit) return;
  const peak = read(v1 === undefined ? `${paths.v2}/memory.peak` : `${v1}/memory.max_usage_in_bytes`);
  throw new Fault(
    "conflict",
    `unable to set memory limit to ${memory.limit} (current usage: ${usage}, peak usage: ${peak})`,
    { code: "container.memory-in-use" },
  );
}
