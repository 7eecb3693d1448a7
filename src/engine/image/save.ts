// ImageGet and ImageGetAll: a `docker save` archive that is an OCI image layout at the same time, as Docker writes it since
// 25: blobs by digest, index.json, manifest.json. Layers are packed while they are sent; nothing is spooled.
import type { ByteStream } from "../../api/call.ts";
import { Fault } from "../../lib/errors.ts";
import { tarEntry, tarHeader, tarPadding, TAR_END } from "../../lib/tar/writer.ts";
import { digestOf, hexOf } from "../../oci/digest.ts";
import { MEDIA_TYPES } from "../../oci/mediatype.ts";
import { canonicalString, familiarString, parseReference, withDefaultTag } from "../../oci/reference.ts";
import type { LayerRecord } from "../../storage/layer/types.ts";
import { requirePlatform, wantedPlatform } from "./platform.ts";
import { configOf, type ImageRecord } from "./record.ts";
import type { ImageContext } from "./service.ts";
import { bestImage } from "./table.ts";

/** What is saved under the same names: an image, or several for different platforms. */
interface Saved {
  /** First the one that the names mean here. */
  images: readonly ImageRecord[];
  tags: string[];
}

/** Returns the archive of the named images; fails with notFound before anything is sent. `onSaved` hears of each image. */
export function saveImages(
  context: ImageContext,
  { names, platforms }: { readonly names: readonly string[]; readonly platforms: readonly string[] },
  signal: AbortSignal,
  onSaved: (image: ImageRecord) => void,
): ByteStream {
  const wanted = platforms.map(wantedPlatform);
  const saved = new Map<string, Saved>();
  for (const { images: all, tag } of names.flatMap((name) => imagesOf(context, name))) {
    const main = all[0] as ImageRecord;
    const images = wanted.length === 0 ? all : wanted.map((platform) => bestImage(platform, all) ?? main);
    for (const image of images) requirePlatform(image, tag ?? image.id, platforms);
    const key = images.map((i) => i.id).join();
    const entry = saved.get(key) ?? { images: [...new Set(images)], tags: [] };
    if (tag !== undefined && !entry.tags.includes(tag)) entry.tags.push(tag);
    saved.set(key, entry);
  }
  return archive(context, [...saved.values()], signal, onSaved);
}

/** A name without a tag means all tags of the repository, an id means the image without any. Fails with notFound. */
function imagesOf(
  context: ImageContext,
  text: string,
): { images: readonly ImageRecord[]; tag: string | undefined }[] {
  const { table } = context;
  const all = table.referencesNamed(text).flatMap((reference) => {
    const images = table.imagesOf(reference);
    return images.length === 0 ? [] : [{ images, tag: familiarString(reference) }];
  });
  if (all.length > 0) return all;
  const { image, by, reference } = table.find(text);
  if (by === "id" || reference === undefined) return [{ images: [image], tag: undefined }];
  const tag = reference.digest === undefined ? familiarString(withDefaultTag(reference)) : undefined;
  return [{ images: table.imagesOf(reference), tag }];
}

const DIRECTORY = 0o755;
const FILE = 0o644;

async function* archive(
  context: ImageContext,
  saved: readonly Saved[],
  signal: AbortSignal,
  onSaved: (image: ImageRecord) => void,
): AsyncGenerator<Uint8Array> {
  for (const dir of ["blobs/", "blobs/sha256/"])
    yield tarHeader(tarEntry({ type: "directory", name: dir, mode: DIRECTORY }));
  const written = new Set<string>();
  const index: object[] = [];
  const docker: object[] = [];
  for (const { images, tags } of saved) {
    const manifests: Descriptor[] = [];
    for (const image of images) {
      manifests.push(yield* savedImage(context, image, written, signal));
      onSaved(image);
    }
    const [main, ...others] = manifests as [Descriptor, ...Descriptor[]];
    const top = others.length === 0 ? main : yield* savedIndex(manifests, written);
    index.push(...describe(top, tags));
    // Who reads this file alone gets the image that the names mean here.
    docker.push(dockerManifest(context, images[0] as ImageRecord, tags));
  }
  yield* document("oci-layout", Buffer.from('{"imageLayoutVersion": "1.0.0"}'), written);
  yield* document("index.json", indexText(index), written);
  yield* document("manifest.json", Buffer.from(JSON.stringify(docker)), written);
  yield TAR_END;
}

/** As documents of the archive describe each other. */
interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: object;
}

const indexText = (manifests: readonly object[]): Buffer =>
  Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }));

/** Yields an image's layers, configuration and manifest as far as they are not written yet; returns the manifest's descriptor. */
async function* savedImage(
  context: ImageContext,
  image: ImageRecord,
  written: Set<string>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, Descriptor> {
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
  const { os, architecture, variant } = configOf(image);
  const platform = { architecture, os, ...(variant === undefined ? {} : { variant }) };
  return { mediaType: MEDIA_TYPES.ociManifest, digest, size: manifest.length, platform };
}

function* savedIndex(
  manifests: readonly Descriptor[],
  written: Set<string>,
): Generator<Uint8Array, Descriptor> {
  const bytes = indexText(manifests);
  const digest = digestOf(bytes);
  yield* document(blobName(digest), bytes, written);
  return { mediaType: MEDIA_TYPES.ociIndex, digest, size: bytes.length };
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

/** An entry of index.json for each name, or one without. */
function describe({ mediaType, digest, size }: Descriptor, tags: readonly string[]): object[] {
  if (tags.length === 0) return [{ mediaType, digest, size }];
  return tags.map((name) => ({
    mediaType,
    digest,
    size,
    annotations: {
      "io.containerd.image.name": canonicalString(parseReference(name)),
      "org.opencontainers.image.ref.name": name.slice(name.lastIndexOf(":") + 1),
    },
  }));
}

function dockerManifest(context: ImageContext, image: ImageRecord, tags: readonly string[]): object {
  return {
    Config: blobName(image.id),
    RepoTags: tags.length === 0 ? null : tags,
    Layers: image.layers.map((id) => blobName(layerOf(context, id).diffId)),
  };
}
