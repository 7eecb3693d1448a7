// A big blob over several connections at once: its parts come side by side and are handed on in their order. The first part is handed on
// while it comes; a registry that answers with the whole blob gets no further requests.
import { type ByteRange, download, type DownloadOptions, type OpenBlob } from "./retry.ts";

/** Of one request. What has come ahead is in memory, so this times the connections bounds it. */
const PART_BYTES = 8 << 20;
/** Smaller blobs are not worth a second connection. */
const MIN_BYTES = 3 * PART_BYTES;

export interface ParallelOptions extends DownloadOptions {
  /** Of the blob, as its manifest says; what comes is verified by the taker. */
  readonly sizeBytes: number;
  /** How many at once. */
  readonly connections: number;
  readonly partBytes?: number;
}

/** As `download`, over up to `connections` connections. */
export async function* downloadParallel(
  open: OpenBlob,
  options: ParallelOptions,
): AsyncGenerator<Uint8Array> {
  const { sizeBytes, connections, partBytes = PART_BYTES } = options;
  const isWorthIt = connections > 1 && sizeBytes >= (partBytes / PART_BYTES) * MIN_BYTES;
  if (!isWorthIt) return yield* download(open, options);
  const given = new AbortController();
  const signal = AbortSignal.any([options.signal, given.signal]);
  const ranges = rangesOf(sizeBytes, partBytes);
  const ahead: Part[] = [];
  let next = 1;
  const fill = (): void => {
    while (ahead.length < connections - 1 && next < ranges.length)
      ahead.push(new Part(open, { ...options, signal }, ranges[next++] as ByteRange));
  };
  const onResponse = (response: Response): void => {
    options.onResponse?.(response);
    // The whole blob comes: there is nothing left to ask for.
    if (response.status !== 206) next = ranges.length;
    else fill();
  };
  try {
    yield* download(open, { ...options, signal, onResponse }, ranges[0]);
    for (let part = ahead.shift(); part !== undefined; part = ahead.shift()) {
      fill();
      yield* part.read();
    }
  } finally {
    given.abort(new Error("nobody reads any further"));
  }
}

function rangesOf(sizeBytes: number, partBytes: number): ByteRange[] {
  const count = Math.ceil(sizeBytes / partBytes);
  return Array.from({ length: count }, (_, i) => ({
    start: i * partBytes,
    end: Math.min(sizeBytes, (i + 1) * partBytes),
  }));
}

/** A part that comes ahead of its turn. */
class Part {
  readonly #chunks: Uint8Array[] = [];
  readonly #range: ByteRange;
  #isDone = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(open: OpenBlob, options: DownloadOptions, range: ByteRange) {
    this.#range = range;
    void this.#fetch(open, options);
  }

  async #fetch(open: OpenBlob, options: DownloadOptions): Promise<void> {
    const { start, end = 0 } = this.#range;
    let left = end - start;
    try {
      for await (const chunk of download(open, options, this.#range)) {
        // A registry that suddenly answers with all of the blob.
        const wanted = chunk.length <= left ? chunk : chunk.subarray(0, left);
        left -= wanted.length;
        this.#chunks.push(wanted);
        this.#wake?.();
        if (left === 0) break;
      }
    } catch (error) {
      this.#failure = error;
    }
    this.#isDone = true;
    this.#wake?.();
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      for (let chunk = this.#chunks.shift(); chunk !== undefined; chunk = this.#chunks.shift()) yield chunk;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isDone && this.#chunks.length === 0) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
