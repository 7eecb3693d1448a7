// `--cache-from` with BuildKit's services: the steps that images of a registry carry with them (`--cache-to type=inline`). They
// count for this build alone: what an image says of itself never gets into the daemon's own cache.

import type { CacheRecord, CacheStore, SourceImage } from "../solver/ports.ts";

/** A step's result from elsewhere. */
export interface ImportedRecord extends CacheRecord {
  /** Streams the step's layer, where it need not be here yet. */
  readonly open?: () => AsyncIterable<Uint8Array>;
}

/** A cache that may know results whose layers are elsewhere. */
export interface ImportingCache extends CacheStore {
  get(key: string): Promise<ImportedRecord | undefined>;
}

/** Returns a cache that also knows the images' steps and those of other caches; what is put goes to `own`. */
export function withImported(
  own: CacheStore,
  images: readonly SourceImage[],
  caches: readonly ReadonlyMap<string, ImportedRecord>[],
): ImportingCache {
  const imported = new Map<string, ImportedRecord>(caches.flatMap((cache) => [...cache]));
  for (const { config } of images) {
    for (const { key, created, diffId } of config.buildSteps ?? [])
      imported.set(key, { version: 1, createdAt: created, ...(diffId === undefined ? {} : { diffId }) });
  }
  if (imported.size === 0) return own;
  return {
    get: async (key) => (await own.get(key)) ?? imported.get(key),
    put: (key, record) => own.put(key, record),
  };
}
