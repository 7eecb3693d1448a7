// Blobs in files: <dir>/<algorithm>/<hex>, and <dir>/ingest/ for those under way. A blob appears under its digest
// complete, verified and flushed, or not at all; it is never changed afterwards. What nobody refers to is removed
// by storage/gc. Paths are made from validated digests only.

import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, opendir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { randomHex } from "../../lib/id.ts";
import { algorithmOf, type Digest, Digester, digestOf, hexOf, isDigest } from "../../oci/digest.ts";
import type { BlobInfo, ContentStore, Expected, IngestOptions, OpenOptions } from "./types.ts";

const ALGORITHMS = ["sha256", "sha512"] as const;
const READ_BYTES = 256 << 10;
/** Small chunks are gathered until a write is worth a trip to the thread pool. */
const WRITE_BYTES = 256 << 10;

/** See the top of the file. */
export class FileContentStore implements ContentStore {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Opens the store, made when missing; what an earlier process left unfinished is removed. */
  static async open(dir: string): Promise<FileContentStore> {
    const ingest = join(dir, "ingest");
    await mkdir(ingest, { recursive: true, mode: 0o700 });
    for (const algorithm of ALGORITHMS) await mkdir(join(dir, algorithm), { recursive: true, mode: 0o700 });
    for (const name of await readdir(ingest)) await rm(join(ingest, name), { force: true });
    return new FileContentStore(dir);
  }

  #path(digest: Digest): string {
    // The brand says it is valid; a cast elsewhere must not become a path.
    if (!isDigest(digest)) throw new Fault("invalidParameter", "invalid checksum digest format");
    return join(this.#dir, algorithmOf(digest), hexOf(digest));
  }

  async ingest(
    source: AsyncIterable<Uint8Array>,
    expected: Expected = {},
    options: IngestOptions = {},
  ): Promise<BlobInfo> {
    const temporary = join(this.#dir, "ingest", randomHex());
    const digester = new Digester(expected.digest ? algorithmOf(expected.digest) : "sha256");
    try {
      const file = await open(temporary, "wx", 0o600);
      try {
        await writeAll(file, watched(source, digester, expected, options));
        const digest = verify(digester, expected);
        if (options.durable ?? true) await file.sync();
        await file.close();
        return await this.#keep(temporary, digest, options);
      } finally {
        await file.close();
      }
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async #keep(temporary: string, digest: Digest, options: IngestOptions): Promise<BlobInfo> {
    const path = this.#path(digest);
    // Replacing a blob by its equal also heals one whose file was damaged.
    await rename(temporary, path);
    if (options.durable ?? true) await syncDir(join(this.#dir, algorithmOf(digest)));
    return (await this.stat(digest)) as BlobInfo;
  }

  async stat(digest: Digest): Promise<BlobInfo | undefined> {
    try {
      const { size, mtimeMs } = await stat(this.#path(digest));
      return { digest, sizeBytes: size, storedAtMs: mtimeMs };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async *open(digest: Digest, options: OpenOptions = {}): AsyncGenerator<Uint8Array> {
    const { start = 0, signal } = options;
    const stream = createReadStream(this.#path(digest), { start, highWaterMark: READ_BYTES });
    try {
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        signal?.throwIfAborted();
        yield chunk;
      }
    } catch (error) {
      throw isMissing(error) ? missing(digest) : error;
    } finally {
      stream.destroy();
    }
  }

  async read(digest: Digest, maxBytes: number): Promise<Uint8Array> {
    const info = await this.stat(digest);
    if (info === undefined) throw missing(digest);
    if (info.sizeBytes > maxBytes) {
      throw new Fault("invalidParameter", `content ${digest} is larger than ${maxBytes} bytes`, {
        code: "content.too-large",
      });
    }
    const parts: Uint8Array[] = [];
    for await (const chunk of this.open(digest)) parts.push(chunk);
    const bytes = Buffer.concat(parts);
    const actual = digestOf(bytes, algorithmOf(digest));
    if (actual !== digest) throw differs(`digest ${actual}`, digest);
    return bytes;
  }

  async remove(digest: Digest): Promise<void> {
    await rm(this.#path(digest), { force: true });
  }

  async *list(): AsyncGenerator<BlobInfo> {
    for (const algorithm of ALGORITHMS) {
      for await (const { name } of await opendir(join(this.#dir, algorithm))) {
        const digest = `${algorithm}:${name}`;
        const info = isDigest(digest) ? await this.stat(digest) : undefined;
        if (info !== undefined) yield info;
      }
    }
  }
}

/** Passes the bytes on, hashing and counting; fails as soon as there are too many. */
async function* watched(
  source: AsyncIterable<Uint8Array>,
  digester: Digester,
  expected: Expected,
  options: IngestOptions,
): AsyncGenerator<Uint8Array> {
  options.signal?.throwIfAborted();
  for await (const chunk of source) {
    options.signal?.throwIfAborted();
    digester.update(chunk);
    if (expected.sizeBytes !== undefined && digester.sizeBytes > expected.sizeBytes) {
      throw differs(`more than ${expected.sizeBytes} bytes`, `${expected.sizeBytes} bytes`);
    }
    yield chunk;
    options.onProgress?.(digester.sizeBytes);
  }
}

function verify(digester: Digester, expected: Expected): Digest {
  if (expected.sizeBytes !== undefined && digester.sizeBytes !== expected.sizeBytes) {
    throw differs(`${digester.sizeBytes} bytes`, `${expected.sizeBytes} bytes`);
  }
  const digest = digester.finish();
  if (expected.digest !== undefined && digest !== expected.digest) {
    throw differs(`digest ${digest}`, expected.digest);
  }
  return digest;
}

async function writeAll(file: FileHandle, source: AsyncIterable<Uint8Array>): Promise<void> {
  let parts: Uint8Array[] = [];
  let size = 0;
  const flush = async () => {
    // The parts belong to the source, which may overwrite them only after the next chunk was asked for.
    const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
    parts = [];
    size = 0;
  };
  for await (const chunk of source) {
    parts.push(chunk.length < WRITE_BYTES ? chunk.slice() : chunk);
    size += chunk.length;
    if (size >= WRITE_BYTES) await flush();
  }
  await flush();
}

function differs(actual: string, expected: string): Fault {
  return new Fault("dataLoss", `content does not match: got ${actual}, expected ${expected}`, {
    code: "content.mismatch",
  });
}

function missing(digest: Digest): Fault {
  return new Fault("notFound", `content ${digest} not found`, {
    code: "content.not-found",
    detail: { digest },
  });
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
