// Sparse files: the three ways GNU tar writes down which pieces of a file are stored (GNU tar manual, appendix
// "Storing Sparse Files"). All become one checked list of segments that reader.ts plays back.

import { excessiveTar, malformedTar } from "./faults.ts";
import { BLOCK, parseNumber } from "./header.ts";

/** A stored piece: `length` bytes that belong at `offset` of the file. */
export interface Piece {
  readonly offset: number;
  readonly length: number;
}

/** What the content is made of, in order: stored bytes or zeros. */
export interface Segment {
  readonly isHole: boolean;
  readonly sizeBytes: number;
}

/** Returns the segments of a file of `fileSize` bytes of which `pieces` (`stored` bytes in sum) are in the archive. */
export function segmentsOf(
  pieces: readonly Piece[],
  fileSize: number,
  stored: number,
  offset: number,
): Segment[] {
  const segments: Segment[] = [];
  let at = 0;
  let sum = 0;
  for (const piece of pieces) {
    if (piece.length < 0 || piece.offset < at || piece.offset + piece.length > fileSize) {
      throw malformedTar(offset, "sparse map is inconsistent");
    }
    if (piece.offset > at) segments.push({ isHole: true, sizeBytes: piece.offset - at });
    if (piece.length > 0) segments.push({ isHole: false, sizeBytes: piece.length });
    at = piece.offset + piece.length;
    sum += piece.length;
  }
  if (sum !== stored) throw malformedTar(offset, "sparse map does not match the size of the entry");
  if (at < fileSize) segments.push({ isHole: true, sizeBytes: fileSize - at });
  return segments;
}

/** Reads up to `count` pieces of an old GNU header or its extension block; an unused slot ends the list. */
export function parseOldPieces(block: Uint8Array, at: number, count: number, offset: number): Piece[] {
  const pieces: Piece[] = [];
  for (let i = 0; i < count; i++) {
    const slot = at + i * 24;
    if (block[slot] === 0) break;
    pieces.push({
      offset: parseNumber(block, slot, 12, offset),
      length: parseNumber(block, slot + 12, 12, offset),
    });
  }
  return pieces;
}

/** Layout of the old format's header: four pieces, the continuation flag, the real size. */
export const OLD_SPARSE = { piecesAt: 386, pieceCount: 4, extendedAt: 482, realSizeAt: 483 } as const;
/** Layout of its extension blocks. */
export const OLD_EXTENSION = { pieceCount: 21, extendedAt: 504 } as const;

/** Returns the pieces of a GNU.sparse.map record, `offset,length,…`. */
export function parseMapRecord(value: Uint8Array, maxPieces: number, offset: number): Piece[] {
  const text = Buffer.from(value).toString("latin1");
  if (text === "") return [];
  const numbers = text.split(",", 2 * maxPieces + 1);
  if (numbers.length > 2 * maxPieces) throw excessiveTar(offset, "sparse map is too long");
  if (numbers.length % 2 !== 0 || !numbers.every((n) => /^\d{1,15}$/.test(n))) {
    throw malformedTar(offset, "sparse map is not a list of pairs");
  }
  const pieces: Piece[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    pieces.push({ offset: Number(numbers[i]), length: Number(numbers[i + 1]) });
  }
  return pieces;
}

/** Reads the map of format 1.0, which precedes the content: decimal lines, padded to a block. */
export class MapReader {
  readonly #maxPieces: number;
  readonly #offset: number;
  readonly #numbers: number[] = [];
  #line = "";
  #sizeBytes = 0;

  constructor(maxPieces: number, offset: number) {
    this.#maxPieces = maxPieces;
    this.#offset = offset;
  }

  /** Takes one block; returns the pieces once the map is complete. */
  push(block: Uint8Array): Piece[] | undefined {
    this.#sizeBytes += BLOCK;
    for (const byte of block) {
      if (byte !== 0x0a) this.#digit(byte);
      else if (this.#endLine()) return this.#pieces();
    }
    return undefined;
  }

  /** Bytes of the entry that the map took. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  #digit(byte: number): void {
    if (byte < 0x30 || byte > 0x39 || this.#line.length >= 15) {
      throw malformedTar(this.#offset, "sparse map is not a list of numbers");
    }
    this.#line += String.fromCharCode(byte);
  }

  #endLine(): boolean {
    if (this.#line === "") throw malformedTar(this.#offset, "sparse map has an empty line");
    this.#numbers.push(Number(this.#line));
    this.#line = "";
    const count = this.#numbers[0] as number;
    if (count > this.#maxPieces) throw excessiveTar(this.#offset, "sparse map is too long");
    return this.#numbers.length === 1 + 2 * count;
  }

  #pieces(): Piece[] {
    const pieces: Piece[] = [];
    for (let i = 1; i < this.#numbers.length; i += 2) {
      pieces.push({ offset: this.#numbers[i] as number, length: this.#numbers[i + 1] as number });
    }
    return pieces;
  }
}
