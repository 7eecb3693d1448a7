// A queue of byte chunks between a socket's events and one reader: keeps at most a bounded amount by pausing the source.
// One consumer; ending the loop early cancels the source.

export interface ChunkSource {
  pause(): void;
  resume(): void;
  /** The consumer will take nothing more. */
  cancel(): void;
}

/** Bytes that may wait before the source is paused. */
const HIGH_WATER_BYTES = 256 * 1024;

export class ChunkQueue implements AsyncIterable<Uint8Array> {
  readonly #source: ChunkSource;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  #isPaused = false;
  #end: { readonly error: unknown } | "complete" | undefined;
  #wake: (() => void) | undefined;

  constructor(source: ChunkSource) {
    this.#source = source;
  }

  push(chunk: Uint8Array): void {
    if (this.#end !== undefined) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > HIGH_WATER_BYTES && !this.#isPaused) {
      this.#isPaused = true;
      this.#source.pause();
    }
    this.#wake?.();
  }

  /** Ends the queue behind what it holds. */
  end(): void {
    this.#end ??= "complete";
    this.#wake?.();
  }

  /** Ends the queue with an error behind what it holds. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  #take(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return undefined;
    this.#bytes -= chunk.length;
    if (this.#isPaused && this.#bytes <= HIGH_WATER_BYTES / 2) {
      this.#isPaused = false;
      this.#source.resume();
    }
    return chunk;
  }

  /** Returns the next chunk; undefined behind the last. Throws what fail() was given. One call at a time. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#take();
      if (chunk !== undefined || this.#end === "complete") return chunk;
      if (this.#end !== undefined) throw this.#end.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    let isComplete = false;
    try {
      for (let chunk = await this.next(); chunk !== undefined; chunk = await this.next()) yield chunk;
      isComplete = true;
    } finally {
      if (!isComplete) this.#source.cancel();
    }
  }
}
