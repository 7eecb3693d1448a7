// From an OCI seccomp object to a BPF program.
// The number space of an architecture is cut into intervals with the same verdict, and a binary search over their
// borders finds the interval: a profile of 400 names becomes about 130 instructions, seven or eight of which run. What
// runs before an unconditional verdict looks only at architecture and number, so the kernel's own cache of
// always-allowed calls (Linux 5.11, seccomp_cache) covers it.
// Meaning of the rules as libseccomp and runc have it: within a call an unconditional rule beats conditional ones, the
// conditions of one rule must all hold, several conditions on one argument are alternatives, rules that repeat the
// default action are dropped, unknown names are ignored, and numbers beyond the newest call that the profile knows
// give ENOSYS rather than the default error, so that programs fall back to older calls (runc, "ENOSYS stub").

import { Fault } from "../../lib/errors.ts";
import type { OciSeccomp, OciSeccompAction, OciSeccompArg, OciSyscall } from "../spec/oci.ts";
import { DATA, JUMP, type Label, ProgramBuilder } from "./program.ts";
import { type SyscallAbi, syscallTable, X32_BIT, X86_MULTIPLEXED } from "./syscalls.ts";
import { SECCOMP_FLAGS } from "./words.ts";
import { table } from "../../lib/table.ts";

const ENOSYS = 38;
const EPERM = 1;
const RET_KILL_THREAD = 0;
const RET_ERRNO = 0x0005_0000;
const RET_ALLOW = 0x7fff_0000;

/** AUDIT_ARCH_* of linux/audit.h and the ABIs behind each. */
const AUDIT_ARCH: Readonly<Record<SyscallAbi, number>> = {
  x86_64: 0xc000_003e,
  x32: 0xc000_003e,
  x86: 0x4000_0003,
  aarch64: 0xc000_00b7,
  arm: 0x4000_0028,
};

const ABI_OF_OCI: Readonly<Record<string, SyscallAbi>> = table({
  SCMP_ARCH_X86_64: "x86_64",
  SCMP_ARCH_X32: "x32",
  SCMP_ARCH_X86: "x86",
  SCMP_ARCH_AARCH64: "aarch64",
  SCMP_ARCH_ARM: "arm",
});

const NATIVE_ABI: Readonly<Record<string, SyscallAbi>> = table({
  amd64: "x86_64",
  "386": "x86",
  arm64: "aarch64",
  arm: "arm",
});

/** What a machine runs besides its own programs. */
const COMPATIBLE: { readonly [A in SyscallAbi]?: readonly SyscallAbi[] } = {
  x86_64: ["x32", "x86"],
  aarch64: ["arm"],
};

/** A program and the SECCOMP_FILTER_FLAG_* bits to install it with. */
export interface SeccompProgram {
  program: Uint8Array;
  flags: number;
}

/**
 * Compiles for the machine's architecture (Go's name). Throws Fault invalidParameter for unknown actions, operators,
 * architectures and flags, for a notification that nobody listens to and for what does not fit, notImplemented for unknown machines.
 */
export function compileSeccomp(seccomp: OciSeccomp, arch: string): SeccompProgram {
  const native = NATIVE_ABI[arch];
  if (native === undefined) throw unsupported(`seccomp is not supported on ${arch}`);
  const builder = new ProgramBuilder();
  const abis = abisOf(seccomp, native);
  const killed = builder.ret(RET_KILL_THREAD);
  let entry = killed; // a foreign architecture, as libseccomp's "bad arch" action
  for (const audit of new Set(abis.map((abi) => AUDIT_ARCH[abi]).toReversed())) {
    const intervals = abis
      .filter((abi) => AUDIT_ARCH[abi] === audit)
      .flatMap((abi) => intervalsOf(seccomp, abi, builder));
    const search = emitSearch(builder, completed(intervals, builder, seccomp));
    const section = builder.load(DATA.number, search);
    entry = builder.jump(JUMP.eq, audit, section, entry);
  }
  return { program: builder.finish(builder.load(DATA.arch, entry)), flags: flagsOf(seccomp) };
}

