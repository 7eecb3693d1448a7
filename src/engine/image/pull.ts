// ImageCreate with fromImage: pulls an image from its registry, layers in parallel, each unpacked while it downloads,
// with Docker's progress lines. The registry is untrusted: every digest is checked on the way in.
import type { ProgressSink } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { imageCreate } from "../../api/operations/image.ts";
import { onlyKept } from "./remove/keep.ts";
import { Fault } from "../../lib/errors.ts";
import {
  type ChainId,
  chainIdsOf,
  type ImageConfig,
  type ImageId,
  imageIdOf,
  parseImageConfig,
} from "../../oci/image-config.ts";
import type { Descriptor } from "../../oci/manifest.ts";
import { hostPlatform, parsePlatform, type Platform } from "../../oci/platform.ts";
import {
  canonicalName,
  DEFAULT_TAG,
  familiarName,
  familiarString,
  parseReference,
  type Reference,
  withTag,
} from "../../oci/reference.ts";
import { type Digest, digestOf, parseDigest } from "../../oci/digest.ts";
import { RegistryRepository } from "../../registry/repository.ts";
import type { LayerLease } from "../../storage/layer/holds.ts";
import type { LayerId, LayerRecord } from "../../storage/layer/types.ts";
import { pullAttestations } from "./attestations.ts";
import { credentialsOf } from "./credentials.ts";
import { hasSameIndex, manifestsKept } from "./manifests.ts";
import { progressReporter } from "./progress.ts";
import type { ImageRecord } from "./record.ts";
import { mirrorsOf, optionsFor } from "./registries.ts";
import type { ImageContext } from "./service.ts";

type PullInput = InputOf<typeof imageCreate>;

/** What was pulled, and the name it was asked for by. */
export interface Pulled {
  readonly reference: Reference;
  readonly imageId: ImageId;
}

/** How an image is kept. */
export interface PullOptions {
  /** It gets no name, and is kept like the image of a build's step. */
  readonly isNameless?: boolean;
}

/** Pulls an image, or all of a repository when no tag is named. */
export async function pullImage(
  context: ImageContext,
  input: PullInput,
  out: ProgressSink,
  signal: AbortSignal,
  { isNameless = false }: PullOptions = {},
): Promise<Pulled[]> {
  const asked = referenceOf(input);
  const platform = input.platform === undefined ? hostPlatform() : parsePlatform(input.platform);
  const isWhole = asked.tag === undefined && asked.digest === undefined;
  const references = isWhole ? await allTagsOf(context, asked, input.registryAuth, signal) : [asked];
  const pull: Pull = { context, auth: input.registryAuth, platform, out, signal, isNameless };
  const pulled: Pulled[] = [];
  let isNew = false;
  for (const reference of references) {
    const before = context.table.imagesOf(reference).map((i) => i.id);
    const imageId = await pullReference(pull, reference);
    pulled.push({ reference, imageId });
    isNew ||= !before.includes(imageId);
  }
  const shown = familiarString(asked);
  await out.write({
    status: isNew
      ? `Status: Downloaded newer image for ${shown}`
      : `Status: Image is up to date for ${shown}`,
  });
  return pulled;
}

async function allTagsOf(
  context: ImageContext,
  name: Reference,
  auth: PullInput["registryAuth"],
  signal: AbortSignal,
): Promise<Reference[]> {
  const tags = await firstAnswering(context, name, auth, (repository) => repository.tags(signal));
  return tags.map((tag) => withTag(name, tag));
}

/** What the pulls of one request have in common. */
interface Pull {
  readonly context: ImageContext;
  readonly auth: PullInput["registryAuth"];
  readonly platform: Platform;
  readonly out: ProgressSink;
  readonly signal: AbortSignal;
  readonly isNameless: boolean;
}

