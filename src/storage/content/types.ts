// What a content store offers: immutable blobs by digest. storage/content/store.ts keeps them in files;
// suite.ts says what every implementation must do.

import type { Digest, DigestAlgorithm } from "../../oci/digest.ts";

export interface BlobInfo {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** When it was stored, milliseconds since the epoch. */
  readonly storedAtMs: number;
}

/** What the bytes must turn out to be; a difference is a Fault(dataLoss) and leaves nothing behind. */
export interface Expected {
  digest?: Digest;
  sizeBytes?: number;
}

export interface IngestOptions {
  /** Called with the bytes taken so far. */
  onProgress?: (sizeBytes: number) => void;
  signal?: AbortSignal;
  /** false: the blob is not flushed to disk; for content that can be made again. */
  durable?: boolean;
}

export interface OpenOptions {
  /** First byte, default 0. */
  start?: number;
  /** Byte behind the last one, default the end. */
  end?: number;
  signal?: AbortSignal;
}

export interface IngestionOptions {
  /** Of the digest, when it is known; another one costs a second reading. */
  algorithm?: DigestAlgorithm;
  /** As of IngestOptions. */
  durable?: boolean;
  /** Under this key (a UUID) it can be resumed after a restart, and is kept until it ends, or `retain` does not name it. */
  key?: string;
}

/** A blob under way. Calls must not overlap; it ends with finish or cancel. */
export interface Ingestion {
  /** Taken so far. */
  readonly sizeBytes: number;
  /** When something was added last, milliseconds since the epoch. */
  readonly changedAtMs: number;
  /** Adds what `source` yields, and flushes it to disk; when that fails, what came before stays. */
  append(source: AsyncIterable<Uint8Array>): Promise<void>;
  /** Stores the blob. Fails with dataLoss when it is not what was expected, and then leaves nothing. */
  finish(expected?: Expected): Promise<BlobInfo>;
  cancel(): Promise<void>;
}

export interface ContentStore {
  /** Begins a blob that comes in pieces. */
  begin(options?: IngestionOptions): Promise<Ingestion>;
  /** Goes on with what was begun under a key; undefined when that is not there. */
  resume(key: string, options?: Omit<IngestionOptions, "key">): Promise<Ingestion | undefined>;
  /** Removes what was begun under other keys. */
  retain(keys: ReadonlySet<string>): Promise<void>;
  /** Stores everything `source` yields under its digest. A blob that is there already is shared. */
  ingest(source: AsyncIterable<Uint8Array>, expected?: Expected, options?: IngestOptions): Promise<BlobInfo>;
  /** Returns facts about a blob, undefined when it is not there. */
  stat(digest: Digest): Promise<BlobInfo | undefined>;
  /** Streams a blob; a missing one is a Fault(notFound). */
  open(digest: Digest, options?: OpenOptions): AsyncIterable<Uint8Array>;
  /** Returns a small blob's bytes, verified against its digest. Fails with notFound, or dataLoss when they differ. */
  read(digest: Digest, maxBytes: number): Promise<Uint8Array>;
  /** Removes a blob; a missing one is fine. */
  remove(digest: Digest): Promise<void>;
  list(): AsyncIterable<BlobInfo>;
}