/** SECCOMP_FILTER_FLAG_NEW_LISTENER: installing the program yields a descriptor that tells of calls and answers them. */
export const NEW_LISTENER = 8;

/** Whether a rule notifies somebody, who has to be there. */
function hasNotification(seccomp: OciSeccomp): boolean {
  if (seccomp.defaultAction === "SCMP_ACT_NOTIFY")
    throw invalid("SCMP_ACT_NOTIFY cannot be used as default action");
  const notified = (seccomp.syscalls ?? []).filter((rule) => rule.action === "SCMP_ACT_NOTIFY");
  if (notified.length === 0) return false;
  if (!seccomp.listenerPath) throw invalid("SCMP_ACT_NOTIFY needs a listenerPath");
  // the process tells of its listener by write(2) itself, see native/listener.c
  if (notified.some((rule) => rule.names.includes("write")))
    throw invalid("SCMP_ACT_NOTIFY cannot be used for the write syscall");
  return true;
}

/** The native architecture always counts; those that this machine cannot run are left out. */
function abisOf(seccomp: OciSeccomp, native: SyscallAbi): SyscallAbi[] {
  const abis = new Set<SyscallAbi>([native]);
  for (const name of seccomp.architectures ?? []) {
    if (!/^SCMP_ARCH_[A-Z0-9_]+$/.test(name)) throw invalid(`string ${name} is not a valid arch for seccomp`);
    const abi = ABI_OF_OCI[name];
    if (abi !== undefined && COMPATIBLE[native]?.includes(abi)) abis.add(abi);
  }
  return [...abis];
}

/** From `start` on, until the next interval starts, all calls go to `verdict`. */
interface Interval {
  start: number;
  verdict: Label;
}

function intervalsOf(seccomp: OciSeccomp, abi: SyscallAbi, builder: ProgramBuilder): Interval[] {
  const base = abi === "x32" ? X32_BIT : 0;
  const fallback = builder.ret(returnOf(seccomp.defaultAction, seccomp.defaultErrnoRet));
  const { verdicts, newest } = verdictsOf(seccomp, abi);
  const intervals: Interval[] = [{ start: base, verdict: fallback }];
  let end = base;
  for (const number of [...verdicts.keys()].sort((a, b) => a - b)) {
    if (number > end) intervals.push({ start: end, verdict: fallback });
    intervals.push({
      start: number,
      verdict: emitVerdict(builder, verdicts.get(number) as Verdict, abi, fallback),
    });
    end = number + 1;
  }
  intervals.push({ start: end, verdict: fallback });
  if (newest >= base && !isPermissive(seccomp.defaultAction)) {
    intervals.push({ start: newest + 1, verdict: builder.ret(RET_ERRNO | ENOSYS) });
  }
  return intervals.sort((a, b) => a.start - b.start);
}

/** Calls with bit 30 set are not of the native ABI: without x32 they are killed, as a foreign architecture is. */
function completed(intervals: Interval[], builder: ProgramBuilder, seccomp: OciSeccomp): Interval[] {
  if (!intervals.some((i) => i.start >= X32_BIT)) {
    intervals.push({ start: X32_BIT, verdict: builder.ret(RET_KILL_THREAD) });
    // -1 is what a tracer writes to skip a call
    const fallback = builder.ret(returnOf(seccomp.defaultAction, seccomp.defaultErrnoRet));
    intervals.push({ start: 0xffff_ffff, verdict: fallback });
  }
  const merged: Interval[] = [];
  for (const interval of intervals) {
    if (merged.at(-1)?.start === interval.start) merged.pop(); // an empty one
    if (!isSameVerdict(merged.at(-1)?.verdict, interval.verdict)) merged.push(interval);
  }
  return merged;
}

function isSameVerdict(a: Label | undefined, b: Label): boolean {
  return a !== undefined && (a.returns === undefined ? a.fromEnd === b.fromEnd : a.returns === b.returns);
}

