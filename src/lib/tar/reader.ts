// Reads tar archives piece by piece: ustar, PAX with global headers, GNU long names, the GNU sparse formats, base-256
// numbers. Push it chunks of any size and it returns what they complete; it never waits, never touches a file
// system and holds at most one extended header in memory. Everything wrong with an archive is a Fault with the
// offset. It believes no number before checking it: archives come from strangers.
//
//   state      waits for                          then
//   header     512 bytes                          meta, oldSparse, sparseMap, data or ended
//   meta       body of x, g, L, K                 padding → header
//   oldSparse  extension blocks of an S entry     data
//   sparseMap  map blocks of sparse 1.0           data
//   data       stored bytes of the entry          padding → header
//   ended      nothing; whatever follows the two zero blocks is ignored

import type { TarEntry, TarEvent, TarEntryType, TarLimits } from "./entry.ts";
import { DEFAULT_TAR_LIMITS } from "./entry.ts";
import { excessiveTar, malformedTar, truncatedTar } from "./faults.ts";
import { BLOCK, isZeroBlock, parseHeader, parseNumber, type RawHeader } from "./header.ts";
import { decodeName } from "./names.ts";
import { type PaxRecords, parsePax, parsePaxInteger, parsePaxTime, XATTR_PREFIX } from "./pax.ts";
import {
  MapReader,
  OLD_EXTENSION,
  OLD_SPARSE,
  parseMapRecord,
  parseOldPieces,
  type Piece,
  type Segment,
  segmentsOf,
} from "./sparse.ts";

type State = "header" | "meta" | "oldSparse" | "sparseMap" | "data" | "padding" | "ended";

const flag = (letter: string) => letter.charCodeAt(0);
const TYPES: ReadonlyMap<number, TarEntryType> = new Map([
  [0, "file"],
  [flag("0"), "file"],
  [flag("1"), "hardlink"],
  [flag("2"), "symlink"],
  [flag("3"), "char"],
  [flag("4"), "block"],
  [flag("5"), "directory"],
  [flag("6"), "fifo"],
  [flag("7"), "file"],
  [flag("D"), "directory"],
  [flag("S"), "file"],
]);
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();
/** Types whose header's size does not mean that content follows. */
const HEADER_ONLY = new Set(["1", "2", "3", "4", "5", "6"].map(flag));

/** See the top of the file. */
export class TarReader {
  readonly #limits: TarLimits;
  #state: State = "header";
  /** Bytes consumed so far. */
  #offset = 0;
  readonly #block = Buffer.alloc(BLOCK);
  #blockFill = 0;
  #zeroBlocks = 0;
  #entryCount = 0;
  #holeBytes = 0;
  #contentBytes = 0;

  // What extended headers said about the entry to come.
  readonly #global: PaxRecords = new Map();
  #globalBytes = 0;
  #globalXattrs: ReadonlyMap<string, Uint8Array> = NO_XATTRS;
  #local: PaxRecords | undefined;
  #longName: Uint8Array | undefined;
  #longLink: Uint8Array | undefined;

  #metaFlag = 0;
  #meta = Buffer.alloc(0);
  #metaFill = 0;

  // The entry under way.
  #entryOffset = 0;
  #entry: TarEntry | undefined;
  #isSilent = false;
  #storedBytes = 0;
  #pieces: Piece[] = [];
  #map: MapReader | undefined;
  #segments: Segment[] = [];
  #segment = 0;
  #segmentLeft = 0;
  #padding = 0;

  constructor(limits: Partial<TarLimits> = {}) {
    this.#limits = { ...DEFAULT_TAR_LIMITS, ...limits };
  }

  /** Bytes of the archive taken so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Whether the end marker was seen; what follows it is ignored. */
  get isEnded(): boolean {
    return this.#state === "ended";
  }

