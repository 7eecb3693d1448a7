// What is kept of a foreign layer tar so that it can be had again byte for byte, without keeping the tar: all its bytes
// except the files' contents, which are in the layer's directory (the idea of vbatts/tar-split). Written beside
// unpacking, compressed, typically 1 % of the layer. The digest of what comes out is checked by whoever reads it.
//
// Form, inside zstd: records of a tag byte and
//   1  u32 length, bytes                              these bytes
//   2  u32 length, path, u64 offset, u64 size         a piece of that file

import { createReadStream, createWriteStream } from "node:fs";
import { once } from "node:events";
import { constants, createZstdCompress, type ZstdCompress } from "node:zlib";
import { finished } from "node:stream/promises";
import { decompress } from "../../lib/compress/stream.ts";
import { Fault } from "../../lib/errors.ts";
import type { TarEntry, TarEvent } from "../../lib/tar/entry.ts";
import { cleanName, encodeName } from "../../lib/tar/names.ts";
import { isMarker } from "./_whiteout.ts";

const LITERAL = 1;
const PIECE = 2;
const MAX_RECORD_BYTES = 64 << 20;
/** What goes to the compressor at once: each write to it is a job for another thread. */
const BATCH_BYTES = 256 << 10;

/** One step of putting a tar together again. */
export type RecipeStep =
  | { readonly kind: "literal"; readonly bytes: Uint8Array }
  | { readonly kind: "piece"; readonly path: Buffer; readonly offset: number; readonly sizeBytes: number };

/** Records a tar while it is being unpacked. */
export class RecipeWriter {
  readonly #zstd: ZstdCompress;
  readonly #done: Promise<void>;
  #failure: unknown;
  #path: Buffer = Buffer.alloc(0);
  #isFile = false;
  #at = 0;
  // The piece under way: contiguous content may come in many chunks.
  #pieceOffset = 0;
  #pieceSize = 0;
  #batch = Buffer.allocUnsafe(BATCH_BYTES);
  #batchBytes = 0;
  readonly #head = Buffer.allocUnsafe(5);

  /** `path` is a file to be made. */
  constructor(path: string) {
    this.#zstd = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
    const file = createWriteStream(path, { mode: 0o600, flags: "wx" });
    this.#zstd.pipe(file);
    this.#zstd.on("error", (error) => file.destroy(error));
    this.#done = finished(file);
    this.#done.catch((error: unknown) => {
      this.#failure = error;
    });
  }

  /** Takes a chunk of the tar and the events it made the reader report. */
  async push(chunk: Uint8Array, events: readonly TarEvent[]): Promise<void> {
    let literalFrom = 0;
    for (const event of events) {
      switch (event.kind) {
        case "entry":
          this.#begin(event.entry);
          break;
        case "hole":
          this.#endPiece();
          this.#at += event.sizeBytes;
          break;
        case "data": {
          if (!this.#isFile) break;
          const from = event.bytes.byteOffset - chunk.byteOffset;
          this.#literal(chunk.subarray(literalFrom, from));
          literalFrom = from + event.bytes.length;
          if (this.#pieceSize === 0) this.#pieceOffset = this.#at;
          this.#pieceSize += event.bytes.length;
          this.#at += event.bytes.length;
          break;
        }
        case "end":
          break;
      }
    }
    this.#literal(chunk.subarray(literalFrom));
    if (this.#failure) throw this.#failure;
    if (this.#zstd.writableNeedDrain) await Promise.race([once(this.#zstd, "drain"), this.#done]);
  }

  #begin(entry: TarEntry): void {
    this.#endPiece();
    const path = cleanName(entry.name) ?? "";
    this.#isFile = entry.type === "file" && !isMarker(path);
    this.#path = encodeName(path);
    this.#at = 0;
  }

  #literal(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#endPiece();
    this.#head[0] = LITERAL;
    this.#head.writeUInt32LE(bytes.length, 1);
    this.#append(this.#head);
    this.#append(bytes);
  }

  /** Copies: what is given belongs to the caller, and the compressor reads it later. */
  #append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(bytes.length - at, BATCH_BYTES - this.#batchBytes);
      this.#batch.set(bytes.subarray(at, at + count), this.#batchBytes);
      this.#batchBytes += count;
      at += count;
      if (this.#batchBytes === BATCH_BYTES) this.#writeBatch();
    }
  }

  #writeBatch(): void {
    if (this.#batchBytes === 0) return;
    this.#zstd.write(this.#batch.subarray(0, this.#batchBytes));
    this.#batch = Buffer.allocUnsafe(BATCH_BYTES);
    this.#batchBytes = 0;
  }

  #endPiece(): void {
    if (this.#pieceSize === 0) return;
    const record = Buffer.allocUnsafe(1 + 4 + this.#path.length + 16);
    record.writeUInt8(PIECE, 0);
    record.writeUInt32LE(this.#path.length, 1);
    this.#path.copy(record, 5);
    record.writeBigUInt64LE(BigInt(this.#pieceOffset), 5 + this.#path.length);
    record.writeBigUInt64LE(BigInt(this.#pieceSize), 13 + this.#path.length);
    this.#append(record);
    this.#pieceSize = 0;
  }

  /** Ends the file. It is not flushed to disk: a syncfs has to follow. */
  async finish(): Promise<void> {
    this.#endPiece();
    this.#writeBatch();
    this.#zstd.end();
    await this.#done;
  }

  /** Gives up; the file is left to whoever made its directory. */
  async abort(): Promise<void> {
    this.#zstd.destroy(new Error("given up"));
    await this.#done.catch(() => undefined); // ignored: it was given up
  }
}

/** Reads a recipe file. Fails with dataLoss when it is damaged. */
export async function* readRecipe(path: string): AsyncGenerator<RecipeStep> {
  const { stream } = await decompress(createReadStream(path) as AsyncIterable<Uint8Array>);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest =
      rest.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
        : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let step = takeStep(rest, at); step !== undefined; step = takeStep(rest, at)) {
      at = step.next;
      yield step.step;
    }
    rest = rest.subarray(at);
  }
  if (rest.length > 0) throw damaged();
}

function takeStep(bytes: Buffer, at: number): { step: RecipeStep; next: number } | undefined {
  if (at + 5 > bytes.length) return undefined;
  const tag = bytes.readUInt8(at);
  const length = bytes.readUInt32LE(at + 1);
  if ((tag !== LITERAL && tag !== PIECE) || length > MAX_RECORD_BYTES) throw damaged();
  const end = at + 5 + length;
  const next = tag === PIECE ? end + 16 : end;
  if (next > bytes.length) return undefined;
  const body = bytes.subarray(at + 5, end);
  if (tag === LITERAL) return { step: { kind: "literal", bytes: body }, next };
  const offset = Number(bytes.readBigUInt64LE(end));
  const sizeBytes = Number(bytes.readBigUInt64LE(end + 8));
  return { step: { kind: "piece", path: body, offset, sizeBytes }, next };
}

function damaged(): Fault {
  return new Fault("dataLoss", "the headers kept of a layer are damaged", { code: "layer.recipe-damaged" });
}
