// An index as an OCI image layout in a tar archive (`--output type=oci`). Layers are packed while they are sent.
import { tarEntry, tarHeader, tarPadding, TAR_END } from "../../../lib/tar/writer.ts";
import { hexOf } from "../../../oci/digest.ts";
import type { Descriptor } from "../../../oci/manifest.ts";
import { MEDIA_TYPES } from "../../../oci/mediatype.ts";
import { canonicalString, type Reference } from "../../../oci/reference.ts";
import type { LayerStore } from "../../../storage/layer/store.ts";
import type { LayerRecord } from "../../../storage/layer/types.ts";
import type { IndexDocuments } from "./documents.ts";

const DIRECTORY = 0o755;
const FILE = 0o644;

/** Returns a layer as it stands in the archive: not compressed. */
export function plainLayer(layer: LayerRecord): Descriptor {
  return { mediaType: MEDIA_TYPES.ociLayer, digest: layer.diffId, sizeBytes: layer.tarBytes };
}

function* file(name: string, bytes: Uint8Array): Generator<Uint8Array> {
  yield tarHeader(tarEntry({ type: "file", name, mode: FILE, sizeBytes: bytes.length }));
  yield bytes;
  yield tarPadding(bytes.length);
}

/** Yields the archive; `names` are what the index is called in it. */
export async function* packIndex(
  store: LayerStore,
  layers: readonly LayerRecord[],
  { blobs, manifests, index }: IndexDocuments,
  { names, signal }: { readonly names: readonly Reference[]; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  for (const name of ["blobs/", "blobs/sha256/"])
    yield tarHeader(tarEntry({ type: "directory", name, mode: DIRECTORY }));
  const written = new Set<string>();
  const isNew = (digest: string): boolean => !written.has(digest) && written.add(digest) !== undefined;
  for (const layer of layers) {
    if (!isNew(layer.diffId)) continue;
    const name = `blobs/sha256/${hexOf(layer.diffId)}`;
    yield tarHeader(tarEntry({ type: "file", name, mode: FILE, sizeBytes: layer.tarBytes }));
    for await (const chunk of store.pack(layer.id)) {
      signal.throwIfAborted();
      yield chunk;
    }
    yield tarPadding(layer.tarBytes);
  }
  for (const { descriptor, bytes } of [...blobs, ...manifests, index])
    if (isNew(descriptor.digest)) yield* file(`blobs/sha256/${hexOf(descriptor.digest)}`, bytes);
  yield* file("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
  yield* file("index.json", Buffer.from(JSON.stringify(layoutOf(index.descriptor, names))));
  yield TAR_END;
}

/** The document by which a layout is entered: what it holds, once for each name. */
function layoutOf({ mediaType, digest, sizeBytes }: Descriptor, names: readonly Reference[]): object {
  const entry = { mediaType, digest, size: sizeBytes };
  const named = names.map((name) => ({
    ...entry,
    annotations: {
      "io.containerd.image.name": canonicalString(name),
      "org.opencontainers.image.ref.name": name.tag ?? "latest",
    },
  }));
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: named.length === 0 ? [entry] : named,
  };
}
