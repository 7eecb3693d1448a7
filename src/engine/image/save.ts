// ImageGet and ImageGetAll: a `docker save` archive that is an OCI image layout at the same time, as Docker writes it since
// 25: blobs by digest, index.json, manifest.json. Layers are packed while they are sent; nothing is spooled.
import type { ByteStream } from "../../api/call.ts";
import { Fault } from "../../lib/errors.ts";
import { tarEntry, tarHeader, tarPadding, TAR_END } from "../../lib/tar/writer.ts";
import { digestOf, hexOf } from "../../oci/digest.ts";
import { MEDIA_TYPES } from "../../oci/mediatype.ts";
import { canonicalString, familiarString, parseReference, withDefaultTag } from "../../oci/reference.ts";
import type { LayerRecord } from "../../storage/layer/types.ts";
import { requirePlatform } from "./platform.ts";
import type { ImageRecord } from "./record.ts";
import type { ImageContext } from "./service.ts";

/** One image with the names it is saved under. */
interface Saved {
  image: ImageRecord;
  tags: string[];
}

/** Returns the archive of the named images; fails with notFound before anything is sent. `onSaved` hears of each image. */
export function saveImages(
  context: ImageContext,
  { names, platforms }: { readonly names: readonly string[]; readonly platforms: readonly string[] },
  signal: AbortSignal,
  onSaved: (image: ImageRecord) => void,
): ByteStream {
  const saved = new Map<string, Saved>();
  for (const { image, tag } of names.flatMap((name) => imagesOf(context, name))) {
    requirePlatform(image, tag ?? image.id, platforms);
    const entry = saved.get(image.id) ?? { image, tags: [] };
    if (tag !== undefined && !entry.tags.includes(tag)) entry.tags.push(tag);
    saved.set(image.id, entry);
  }
  return archive(context, [...saved.values()], signal, onSaved);
}

/** A name without a tag means all tags of the repository, an id means the image without any. Fails with notFound. */
function imagesOf(context: ImageContext, text: string): { image: ImageRecord; tag: string | undefined }[] {
  const { table } = context;
  const all = table.referencesNamed(text).flatMap((reference) => {
    const image = table.byReference(reference);
    return image === undefined ? [] : [{ image, tag: familiarString(reference) }];
  });
  if (all.length > 0) return all;
  const { image, reference } = table.find(text);
  const isTag = reference !== undefined && reference.digest === undefined;
  return [{ image, tag: isTag ? familiarString(withDefaultTag(reference)) : undefined }];
}

const DIRECTORY = 0o755;
const FILE = 0o644;

async function* archive(
  context: ImageContext,
  images: readonly Saved[],
  signal: AbortSignal,
  onSaved: (image: ImageRecord) => void,
): AsyncGenerator<Uint8Array> {
  for (const dir of ["blobs/", "blobs/sha256/"])
    yield tarHeader(tarEntry({ type: "directory", name: dir, mode: DIRECTORY }));
  const written = new Set<string>();
  const manifests: { descriptor: object; docker: object }[] = [];
  for (const { image, tags } of images) {
    const layers = image.layers.map((id) => layerOf(context, id));
    for (const layer of layers) {
      if (written.has(layer.diffId)) continue;
      written.add(layer.diffId);
      yield tarHeader(
        tarEntry({ type: "file", name: blobName(layer.diffId), mode: FILE, sizeBytes: layer.tarBytes }),
      );
      for await (const chunk of context.layers.pack(layer.id)) {
        signal.throwIfAborted();
        yield chunk;
      }
      yield tarPadding(layer.tarBytes);
    }
    const config = Buffer.from(image.configText);
    yield* document(blobName(image.id), config, written);
    const manifest = manifestOf(image, layers, config.length);
    const digest = digestOf(manifest);
    yield* document(blobName(digest), manifest, written);
    manifests.push(describe(image, layers, tags, digest, manifest.length));
    onSaved(image);
  }
  yield* document("oci-layout", Buffer.from('{"imageLayoutVersion": "1.0.0"}'), written);
  const index = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: manifests.map((m) => m.descriptor),
  };
  yield* document("index.json", Buffer.from(JSON.stringify(index)), written);
  yield* document("manifest.json", Buffer.from(JSON.stringify(manifests.map((m) => m.docker))), written);
  yield TAR_END;
}

function layerOf(context: ImageContext, id: ImageRecord["layers"][number]): LayerRecord {
  const layer = context.layers.get(id);
  if (layer === undefined) throw new Fault("dataLoss", `layer ${id} is missing`, { code: "layer.missing" });
  return layer;
}

const blobName = (digest: string): string => `blobs/sha256/${hexOf(digest as never)}`;

function* document(name: string, bytes: Buffer, written: Set<string>): Generator<Uint8Array> {
  if (written.has(name)) return;
  written.add(name);
  yield tarHeader(tarEntry({ type: "file", name, mode: FILE, sizeBytes: bytes.length }));
  yield bytes;
  yield tarPadding(bytes.length);
}

function manifestOf(image: ImageRecord, layers: readonly LayerRecord[], configBytes: number): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType: MEDIA_TYPES.ociConfig, digest: image.id, size: configBytes },
      layers: layers.map((l) => ({ mediaType: MEDIA_TYPES.ociLayer, digest: l.diffId, size: l.tarBytes })),
    }),
  );
}

function describe(
  image: ImageRecord,
  layers: readonly LayerRecord[],
  tags: readonly string[],
  digest: string,
  size: number,
): { descriptor: object; docker: object } {
  const name = tags[0];
  const annotations =
    name === undefined
      ? {}
      : {
          annotations: {
            "io.containerd.image.name": canonicalString(parseReference(name)),
            "org.opencontainers.image.ref.name": name.slice(name.lastIndexOf(":") + 1),
          },
        };
  return {
    descriptor: { mediaType: MEDIA_TYPES.ociManifest, digest, size, ...annotations },
    docker: {
      Config: blobName(image.id),
      RepoTags: tags.length === 0 ? null : tags,
      Layers: layers.map((l) => blobName(l.diffId)),
    },
  };
}
