// Values and frames between TypeScript and keel (native/PROTOCOL.md "Values and frames"): bytes in, bytes out, no I/O.
// Encoding copies every byte once, into the frame; decoding copies nothing: byte strings are views of the
// received buffer. A decoder believes no length before it has checked it and throws nothing but Fault.

import { Fault } from "../lib/errors.ts";
import type { Value } from "./ops.ts";

/** A decoded value: an integer (bigint only where a number would be inexact), a byte string or a list. */
export type Reply = number | bigint | Buffer | Reply[];

/** Largest frame body in bytes; keel refuses larger ones. */
export const MAX_FRAME_BYTES = 16 << 20;

const MAX_DEPTH = 16;
const TAG = { int: 1, bytes: 2, list: 3 } as const;
const INT_BYTES = 9;
const BYTES_HEAD = 5;
const LIST_HEAD = 9;
const FRAME_HEAD = 4;
const TWO_32 = 0x1_0000_0000;

function malformed(what: string): Fault {
  return new Fault("dataLoss", `malformed message from keel: ${what}`, { code: "keel.malformed" });
}

function unencodable(what: string): Fault {
  return new Fault("invalidParameter", `cannot send to keel: ${what}`, { code: "keel.unencodable" });
}

/** Returns how many bytes `value` takes on the wire. Throws Fault for what cannot be sent. */
export function sizeOfValue(value: Value, depth = MAX_DEPTH): number {
  if (typeof value === "string") return BYTES_HEAD + Buffer.byteLength(value) + 1;
  if (typeof value === "number" || typeof value === "bigint") return INT_BYTES;
  if (value instanceof Uint8Array) return BYTES_HEAD + value.byteLength + 1;
  if (!Array.isArray(value)) throw unencodable(`a value of type ${typeof value}`);
  if (depth === 0) throw unencodable("a list that is nested too deeply");
  let size = LIST_HEAD;
  for (const item of value as readonly Value[]) size += sizeOfValue(item, depth - 1);
  return size;
}

function putInt(out: Buffer, at: number, value: number | bigint): number {
  out[at] = TAG.int;
  if (typeof value === "bigint") {
    if (BigInt.asIntN(64, value) !== value) throw unencodable("an integer of more than 64 bits");
    out.writeBigInt64LE(value, at + 1);
  } else {
    if (!Number.isSafeInteger(value)) throw unencodable(`the inexact number ${value}`);
    out.writeUInt32LE(value >>> 0, at + 1); // >>> 0 keeps the low 32 bits of the two's complement
    out.writeInt32LE(Math.floor(value / TWO_32), at + 5);
  }
  return at + INT_BYTES;
}

function putValue(out: Buffer, at: number, value: Value): number {
  if (typeof value === "number" || typeof value === "bigint") return putInt(out, at, value);
  if (typeof value === "string" || value instanceof Uint8Array) {
    out[at] = TAG.bytes;
    const from = at + BYTES_HEAD;
    let length: number;
    if (typeof value === "string") {
      length = out.write(value, from);
    } else {
      out.set(value, from);
      length = value.byteLength;
    }
    out.writeUInt32LE(length, at + 1);
    out[from + length] = 0;
    return from + length + 1;
  }
  out[at] = TAG.list;
  let end = at + LIST_HEAD;
  for (const item of value) end = putValue(out, end, item);
  out.writeUInt32LE(end - at - BYTES_HEAD, at + 1);
  out.writeUInt32LE(value.length, at + BYTES_HEAD);
  return end;
}

/** Returns the whole frame for one list, length prefix included. The caller may reuse its buffers at once. */
export function encodeFrame(list: readonly Value[]): Buffer {
  const size = sizeOfValue(list);
  if (size > MAX_FRAME_BYTES) throw unencodable(`a message of ${size} bytes, more than ${MAX_FRAME_BYTES}`);
  const out = Buffer.allocUnsafe(FRAME_HEAD + size);
  out.writeUInt32LE(size, 0);
  putValue(out, FRAME_HEAD, list);
  return out;
}

interface Cursor {
  readonly body: Buffer;
  at: number;
}

function takeInt(c: Cursor): number | bigint {
  const low = c.body.readUInt32LE(c.at + 1);
  const high = c.body.readInt32LE(c.at + 5);
  const value = high * TWO_32 + low;
  const exact = Number.isSafeInteger(value) ? value : c.body.readBigInt64LE(c.at + 1);
  c.at += INT_BYTES;
  return exact;
}

function takeList(c: Cursor, end: number, depth: number): Reply[] {
  const listEnd = c.at + BYTES_HEAD + c.body.readUInt32LE(c.at + 1);
  if (depth === 0) throw malformed("nested too deeply");
  if (listEnd > end || listEnd < c.at + LIST_HEAD) throw malformed("a list that is longer than its frame");
  const count = c.body.readUInt32LE(c.at + BYTES_HEAD);
  c.at += LIST_HEAD;
  const items: Reply[] = [];
  for (let i = 0; i < count; i++) items.push(takeValue(c, listEnd, depth - 1));
  if (c.at !== listEnd) throw malformed("a list that is shorter than it says");
  return items;
}

function takeValue(c: Cursor, end: number, depth: number): Reply {
  const room = end - c.at;
  const tag = room > 0 ? c.body[c.at] : 0;
  if (tag === TAG.int && room >= INT_BYTES) return takeInt(c);
  if (tag === TAG.list && room >= LIST_HEAD) return takeList(c, end, depth);
  if (tag !== TAG.bytes || room < BYTES_HEAD + 1) throw malformed("an unknown or cut-off value");
  const from = c.at + BYTES_HEAD;
  const to = from + c.body.readUInt32LE(c.at + 1);
  if (to >= end || c.body[to] !== 0) throw malformed("a byte string that is longer than its frame");
  c.at = to + 1;
  return c.body.subarray(from, to);
}

/** Decodes the body of a frame (without its length prefix): exactly one list. Byte strings are views of `body`. */
export function decodeBody(body: Buffer): Reply[] {
  if (body.length < LIST_HEAD || body[0] !== TAG.list) throw malformed("a frame that is not a list");
  const cursor = { body, at: 0 };
  const list = takeList(cursor, body.length, MAX_DEPTH);
  if (cursor.at !== body.length) throw malformed("bytes after the end of a list");
  return list;
}

/** Returns the length of the body that a frame's first four bytes announce. */
export function frameLength(head: Uint8Array): number {
  const length =
    (head[0] as number) +
    ((head[1] as number) << 8) +
    ((head[2] as number) << 16) +
    (head[3] as number) * 0x1000000;
  if (length < LIST_HEAD || length > MAX_FRAME_BYTES) throw malformed(`a frame of ${length} bytes`);
  return length;
}

/** Returns the value as a number. Throws Fault when it is none. */
export function asNumber(value: Reply | undefined): number {
  if (typeof value !== "number") throw malformed("no number where one was expected");
  return value;
}

/** Returns the value as bytes (a view). Throws Fault when it is none. */
export function asBytes(value: Reply | undefined): Buffer {
  if (!Buffer.isBuffer(value)) throw malformed("no byte string where one was expected");
  return value;
}

/** Returns the value as text; bytes that are not UTF-8 become U+FFFD. Throws Fault when it is no byte string. */
export function asText(value: Reply | undefined): string {
  return asBytes(value).toString("utf8");
}

/** Returns the value as a list. Throws Fault when it is none. */
export function asList(value: Reply | undefined): Reply[] {
  if (!Array.isArray(value)) throw malformed("no list where one was expected");
  return value;
}
