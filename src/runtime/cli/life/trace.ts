// `--debug`: the operations that keel is asked for, one line each, in their order.

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
