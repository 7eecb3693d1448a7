// Caches that are taken elsewhere: the steps of builds with their layers, written to and read from a directory of the client's
// (`type=local`) or a registry. Layers that are there already are not sent, layers that nothing needs are not fetched.
import type { BuiltStep } from "../../../build/request.ts";
import {
  type BundledLayer,
  CACHE_CONFIG_TYPE,
  encodeBundle,
  MAX_CACHE_CONFIG_BYTES,
  parseBundle,
} from "../../../build/cache/bundle.ts";
import type { ImportedRecord } from "../../../build/cache/imported.ts";
import { compress } from "../../../lib/compress/stream.ts";
import { Fault } from "../../../lib/errors.ts";
import { type Digest, digestOf } from "../../../oci/digest.ts";
import { type Descriptor, encodeManifest, type Index, type Manifest } from "../../../oci/manifest.ts";
import { layerCompression, MEDIA_TYPES } from "../../../oci/mediatype.ts";
import type { LayerStore } from "../../../storage/layer/store.ts";
import type { LayerId, LayerRecord } from "../../../storage/layer/types.ts";

/** Takes blobs. */
export interface BlobSink {
  has(digest: Digest, signal: AbortSignal): Promise<boolean>;
  write(
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<{ readonly digest: Digest; readonly sizeBytes: number }>;
}

/** Gives blobs; what is read at once is verified. */
export interface BlobSource {
  readManifest(digest: Digest, signal: AbortSignal): Promise<Manifest | Index>;
  read(digest: Digest, maxBytes: number, signal: AbortSignal): Promise<Uint8Array>;
  open(digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** Layers whose compressed form is remembered. */
const MAX_KNOWN = 4096;

/** Writes caches; remembers how layers look compressed, so that a second export costs asking only. */
export class CacheExporter {
  readonly #layers: LayerStore;
  readonly #known = new Map<Digest, Descriptor>();

  constructor(layers: LayerStore) {
    this.#layers = layers;
  }

  /** Writes the steps, and returns the manifest by which they are found, still to be written. Fails with what the taker refuses. */
  async write(
    steps: readonly BuiltStep[],
    to: BlobSink,
    signal: AbortSignal,
  ): Promise<{ descriptor: Descriptor; bytes: Uint8Array }> {
    const layers: BundledLayer[] = [];
    const indexes = new Map<LayerId, number>();
    const put = async (chain: readonly LayerId[]): Promise<number> => {
      let below = -1;
      for (const id of chain) {
        const known = indexes.get(id);
        if (known === undefined) {
          const layer = this.#require(id);
          const blob = await this.#send(layer, to, signal);
          layers.push({ blob, diffId: layer.diffId, parent: below });
          indexes.set(id, layers.length - 1);
        }
        below = known ?? layers.length - 1;
      }
      return below;
    };
    const written = [];
    for (const { key, createdAt, diffId, layers: chain } of steps)
      written.push({ key, createdAt, ...(diffId === undefined ? {} : { layer: await put(chain) }) });
    const config = await writeBytes(encodeBundle({ layers, steps: written }), CACHE_CONFIG_TYPE, to, signal);
    const mediaType = MEDIA_TYPES.ociManifest;
    const manifest = { kind: "manifest" as const, mediaType, config, layers: layers.map((l) => l.blob) };
    const bytes = encodeManifest(manifest);
    return { bytes, descriptor: { mediaType, digest: digestOf(bytes), sizeBytes: bytes.length } };
  }

  #require(id: LayerId): LayerRecord {
    const layer = this.#layers.get(id);
    if (layer === undefined) throw new Fault("dataLoss", `layer ${id} is missing`, { code: "layer.missing" });
    return layer;
  }

  /** Sends a layer compressed, unless it is there. */
  async #send(layer: LayerRecord, to: BlobSink, signal: AbortSignal): Promise<Descriptor> {
    const known = this.#known.get(layer.diffId);
    if (known !== undefined && (await to.has(known.digest, signal))) return known;
    // What is compressed twice is not the same twice: the name comes from what was sent.
    const content = compress(this.#layers.pack(layer.id), "gzip");
    const blob: Descriptor = { mediaType: MEDIA_TYPES.ociLayerGzip, ...(await to.write(content, signal)) };
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(layer.diffId, blob);
    return blob;
  }
}

/** Writes a document, unless it is there. */
export async function writeBytes(
  bytes: Uint8Array,
  mediaType: string,
  to: BlobSink,
  signal: AbortSignal,
): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), sizeBytes: bytes.length };
  if (!(await to.has(descriptor.digest, signal)))
    await to.write(
      (async function* () {
        yield bytes;
      })(),
      signal,
    );
  return descriptor;
}

/** Reads the steps of a cache; their layers stay where they are until one is needed. */
export async function readCache(
  from: BlobSource,
  digest: Digest,
  signal: AbortSignal,
): Promise<Map<string, ImportedRecord>> {
  const parsed = await from.readManifest(digest, signal);
  // compat: older BuildKits write an index with the configuration as one of its manifests.
  const all = parsed.kind === "manifest" ? [parsed.config] : parsed.manifests;
  const config = all.find((d) => d.mediaType === CACHE_CONFIG_TYPE);
  if (config === undefined)
    throw new Fault("invalidParameter", `${digest} is no build cache`, { code: "build.cache-import" });
  const { layers, steps } = parseBundle(await from.read(config.digest, MAX_CACHE_CONFIG_BYTES, signal));
  return new Map(
    steps.map(({ key, createdAt, layer }) => {
      const made = layer === undefined ? undefined : layers[layer];
      if (made === undefined) return [key, { version: 1, createdAt }];
      const isLayer = layerCompression(made.blob.mediaType) !== undefined;
      const open = (): AsyncIterable<Uint8Array> => from.open(made.blob.digest, signal);
      return [key, { version: 1, createdAt, diffId: made.diffId, ...(isLayer ? { open } : {}) }];
    }),
  );
}
