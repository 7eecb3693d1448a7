// The frames in which stdout and stderr share one connection when there is no tty:
// `[type, 0, 0, 0, u32 big-endian length]` and that many bytes (Engine API, ContainerAttach).
// Types: 0 stdin, 1 stdout, 2 stderr, 3 an error message of the daemon; not Docker's, and only for clients that ask: 4 the exit code as decimal
// digits, the last frame, and 5 what else the daemon has to say, a Notice as a line of JSON.

import { Fault, type FaultKind } from "../lib/errors.ts";

export const FRAME_HEADER_BYTES = 8;
export const FRAME_TYPES = {
  stdin: 0,
  stdout: 1,
  stderr: 2,
  systemError: 3,
  exitCode: 4,
  notice: 5,
} as const;
export type FrameType = (typeof FRAME_TYPES)[keyof typeof FRAME_TYPES];

/** What whoever has asked for several things in one is told beside their streams. */
export type Notice =
  /** What was created is not quite what was asked for. */
  | { readonly warning: string }
  /** It was not started, and nothing follows. `kind` is a FaultKind. */
  | { readonly failure: { readonly kind: FaultKind; readonly message: string } }
  /** Its end could not be awaited, or its removal has failed. */
  | { readonly waitError: string };

export interface Frame {
  readonly type: FrameType;
  readonly data: Uint8Array;
}

/** Returns frames as one buffer. */
export function encodeFrames(frames: readonly Frame[]): Uint8Array {
  let bytes = 0;
  for (const frame of frames) bytes += FRAME_HEADER_BYTES + frame.data.length;
  const result = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { type, data } of frames) {
    result.writeUInt32BE(type << 24, at);
    result.writeUInt32BE(data.length, at + 4);
    result.set(data, at + FRAME_HEADER_BYTES);
    at += FRAME_HEADER_BYTES + data.length;
  }
  return result;
}

/** The last frame of whoever asked for the exit code. */
export const exitFrame = (exitCode: number): Uint8Array =>
  encodeFrames([{ type: FRAME_TYPES.exitCode, data: Buffer.from(String(exitCode)) }]);

/** A line of JSON. */
export const noticeFrame = (notice: Notice): Uint8Array =>
  encodeFrames([{ type: FRAME_TYPES.notice, data: Buffer.from(`${JSON.stringify(notice)}\n`) }]);

/**
 * Reads frames from chunks as they come off the wire. A frame's data may be given in several pieces, so that nothing
 * needs to be buffered, whatever length a header claims.
 */
export class FrameDecoder {
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  #type: FrameType = FRAME_TYPES.stdout;
  #left = 0;

  /** Takes a chunk, returns what it holds. Throws Fault(dataLoss, "stream.bad-frame") for an unknown type. */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const data = chunk.subarray(at, at + this.#left);
        this.#left -= data.length;
        at += data.length;
        frames.push({ type: this.#type, data });
      } else at = this.#takeHeader(chunk, at);
    }
    return frames;
  }

  /** Whether everything so far were whole frames. */
  get isAtBoundary(): boolean {
    return this.#left === 0 && this.#headerBytes === 0;
  }

  #takeHeader(chunk: Uint8Array, from: number): number {
    const part = chunk.subarray(from, from + FRAME_HEADER_BYTES - this.#headerBytes);
    this.#header.set(part, this.#headerBytes);
    this.#headerBytes += part.length;
    if (this.#headerBytes === FRAME_HEADER_BYTES) {
      const header = this.#header;
      const type = header[0] as number;
      if (type > FRAME_TYPES.notice) {
        throw new Fault("dataLoss", `unrecognized stream type ${type}`, { code: "stream.bad-frame" });
      }
      this.#type = type as FrameType;
      this.#left = new DataView(header.buffer).getUint32(4);
      this.#headerBytes = 0;
    }
    return from + part.length;
  }
}
