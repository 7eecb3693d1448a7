// What a process is given besides limits and privileges (native/attributes.c): scheduler, I/O priority, memory policy, personality,
// CPUs, clocks. Shared by a container's first process and by exec.

import { Fault } from "../../lib/errors.ts";
import { inner, type Op } from "../../linux/ops.ts";
import { maskOfIds, parseIdList } from "../spec/id-list.ts";
import {
  IOPRIO_CLASSES,
  MEMORY_POLICIES,
  MEMORY_POLICY_FLAGS,
  NAMESPACE_CLOCKS,
  PERSONALITIES,
  SCHED_FLAGS,
  SCHED_POLICIES,
} from "../spec/kernel-words.ts";
import type { OciLinux, OciProcess, OciScheduler } from "../spec/oci.ts";

/** Returns the operations of a process in a container with these settings. Throws Fault invalidParameter for unknown words. */
export function planAttributes(process: OciProcess, linux: OciLinux): Op[] {
  const { scheduler, ioPriority } = process;
  const { memoryPolicy, personality } = linux;
  return [
    ...(scheduler ? [schedulerOp(scheduler)] : []),
    ...(ioPriority
      ? [inner.ioPriority((numberOf(IOPRIO_CLASSES, ioPriority.class) << 13) | ioPriority.priority)]
      : []),
    ...(memoryPolicy ? [memoryPolicyOp(memoryPolicy)] : []),
    ...(personality ? [inner.personality(numberOf(PERSONALITIES, personality.domain))] : []),
  ];
}

function schedulerOp(s: OciScheduler): Op {
  return inner.scheduler({
    policy: numberOf(SCHED_POLICIES, s.policy),
    nice: s.nice ?? 0,
    priority: s.priority ?? 0,
    flags: bitsOf(SCHED_FLAGS, s.flags ?? []),
    runtime: s.runtime ?? 0,
    deadline: s.deadline ?? 0,
    period: s.period ?? 0,
  });
}

function memoryPolicyOp(policy: NonNullable<OciLinux["memoryPolicy"]>): Op {
  const nodes = parseIdList(policy.nodes ?? "", "linux.memoryPolicy.nodes");
  const mode = numberOf(MEMORY_POLICIES, policy.mode) + bitsOf(MEMORY_POLICY_FLAGS, policy.flags ?? []);
  return inner.memoryPolicy(mode, nodes.length === 0 ? new Uint8Array() : maskOfIds(nodes));
}

/**
 * Returns the operations for execCPUAffinity, which is about exec only: the CPUs on the way into the container's cgroup, and those
 * in it.
 */
export function planExecAffinity(process: OciProcess): Op[] {
  const { initial = "", final = "" } = process.execCPUAffinity ?? {};
  const first = parseIdList(initial, "process.execCPUAffinity.initial");
  const then = parseIdList(final, "process.execCPUAffinity.final");
  if (first.length === 0 && then.length === 0) return [ALL_CPUS];
  return [
    ...(first.length > 0 ? [inner.cpuAffinityFirst(maskOfIds(first))] : []),
    ...(then.length > 0 ? [inner.cpuAffinity(maskOfIds(then))] : []),
  ];
}

/** What whoever started the runtime is bound to is not the container's: its cgroup says which CPUs it has (as runc has it). */
export const ALL_CPUS: Op = inner.cpuAffinity(new Uint8Array());

/** Returns the operations that move the clocks of the container's own time namespace. */
export function planTimeOffsets(linux: OciLinux): Op[] {
  return Object.entries(linux.timeOffsets ?? {}).map(([clock, { secs = 0, nanosecs = 0 }]) =>
    inner.timeOffset(numberOf(NAMESPACE_CLOCKS, clock), secs, nanosecs),
  );
}

function bitsOf(table: Readonly<Record<string, number>>, words: readonly string[]): number {
  return words.reduce((bits, word) => bits | numberOf(table, word), 0);
}

function numberOf(table: Readonly<Record<string, number>>, word: string): number {
  const number = Object.hasOwn(table, word) ? table[word] : undefined;
  if (number === undefined)
    throw new Fault(
      "invalidParameter",
      `${word} is not known (allowed: one of ${Object.keys(table).join(", ")})`,
      {
        code: "container.invalid-spec",
      },
    );
  return number;
}
