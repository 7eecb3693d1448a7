// Where the contents of an uploaded context lie: one pack file for the many small ones, files of their own for large ones,
// all under names that we choose, in a private directory. No name from the archive ever becomes a path of the host.

import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";

/** From this size on a content gets a file of its own, which the kernel can copy without us. */
const LARGE_BYTES = 4 << 20;
const WRITE_BUFFER_BYTES = 1 << 20;
/** Contents are read in blocks of this size. */
const BLOCK_BYTES = 1 << 20;
const MAX_BLOCKS = 16;

/** A stored content. */
export interface Blob {
  /** Name of the file in the directory. */
  readonly file: string;
  readonly offset: number;
  readonly sizeBytes: number;
  /** SHA-256, hex. */
  readonly digest: string;
  /** Whether the file holds nothing else. */
  readonly isAlone: boolean;
}

/** Takes one content after another. */
export class BlobStore {
  readonly directory: string;
  private readonly handles = new Map<string, FileHandle>();
  private packed = 0;
  private buffer: Uint8Array[] = [];
  private bufferedBytes = 0;
  private largeCount = 0;
  private readonly blocks = new Map<string, Promise<Uint8Array>>();

  constructor(directory: string) {
    this.directory = directory;
  }

  private async handle(file: string): Promise<FileHandle> {
    let handle = this.handles.get(file);
    if (handle === undefined) {
      handle = await open(join(this.directory, file), "wx+", 0o600);
      this.handles.set(file, handle);
    }
    return handle;
  }

  /** Starts a content of about this size (unknown: Infinity). Small ones one at a time: they share a file. */
  begin(sizeBytes: number): BlobWriter {
    const isAlone = sizeBytes >= LARGE_BYTES;
    const file = isAlone ? `large-${this.largeCount++}` : "pack";
    return new BlobWriter(this, { file, offset: isAlone ? 0 : this.packed, isAlone });
  }

  /** Stores a content that is at hand. */
  async put(bytes: Uint8Array): Promise<Blob> {
    const writer = this.begin(bytes.length);
    await writer.write(bytes);
    return writer.finish();
  }

  async append(file: string, bytes: Uint8Array): Promise<void> {
    if (file !== "pack") {
      await (await this.handle(file)).appendFile(bytes);
      return;
    }
    this.buffer.push(Buffer.from(bytes));
    this.bufferedBytes += bytes.length;
    this.packed += bytes.length;
    if (this.bufferedBytes >= WRITE_BUFFER_BYTES) await this.flush();
  }

  private async flush(): Promise<void> {
    if (this.bufferedBytes === 0) return;
    const bytes = Buffer.concat(this.buffer);
    this.buffer = [];
    this.bufferedBytes = 0;
    // The last block grows.
    this.blocks.clear();
    await (await this.handle("pack")).appendFile(bytes);
  }

  /** Reads a content. */
  async *read(blob: Blob): AsyncGenerator<Uint8Array> {
    let at = blob.offset;
    const end = blob.offset + blob.sizeBytes;
    while (at < end) {
      const block = await this.block(blob.file, Math.floor(at / BLOCK_BYTES));
      const from = at % BLOCK_BYTES;
      const bytes = block.subarray(from, Math.min(block.length, from + end - at));
      if (bytes.length === 0) throw new Fault("dataLoss", "the build context was cut short on disk");
      at += bytes.length;
      yield bytes;
    }
  }

  /** Reads one block of a file. The last few are kept: neighbours in the tree are mostly neighbours in the pack. */
  private async block(file: string, index: number): Promise<Uint8Array> {
    if (file === "pack") await this.flush();
    const key = `${file}:${index}`;
    let block = this.blocks.get(key);
    if (block === undefined) {
      block = this.readBlock(file, index);
      const [oldest] = this.blocks.keys();
      if (this.blocks.size >= MAX_BLOCKS && oldest !== undefined) this.blocks.delete(oldest);
    } else this.blocks.delete(key);
    this.blocks.set(key, block);
    return block;
  }

  private async readBlock(file: string, index: number): Promise<Uint8Array> {
    const handle = await this.handle(file);
    const bytes = Buffer.allocUnsafe(BLOCK_BYTES);
    let length = 0;
    while (length < BLOCK_BYTES) {
      const { bytesRead } = await handle.read(
        bytes,
        length,
        BLOCK_BYTES - length,
        index * BLOCK_BYTES + length,
      );
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  }

  /** Reads a small content as a whole; throws Fault invalidParameter when it has more than `maxBytes`. */
  async readAll(blob: Blob, maxBytes: number): Promise<Uint8Array> {
    if (blob.sizeBytes > maxBytes) {
      throw new Fault(
        "invalidParameter",
        `file is too large: ${blob.sizeBytes} bytes, at most ${maxBytes} are read`,
      );
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.read(blob)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Makes everything readable by name, for the kernel. */
  async settle(): Promise<void> {
    await this.flush();
  }

  async close(): Promise<void> {
    for (const handle of this.handles.values()) await handle.close();
    this.handles.clear();
  }
}

/** Writes one content. */
export class BlobWriter {
  private readonly store: BlobStore;
  private readonly blob: Omit<Blob, "digest" | "sizeBytes">;
  private readonly hash: Hash = createHash("sha256");
  private sizeBytes = 0;

  constructor(store: BlobStore, blob: Omit<Blob, "digest" | "sizeBytes">) {
    this.store = store;
    this.blob = blob;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.hash.update(bytes);
    this.sizeBytes += bytes.length;
    await this.store.append(this.blob.file, bytes);
  }

  /** Writes zeros, for the holes of sparse files. */
  async writeZeros(sizeBytes: number): Promise<void> {
    const zeros = new Uint8Array(Math.min(sizeBytes, WRITE_BUFFER_BYTES));
    for (let left = sizeBytes; left > 0; left -= zeros.length) {
      await this.write(zeros.subarray(0, Math.min(left, zeros.length)));
    }
  }

  finish(): Blob {
    return { ...this.blob, sizeBytes: this.sizeBytes, digest: this.hash.digest("hex") };
  }
}
