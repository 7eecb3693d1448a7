// Reads message bodies: takes network chunks as they come, gives the body's bytes. One reader per message.
// Invariant: never gives a byte that is not the body's, never misses that the body was cut short.

import { Fault } from "../errors.ts";
import type { BodyFraming } from "./head.ts";

/** An incremental body reader. */
export interface BodyReader {
  /** Takes a chunk and returns the body bytes in it; bytes behind the body's end stay in `rest`. */
  push(chunk: Uint8Array): Uint8Array[];
  /** Whether the body is complete. */
  readonly isDone: boolean;
  /** Bytes that came behind the body's end. */
  readonly rest: Uint8Array;
  /** Says that the connection ended. Throws Fault(unavailable, "http.truncated") when the body was not complete. */
  end(): void;
}

const NOTHING = new Uint8Array(0);

function truncated(): Fault {
  return new Fault("unavailable", "connection closed before the response was complete", {
    code: "http.truncated",
  });
}

class LengthReader implements BodyReader {
  #left: number;
  rest: Uint8Array = NOTHING;
  constructor(bytes: number) {
    this.#left = bytes;
  }
  get isDone(): boolean {
    return this.#left === 0;
  }
  push(chunk: Uint8Array): Uint8Array[] {
    const taken = chunk.subarray(0, this.#left);
    this.#left -= taken.length;
    if (taken.length < chunk.length) this.rest = chunk.subarray(taken.length);
    return taken.length > 0 ? [taken] : [];
  }
  end(): void {
    if (!this.isDone) throw truncated();
  }
}

class UntilCloseReader implements BodyReader {
  isDone = false;
  readonly rest = NOTHING;
  push(chunk: Uint8Array): Uint8Array[] {
    return [chunk];
  }
  end(): void {
    this.isDone = true;
  }
}

const MAX_LINE_BYTES = 8 * 1024;

/** Chunked coding (RFC 9112 section 7.1); extensions and trailers are read and dropped. */
class ChunkedReader implements BodyReader {
  #state: "size" | "data" | "dataEnd" | "trailer" | "done" = "size";
  #left = 0;
  #line = "";
  rest: Uint8Array = NOTHING;

  get isDone(): boolean {
    return this.#state === "done";
  }

  end(): void {
    if (!this.isDone) throw truncated();
  }

  push(chunk: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let at = 0;
    while (at < chunk.length && this.#state !== "done") {
      if (this.#state === "data") {
        const piece = chunk.subarray(at, at + this.#left);
        pieces.push(piece);
        at += piece.length;
        this.#left -= piece.length;
        if (this.#left === 0) this.#state = "dataEnd";
      } else at = this.#readLine(chunk, at);
    }
    if (at < chunk.length) this.rest = chunk.subarray(at);
    return pieces;
  }

  #readLine(chunk: Uint8Array, from: number): number {
    const newline = chunk.indexOf(0x0a, from);
    const to = newline < 0 ? chunk.length : newline;
    this.#line += Buffer.from(chunk.buffer, chunk.byteOffset + from, to - from).toString("latin1");
    if (this.#line.length > MAX_LINE_BYTES) throw this.#malformed();
    if (newline < 0) return to;
    const line = this.#line.endsWith("\r") ? this.#line.slice(0, -1) : this.#line;
    this.#line = "";
    this.#takeLine(line);
    return to + 1;
  }

  #takeLine(line: string): void {
    if (this.#state === "trailer") {
      if (line === "") this.#state = "done";
    } else if (this.#state === "dataEnd") {
      if (line !== "") throw this.#malformed();
      this.#state = "size";
    } else {
      const size = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(line)?.[1];
      if (size === undefined) throw this.#malformed();
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? "trailer" : "data";
    }
  }

  #malformed(): Fault {
    return new Fault("unavailable", "malformed HTTP response: bad chunk", { code: "http.malformed" });
  }
}

export function createBodyReader(framing: BodyFraming): BodyReader {
  switch (framing.kind) {
    case "none":
      return new LengthReader(0);
    case "length":
      return new LengthReader(framing.bytes);
    case "chunked":
      return new ChunkedReader();
    case "untilClose":
      return new UntilCloseReader();
  }
}
