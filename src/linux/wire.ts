// Values and frames between TypeScript and keel (native/PROTOCOL.md "Values and frames"): bytes in, bytes out, no I/O.
// Encoding copies every byte once, into the frame, or leaves large byte strings where they are (encodePieces); decoding
// copies nothing: byte strings are views of the received buffer. A decoder believes no length before it has checked it and throws nothing but Fault.

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

/** A frame on its way to bytes. */
interface Encoding {
  readonly out: Buffer;
  at: number;
  /** Byte strings from this size on stay where they are. */
  readonly largeBytes: number;
  /** They, with their places in `out`. */
  readonly views: { readonly at: number; readonly bytes: Uint8Array }[];
  /** How many bytes they have. */
  left: number;
}

function putInt({ out, at }: Encoding, value: number | bigint): void {
  out[at] = TAG.int;
  if (typeof value === "bigint") {
    if (BigInt.asIntN(64, value) !== value) throw unencodable("an integer of more than 64 bits");
    out.writeBigInt64LE(value, at + 1);
  } else {
    if (!Number.isSafeInteger(value)) throw unencodable(`the inexact number ${value}`);
    out.writeUInt32LE(value >>> 0, at + 1); // >>> 0 keeps the low 32 bits of the two's complement
    out.writeInt32LE(Math.floor(value / TWO_32), at + 5);
  }
}

function putBytes(e: Encoding, value: string | Uint8Array): void {
  const { out, at } = e;
  const from = at + BYTES_HEAD;
  out[at] = TAG.bytes;
  const length = typeof value === "string" ? out.write(value, from) : value.byteLength;
  out.writeUInt32LE(length, at + 1);
  e.at = from;
  if (typeof value !== "string" && length >= e.largeBytes) {
    e.views.push({ at: from, bytes: value });
    e.left += length;
  } else {
    if (typeof value !== "string") out.set(value, from);
    e.at += length;
  }
  out[e.at++] = 0;
}

function putValue(e: Encoding, value: Value): void {
  if (typeof value === "number" || typeof value === "bigint") {
    putInt(e, value);
    e.at += INT_BYTES;
    return;
  }
  if (typeof value === "string" || value instanceof Uint8Array) return putBytes(e, value);
  const { out, at, left } = e;
  out[at] = TAG.list;
  e.at += LIST_HEAD;
  for (const item of value) putValue(e, item);
  out.writeUInt32LE(e.at + e.left - at - left - BYTES_HEAD, at + 1);
  out.writeUInt32LE(value.length, at + BYTES_HEAD);
}

/** Returns the whole frame for one list, length prefix included. The caller may reuse its buffers at once. */
export function encodeFrame(list: readonly Value[]): Buffer {
  return encode(list, Infinity).out;
}

/** Returns the same in pieces: of byte strings from `largeBytes` on nothing is copied, so that they must stay as they are until they are sent. */
export function encodePieces(list: readonly Value[], largeBytes: number): Uint8Array[] {
  const { out, views } = encode(list, largeBytes);
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (const { at, bytes } of views) {
    pieces.push(out.subarray(from, at), bytes);
    from = at;
  }
  return [...pieces, out.subarray(from)];
}

function encode(list: readonly Value[], largeBytes: number): Encoding {
  const size = sizeOfValue(list);
  if (size > MAX_FRAME_BYTES) throw unencodable(`a message of ${size} bytes, more than ${MAX_FRAME_BYTES}`);
  const out = Buffer.allocUnsafe(FRAME_HEAD + size - sizeOfLarge(list, largeBytes));
  const e: Encoding = { out, at: FRAME_HEAD, largeBytes, views: [], left: 0 };
  out.writeUInt32LE(size, 0);
  putValue(e, list);
  return e;
}

/** Returns how many bytes of `value` stay where they are. */
function sizeOfLarge(value: Value, largeBytes: number): number {
  if (largeBytes === Infinity) return 0;
  if (value instanceof Uint8Array) return value.byteLength >= largeBytes ? value.byteLength : 0;
  if (!Array.isArray(value)) return 0;
  let size = 0;
  for (const item of value as readonly Value[]) size += sizeOfLarge(item, largeBytes);
  return size;
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