/** Emits a balanced search tree; leaves first, since the program is written backwards. */
function emitSearch(builder: ProgramBuilder, intervals: readonly Interval[]): Label {
  const [only] = intervals;
  if (intervals.length === 1 && only) return only.verdict;
  const half = intervals.length >> 1;
  const right = emitSearch(builder, intervals.slice(half));
  const left = emitSearch(builder, intervals.slice(0, half));
  return builder.jump(JUMP.ge, (intervals[half] as Interval).start, right, left);
}

/** ARM's own calls are far beyond the others: they say nothing of which is the newest. */
const ARM_PRIVATE = 0xf_0000;

/** What happens to one call: conditional rules in order, then `otherwise` if there is an unconditional one. */
interface Verdict {
  rules: { conditions: readonly OciSeccompArg[]; returns: number }[];
  otherwise?: number;
}

function verdictsOf(
  seccomp: OciSeccomp,
  abi: SyscallAbi,
): { verdicts: Map<number, Verdict>; newest: number } {
  const table = syscallTable(abi);
  const verdicts = new Map<number, Verdict>();
  const fallback = returnOf(seccomp.defaultAction, seccomp.defaultErrnoRet);
  let newest = -1;
  for (const rule of seccomp.syscalls ?? []) {
    const returns = returnOf(rule.action, rule.errnoRet);
    for (const name of rule.names) {
      const number = table.get(name);
      if (number !== undefined && number < ARM_PRIVATE) newest = Math.max(newest, number);
      if (returns === fallback) continue;
      if (number !== undefined) addRule(verdicts, number, alternativesOf(rule), returns);
      const multiplexed = abi === "x86" && !rule.args?.length ? X86_MULTIPLEXED.get(name) : undefined;
      if (multiplexed) {
        const condition: OciSeccompArg = { index: 0, op: "SCMP_CMP_EQ", value: multiplexed[1] };
        addRule(verdicts, table.get(multiplexed[0]) as number, [[condition]], returns);
      }
    }
  }
  return { verdicts, newest };
}

/** Conditions on different arguments hold together; as soon as two share one, each counts alone (runc's reading). */
function alternativesOf(rule: OciSyscall): OciSeccompArg[][] {
  const args = rule.args ?? [];
  for (const arg of args) {
    if (!Number.isInteger(arg.index) || arg.index < 0 || arg.index > 5) {
      throw invalid(`seccomp: ${rule.names[0]}: there is no argument ${arg.index}`);
    }
  }
  return new Set(args.map((a) => a.index)).size < args.length ? args.map((a) => [a]) : [args];
}

function addRule(
  verdicts: Map<number, Verdict>,
  number: number,
  alternatives: OciSeccompArg[][],
  returns: number,
): void {
  const verdict: Verdict = verdicts.get(number) ?? { rules: [] };
  verdicts.set(number, verdict);
  for (const conditions of alternatives) {
    if (conditions.length === 0) verdict.otherwise ??= returns;
    else verdict.rules.push({ conditions, returns });
  }
}

function emitVerdict(builder: ProgramBuilder, verdict: Verdict, abi: SyscallAbi, fallback: Label): Label {
  if (verdict.otherwise !== undefined) return builder.ret(verdict.otherwise);
  let next = fallback;
  for (const rule of verdict.rules.toReversed()) {
    let label = builder.ret(rule.returns);
    for (const arg of rule.conditions.toReversed()) label = emitCondition(builder, arg, abi, label, next);
    next = label;
  }
  return next;
}

/** Emits one comparison of a 64-bit argument, on 32-bit ABIs of its lower half only. */
function emitCondition(
  builder: ProgramBuilder,
  arg: OciSeccompArg,
  abi: SyscallAbi,
  yes: Label,
  no: Label,
): Label {
  const isWide = (abi === "x86_64" || abi === "aarch64") && arg.bits !== 32;
  const low = DATA.argLow(arg.index);
  const high = DATA.argHigh(arg.index);
  if (arg.op === "SCMP_CMP_MASKED_EQ") {
    const mask = halves(arg.value);
    const wanted = halves(arg.valueTwo ?? 0);
    const lower = builder.load(low, builder.and(mask.low, builder.jump(JUMP.eq, wanted.low, yes, no)));
    if (!isWide || (mask.high === 0 && wanted.high === 0)) return lower;
    return builder.load(high, builder.and(mask.high, builder.jump(JUMP.eq, wanted.high, lower, no)));
  }
  const { code, isNegated } = comparison(arg.op);
  const [then, otherwise] = isNegated ? [no, yes] : [yes, no];
  const value = halves(arg.value);
  const lower = builder.load(low, builder.jump(code, value.low, then, otherwise));
  if (!isWide) return lower;
  const equal = builder.jump(JUMP.eq, value.high, lower, otherwise);
  // a larger upper half decides for "greater", an equal one leaves it to the lower half
  const upper = code === JUMP.eq ? equal : builder.jump(JUMP.gt, value.high, then, equal);
  return builder.load(high, upper);
}

