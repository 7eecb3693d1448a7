// A blob under way: a file that grows by what is appended and becomes a blob when its digest is known. What a source brought before
// it failed stays, so that the rest can follow,
// also after a restart where the file has a name that the next process knows.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { algorithmOf, type Digest, type DigestAlgorithm, Digester } from "../../oci/digest.ts";
import type { DiskFile, DiskIo } from "../disk.ts";
import { differs, isMissing } from "./_faults.ts";
import type { BlobInfo, Expected, Ingestion } from "./types.ts";

const READ_BYTES = 256 << 10;
/** Small chunks are gathered until a write is worth a trip to the thread pool. */
const WRITE_BYTES = 256 << 10;

export interface FileIngestionOptions {
  readonly disk: DiskIo;
  readonly path: string;
  readonly algorithm: DigestAlgorithm;
  readonly isDurable: boolean;
  /** Moves the finished file to its place under the digest. */
  readonly keep: (digest: Digest) => Promise<BlobInfo>;
}

export class FileIngestion implements Ingestion {
  readonly #options: FileIngestionOptions;
  #digester: Digester;
  #sizeBytes: number;
  #changedAtMs: number;

  private constructor(options: FileIngestionOptions, { sizeBytes = 0, changedAtMs = Date.now() } = {}) {
    this.#options = options;
    this.#digester = new Digester(options.algorithm);
    this.#sizeBytes = sizeBytes;
    this.#changedAtMs = changedAtMs;
  }

  static async begin(options: FileIngestionOptions): Promise<FileIngestion> {
    await (await options.disk.open(options.path, { exclusive: true })).close();
    return new FileIngestion(options);
  }

  /** Goes on with a file that is there; undefined when it is not. */
  static async resume(options: FileIngestionOptions): Promise<FileIngestion | undefined> {
    try {
      const { size, mtimeMs } = await stat(options.path);
      return new FileIngestion(options, { sizeBytes: size, changedAtMs: mtimeMs });
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get changedAtMs(): number {
    return this.#changedAtMs;
  }

  async append(source: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#catchUp();
    const file = await this.#options.disk.open(this.#options.path);
    try {
      await this.#write(file, source);
      if (this.#options.isDurable) await file.datasync();
    } finally {
      this.#changedAtMs = Date.now();
      await file.close();
    }
  }

  async #write(file: DiskFile, source: AsyncIterable<Uint8Array>): Promise<void> {
    let parts: Uint8Array[] = [];
    let size = 0;
    const flush = async (): Promise<void> => {
      if (size === 0) return;
      // The parts belong to the source, which may overwrite them only after the next chunk was asked for.
      const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
      parts = [];
      size = 0;
      await this.#writeAll(file, bytes);
    };
    try {
      for await (const chunk of source) {
        parts.push(chunk.length < WRITE_BYTES ? chunk.slice() : chunk);
        size += chunk.length;
        if (size >= WRITE_BYTES) await flush();
      }
    } finally {
      await flush();
    }
  }

  /** What a full disk has not taken does not count: size and digest are always those of the file. */
  async #writeAll(file: DiskFile, bytes: Uint8Array): Promise<void> {
    try {
      await file.write(bytes, this.#sizeBytes);
    } catch (error) {
      this.#sizeBytes = await this.#options.disk.size(this.#options.path);
      throw error;
    }
    this.#digester.update(bytes);
    this.#sizeBytes += bytes.length;
  }

  /** Reads what an earlier process has left. */
  async #catchUp(): Promise<void> {
    if (this.#digester.sizeBytes === this.#sizeBytes) return;
    this.#digester = await this.#read(this.#options.algorithm);
  }

  async #read(algorithm: DigestAlgorithm): Promise<Digester> {
    const digester = new Digester(algorithm);
    if (this.#sizeBytes === 0) return digester;
    const range = { start: 0, end: this.#sizeBytes - 1, highWaterMark: READ_BYTES };
    const stream = createReadStream(this.#options.path, range);
    for await (const chunk of stream as AsyncIterable<Uint8Array>) digester.update(chunk);
    return digester;
  }

  async finish(expected: Expected = {}): Promise<BlobInfo> {
    try {
      await this.#catchUp();
      if (expected.sizeBytes !== undefined && this.sizeBytes !== expected.sizeBytes)
        throw differs(`${this.sizeBytes} bytes`, `${expected.sizeBytes} bytes`);
      const digest = await this.#digestAs(expected.digest);
      if (expected.digest !== undefined && digest !== expected.digest)
        throw differs(`digest ${digest}`, expected.digest);
      return await this.#options.keep(digest);
    } finally {
      await this.cancel();
    }
  }

  /** The digest in the algorithm of `expected`; the file is read again where another one was computed on the way. */
  async #digestAs(expected: Digest | undefined): Promise<Digest> {
    const isOther = expected !== undefined && algorithmOf(expected) !== this.#options.algorithm;
    return (isOther ? await this.#read(algorithmOf(expected)) : this.#digester).finish();
  }

  async cancel(): Promise<void> {
    await this.#options.disk.remove(this.#options.path);
  }
}
