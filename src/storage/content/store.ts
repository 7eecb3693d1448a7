// Blobs in files: <dir>/<algorithm>/<hex>, <dir>/ingest/ for those under way, <dir>/resumable/<key> for those that outlive the process. A blob appears under its digest
// complete, verified and flushed, or not at all; it is never changed afterwards. What nobody refers to is removed
// by storage/gc. Paths are made from validated digests only.

import { createReadStream } from "node:fs";
import { opendir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { randomHex } from "../../lib/id.ts";
import { algorithmOf, type Digest, digestOf, hexOf, isDigest } from "../../oci/digest.ts";
import { type DiskIo, nodeDisk } from "../disk.ts";
import { differs, isMissing, missing } from "./_faults.ts";
import { FileIngestion, type FileIngestionOptions } from "./_ingestion.ts";
import type {
  BlobInfo,
  ContentStore,
  Expected,
  Ingestion,
  IngestionOptions,
  IngestOptions,
  OpenOptions,
} from "./types.ts";

const ALGORITHMS = ["sha256", "sha512"] as const;
const READ_BYTES = 256 << 10;
const KEY = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** See the top of the file. */
export class FileContentStore implements ContentStore {
  readonly #dir: string;
  readonly #disk: DiskIo;

  private constructor(dir: string, disk: DiskIo) {
    this.#dir = dir;
    this.#disk = disk;
  }

  /** Opens the store, made when missing; what an earlier process left unfinished is removed. */
  static async open(dir: string, disk: DiskIo = nodeDisk): Promise<FileContentStore> {
    const ingest = join(dir, "ingest");
    await disk.makeDir(ingest);
    for (const algorithm of ALGORITHMS) await disk.makeDir(join(dir, algorithm));
    for (const name of await disk.list(ingest)) await disk.remove(join(ingest, name));
    return new FileContentStore(dir, disk);
  }

  #path(digest: Digest): string {
    // The brand says it is valid; a cast elsewhere must not become a path.
    if (!isDigest(digest)) throw new Fault("invalidParameter", "invalid checksum digest format");
    return join(this.#dir, algorithmOf(digest), hexOf(digest));
  }

  async begin({ key, ...options }: IngestionOptions = {}): Promise<Ingestion> {
    const path = key === undefined ? join(this.#dir, "ingest", randomHex()) : this.#resumablePath(key);
    if (key !== undefined) await this.#disk.makeDir(dirname(path));
    return FileIngestion.begin(this.#ingestionAt(path, options));
  }

  resume(key: string, options: Omit<IngestionOptions, "key"> = {}): Promise<Ingestion | undefined> {
    return FileIngestion.resume(this.#ingestionAt(this.#resumablePath(key), options));
  }

  #ingestionAt(
    path: string,
    { algorithm = "sha256", durable = true }: IngestionOptions,
  ): FileIngestionOptions {
    const keep = (digest: Digest): Promise<BlobInfo> => this.#keep(path, digest, durable);
    return { disk: this.#disk, path, algorithm, isDurable: durable, keep };
  }

  #resumablePath(key: string): string {
    if (!KEY.test(key)) throw new Fault("invalidParameter", `invalid key of an upload: ${key.slice(0, 100)}`);
    return join(this.#dir, "resumable", key);
  }

  async retain(keys: ReadonlySet<string>): Promise<void> {
    const dir = join(this.#dir, "resumable");
    const names = await this.#disk.list(dir).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    for (const name of names) if (!keys.has(name)) await this.#disk.remove(join(dir, name));
  }

  async ingest(
    source: AsyncIterable<Uint8Array>,
    expected: Expected = {},
    options: IngestOptions = {},
  ): Promise<BlobInfo> {
    const ingestion = await this.begin({
      ...(expected.digest === undefined ? {} : { algorithm: algorithmOf(expected.digest) }),
      ...(options.durable === undefined ? {} : { durable: options.durable }),
    });
    try {
      await ingestion.append(watched(source, expected, options));
    } catch (error) {
      await ingestion.cancel();
      throw error;
    }
    return ingestion.finish(expected);
  }

  async #keep(temporary: string, digest: Digest, isDurable: boolean): Promise<BlobInfo> {
    const path = this.#path(digest);
    // Replacing a blob by its equal also heals one whose file was damaged.
    await this.#disk.rename(temporary, path);
    if (isDurable) await this.#disk.syncDir(join(this.#dir, algorithmOf(digest)));
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
    const { start = 0, end = Number.POSITIVE_INFINITY, signal } = options;
    if (end <= start) return;
    const range = { start, end: end - 1 };
    const stream = createReadStream(this.#path(digest), { ...range, highWaterMark: READ_BYTES });
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
    await this.#disk.remove(this.#path(digest));
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

/** Passes the bytes on, counting; fails as soon as there are too many. */
async function* watched(
  source: AsyncIterable<Uint8Array>,
  expected: Expected,
  options: IngestOptions,
): AsyncGenerator<Uint8Array> {
  options.signal?.throwIfAborted();
  let sizeBytes = 0;
  for await (const chunk of source) {
    options.signal?.throwIfAborted();
    sizeBytes += chunk.length;
    if (expected.sizeBytes !== undefined && sizeBytes > expected.sizeBytes)
      throw differs(`more than ${expected.sizeBytes} bytes`, `${expected.sizeBytes} bytes`);
    yield chunk;
    options.onProgress?.(sizeBytes);
  }
}
