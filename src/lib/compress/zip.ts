// Reads zip archives that are in memory as a whole: regular files, stored or deflated. No ZIP64, no encryption, no archives in
// several parts: those are refused. Source: PKWARE's APPNOTE 6.3, sections 4.3 and 4.4.

import { crc32, inflateRawSync } from "node:zlib";
import { Fault } from "../errors.ts";

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END_RECORD = 0x06054b50;
const END_BYTES = 22;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;
/** The file type's bits of a Unix mode, and that of regular files. */
const TYPE_BITS = 0o170000;
const REGULAR = 0o100000;

/** Whether the bytes begin as a zip archive does. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && viewOf(bytes).readUInt32LE(0) === LOCAL_HEADER;
}

/**
 * Yields names (never cleaned: they are hostile) and contents of the regular files. Throws a Fault for what is no zip archive
 * and for more than `maxBytes` of contents altogether.
 */
export function* readZip(bytes: Uint8Array, maxBytes: number): Generator<[string, Uint8Array]> {
  const view = viewOf(bytes);
  const end = findEnd(view);
  const count = view.readUInt16LE(end + 10);
  let at = view.readUInt32LE(end + 16);
  let left = maxBytes;
  for (let index = 0; index < count; index++) {
    const entry = readEntry(view, at);
    at = entry.end;
    if (!entry.isRegular) continue;
    const content = readContent(view, entry, left);
    left -= content.length;
    yield [entry.name, content];
  }
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The end record stands last, but for a comment of at most 64 KiB. */
function findEnd(view: Buffer): number {
  const first = Math.max(0, view.length - END_BYTES - 0xffff);
  for (let at = view.length - END_BYTES; at >= first; at--) {
    if (view.readUInt32LE(at) === END_RECORD && at + END_BYTES + view.readUInt16LE(at + 20) === view.length)
      return at;
  }
  throw malformed("not a valid zip file");
}

interface Entry {
  readonly name: string;
  readonly isRegular: boolean;
  readonly method: number;
  readonly crc: number;
  readonly storedBytes: number;
  readonly sizeBytes: number;
  readonly local: number;
  /** Where the next one begins. */
  readonly end: number;
}

function readEntry(view: Buffer, at: number): Entry {
  if (at + 46 > view.length || view.readUInt32LE(at) !== CENTRAL_HEADER)
    throw malformed("not a valid zip file");
  if ((view.readUInt16LE(at + 8) & ENCRYPTED) !== 0) throw malformed("encrypted files are not supported");
  const nameEnd = at + 46 + view.readUInt16LE(at + 28);
  const end = nameEnd + view.readUInt16LE(at + 30) + view.readUInt16LE(at + 32);
  if (end > view.length) throw malformed("not a valid zip file");
  const name = view.toString("utf8", at + 46, nameEnd);
  const type = (view.readUInt32LE(at + 38) >>> 16) & TYPE_BITS;
  const isUnix = view[at + 5] === 3;
  return {
    name,
    isRegular: !name.endsWith("/") && (!isUnix || type === 0 || type === REGULAR),
    method: view.readUInt16LE(at + 10),
    crc: view.readUInt32LE(at + 16),
    storedBytes: view.readUInt32LE(at + 20),
    sizeBytes: view.readUInt32LE(at + 24),
    local: view.readUInt32LE(at + 42),
    end,
  };
}

function readContent(view: Buffer, entry: Entry, maxBytes: number): Uint8Array {
  const { local, storedBytes, sizeBytes, method, crc } = entry;
  if (sizeBytes > maxBytes) throw malformed("read exceeds the defined limit");
  if (local + 30 > view.length || view.readUInt32LE(local) !== LOCAL_HEADER)
    throw malformed("not a valid zip file");
  const start = local + 30 + view.readUInt16LE(local + 26) + view.readUInt16LE(local + 28);
  const stored = view.subarray(start, start + storedBytes);
  const content = method === STORED ? stored : inflate(stored, method, sizeBytes);
  if (content.length !== sizeBytes || crc32(content) !== crc) throw malformed("checksum error");
  return content;
}

function inflate(stored: Uint8Array, method: number, sizeBytes: number): Uint8Array {
  if (method !== DEFLATED) throw malformed("unsupported compression algorithm");
  try {
    // One byte more than promised is enough to see that the promise was wrong.
    return inflateRawSync(stored, { maxOutputLength: sizeBytes + 1 });
  } catch (cause) {
    throw new Fault("invalidParameter", "zip: checksum error", { code: "zip.malformed", cause });
  }
}

function malformed(why: string): Fault {
  return new Fault("invalidParameter", why.startsWith("read ") ? why : `zip: ${why}`, {
    code: "zip.malformed",
  });
}
