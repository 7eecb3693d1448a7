// PAX extended headers (POSIX.1-2001, pax(1) "pax Extended Header"): records `LENGTH KEY=VALUE\n`.
// Reads and writes the records; which keys mean what is reader.ts's and writer.ts's business.

import { malformedTar } from "./faults.ts";
import { encodeName } from "./names.ts";

/** Records by key; values are bytes, since xattrs and names need not be text. A later record replaces an earlier one. */
export type PaxRecords = Map<string, Uint8Array>;

export const XATTR_PREFIX = "SCHILY.xattr.";
/** Sparse format 0.0 repeats these two; they are gathered into one GNU.sparse.map as in 0.1. */
const SPARSE_OFFSET = "GNU.sparse.offset";
const SPARSE_LENGTH = "GNU.sparse.numbytes";

/** Returns the records of an extended header that lies at `offset`. */
export function parsePax(body: Uint8Array, offset: number): PaxRecords {
  const records: PaxRecords = new Map();
  const pieces: string[] = [];
  for (let at = 0; at < body.length; ) {
    const { key, value, next } = parseRecord(body, at, offset);
    if (key === SPARSE_OFFSET || key === SPARSE_LENGTH) {
      if ((pieces.length % 2 === 0) !== (key === SPARSE_OFFSET)) {
        throw malformedTar(offset, "sparse map is out of order");
      }
      pieces.push(Buffer.from(value).toString("latin1"));
    } else records.set(key, value);
    at = next;
  }
  if (pieces.length > 0) records.set("GNU.sparse.map", Buffer.from(pieces.join(",")));
  return records;
}

function parseRecord(
  body: Uint8Array,
  at: number,
  offset: number,
): { key: string; value: Uint8Array; next: number } {
  let length = 0;
  let i = at;
  for (; i < body.length && i - at < 8 && body[i] !== 0x20; i++) {
    const digit = (body[i] as number) - 0x30;
    if (digit < 0 || digit > 9) throw malformedTar(offset, "extended header has a record without length");
    length = length * 10 + digit;
  }
  const next = at + length;
  if (body[i] !== 0x20 || next > body.length || next <= i + 1 || body[next - 1] !== 0x0a) {
    throw malformedTar(offset, "extended header has a record of wrong length");
  }
  const equals = body.indexOf(0x3d, i + 1);
  if (equals < 0 || equals >= next || equals === i + 1) {
    throw malformedTar(offset, "extended header has a record without key");
  }
  const key = Buffer.from(body.subarray(i + 1, equals)).toString("utf8");
  if (key.includes("\0")) throw malformedTar(offset, "extended header has a key with a zero byte");
  return { key, value: body.slice(equals + 1, next - 1), next };
}

/** Returns the extended header with `records`, sorted by key. */
export function formatPax(records: PaxRecords): Buffer {
  const parts: Uint8Array[] = [];
  const sorted = [...records].map(([key, value]) => ({ key: encodeName(key), value }));
  sorted.sort((a, b) => Buffer.compare(a.key, b.key));
  for (const { key, value } of sorted) {
    const rest = key.length + value.length + 3; // blank, equals sign, newline
    let length = rest + String(rest).length;
    if (String(length).length > String(rest).length) length = rest + String(length).length;
    parts.push(Buffer.from(`${length} `), key, Buffer.from("="), value, Buffer.from("\n"));
  }
  return Buffer.concat(parts);
}

/** A point in time as seconds since 1970 and nanoseconds to be added. */
export interface TarTime {
  sec: number;
  nsec: number;
}

/** Returns the time a record says, such as `-1.5`; digits beyond nanoseconds are dropped. */
export function parsePaxTime(value: Uint8Array, offset: number): TarTime {
  const match = /^(-?)(\d{1,16})(?:\.(\d*))?$/.exec(Buffer.from(value).toString("latin1"));
  if (match === null) throw malformedTar(offset, "extended header has a wrong time");
  const whole = Number(match[2]);
  if (!Number.isSafeInteger(whole)) throw malformedTar(offset, "extended header has a time out of range");
  const fraction = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return { sec: whole, nsec: fraction };
  return fraction === 0 ? { sec: 0 - whole, nsec: 0 } : { sec: -whole - 1, nsec: 1_000_000_000 - fraction };
}

/** Returns the text of a time, the inverse of parsePaxTime. */
export function formatPaxTime(time: TarTime): string {
  if (time.nsec === 0) return String(time.sec);
  const isNegative = time.sec < 0;
  const whole = isNegative ? -time.sec - 1 : time.sec;
  const fraction = isNegative ? 1_000_000_000 - time.nsec : time.nsec;
  return `${isNegative ? "-" : ""}${whole}.${String(fraction).padStart(9, "0").replace(/0+$/, "")}`;
}

/** Returns the whole number a record says. */
export function parsePaxInteger(value: Uint8Array, offset: number): number {
  const text = Buffer.from(value).toString("latin1");
  const number = Number(text);
  if (!/^-?\d{1,19}$/.test(text) || !Number.isSafeInteger(number)) {
    throw malformedTar(offset, "extended header has a wrong number");
  }
  return number;
}
