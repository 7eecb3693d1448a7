// ImagePush: sends what a registry does not have of an image, layers side by side, each compressed while it is sent, then the
// manifest. An image that was pulled and whose layers are as they came keeps its manifest, and so its digest.
import type { ProgressSink } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { imagePush } from "../../api/operations/image.ts";
import { compress } from "../../lib/compress/stream.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import { Lane } from "../../lib/lanes.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import { type Descriptor, parseManifest } from "../../oci/manifest.ts";
import { layerCompression, MEDIA_TYPES } from "../../oci/mediatype.ts";
import {
  canonicalName,
  DEFAULT_TAG,
  familiarName,
  familiarString,
  parseReference,
  type Reference,
  withTag,
} from "../../oci/reference.ts";
import { RepositoryWriter } from "../../registry/push.ts";
import { mayPass, waitToRetry } from "../../registry/retry.ts";
import type { LayerRecord } from "../../storage/layer/types.ts";
import { credentialsOf } from "./credentials.ts";
import { requirePlatform, wantedPlatform } from "./platform.ts";
import { progressReporter } from "./progress.ts";
import { pushPlatforms } from "./push-platforms.ts";
import type { KnownBlob } from "./pushed.ts";
import type { ImageRecord } from "./record.ts";
import { optionsFor } from "./registries.ts";
import type { ImageContext } from "./service.ts";
import { bestImage } from "./table.ts";

type PushInput = InputOf<typeof imagePush>;

const ATTEMPTS = 5;

/** One push to one repository. */
export interface Push {
  readonly context: ImageContext;
  readonly repository: Reference;
  readonly writer: RepositoryWriter;
  readonly out: ProgressSink;
  readonly signal: AbortSignal;
}

/** An image under the name by which it was pushed. */
export interface Pushed {
  readonly reference: Reference;
  readonly image: ImageRecord;
}

/** Pushes one tag, or all of a repository when the request names none. */
export async function pushImage(
  context: ImageContext,
  input: PushInput,
  out: ProgressSink,
  signal: AbortSignal,
): Promise<Pushed[]> {
  const name = parseReference(input.name);
  const wanted = input.tag === undefined || input.tag === "" ? name : withTag(name, input.tag);
  if (input.platform) wantedPlatform(input.platform); // refused before the first line is written
  await out.write({ status: `The push refers to repository [${canonicalName(name)}]` });
  const references = tagsToPush(context, wanted);
  const push = openPush(context, name, input.registryAuth, { out, signal });
  const pushed: Pushed[] = [];
  for (const reference of references) {
    const images = imagesToPush(context, reference, input.platform);
    if (images[0] === undefined) continue; // untagged meanwhile
    await pushTag(push, reference, images);
    pushed.push({ reference, image: images[0] });
  }
  return pushed;
}

/** Begins a push to a repository. */
export function openPush(
  context: ImageContext,
  repository: Reference,
  registryAuth: PushInput["registryAuth"],
  { out, signal }: Pick<Push, "out" | "signal">,
): Push {
  const auth = credentialsOf(registryAuth);
  const options = optionsFor(context.registries, repository.domain);
  const writer = new RepositoryWriter(repository.domain, repository.path, auth, options);
  return { context, repository, writer, out, signal };
}

/** compat: the words, and that they come after the first line of progress, are Docker's. */
function tagsToPush(context: ImageContext, wanted: Reference): Reference[] {
  const all = context.table.referencesOf(wanted);
  if (all.length === 0)
    throw new Fault("notFound", `An image does not exist locally with the tag: ${familiarName(wanted)}`, {
      code: "image.not-found",
    });
  if (wanted.digest !== undefined)
    throw new Fault("invalidParameter", "cannot push a digest reference", { code: "image.push-digest" });
  if (wanted.tag === undefined) return all;
  const one = all.filter((r) => r.tag === wanted.tag);
  if (one.length === 0)
    throw new Fault("notFound", `tag does not exist: ${familiarName(wanted)}:${wanted.tag}`, {
      code: "image.not-found",
    });
  return one;
}

/** What a tag stands for: one image for each platform, or the one that is asked for. Fails with notFound. */
function imagesToPush(
  context: ImageContext,
  reference: Reference,
  platform: string | undefined,
): readonly ImageRecord[] {
  const images = context.table.imagesOf(reference);
  if (!platform || images[0] === undefined) return images;
  const image = bestImage(wantedPlatform(platform), images) ?? images[0];
  requirePlatform(image, familiarString(reference), [platform]);
  return [image];
}