function comparison(op: OciSeccompArg["op"]): { code: number; isNegated: boolean } {
  switch (op) {
    case "SCMP_CMP_EQ":
      return { code: JUMP.eq, isNegated: false };
    case "SCMP_CMP_NE":
      return { code: JUMP.eq, isNegated: true };
    case "SCMP_CMP_GT":
      return { code: JUMP.gt, isNegated: false };
    case "SCMP_CMP_LE":
      return { code: JUMP.gt, isNegated: true };
    case "SCMP_CMP_GE":
      return { code: JUMP.ge, isNegated: false };
    case "SCMP_CMP_LT":
      return { code: JUMP.ge, isNegated: true };
    default:
      throw invalid(`string ${op} is not a valid operator for seccomp`);
  }
}

function halves(value: number | bigint): { low: number; high: number } {
  const all = BigInt.asUintN(64, BigInt(value));
  return { low: Number(all & 0xffff_ffffn), high: Number(all >> 32n) };
}

/** SECCOMP_RET_* with its data; `errnoRet` defaults to EPERM as in runc. */
function returnOf(action: OciSeccompAction, errnoRet: number | undefined): number {
  const data = (errnoRet ?? EPERM) & 0xffff;
  switch (action) {
    case "SCMP_ACT_KILL":
    case "SCMP_ACT_KILL_THREAD":
      return RET_KILL_THREAD;
    case "SCMP_ACT_KILL_PROCESS":
      return 0x8000_0000;
    case "SCMP_ACT_TRAP":
      return 0x0003_0000;
    case "SCMP_ACT_ERRNO":
      return RET_ERRNO | data;
    case "SCMP_ACT_TRACE":
      return 0x7ff0_0000 | data;
    case "SCMP_ACT_LOG":
      return 0x7ffc_0000;
    case "SCMP_ACT_ALLOW":
      return RET_ALLOW;
    case "SCMP_ACT_NOTIFY":
      return 0x7fc0_0000;
    default:
      throw invalid(`string ${String(action)} is not a valid action for seccomp`);
  }
}

/** A default that lets calls through, or leaves them to a tracer, does so for new calls, too. */
function isPermissive(action: OciSeccompAction): boolean {
  return action === "SCMP_ACT_ALLOW" || action === "SCMP_ACT_LOG" || action === "SCMP_ACT_TRACE";
}

/** Without any word about flags, speculation stays allowed: else every filtered process pays for SSBD (as runc). */
function flagsOf(seccomp: OciSeccomp): number {
  const listener = hasNotification(seccomp) ? NEW_LISTENER : 0;
  if (seccomp.flags === undefined)
    return listener | (SECCOMP_FLAGS["SECCOMP_FILTER_FLAG_SPEC_ALLOW"] as number);
  let flags = listener;
  for (const name of seccomp.flags) {
    const bit = SECCOMP_FLAGS[name];
    if (bit === undefined) throw invalid(`seccomp flag ${name} is not known`);
    flags |= bit;
  }
  // all threads of one thread: nothing to do; how notifications are received matters only where there are some
  flags &= ~(SECCOMP_FLAGS["SECCOMP_FILTER_FLAG_TSYNC"] as number);
  return listener ? flags : flags & ~(SECCOMP_FLAGS["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] as number);
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "seccomp.invalid-profile" });
}

function unsupported(message: string): Fault {
  return new Fault("notImplemented", message, { code: "seccomp.unsupported" });
}
