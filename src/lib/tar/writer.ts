// Writes tar archives, deterministically: plain ustar headers, preceded by a PAX header where a value does not fit,
// laid out as Go's archive/tar does in PAX format (so as Docker's own layers are). Pure functions that return
// header blocks; whoever calls them puts the content and its padding in between.

import type { TarEntry, TarEntryType } from "./entry.ts";
import { BLOCK } from "./header.ts";
import { encodeName } from "./names.ts";
import { formatPax, formatPaxTime, type PaxRecords, XATTR_PREFIX } from "./pax.ts";

/** The end of an archive: two zero blocks. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK);

const FLAGS: Readonly<Record<TarEntryType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** Returns the zero bytes that follow `sizeBytes` of content. */
export function tarPadding(sizeBytes: number): Uint8Array {
  const rest = sizeBytes % BLOCK;
  return rest === 0 ? NOTHING : TAR_END.subarray(0, BLOCK - rest);
}

const NOTHING = new Uint8Array(0);
const ZERO = 0x30;
const SPACE = 0x20;
const MAGIC = Buffer.from("ustar\x0000", "latin1");
/** The largest number in a field of 8 or 12 bytes, of which the last is NUL. */
const MAX_OCTAL_8 = 0o7777777;
const MAX_OCTAL_12 = 0o77777777777;

/** Returns the header of `entry`, PAX header included. A file's content of exactly sizeBytes has to follow. */
export function tarHeader(entry: TarEntry): Buffer {
  const name = encodeName(entry.type === "directory" ? `${entry.name.replace(/\/+$/, "")}/` : entry.name);
  const link = encodeName(entry.linkName);
  const records = paxRecords(entry, name, link);
  const main = headerBlock(entry, name, link);
  return records.size === 0 ? main : Buffer.concat([paxHeader(name, records), main]);
}

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) > 0x7f) return false;
  return true;
}

function paxRecords(entry: TarEntry, name: Buffer, link: Buffer): PaxRecords {
  const records: PaxRecords = new Map();
  const text = (key: string, value: Uint8Array, size: number) => {
    if (value.length > size || !isAscii(value)) records.set(key, value);
  };
  const number = (key: string, value: number, max: number) => {
    if (value < 0 || value > max) records.set(key, Buffer.from(String(value)));
  };
  text("path", name, 100);
  text("linkpath", link, 100);
  text("uname", encodeName(entry.userName), 32);
  text("gname", encodeName(entry.groupName), 32);
  number("uid", entry.uid, MAX_OCTAL_8);
  number("gid", entry.gid, MAX_OCTAL_8);
  number("size", entry.sizeBytes, MAX_OCTAL_12);
  number("SCHILY.devmajor", entry.devMajor, MAX_OCTAL_8);
  number("SCHILY.devminor", entry.devMinor, MAX_OCTAL_8);
  if (entry.mtimeNsec !== 0 || entry.mtimeSec < 0 || entry.mtimeSec > MAX_OCTAL_12) {
    records.set("mtime", Buffer.from(formatPaxTime({ sec: entry.mtimeSec, nsec: entry.mtimeNsec })));
  }
  for (const [key, value] of entry.xattrs) records.set(XATTR_PREFIX + key, value);
  // pax(1): names that are not UTF-8 are announced, or other programs would convert them.
  const names = [entry.name, entry.linkName, entry.userName, entry.groupName];
  if (!names.every((n) => n.isWellFormed())) records.set("hdrcharset", Buffer.from("BINARY"));
  return records;
}

function paxHeader(name: Buffer, records: PaxRecords): Buffer {
  const body = formatPax(records);
  const block = Buffer.alloc(BLOCK);
  putText(block, 0, 100, paxName(name));
  putOctal(block, 124, 12, body.length);
  for (const [at, size] of [
    [100, 8],
    [108, 8],
    [116, 8],
    [136, 12],
  ] as const)
    putOctal(block, at, size, 0);
  finishBlock(block, "x");
  return Buffer.concat([block, body, tarPadding(body.length)]);
}

/** dir/PaxHeaders.0/base, what an old tar would extract. */
function paxName(name: Buffer): Buffer {
  const text = name.toString("latin1").replace(/\/+$/, "");
  const slash = text.lastIndexOf("/");
  return Buffer.from(`${text.slice(0, slash + 1)}PaxHeaders.0/${text.slice(slash + 1)}`, "latin1");
}

function headerBlock(entry: TarEntry, name: Buffer, link: Buffer): Buffer {
  const block = Buffer.alloc(BLOCK);
  putText(block, 0, 100, name);
  putOctal(block, 100, 8, entry.mode);
  putOctal(block, 108, 8, within(entry.uid, MAX_OCTAL_8));
  putOctal(block, 116, 8, within(entry.gid, MAX_OCTAL_8));
  putOctal(block, 124, 12, within(entry.sizeBytes, MAX_OCTAL_12));
  putOctal(block, 136, 12, within(entry.mtimeSec, MAX_OCTAL_12));
  putText(block, 157, 100, link);
  putText(block, 265, 32, encodeName(entry.userName));
  putText(block, 297, 32, encodeName(entry.groupName));
  putOctal(block, 329, 8, within(entry.devMajor, MAX_OCTAL_8));
  putOctal(block, 337, 8, within(entry.devMinor, MAX_OCTAL_8));
  finishBlock(block, FLAGS[entry.type]);
  return block;
}

/** A value that does not fit is in the PAX header; the field says 0. */
function within(value: number, max: number): number {
  return value < 0 || value > max ? 0 : value;
}

/** Writes what fits; bytes that are not ASCII are left out, as the PAX header has the whole. */
function putText(block: Buffer, at: number, size: number, value: Uint8Array): void {
  if (value.length === 0) return;
  const plain = isAscii(value) ? value : value.filter((byte) => byte < 0x80);
  block.set(plain.subarray(0, size), at);
}

/** Digit by digit, because what makes strings of numbers took most of the time of archives of small files. */
function putOctal(block: Buffer, at: number, size: number, value: number): void {
  let rest = value;
  for (let i = at + size - 2; i >= at; i--) {
    block[i] = ZERO + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}

function finishBlock(block: Buffer, typeFlag: string): void {
  block[156] = typeFlag.charCodeAt(0);
  block.set(MAGIC, 257);
  block[155] = SPACE;
  let sum = 7 * SPACE; // the checksum counts as spaces
  for (let i = 0; i < BLOCK; i++) sum += block[i] as number;
  putOctal(block, 148, 7, sum);
}

/** Returns `entry` with every field that is not given at its default; for archives made from scratch. */
export function tarEntry(entry: Pick<TarEntry, "type" | "name"> & Partial<TarEntry>): TarEntry {
  return {
    linkName: "",
    mode: entry.type === "directory" ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    userName: "",
    groupName: "",
    sizeBytes: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
    ...entry,
  };
}
