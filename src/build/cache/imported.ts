// `--cache-from` with BuildKit's services: the steps that images of a registry carry with them (`--cache-to type=inline`). They
// count for this build alone: what an image says of itself never gets into the daemon's own cache.

import type { CacheRecord, CacheStore, SourceImage } from "../solver/ports.ts";

/** Returns a cache that also knows the images' steps; what is put goes to `own`. */
export function withImported(own: CacheStore, images: readonly SourceImage[]): CacheStore {
  const imported = new Map<string, CacheRecord>();
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
