// A plan as text, one line per operation: for golden tests, for logs, for people.

import { OPCODES, type Op, type Value } from "../../linux/ops.ts";
import type { ContainerPlan } from "./input.ts";

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(OPCODES).map(([name, code]) => [code, name]),
);

/** Returns the whole plan: host operations, what the shim is told, operations inside, operations at the end. */
export function formatPlan(plan: ContainerPlan): string {
  const { shim } = plan;
  const lines = [
    ...plan.hostOps.map((op) => `host  ${formatOp(op)}`),
    `shim  ${shim.id} tty=${shim.isTty} stdin=${shim.hasStdin} log=${shim.log.kind} oom=${shim.oomFile || "-"}`,
    `shim  clone=0x${shim.cloneFlags.toString(16)} cgroup2=${shim.cgroup2 || "-"} cgroups=${shim.cgroups.length}`,
    ...shim.joins.map((j) => `shim  join 0x${j.type.toString(16)} ${j.path ?? `register ${j.reg}`}`),
    ...(shim.outside ? [`shim  outside root=${shim.outside.rootUid}:${shim.outside.rootGid}`] : []),
    ...(shim.outside?.ops ?? []).map((op) => `outer ${formatOp(op)}`),
    ...shim.ops.map((op) => `inner ${formatOp(op)}`),
    ...shim.exitOps.map((op) => `exit  ${formatOp(op)}`),
    ...plan.warnings.map((text) => `warn  ${text}`),
  ];
  return `${lines.join("\n")}\n`;
}

/** Returns one operation: its name and its arguments, flags in the kernel's order of bits. */
export function formatOp(op: Op): string {
  const [code, ...args] = op;
  return [NAMES.get(code) ?? `op${code}`, ...args.map(formatValue)].join(" ");
}

function formatValue(value: Value): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Uint8Array) return `<${value.length} bytes>`;
  if (typeof value === "number" || typeof value === "bigint")
    return value > 9999 ? `0x${value.toString(16)}` : `${value}`;
  const isOp = typeof value[0] === "number" && NAMES.has(value[0]);
  return isOp ? `[${formatOp(value as Op)}]` : `[${value.map(formatValue).join(" ")}]`;
}
