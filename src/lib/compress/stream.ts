// Compresses and decompresses streams with node:zlib, in its thread pool, and what that has not in threads of our own. Streams are async iterables of bytes;
// back-pressure goes through. What a stream's end is worth: gzip's is checked, zstd's is not (a truncated zstd
// stream ends without an error under Bun), so callers compare digest or size of what came out.

import { Readable, type Transform } from "node:stream";
import { constants, createGunzip, createGzip, createZstdCompress, createZstdDecompress } from "node:zlib";
import { Fault } from "../errors.ts";
import { type Compression, DETECT_BYTES, detectCompression } from "./detect.ts";
import { decompressInThread } from "./threaded.ts";

/** Larger than zlib's default of 16 KiB, which halves the speed of gunzip. */
const CHUNK_BYTES = 256 << 10;

/** A stream whose format is known by now. */
export interface Decompressed {
  readonly compression: Compression;
  readonly stream: AsyncIterable<Uint8Array>;
}

/**
 * Looks at the first bytes of `source` and returns its uncompressed content. The stream fails with invalidParameter when the
 * compressed data is damaged.
 */
export async function decompress(source: AsyncIterable<Uint8Array>): Promise<Decompressed> {
  const { head, rest } = await peek(source, DETECT_BYTES);
  const compression = detectCompression(head);
  switch (compression) {
    case "none":
      return { compression, stream: rest };
    case "gzip":
      return { compression, stream: through(rest, createGunzip({ chunkSize: CHUNK_BYTES }), compression) };
    case "zstd":
      return {
        compression,
        stream: through(rest, createZstdDecompress({ chunkSize: CHUNK_BYTES }), compression),
      };
    default:
      return { compression, stream: decompressInThread(rest, compression) };
  }
}

/** How hard to compress; the formats' own scales (gzip 1–9, zstd 1–22). */
export interface CompressOptions {
  level?: number;
}

/** Returns the compressed form of `source`. */
export function compress(
  source: AsyncIterable<Uint8Array>,
  format: "none" | "gzip" | "zstd",
  options: CompressOptions = {},
): AsyncIterable<Uint8Array> {
  const { level } = options;
  if (format === "none") return source;
  if (format === "gzip") {
    return through(
      source,
      createGzip({ chunkSize: CHUNK_BYTES, ...(level === undefined ? {} : { level }) }),
      format,
    );
  }
  const params = level === undefined ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } };
  return through(source, createZstdCompress({ chunkSize: CHUNK_BYTES, ...params }), format);
}

/** Reads at least `size` bytes if there are as many; `rest` yields everything, the head included. */
async function peek(
  source: AsyncIterable<Uint8Array>,
  size: number,
): Promise<{ head: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  let isDone = false;
  while (head.length < size && !isDone) {
    const next = await iterator.next();
    if (next.done) isDone = true;
    else head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (
        let next = isDone ? undefined : await iterator.next();
        next && !next.done;
        next = await iterator.next()
      ) {
        yield next.value;
      }
      isDone = true;
    } finally {
      if (!isDone) await iterator.return?.();
    }
  }
  return { head, rest: all() };
}

/** Runs `source` through a zlib stream; the source's own errors come out unchanged, the codec's as a Fault. */
async function* through(
  source: AsyncIterable<Uint8Array>,
  codec: Transform,
  format: Compression,
): AsyncGenerator<Uint8Array> {
  let sourceError: { error: unknown } | undefined;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      // An empty chunk would end the readable stream's object.
      for await (const chunk of source) if (chunk.length > 0) yield chunk;
    } catch (error) {
      sourceError = { error };
      throw error;
    }
  }
  const input = Readable.from(watched(), { objectMode: false, highWaterMark: CHUNK_BYTES });
  input.on("error", (error) => codec.destroy(error));
  input.pipe(codec);
  try {
    yield* codec as AsyncIterable<Uint8Array>;
  } catch (cause) {
    if (sourceError) throw sourceError.error;
    if (cause instanceof Fault) throw cause;
    throw new Fault("invalidParameter", `damaged ${format} data`, { code: "compress.damaged", cause });
  } finally {
    input.destroy();
    codec.destroy();
  }
}
