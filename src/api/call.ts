// What passes between server/ and the engine besides plain values: the call's context, byte and progress
// streams, hijacked connections. Types only; server/ makes them, the engine consumes or returns them.
//
// Two-phase rule: everything that can fail with a status code fails before a stream is returned or accepted;
// after that an error can only end the stream.

import type { Duplex, Readable } from "node:stream";
import type { ContainerWait, PathStat } from "./schemas/container.ts";
import type { ProgressLine } from "./schemas/progress.ts";

/** The context of one request. */
export interface Call {
  /** Aborts with a Fault(cancelled) when the client goes away or the server closes. */
  readonly signal: AbortSignal;
  /** API version the client speaks, `major.minor`. */
  readonly version: string;
}

/** A request's body: bytes with back-pressure; ends with an error when the client goes away. */
export type UploadBody = Readable;

/** Bytes of a response. The server calls `return()` on the iterator when the client goes away. */
export type ByteStream = AsyncIterable<Uint8Array>;

/** One piece of a container's output. */
export interface OutputChunk {
  readonly stream: "stdout" | "stderr";
  readonly data: Uint8Array;
}

/** Logs, ready to be sent: the server frames them (8-byte headers) unless `isTty`. */
export interface OutputStream {
  readonly isTty: boolean;
  /** Batches, so that many short lines cost one write. */
  readonly batches: AsyncIterable<readonly OutputChunk[]>;
}

/** An archive with the metadata of the path it was made from. */
export interface ArchiveStream {
  readonly stat: PathStat;
  readonly content: ByteStream;
}

/** Where an operation reports progress. */
export interface ProgressSink {
  /** Sends a line; the first one starts the response. Resolves when more may be written, never rejects. */
  write(line: ProgressLine): Promise<void>;
}

/** Which header of an answer names what was created and begun. */
export type BegunHeader = "Exec-Id" | "Container-Id";

/** How a request for a connection is answered. */
export interface HijackAnswer {
  readonly isTty: boolean;
  /** The protocol that the connection goes on with, in the place of Docker's streams. */
  readonly protocol?: string;
  /** The protocol that was asked for, and the id of what was created with its header, where a request has asked for both in one (SuccessSpec.upgrade). */
  readonly begun?: { readonly upgrade: string; readonly header: BegunHeader; readonly id: string };
}

/** A connection that waits to become a two-way stream. */
export interface Hijack {
  /** Whether stdout and stderr are to be told apart by frames; a websocket gets their bytes as they come. */
  readonly wantsFrames: boolean;
  /**
   * Answers 101 (or 200) and returns the connection. From the client: raw stdin, `end` at its half-close.
   * To the client: raw bytes when `isTty`, else 8-byte frames made by the caller; `end()` half-closes.
   * With `protocol` the connection goes on as that, and neither holds. Call it once, after everything that may fail with a status code. Relay by events or pipe: a plain
   * `for await` over a Duplex destroys it at the client's half-close, before the output is out.
   */
  accept(options: HijackAnswer): Duplex;
}

/** A registered wait: the server answers headers at once and the value when `exit` resolves. */
export interface PendingWait {
  readonly exit: Promise<ContainerWait>;
}
