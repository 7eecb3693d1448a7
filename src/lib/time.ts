// Wall-clock times as nanoseconds since the epoch (bigint) and their RFC 3339 text, the form Docker prints and stores.

const NANO = 1_000_000_000n;

/** Go's zero time, which Docker shows for "never". */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

/** Wall-clock time in milliseconds at which performance.now() was 0, as far as is known. */
let originMs = performance.timeOrigin;

/**
 * Returns the current wall-clock time in nanoseconds since the epoch (microsecond resolution). The monotonic clock gives the
 * fractions of a millisecond; it knows nothing of a clock that is set or slewed, nor of the time a machine slept.
 */
export function nowNano(): bigint {
  const wallMs = Date.now();
  const fineMs = originMs + performance.now();
  const nowMs = Math.min(Math.max(fineMs, wallMs), wallMs + 0.999);
  originMs += nowMs - fineMs;
  return BigInt(Math.floor(nowMs * 1000)) * 1000n;
}

/** Returns the RFC 3339 text of a time in UTC with as many fractional digits as needed (Go's RFC3339Nano). */
export function formatNano(nano: bigint): string {
  const seconds = nano >= 0n ? nano / NANO : -((-nano + NANO - 1n) / NANO);
  const fraction = (nano - seconds * NANO).toString().padStart(9, "0").replace(/0+$/, "");
  const base = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return fraction === "" ? `${base}Z` : `${base}.${fraction}Z`;
}

/** Returns the text with exactly nine fractional digits, as `docker logs -t` prints it. */
export function formatNanoFixed(nano: bigint): string {
  const text = formatNano(nano).slice(0, -1);
  const dot = text.indexOf(".");
  return dot < 0 ? `${text}.000000000Z` : `${text.padEnd(dot + 10, "0")}Z`;
}

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/;

/** Returns the time that an RFC 3339 text names, or null when it is not one. */
export function parseNano(text: string): bigint | null {
  const m = RFC3339.exec(text);
  if (m === null) return null;
  const zone = m[4] === "z" ? "Z" : m[4];
  const milliseconds = Date.parse(`${m[1]}T${m[2]}${zone}`);
  if (Number.isNaN(milliseconds)) return null;
  return BigInt(milliseconds) * 1_000_000n + BigInt((m[3] ?? "").padEnd(9, "0"));
}

const LOCAL = /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?)?)?$/;

/** Returns the time that a date, with or without a time of the day, names in the zone of this machine; null for another text. */
function parseLocal(text: string): bigint | null {
  const m = LOCAL.exec(text);
  if (m === null) return null;
  const milliseconds = Date.parse(`${m[1]}T${m[2] ?? "00"}:${m[3] ?? "00"}:${m[4] ?? "00"}`);
  if (Number.isNaN(milliseconds)) return null;
  return BigInt(milliseconds) * 1_000_000n + BigInt((m[5] ?? "").padEnd(9, "0"));
}

/**
 * Returns the time that an API timestamp parameter names: seconds since the epoch with an optional fraction
 * (`1712345678.123456789`), RFC 3339 text, or a local date with as much of a time as is given (`2024-04-05`,
 * `2024-04-05T10:30`); null when it is none of these (Engine API `since` and `until`).
 */
export function parseTimestamp(text: string): bigint | null {
  const m = /^(-?\d{1,12})(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (m === null) return parseNano(text) ?? parseLocal(text);
  return BigInt(m[1] as string) * NANO + BigInt((m[2] ?? "").padEnd(9, "0"));
}