async function pushTag(push: Push, reference: Reference, images: readonly ImageRecord[]): Promise<void> {
  const { context } = push;
  const { tag = DEFAULT_TAG } = reference;
  const { digest, bytes } =
    images.length === 1
      ? await pushManifest(push, images[0] as ImageRecord, tag)
      : await pushPlatforms(push, tag, images, (image) => pushManifest(push, image));
  for (const image of images)
    await context.table.addRepoDigest(image.id, `${canonicalName(reference)}@${digest}`);
  await push.out.write({ status: `${tag}: digest: ${digest} size: ${bytes.length}` });
  const aux = { Tag: tag, Digest: digest, Size: bytes.length };
  await push.out.write({ progressDetail: {}, aux });
}

/** A manifest that a registry has now. */
export interface PushedManifest {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** Pushes an image under a tag, or under its digest alone. */
export async function pushManifest(push: Push, image: ImageRecord, tag?: string): Promise<PushedManifest> {
  const { writer, signal } = push;
  const blobs = await pushLayers(push, image);
  const configBytes = Buffer.from(image.configText);
  if (!(await writer.has(image.id, signal))) await writer.upload(once(configBytes), signal);
  const { bytes, mediaType } = manifestFor(image, blobs, configBytes.length);
  const digest = await writer.putManifest(tag ?? digestOf(bytes), bytes, mediaType, signal);
  return { digest, bytes, mediaType };
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Makes sure that the repository has all layers; returns them as blobs, bottom first. */
export async function pushLayers(push: Push, image: ImageRecord): Promise<KnownBlob[]> {
  const layers = image.layers.map((id) => layerOf(push.context, id));
  const { uploads } = push.context.transfers;
  const lane = new Lane(uploads);
  const abort = new AbortController();
  const signal = AbortSignal.any([push.signal, abort.signal]);
  const byDiff = new Map<Digest, Promise<KnownBlob>>();
  for (const layer of layers.toReversed()) await say(push, layer, "Preparing");
  for (const layer of layers.toReversed()) {
    if (byDiff.has(layer.diffId)) continue;
    if (byDiff.size >= uploads) await say(push, layer, "Waiting");
    byDiff.set(
      layer.diffId,
      lane.run(() => pushLayer({ ...push, signal }, layer)),
    );
  }
  try {
    await Promise.all(byDiff.values());
  } catch (error) {
    abort.abort(error);
    await Promise.allSettled(byDiff.values());
    throw error;
  }
  return Promise.all(layers.map((layer) => byDiff.get(layer.diffId) as Promise<KnownBlob>));
}

function layerOf(context: ImageContext, id: ImageRecord["layers"][number]): LayerRecord {
  const layer = context.layers.get(id);
  if (layer === undefined) throw new Fault("dataLoss", `layer ${id} is missing`, { code: "layer.missing" });
  return layer;
}

const say = (push: Push, layer: LayerRecord, status: string): Promise<void> =>
  push.out.write({ status, progressDetail: {}, id: layer.diffId.slice(7, 19) });

async function pushLayer(push: Push, layer: LayerRecord): Promise<KnownBlob> {
  const { context, repository } = push;
  const blob =
    (await findThere(push, layer)) ?? (await takeOver(push, layer)) ?? (await sendWithRetries(push, layer));
  await context.pushed.note(layer.diffId, blob, repository);
  return { ...blob, repositories: [] };
}

/** The forms a layer may be known in: the blob it came as, then what was made of it before. */
function knownBlobs(push: Push, layer: LayerRecord): Omit<KnownBlob, "repositories">[] {
  const pushed = push.context.pushed.blobsOf(layer.diffId);
  return [...(layer.blob === undefined ? [] : [layer.blob]), ...pushed];
}

async function findThere(
  push: Push,
  layer: LayerRecord,
): Promise<Omit<KnownBlob, "repositories"> | undefined> {
  for (const blob of knownBlobs(push, layer)) {
    if (!(await push.writer.has(blob.digest, push.signal))) continue;
    await say(push, layer, "Layer already exists");
    return blob;
  }
  return undefined;
}

/** Asks the registry to take the layer over from a repository of its own that has it. */
async function takeOver(
  push: Push,
  layer: LayerRecord,
): Promise<Omit<KnownBlob, "repositories"> | undefined> {
  const { domain, path } = push.repository;
  for (const blob of push.context.pushed.blobsOf(layer.diffId)) {
    for (const from of blob.repositories.map(parseReference)) {
      if (from.domain !== domain || from.path === path) continue;
      try {
        if (!(await push.writer.mount(blob.digest, from.path, push.signal))) continue;
      } catch (error) {
        push.signal.throwIfAborted();
        if (error instanceof Fault && error.kind === "unavailable") throw error;
        continue; // ignored: not ours to read there; the layer is sent instead
      }
      await say(push, layer, `Mounted from ${from.path}`);
      return blob;
    }
  }
  return undefined;
}

async function sendWithRetries(push: Push, layer: LayerRecord): Promise<Omit<KnownBlob, "repositories">> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send(push, layer);
    } catch (error) {
      push.signal.throwIfAborted();
      // A token that ran out while its layer was sent; the next one is asked for by a request that can be repeated.
      if (attempt === 1 && hasRunOut(error)) continue;
      if (!mayPass(error) || attempt === ATTEMPTS) throw error;
      const onWait = (left: number) => say(push, layer, `Retrying in ${left} second${left === 1 ? "" : "s"}`);
      await waitToRetry(attempt, onWait, push.signal);
    }
  }
}

