// Durations: Go's text form ("1h30m", "500ms") and Docker's words ("About a minute"). Values are nanoseconds.

import { Fault } from "../errors.ts";
import { table } from "../table.ts";

const unitNanos: Readonly<Record<string, number>> = table({
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
});

/** Reads Go's duration text into nanoseconds. Throws a Fault with Go's message. */
export function parseDuration(text: string): number {
  const shown = JSON.stringify(text);
  const refuse = (why: string): Fault =>
    new Fault("invalidParameter", `time: ${why}`, { code: "units.duration" });
  const sign = text.startsWith("-") ? -1 : 1;
  let rest = text.replace(/^[+-]/, "");
  if (rest === "0") return 0;
  if (rest === "") throw refuse(`invalid duration ${shown}`);
  let total = 0;
  while (rest !== "") {
    const match = /^([0-9]*)(\.[0-9]*)?([^0-9.]*)/.exec(rest);
    const [whole = "", digits = "", fraction = "", unit = ""] = match ?? [];
    if (digits === "" && fraction.length < 2) throw refuse(`invalid duration ${shown}`);
    if (unit === "") throw refuse(`missing unit in duration ${shown}`);
    const nanos = Object.hasOwn(unitNanos, unit) ? unitNanos[unit] : undefined;
    if (nanos === undefined) throw refuse(`unknown unit ${JSON.stringify(unit)} in duration ${shown}`);
    total += Number(digits) * nanos + Math.trunc(Number(`0${fraction}`) * nanos);
    if (total > 2 ** 63) throw refuse(`invalid duration ${shown}`);
    rest = rest.slice(whole.length);
  }
  return total === 0 ? 0 : sign * total;
}

/** Prints nanoseconds as Go's Duration.String does: `1h0m5s`, `1.5ms`, `0s`. */
export function formatDuration(nanos: number): string {
  if (nanos === 0) return "0s";
  const sign = nanos < 0 ? "-" : "";
  const value = Math.abs(nanos);
  if (value < 1e3) return `${sign}${value}ns`;
  if (value < 1e6) return `${sign}${decimal(value, 1e3)}µs`;
  if (value < 1e9) return `${sign}${decimal(value, 1e6)}ms`;
  const minutes = Math.floor(value / 60e9);
  const seconds = `${decimal(value - minutes * 60e9, 1e9)}s`;
  if (minutes === 0) return `${sign}${seconds}`;
  if (minutes < 60) return `${sign}${minutes}m${seconds}`;
  return `${sign}${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}

function decimal(value: number, unit: number): string {
  const whole = Math.floor(value / unit);
  const fraction = String(Math.round(value - whole * unit))
    .padStart(String(unit).length - 1, "0")
    .replace(/0+$/, "");
  return fraction === "" ? String(whole) : `${whole}.${fraction}`;
}

/** Prints a span of time in Docker's words (go-units HumanDuration): "2 hours", "About a minute". */
export function humanDuration(nanos: number): string {
  const seconds = Math.trunc(nanos / 1e9);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(nanos / 3600e9 + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(Math.trunc(nanos / 3600e9) / 24 / 365)} years`;
}
