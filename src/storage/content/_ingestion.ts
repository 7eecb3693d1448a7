// A blob under way: a file that grows by what is appended and becomes a blob when its digest is known. What a source brought before
// it failed stays, so that the rest can follow.
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { algorithmOf, type Digest, type DigestAlgorithm, Digester } from "../../oci/digest.ts";
import { differs } from "./_faults.ts";
import type { BlobInfo, Expected, Ingestion } from "./types.ts";

const READ_BYTES = 256 << 10;
/** Small chunks are gathered until a write is worth a trip to the thread pool. */
const WRITE_BYTES = 256 << 10;

export interface FileIngestionOptions {
  readonly path: string;
  readonly algorithm: DigestAlgorithm;
  readonly isDurable: boolean;
  /** Moves the finished file to its place under the digest. */
  readonly keep: (digest: Digest) => Promise<BlobInfo>;
}

export class FileIngestion implements Ingestion {
  readonly #options: FileIngestionOptions;
  readonly #file: FileHandle;
  readonly #digester: Digester;

  private constructor(options: FileIngestionOptions, file: FileHandle) {
    this.#options = options;
    this.#file = file;
    this.#digester = new Digester(options.algorithm);
  }

  static async begin(options: FileIngestionOptions): Promise<FileIngestion> {
    return new FileIngestion(options, await open(options.path, "wx", 0o600));
  }

  get sizeBytes(): number {
    return this.#digester.sizeBytes;
  }

  async append(source: AsyncIterable<Uint8Array>): Promise<void> {
    let parts: Uint8Array[] = [];
    let size = 0;
    const flush = async (): Promise<void> => {
      if (size === 0) return;
      // The parts belong to the source, which may overwrite them only after the next chunk was asked for.
      const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
      parts = [];
      size = 0;
      this.#digester.update(bytes);
      for (let at = 0; at < bytes.length; ) at += (await this.#file.write(bytes, at)).bytesWritten;
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

  async finish(expected: Expected = {}): Promise<BlobInfo> {
    try {
      if (expected.sizeBytes !== undefined && this.sizeBytes !== expected.sizeBytes)
        throw differs(`${this.sizeBytes} bytes`, `${expected.sizeBytes} bytes`);
      const digest = await this.#digestAs(expected.digest);
      if (expected.digest !== undefined && digest !== expected.digest)
        throw differs(`digest ${digest}`, expected.digest);
      if (this.#options.isDurable) await this.#file.sync();
      await this.#file.close();
      return await this.#options.keep(digest);
    } finally {
      await this.cancel();
    }
  }

  /** The digest in the algorithm of `expected`; the file is read again where another one was computed on the way. */
  async #digestAs(expected: Digest | undefined): Promise<Digest> {
    if (expected === undefined || algorithmOf(expected) === this.#options.algorithm)
      return this.#digester.finish();
    const digester = new Digester(algorithmOf(expected));
    const stream = createReadStream(this.#options.path, { highWaterMark: READ_BYTES });
    for await (const chunk of stream as AsyncIterable<Uint8Array>) digester.update(chunk);
    return digester.finish();
  }

  async cancel(): Promise<void> {
    await this.#file.close();
    await rm(this.#options.path, { force: true });
  }
}