const hasRunOut = (error: unknown): boolean => error instanceof Fault && error.code === "registry.status-401";

async function send(push: Push, layer: LayerRecord): Promise<Omit<KnownBlob, "repositories">> {
  const report = progressReporter(push.out, layer.diffId.slice(7, 19), "Pushing", layer.tarBytes);
  const kept = layer.blob;
  const content =
    kept === undefined
      ? compress(counted(push.context.layers.pack(layer.id), report), "gzip")
      : counted(push.context.content.open(kept.digest), report);
  const sent = await push.writer.upload(content, push.signal).catch((error: unknown) => {
    throw error instanceof Fault ? error : new Fault("unavailable", messageOf(error), { cause: error });
  });
  await say(push, layer, "Pushed");
  return kept ?? { ...sent, mediaType: MEDIA_TYPES.dockerLayerGzip };
}

async function* counted(
  content: AsyncIterable<Uint8Array>,
  report: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let sum = 0;
  for await (const chunk of content) {
    report((sum += chunk.length));
    yield chunk;
  }
}

/** Returns the manifest that the image came with when it still describes these blobs, a new one otherwise. */
function manifestFor(
  image: ImageRecord,
  blobs: readonly KnownBlob[],
  configBytes: number,
): { bytes: Buffer; mediaType: string } {
  const { manifest } = image;
  if (manifest !== undefined && isManifestOf(manifest.text, blobs))
    return { bytes: Buffer.from(manifest.text), mediaType: manifest.mediaType };
  // Docker's own types have no zstd.
  const isOci = blobs.some((b) => layerCompression(b.mediaType) === "zstd");
  const mediaType = isOci ? MEDIA_TYPES.ociManifest : MEDIA_TYPES.dockerManifest;
  const descriptor = (type: string, size: number, digest: string): object => ({
    mediaType: type,
    size,
    digest,
  });
  const document = {
    schemaVersion: 2,
    mediaType,
    config: descriptor(isOci ? MEDIA_TYPES.ociConfig : MEDIA_TYPES.dockerConfig, configBytes, image.id),
    layers: blobs.map((b) => descriptor(layerType(b.mediaType, isOci), b.sizeBytes, b.digest)),
  };
  // compat: indented by three, as Docker's manifests are.
  return { bytes: Buffer.from(JSON.stringify(document, undefined, 3)), mediaType };
}

function isManifestOf(text: string, blobs: readonly KnownBlob[]): boolean {
  const manifest = parseManifest(Buffer.from(text));
  if (manifest.kind !== "manifest" || manifest.layers.length !== blobs.length) return false;
  return manifest.layers.every((l: Descriptor, i) => l.digest === blobs[i]?.digest);
}

function layerType(mediaType: string, isOci: boolean): string {
  const compression = layerCompression(mediaType);
  if (compression === "none") return isOci ? MEDIA_TYPES.ociLayer : MEDIA_TYPES.dockerLayer;
  if (compression === "zstd") return MEDIA_TYPES.ociLayerZstd;
  return isOci ? MEDIA_TYPES.ociLayerGzip : MEDIA_TYPES.dockerLayerGzip;
}
