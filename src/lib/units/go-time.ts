// Points in time as Go prints them and as Docker's --since and --until read them. Milliseconds since the epoch
// with a separate nanosecond part, since a number cannot hold both.

import { Fault } from "../errors.ts";
import { parseDuration } from "./duration.ts";

/** Prints a time as Go's Time.String: `2024-01-02 03:04:05.6 +0000 UTC`, in the local zone or in UTC. */
export function formatGoTime(
  epochMs: number,
  options: { readonly nanos?: number; readonly isUtc?: boolean } = {},
): string {
  const { nanos = 0, isUtc = false } = options;
  const date = new Date(epochMs);
  const offset = isUtc ? 0 : -date.getTimezoneOffset();
  const shifted = new Date(epochMs + offset * 60_000).toISOString();
  const fraction = nanos === 0 ? "" : `.${String(nanos).padStart(9, "0").replace(/0+$/, "")}`;
  return `${shifted.slice(0, 10)} ${shifted.slice(11, 19)}${fraction} ${zoneOffset(offset, "")} ${zoneName(date, offset, isUtc)}`;
}

/** Prints a time as Go's RFC3339 in the local zone: `2024-01-02T03:04:05Z` or with `+01:00`. */
export function formatRfc3339(epochMs: number): string {
  const offset = -new Date(epochMs).getTimezoneOffset();
  const shifted = new Date(epochMs + offset * 60_000).toISOString();
  return `${shifted.slice(0, 19)}${offset === 0 ? "Z" : zoneOffset(offset, ":")}`;
}

/** Prints a time as RFC 3339 with nine digits in the local zone, the form of `docker events`. */
export function formatRfc3339Nano(epochNano: bigint): string {
  const ms = Number(epochNano / 1_000_000n);
  const offset = -new Date(ms).getTimezoneOffset();
  const shifted = new Date(ms + offset * 60_000).toISOString();
  const nanos = String(epochNano % 1_000_000_000n).padStart(9, "0");
  return `${shifted.slice(0, 19)}.${nanos}${offset === 0 ? "Z" : zoneOffset(offset, ":")}`;
}

function zoneOffset(minutes: number, colon: string): string {
  const size = Math.abs(minutes);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}${colon}${two(size % 60)}`;
}

function zoneName(date: Date, offset: number, isUtc: boolean): string {
  if (isUtc) return "UTC";
  const name = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(date);
  const text = name.find((part) => part.type === "timeZoneName")?.value ?? "UTC";
  // Go prints the offset where the zone has no abbreviation of letters.
  return /^[A-Z]+$/.test(text) ? text : zoneOffset(offset, "").replace(/00$/, "");
}

/**
 * Turns a --since or --until value into what the API takes: seconds since the epoch, with nine decimals when the
 * value is a date. Durations count back from `nowMs`. Throws a Fault with Docker's text.
 */
export function parseTimeArgument(value: string, nowMs: number): string {
  const ago = value === "0" ? undefined : durationOf(value);
  if (ago !== undefined) return String(Math.floor((nowMs * 1e6 - ago) / 1e9));
  const date = parseDate(value);
  if (date !== undefined) return date;
  if (value.includes("-")) throw new Fault("invalidParameter", dateError(value), { code: "units.time" });
  if (!/^-?\d+(?:\.\d+)?$/.test(value)) {
    const message = `failed to parse value as time or duration: ${JSON.stringify(value)}`;
    throw new Fault("invalidParameter", message, { code: "units.time" });
  }
  return value;
}

function dateError(value: string): string {
  return `parsing time ${JSON.stringify(value)} as "${value.includes("T") ? "2006-01-02T15:04:05" : "2006-01-02"}": cannot parse`;
}

/** Returns which part of a date that has the right form is too large, undefined when none is. */
function partOutOfRange(match: RegExpExecArray): string | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((digits) => Number(digits ?? 0));
  if (month < 1 || month > 12) return "month";
  if (hour > 23) return "hour";
  if (minute > 59) return "minute";
  if (second > 59) return "second";
  return day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate() ? "day" : undefined;
}

function durationOf(value: string): number | undefined {
  try {
    return parseDuration(value);
  } catch {
    return undefined; // ignored: what is no duration may be a date
  }
}

const datePattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?)?)?(Z|[+-]\d\d:\d\d)?$/;

function parseDate(value: string): string | undefined {
  const match = datePattern.exec(value);
  if (match === null) return undefined;
  const part = partOutOfRange(match);
  if (part !== undefined)
    throw new Fault("invalidParameter", `parsing time ${JSON.stringify(value)}: ${part} out of range`, {
      code: "units.time",
    });
  const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "", zone] = match;
  const base = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const ms = Date.parse(zone === undefined ? base : `${base}${zone}`);
  if (Number.isNaN(ms)) return undefined;
  return `${Math.floor(ms / 1000)}.${fraction.padEnd(9, "0")}`;
}
