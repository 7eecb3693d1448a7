// The 512-byte header block: field layout, numbers and checksum of v7, ustar (POSIX.1-1988), star and GNU archives.
// One block in, raw fields out; extended headers and sparse maps are layered on top in reader.ts.

import { malformedTar } from "./faults.ts";

export const BLOCK = 512;

/** How a header block says it is to be read. */
export type TarFormat = "v7" | "ustar" | "star" | "gnu";

/** The fields of one header block. */
export interface RawHeader {
  readonly format: TarFormat;
  readonly typeFlag: number;
  readonly name: Uint8Array;
  readonly linkName: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSec: number;
  readonly userName: Uint8Array;
  readonly groupName: Uint8Array;
  readonly devMajor: number;
  readonly devMinor: number;
}

const MAGIC_AT = 257;
const CHECKSUM_AT = 148;
const PREFIX_AT = 345;

/** Whether the block is all zeros, of which two end an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  if (block[0] !== 0) return false;
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/** Returns the fields of `block`, which lies at `offset` of the archive. Fails when checksum or a number is wrong. */
export function parseHeader(block: Uint8Array, offset: number): RawHeader {
  checkSum(block, offset);
  const format = formatOf(block);
  const hasUstarFields = format !== "v7";
  const number = (at: number, size: number) => parseNumber(block, at, size, offset);
  return {
    format,
    typeFlag: block[156] as number,
    name: withPrefix(block, format),
    linkName: text(block, 157, 100),
    mode: number(100, 8),
    uid: number(108, 8),
    gid: number(116, 8),
    sizeBytes: number(124, 12),
    mtimeSec: number(136, 12),
    userName: hasUstarFields ? text(block, 265, 32) : EMPTY,
    groupName: hasUstarFields ? text(block, 297, 32) : EMPTY,
    devMajor: hasUstarFields ? number(329, 8) : 0,
    devMinor: hasUstarFields ? number(337, 8) : 0,
  };
}

const EMPTY = new Uint8Array(0);

function checkSum(block: Uint8Array, offset: number): void {
  let unsigned = 8 * 0x20;
  let high = 0;
  for (let i = 0; i < BLOCK; i++) {
    if (i === CHECKSUM_AT) i += 8;
    const byte = block[i] as number;
    unsigned += byte;
    if (byte > 127) high++;
  }
  const stated = parseNumber(block, CHECKSUM_AT, 8, offset);
  // Some old writers summed signed characters.
  if (stated !== unsigned && stated !== unsigned - 256 * high) {
    throw malformedTar(offset, "header checksum is wrong");
  }
}

function ascii(block: Uint8Array, at: number, size: number): string {
  return String.fromCharCode(...block.subarray(at, at + size));
}

function hasText(block: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (block[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

function formatOf(block: Uint8Array): TarFormat {
  if (hasText(block, MAGIC_AT, "ustar  \0")) return "gnu";
  if (!hasText(block, MAGIC_AT, "ustar\0")) return "v7";
  return hasText(block, 508, "tar\0") ? "star" : "ustar";
}

/** Bytes of a field up to its first NUL. */
function text(block: Uint8Array, at: number, size: number): Uint8Array {
  let end = at;
  while (end < at + size && block[end] !== 0) end++;
  return end === at ? EMPTY : block.subarray(at, end);
}

function withPrefix(block: Uint8Array, format: TarFormat): Uint8Array {
  const name = text(block, 0, 100);
  if (block[PREFIX_AT] === 0 || format === "v7") return name.slice();
  // Go before 1.8 wrote the prefix into GNU headers, where times belong; old Docker images are full of those.
  if (format === "gnu" && /^[0-7\0 ]{12}$/.test(ascii(block, PREFIX_AT, 12))) return name.slice();
  if (format === "gnu" && ((block[PREFIX_AT] as number) & 0x80) !== 0) return name.slice();
  return Buffer.concat([text(block, PREFIX_AT, format === "star" ? 131 : 155), Buffer.from("/"), name]);
}

/** Returns the number in a field: octal digits, or two's complement big-endian when the top bit is set (GNU, star). */
export function parseNumber(block: Uint8Array, at: number, size: number, offset: number): number {
  const first = block[at] as number;
  if ((first & 0x80) !== 0) return parseBinary(block, at, size, offset);
  let i = at;
  const end = at + size;
  while (i < end && (block[i] === 0x20 || block[i] === 0)) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = (block[i] as number) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; i < end; i++) {
    if (block[i] !== 0x20 && block[i] !== 0)
      throw malformedTar(offset, "a number in the header is not octal");
  }
  return value;
}

function parseBinary(block: Uint8Array, at: number, size: number, offset: number): number {
  const isNegative = ((block[at] as number) & 0x40) !== 0;
  let value = isNegative ? -1n : 0n;
  for (let i = at; i < at + size; i++) {
    const byte = i === at && !isNegative ? (block[i] as number) & 0x7f : (block[i] as number);
    value = BigInt.asIntN(256, (value << 8n) | BigInt(byte));
  }
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw malformedTar(offset, "a number in the header is out of range");
  return number;
}