/** Pulls one image. */
async function pullReference(pull: Pull, reference: Reference): Promise<ImageId> {
  const { context, platform, out, signal, isNameless } = pull;
  const named = reference.digest ?? reference.tag ?? DEFAULT_TAG;
  const { repository, resolved } = await firstAnswering(
    context,
    reference,
    pull.auth,
    async (repository) => ({
      repository,
      resolved: await repository.resolve(named, platform, signal),
    }),
  );
  await out.write({ status: `Pulling from ${reference.path}`, id: named });
  const configBytes = await repository.blobBytes(resolved.manifest.config, signal);
  const config = parseImageConfig(configBytes);
  const id = imageIdOf(configBytes);
  using lease = context.layers.lease();
  const digestOfImage = digestOf(resolved.bytes);
  const [layers, about] = await Promise.all([
    pullLayers(context, repository, resolved.manifest.layers, config, lease, out, signal),
    pullAttestations(context.content, repository, { ...resolved, digestOfImage }, signal),
  ]);
  const repoDigest = `${canonicalName(reference)}@${resolved.digest}`;
  const image: ImageRecord = {
    ...recordOf(id, configBytes, layers, repoDigest),
    ...manifestsKept(resolved),
    ...about,
    isIntermediate: isNameless,
  };
  const names = reference.digest === undefined && !isNameless ? [reference] : [];
  // The same list again, for another platform: the name has both then.
  await context.table.add(image, names, (other) => hasSameIndex(other, image));
  for (const [i, layer] of layers.entries())
    await context.pushed.note(layer.diffId, resolved.manifest.layers[i] as Descriptor, reference);
  await out.write({ status: `Digest: ${resolved.digest}` });
  return id;
}

/** Makes a nameless image of its parts. */
export async function assembleImage(
  context: ImageContext,
  { configBytes, layers: descriptors }: { configBytes: Uint8Array; layers: readonly Descriptor[] },
  source: Pick<RegistryRepository, "blob">,
  signal: AbortSignal,
): Promise<ImageRecord> {
  using lease = context.layers.lease();
  const out = { write: async () => undefined };
  const config = parseImageConfig(configBytes);
  const layers = await pullLayers(context, source, descriptors, config, lease, out, signal);
  const made = recordOf(imageIdOf(configBytes), configBytes, layers, "");
  const image: ImageRecord = { ...made, repoDigests: [], isIntermediate: true };
  await context.table.add(image, []);
  return image;
}

function recordOf(
  id: ImageId,
  configBytes: Uint8Array,
  layers: readonly LayerRecord[],
  repoDigest: string,
): ImageRecord {
  return {
    version: 1,
    id,
    configText: Buffer.from(configBytes).toString("utf8"),
    layers: layers.map((l) => l.id),
    sizeBytes: layers.reduce((sum, l) => sum + l.sizeBytes, 0),
    repoDigests: [repoDigest],
    parentId: "",
    isIntermediate: false,
  };
}

function referenceOf(input: PullInput): Reference {
  const reference = parseReference(input.fromImage ?? "");
  const tag = input.tag ?? "";
  if (tag === "") return reference;
  if (tag.includes(":")) return { domain: reference.domain, path: reference.path, digest: parseDigest(tag) };
  return withTag(reference, tag);
}

/** Asks the mirrors of the registry first; what the last one says is the answer. */
export async function firstAnswering<T>(
  context: ImageContext,
  reference: Reference,
  auth: PullInput["registryAuth"],
  ask: (repository: RegistryRepository) => Promise<T>,
): Promise<T> {
  const { registries } = context;
  for (const mirror of mirrorsOf(registries, reference.domain)) {
    try {
      const options = optionsFor(registries, new URL(mirror).host);
      return await ask(new RegistryRepository(mirror, reference.path, undefined, options));
    } catch {
      // ignored: a mirror that has it not, or is not there, is no reason to fail
    }
  }
  try {
    return await ask(
      new RegistryRepository(
        reference.domain,
        reference.path,
        credentialsOf(auth),
        optionsFor(registries, reference.domain),
      ),
    );
  } catch (error) {
    throw pullFault(error, reference);
  }
}

/** compat: Docker's words for an image that is not there, or not for us. */
function pullFault(error: unknown, reference: Reference): unknown {
  if (!(error instanceof Fault)) return error;
  if (error.kind === "notFound")
    return new Fault("notFound", `manifest for ${familiarString(reference)} not found: ${error.message}`, {
      code: "image.not-found",
      cause: error,
    });
  if (error.kind === "unauthorized" || error.kind === "forbidden")
    return new Fault(
      "notFound",
      `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login': ${error.message}`,
      { code: "image.denied", cause: error },
    );
  return error;
}

