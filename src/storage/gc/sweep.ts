// Removes what nobody refers to: layers without holder and child, and blobs that neither a layer nor a caller needs.
// Runs after start-up and on prune. What is being made is safe: layers by their lease, blobs by their age.

import type { Digest } from "../../oci/digest.ts";
import type { ContentStore } from "../content/types.ts";
import type { LayerStore } from "../layer/store.ts";
import type { LayerRecord } from "../layer/types.ts";

export interface SweepOptions {
  /** Blobs that records outside of storage refer to: manifests and configurations of images. */
  neededBlobs: ReadonlySet<Digest>;
  /** Blobs stored later than this are kept: their image may not be recorded yet. Milliseconds since the epoch. */
  storedBeforeMs: number;
  signal?: AbortSignal;
}

/** What was removed. */
export interface Swept {
  readonly layers: readonly LayerRecord[];
  readonly blobs: readonly Digest[];
  readonly reclaimedBytes: number;
}

/** Removes everything unneeded. To be called when all holders are known (LayerStore.holds). */
export async function sweep(
  stores: { layers: LayerStore; content: ContentStore },
  options: SweepOptions,
): Promise<Swept> {
  const layers: LayerRecord[] = [];
  for (const { id } of [...stores.layers.list()]) {
    options.signal?.throwIfAborted();
    // Only tips go; what a tip stands on goes with it.
    if (stores.layers.get(id) !== undefined) layers.push(...(await stores.layers.removeUnneeded(id)));
  }
  const needed = new Set<Digest>(options.neededBlobs);
  for (const { blob } of stores.layers.list()) if (blob !== undefined) needed.add(blob.digest);
  const blobs: Digest[] = [];
  let reclaimedBytes = layers.reduce((sum, layer) => sum + layer.sizeBytes, 0);
  for await (const info of stores.content.list()) {
    options.signal?.throwIfAborted();
    if (needed.has(info.digest) || info.storedAtMs >= options.storedBeforeMs) continue;
    await stores.content.remove(info.digest);
    blobs.push(info.digest);
    reclaimedBytes += info.sizeBytes;
  }
  return { layers, blobs, reclaimedBytes };
}