  /**
   * Takes the next bytes and returns what they complete. Data events refer to `chunk`'s memory: use them before
   * overwriting it. After a Fault the reader must not be used any more.
   */
  push(chunk: Uint8Array): TarEvent[] {
    const events: TarEvent[] = [];
    let at = 0;
    while (at < chunk.length) {
      const taken = this.#step(chunk, at, events);
      at += taken;
      this.#offset += taken;
      if (this.#state === "data") this.#advance(events);
    }
    return events;
  }

  /** Says that the input is over. Fails when that is in the middle of an entry; a missing end marker is fine. */
  finish(): void {
    if (this.#state === "ended") return;
    const isBetweenEntries = this.#state === "header" && this.#blockFill === 0 && this.#local === undefined;
    if (!isBetweenEntries || this.#longName || this.#longLink) throw truncatedTar(this.#offset);
  }

  /** Consumes some bytes of `chunk` from `at` on and returns how many. */
  #step(chunk: Uint8Array, at: number, events: TarEvent[]): number {
    const left = chunk.length - at;
    switch (this.#state) {
      case "data": {
        const size = Math.min(left, this.#segmentLeft);
        if (!this.#isSilent) events.push({ kind: "data", bytes: chunk.subarray(at, at + size) });
        this.#segmentLeft -= size;
        return size;
      }
      case "padding": {
        const size = Math.min(left, this.#padding);
        this.#padding -= size;
        if (this.#padding === 0) this.#state = "header";
        return size;
      }
      case "meta": {
        const size = Math.min(left, this.#meta.length - this.#metaFill);
        this.#meta.set(chunk.subarray(at, at + size), this.#metaFill);
        this.#metaFill += size;
        if (this.#metaFill === this.#meta.length) this.#takeMeta();
        return size;
      }
      case "ended":
        return left;
      default:
        return this.#stepBlock(chunk, at, events);
    }
  }

  /** Gathers a whole block, without copying where the chunk has it in one piece. */
  #stepBlock(chunk: Uint8Array, at: number, events: TarEvent[]): number {
    const left = chunk.length - at;
    if (this.#blockFill === 0 && left >= BLOCK) {
      this.#takeBlock(chunk.subarray(at, at + BLOCK), this.#offset, events);
      return BLOCK;
    }
    const size = Math.min(left, BLOCK - this.#blockFill);
    this.#block.set(chunk.subarray(at, at + size), this.#blockFill);
    this.#blockFill += size;
    if (this.#blockFill === BLOCK) {
      this.#blockFill = 0;
      this.#takeBlock(this.#block, this.#offset + size - BLOCK, events);
    }
    return size;
  }

  #takeBlock(block: Uint8Array, offset: number, events: TarEvent[]): void {
    if (this.#state === "header") this.#takeHeader(block, offset, events);
    else if (this.#state === "oldSparse") this.#takeOldExtension(block, events);
    else this.#takeMapBlock(block, events);
  }

  #takeHeader(block: Uint8Array, offset: number, events: TarEvent[]): void {
    if (isZeroBlock(block)) {
      if (this.#local || this.#longName || this.#longLink) throw truncatedTar(offset);
      this.#zeroBlocks += 1;
      if (this.#zeroBlocks === 2) this.#state = "ended";
      return;
    }
    if (this.#zeroBlocks > 0) throw malformedTar(offset, "a lone zero block is followed by an entry");
    const header = parseHeader(block, offset);
    if (header.sizeBytes < 0) throw malformedTar(offset, "an entry has a negative size");
    this.#entryOffset = offset;
    switch (String.fromCharCode(header.typeFlag)) {
      case "x":
      case "X": // Solaris' name for the same
      case "g":
      case "L":
      case "K":
        return this.#beginMeta(header);
      case "V": // volume label
        return this.#beginContent(undefined, header.sizeBytes, events);
      default:
        return this.#beginEntry(header, block, events);
    }
  }

  #beginMeta(header: RawHeader): void {
    if (header.sizeBytes > this.#limits.maxHeaderBytes) {
      throw excessiveTar(this.#entryOffset, "an extended header is too large");
    }
    this.#metaFlag = header.typeFlag;
    this.#meta = Buffer.alloc(header.sizeBytes);
    this.#metaFill = 0;
    this.#state = "meta";
    if (header.sizeBytes === 0) this.#takeMeta();
  }

  #takeMeta(): void {
    const body = this.#meta;
    switch (String.fromCharCode(this.#metaFlag)) {
      case "g":
        this.#mergeGlobal(parsePax(body, this.#entryOffset));
        break;
      case "L":
        this.#longName = cutAtNul(body);
        break;
      case "K":
        this.#longLink = cutAtNul(body);
        break;
      default:
        // A second extended header for the same entry replaces the first, as in Go and GNU tar.
        this.#local = parsePax(body, this.#entryOffset);
    }
    this.#meta = Buffer.alloc(0);
    this.#beginPadding(body.length);
  }

  #mergeGlobal(records: PaxRecords): void {
    for (const [key, value] of records) {
      const before = this.#global.get(key);
      this.#globalBytes += value.length - (before === undefined ? -key.length : before.length);
      this.#global.set(key, value);
    }
    if (this.#globalBytes > this.#limits.maxHeaderBytes) {
      throw excessiveTar(this.#entryOffset, "the global extended headers are too large");
    }
    this.#globalXattrs = xattrsOf(this.#global);
  }

  #beginEntry(header: RawHeader, block: Uint8Array, events: TarEvent[]): void {
    const offset = this.#entryOffset;
    const type = TYPES.get(header.typeFlag);
    if (type === undefined) {
      const letter = JSON.stringify(String.fromCharCode(header.typeFlag));
      throw malformedTar(offset, `an entry has the unsupported type ${letter}`);
    }
    if (++this.#entryCount > this.#limits.maxEntries) throw excessiveTar(offset, "too many entries");
    const pax = this.#records();
    const sizeRecord = pax("size");
    const stated = sizeRecord === undefined ? header.sizeBytes : parsePaxInteger(sizeRecord, offset);
    if (stated < 0) throw malformedTar(offset, "an entry has a negative size");
    const stored = HEADER_ONLY.has(header.typeFlag) ? 0 : stated;
    const entry = this.#buildEntry(header, type, pax);
    this.#local = this.#longName = this.#longLink = undefined;
    this.#storedBytes = stored;
    this.#isSilent = entry.type !== "file";
    if (entry.type !== "file") return this.#beginContent(entry, stored, events);
    this.#beginFile({ ...entry, sizeBytes: stored }, header, block, pax, events);
  }

  /** Returns a lookup in the extended headers; an empty value withdraws a record. */
  #records(): (key: string) => Uint8Array | undefined {
    const local = this.#local;
    const global = this.#global;
    return (key) => {
      const value = local?.get(key) ?? global.get(key);
      return value === undefined || value.length === 0 ? undefined : value;
    };
  }

  #buildEntry(header: RawHeader, type: TarEntryType, pax: (key: string) => Uint8Array | undefined): TarEntry {
    const offset = this.#entryOffset;
    const integer = (key: string, value: number) => {
      const record = pax(key);
      return record === undefined ? value : parsePaxInteger(record, offset);
    };
    const name = this.#name(pax("GNU.sparse.name") ?? pax("path") ?? this.#longName ?? header.name);
    const isLink = type === "hardlink" || type === "symlink";
    const isDevice = type === "char" || type === "block";
    const mtime = pax("mtime");
    const time = mtime === undefined ? { sec: header.mtimeSec, nsec: 0 } : parsePaxTime(mtime, offset);
    // v7 had no type for directories: a trailing slash said it.
    const isDirectory = type === "directory" || (header.typeFlag === 0 && name.endsWith("/"));
    return {
      type: isDirectory ? "directory" : type,
      name: isDirectory ? withoutTrailingSlashes(name) : name,
      linkName: isLink ? this.#name(pax("linkpath") ?? this.#longLink ?? header.linkName) : "",
      mode: header.mode & 0o7777,
      uid: integer("uid", header.uid),
      gid: integer("gid", header.gid),
      userName: decodeName(pax("uname") ?? header.userName),
      groupName: decodeName(pax("gname") ?? header.groupName),
      sizeBytes: 0,
      mtimeSec: time.sec,
      mtimeNsec: time.nsec,
      devMajor: isDevice ? integer("SCHILY.devmajor", header.devMajor) : 0,
      devMinor: isDevice ? integer("SCHILY.devminor", header.devMinor) : 0,
      xattrs: this.#xattrs(),
    };
  }

  #name(bytes: Uint8Array): string {
    if (bytes.length > this.#limits.maxNameBytes) {
      throw excessiveTar(this.#entryOffset, `a name is longer than ${this.#limits.maxNameBytes} bytes`);
    }
    if (bytes.includes(0)) throw malformedTar(this.#entryOffset, "a name contains a zero byte");
    return decodeName(bytes);
  }

  #xattrs(): ReadonlyMap<string, Uint8Array> {
    const local = this.#local === undefined ? NO_XATTRS : xattrsOf(this.#local);
    if (this.#globalXattrs.size === 0) return local;
    return local.size === 0 ? this.#globalXattrs : new Map([...this.#globalXattrs, ...local]);
  }

  #beginFile(
    entry: TarEntry,
    header: RawHeader,
    block: Uint8Array,
    pax: (key: string) => Uint8Array | undefined,
    events: TarEvent[],
  ): void {
    const offset = this.#entryOffset;
    const number = (key: string) => {
      const record = pax(key);
      return record === undefined ? undefined : parsePaxInteger(record, offset);
    };
    if (header.typeFlag === flag("S") && header.format === "gnu") {
      const sizeBytes = parseNumber(block, OLD_SPARSE.realSizeAt, 12, offset);
      this.#entry = { ...entry, sizeBytes };
      this.#pieces = parseOldPieces(block, OLD_SPARSE.piecesAt, OLD_SPARSE.pieceCount, offset);
      if (block[OLD_SPARSE.extendedAt] === 0) this.#beginSparse(entry.sizeBytes, events);
      else this.#state = "oldSparse";
      return;
    }
    const realSize = number("GNU.sparse.realsize") ?? number("GNU.sparse.size");
    const map = pax("GNU.sparse.map");
    if (number("GNU.sparse.major") === 1 && realSize !== undefined) {
      this.#entry = { ...entry, sizeBytes: realSize };
      this.#map = new MapReader(this.#limits.maxSparsePieces, offset);
      this.#state = "sparseMap";
    } else if (map !== undefined && realSize !== undefined) {
      this.#entry = { ...entry, sizeBytes: realSize };
      this.#pieces = parseMapRecord(map, this.#limits.maxSparsePieces, offset);
      this.#beginSparse(entry.sizeBytes, events);
    } else this.#beginContent(entry, entry.sizeBytes, events);
  }

  #takeOldExtension(block: Uint8Array, events: TarEvent[]): void {
    const more = parseOldPieces(block, 0, OLD_EXTENSION.pieceCount, this.#entryOffset);
    if (this.#pieces.length + more.length > this.#limits.maxSparsePieces) {
      throw excessiveTar(this.#entryOffset, "sparse map is too long");
    }
    // An extension that adds nothing could go on for ever.
    if (more.length === 0 && block[OLD_EXTENSION.extendedAt] !== 0) {
      throw malformedTar(this.#entryOffset, "sparse map has an empty extension");
    }
    for (const piece of more) this.#pieces.push(piece);
    if (block[OLD_EXTENSION.extendedAt] === 0) this.#beginSparse(this.#storedBytes, events);
  }

  #takeMapBlock(block: Uint8Array, events: TarEvent[]): void {
    const map = this.#map as MapReader;
    const pieces = map.push(block);
    if (map.sizeBytes > this.#storedBytes)
      throw malformedTar(this.#entryOffset, "sparse map is longer than its entry");
    if (pieces === undefined) return;
    this.#pieces = pieces;
    this.#map = undefined;
    this.#beginSparse(this.#storedBytes - map.sizeBytes, events);
  }

  #beginSparse(stored: number, events: TarEvent[]): void {
    const entry = this.#entry as TarEntry;
    if (entry.sizeBytes < 0) throw malformedTar(this.#entryOffset, "an entry has a negative size");
    const segments = segmentsOf(this.#pieces, entry.sizeBytes, stored, this.#entryOffset);
    this.#pieces = [];
    this.#beginSegments(entry, segments, stored, events);
  }

  #beginContent(entry: TarEntry | undefined, stored: number, events: TarEvent[]): void {
    if (entry === undefined) this.#isSilent = true;
    this.#beginSegments(entry, stored === 0 ? [] : [{ isHole: false, sizeBytes: stored }], stored, events);
  }

  #beginSegments(entry: TarEntry | undefined, segments: Segment[], stored: number, events: TarEvent[]): void {
    this.#entry = entry;
    if (entry !== undefined) events.push({ kind: "entry", entry });
    this.#segments = segments;
    this.#segment = 0;
    this.#storedBytes = stored;
    this.#segmentLeft = 0;
    this.#state = "data";
    this.#advance(events);
  }

  /** Moves on to the next stored segment, reporting holes; at the end of the content to the padding. */
  #advance(events: TarEvent[]): void {
    while (this.#segmentLeft === 0) {
      const next = this.#segments[this.#segment++];
      if (next === undefined) {
        if (this.#entry !== undefined) events.push({ kind: "end" });
        this.#entry = undefined;
        this.#segments = [];
        this.#beginPadding(this.#storedBytes);
        return;
      }
      if (!this.#isSilent) this.#count(next);
      if (next.isHole) events.push({ kind: "hole", sizeBytes: next.sizeBytes });
      else this.#segmentLeft = next.sizeBytes;
    }
  }

  #count({ isHole, sizeBytes }: Segment): void {
    const { maxHoleBytes, maxContentBytes } = this.#limits;
    this.#contentBytes += sizeBytes;
    if (isHole) this.#holeBytes += sizeBytes;
    if (this.#holeBytes > maxHoleBytes)
      throw excessiveTar(this.#entryOffset, `holes of more than ${maxHoleBytes} bytes`);
    if (this.#contentBytes > maxContentBytes)
      throw excessiveTar(this.#entryOffset, `files of more than ${maxContentBytes} bytes`);
  }

  #beginPadding(sizeBytes: number): void {
    this.#padding = (BLOCK - (sizeBytes % BLOCK)) % BLOCK;
    this.#state = this.#padding === 0 ? "header" : "padding";
  }
}

function xattrsOf(records: PaxRecords): ReadonlyMap<string, Uint8Array> {
  let xattrs: Map<string, Uint8Array> | undefined;
  for (const [key, value] of records) {
    if (!key.startsWith(XATTR_PREFIX)) continue;
    xattrs ??= new Map();
    xattrs.set(key.slice(XATTR_PREFIX.length), value);
  }
  return xattrs ?? NO_XATTRS;
}

function cutAtNul(bytes: Uint8Array): Uint8Array {
  const nul = bytes.indexOf(0);
  return nul < 0 ? bytes : bytes.subarray(0, nul);
}

function withoutTrailingSlashes(name: string): string {
  let end = name.length;
  while (end > 1 && name[end - 1] === "/") end--;
  return name.slice(0, end);
}

/** Reads a whole stream; yields the events of each chunk in one array. */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  limits: Partial<TarLimits> = {},
): AsyncGenerator<TarEvent[], void, void> {
  const reader = new TarReader(limits);
  for await (const chunk of source) {
    const events = reader.push(chunk);
    if (events.length > 0) yield events;
  }
  reader.finish();
}
