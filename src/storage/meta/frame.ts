// The frames that log and snapshot files consist of, and what can be told from a damaged file. Bytes only.
//
//   0   4  magic F5 42 52 01; F5 never occurs in UTF-8, so no payload contains it
//   4   4  length of the payload
//   8   8  sequence number of the commit
//  16   8  highest sequence number that was on stable storage when this frame was made
//  24   4  CRC-32 of the 24 bytes before it and the payload
//  28      payload: JSON in UTF-8
//
// The second number tells the two kinds of damage apart. A frame that is missing although a later one says that it
// was stable is lost (bad sector, stray write): later frames are kept. A frame that is missing in the part that was
// never stable is what a power cut leaves: everything from there on was never acknowledged and is dropped, so that
// no commit survives without the ones before it.

import { crc32 } from "node:zlib";

const MAGIC = Buffer.from([0xf5, 0x42, 0x52, 0x01]);
export const FRAME_HEAD_BYTES = 28;
/** Largest payload; a larger length in a header is damage. */
export const MAX_PAYLOAD_BYTES = 64 << 20;

/** A frame as read. */
export interface Frame {
  readonly offset: number;
  readonly sequence: number;
  readonly stable: number;
  readonly payload: Buffer;
}

/** Returns the frame with `payload`. */
export function encodeFrame(sequence: number, stable: number, payload: string): Buffer {
  const size = Buffer.byteLength(payload);
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + size);
  MAGIC.copy(frame, 0);
  frame.writeUInt32LE(size, 4);
  frame.writeBigUInt64LE(BigInt(sequence), 8);
  frame.writeBigUInt64LE(BigInt(stable), 16);
  frame.write(payload, FRAME_HEAD_BYTES, "utf8");
  frame.writeUInt32LE(checksum(frame, 0, size), 24);
  return frame;
}

function checksum(bytes: Buffer, at: number, payloadBytes: number): number {
  const head = crc32(bytes.subarray(at, at + 24));
  return crc32(bytes.subarray(at + FRAME_HEAD_BYTES, at + FRAME_HEAD_BYTES + payloadBytes), head);
}

/** Returns the frame at `at`, or undefined when there is no intact one. */
function frameAt(bytes: Buffer, at: number): Frame | undefined {
  if (at + FRAME_HEAD_BYTES > bytes.length || bytes.compare(MAGIC, 0, 4, at, at + 4) !== 0) return undefined;
  const size = bytes.readUInt32LE(at + 4);
  if (size > MAX_PAYLOAD_BYTES || at + FRAME_HEAD_BYTES + size > bytes.length) return undefined;
  if (checksum(bytes, at, size) !== bytes.readUInt32LE(at + 24)) return undefined;
  const payload = bytes.subarray(at + FRAME_HEAD_BYTES, at + FRAME_HEAD_BYTES + size);
  return {
    offset: at,
    sequence: Number(bytes.readBigUInt64LE(at + 8)),
    stable: Number(bytes.readBigUInt64LE(at + 16)),
    payload,
  };
}

/** What a file turned out to hold. */
export interface Scan {
  /** The frames to be believed, in order. */
  readonly frames: readonly Frame[];
  /** Where the believed part ends; appending goes on here. */
  readonly end: number;
  /** Stretches within the believed part that are damaged: acknowledged commits may be lost. */
  readonly damaged: readonly { readonly from: number; readonly to: number }[];
  /** Bytes after `end` that were dropped; isEmpty when they are all zero (space that was allocated and never written). */
  readonly tail: { readonly sizeBytes: number; readonly isEmpty: boolean };
}

/** Reads the frames of a file, resynchronising after damage. Never fails. */
export function scanFrames(bytes: Buffer): Scan {
  const frames: Frame[] = [];
  const gaps: { from: number; to: number; before: number }[] = [];
  let at = 0;
  while (at < bytes.length) {
    const frame = frameAt(bytes, at);
    if (frame !== undefined) {
      frames.push(frame);
      at += FRAME_HEAD_BYTES + frame.payload.length;
      continue;
    }
    const from = at;
    at = nextFrame(bytes, at + 1);
    if (at < bytes.length) gaps.push({ from, to: at, before: frames.length });
    else at = bytes.length;
  }
  return believe(bytes, frames, gaps);
}

/** Returns the offset of the next intact frame at or after `at`, the length of the file when there is none. */
function nextFrame(bytes: Buffer, at: number): number {
  for (let i = bytes.indexOf(MAGIC, at); i >= 0; i = bytes.indexOf(MAGIC, i + 1)) {
    if (frameAt(bytes, i) !== undefined) return i;
  }
  return bytes.length;
}

function believe(bytes: Buffer, frames: Frame[], gaps: { from: number; to: number; before: number }[]): Scan {
  const stable = frames.reduce((max, frame) => Math.max(max, frame.stable), 0);
  // The first gap behind which nothing is known to have been stable ends the file. A gap at the very start is
  // damage: a file's first frame is stable before anything else is written.
  const cut = gaps.find((gap) => gap.before > 0 && (frames[gap.before - 1] as Frame).sequence >= stable);
  const kept = cut === undefined ? frames : frames.slice(0, cut.before);
  const last = kept.at(-1);
  const end = last === undefined ? 0 : last.offset + FRAME_HEAD_BYTES + last.payload.length;
  const tail = bytes.subarray(end);
  return {
    frames: kept,
    end,
    damaged: gaps.filter((gap) => gap.to <= end).map(({ from, to }) => ({ from, to })),
    tail: { sizeBytes: tail.length, isEmpty: tail.every((byte) => byte === 0) },
  };
}