/** Downloads and unpacks what is missing, all layers at once, and returns them bottom first. */
async function pullLayers(
  context: ImageContext,
  repository: Pick<RegistryRepository, "blob">,
  descriptors: readonly Descriptor[],
  config: ImageConfig,
  lease: LayerLease,
  out: ProgressSink,
  signal: AbortSignal,
): Promise<LayerRecord[]> {
  if (descriptors.length !== config.diffIds.length)
    throw new Fault(
      "dataLoss",
      `image has ${descriptors.length} layers but ${config.diffIds.length} diff ids`,
      { code: "image.malformed" },
    );
  const abort = new AbortController();
  const both = AbortSignal.any([signal, abort.signal]);
  const chain = chainIdsOf(config.diffIds);
  const removed = onlyKept(context.layers, context.kept.of("image"));
  let parent: Promise<LayerId | null> = Promise.resolve(null);
  const layers = descriptors.map((descriptor, i) => {
    const layer = pullLayer({
      context,
      repository,
      descriptor,
      diffId: config.diffIds[i] as Digest,
      chainId: chain[i] as ChainId,
      parent,
      removed,
      lease,
      out,
      signal: both,
    });
    parent = layer.then((l) => l.id);
    parent.catch(() => {}); // ignored: the layer itself reports
    return layer;
  });
  try {
    return await Promise.all(layers);
  } catch (error) {
    abort.abort(error);
    await Promise.allSettled(layers);
    throw error;
  }
}

interface LayerPull {
  context: ImageContext;
  repository: Pick<RegistryRepository, "blob">;
  descriptor: Descriptor;
  diffId: Digest;
  chainId: ChainId;
  parent: Promise<LayerId | null>;
  /** Here, but only for `undo`. */
  removed: ReadonlySet<LayerId>;
  lease: LayerLease;
  out: ProgressSink;
  signal: AbortSignal;
}

const AGAIN = ["Pulling fs layer", "Download complete", "Pull complete"];

async function pullLayer(p: LayerPull): Promise<LayerRecord> {
  const shown = p.descriptor.digest.slice(7, 19);
  const known = p.context.layers.byChain(p.chainId);
  if (known !== undefined) {
    p.lease.hold(known.id);
    // What the user has removed comes again: quickly.
    const said = p.removed.has(known.id) ? AGAIN : ["Already exists"];
    for (const status of said) await p.out.write({ status, progressDetail: {}, id: shown });
    return known;
  }
  await p.out.write({ status: "Pulling fs layer", progressDetail: {}, id: shown });
  const layer = await p.context.layers.unpack(download(p, shown), p.parent, {
    expectedDiffId: p.diffId,
    // As Docker: nobody waits for the disk. What a crash of the machine damages is found out when the daemon starts.
    durable: false,
    keepBlob: {
      mediaType: p.descriptor.mediaType,
      digest: p.descriptor.digest,
      sizeBytes: p.descriptor.sizeBytes,
    },
    onProgress: downloadReporter(p.out, shown, p.descriptor.sizeBytes),
    lease: p.lease,
    signal: p.signal,
  });
  await p.out.write({ status: "Pull complete", progressDetail: {}, id: shown });
  return layer;
}

/** The bytes of a layer, when it is its turn. */
async function* download(p: LayerPull, shown: string): AsyncGenerator<Uint8Array> {
  const { downloads, attempts, connections } = p.context.transfers;
  const say = (status: string) => p.out.write({ status, progressDetail: {}, id: shown });
  if (!downloads.hasRoom) await say("Waiting");
  using _turn = await downloads.hold({ signal: p.signal });
  yield* p.repository.blob(p.descriptor, {
    policy: { attempts },
    connections,
    onWait: (left) => say(`Retrying in ${left} second${left === 1 ? "" : "s"}`),
    signal: p.signal,
  });
}

/** As a layer is unpacked while it is downloaded, its download is complete with its last byte. */
function downloadReporter(out: ProgressSink, id: string, total: number): (bytes: number) => void {
  const report = progressReporter(out, id, "Downloading", total);
  let isComplete = false;
  return (current) => {
    report(current);
    if (current < total || isComplete) return;
    isComplete = true;
    void out.write({ status: "Download complete", progressDetail: {}, id });
  };
}
