// `--debug`: the operations that keel is asked for, one line each, in their order, how keel is sealed, and the stages of a process in runc's words.

import { OPCODES, type Op, type Value } from "../../../linux/ops.ts";
import type { Logger } from "../logger.ts";

const NAMES = new Map<number, string>(Object.entries(OPCODES).map(([name, code]) => [code, name]));
/** Lists and bytes are told by their size: an environment may hold secrets, a filter is long. */
const MAX_TEXT = 200;

/** Tells the operations to the debug log. `place` says where they are done: `outside` or `inside` the container. */
export function traceOps(log: Logger, place: "outside" | "inside", ops: readonly Op[]): void {
  if (!log.isDebug) return;
  for (const op of ops) log.debug(`keel ${place}: ${describeOp(op)}`);
}

/** Returns `mkdir "/run/x" 493`. */
export function describeOp([code, ...args]: Op): string {
  return [NAMES.get(code) ?? `operation ${code}`, ...args.map(describe)].join(" ");
}

function describe(value: Value): string {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return `<${value.length} bytes>`;
  if (typeof value !== "string") return `[${value.length}]`;
  return JSON.stringify(value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value);
}

/** compat: what runc's log calls the stages of a process; scripts look for them. */
const STAGES = {
  making: "nsexec container setup",
  inside: "child process in init()",
  waiting: "init: closing the pipe to signal completion",
  executing: "setns_init: about to exec",
} as const;

/** Tells the debug log that a stage is reached. */
export function traceStage(log: Logger, stage: keyof typeof STAGES): void {
  log.debug(STAGES[stage]);
}

/** How keel seals the program that it runs from (native/self.h). compat: in runc's words what runc does as well; its tests look for them. */
const SEALS = new Map<string, string>([
  ["overlay", "runc exeseal: using overlayfs for sealed /proc/self/exe"],
  ["mount", "keel runs from a read-only mount that is attached nowhere"],
  ["copy", "keel runs from a sealed copy in memory"],
]);

/** Tells what the container's processes had as /proc/self/exe until their program was executed. */
export function traceSeal(log: Logger, way: string): void {
  const seal = SEALS.get(way);
  log.debug(seal ?? "keel runs from its file, which is not sealed");
  if (seal !== undefined) log.debug("runc exeseal: using /proc/self/exe clone");
}

/** Tells the CPUs that a process is given on its way into the container, as a mask. */
export function traceFirstCpus(log: Logger, ops: readonly Op[]): void {
  for (const [code, mask] of ops)
    if (code === OPCODES.cpuAffinityFirst) log.debug(`nsexec: affinity: ${maskText(mask as Uint8Array)}`);
}

/** Returns `0x3`; the lowest byte comes first. */
function maskText(mask: Uint8Array): string {
  const digits = Buffer.from(mask).reverse().toString("hex").replace(/^0+/, "");
  return `0x${digits || "0"}`;
}
