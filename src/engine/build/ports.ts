// Fills the builder's ports (build/solver/ports.ts) with the daemon's images, layers and records.
import type { ImageSource, LayerSink, SourceImage } from "../../build/solver/ports.ts";
import { Fault } from "../../lib/errors.ts";
import type { FsSession, Keel } from "../../linux/keel.ts";
import type { RootSource } from "../../linux/ops.ts";
import { isDigest } from "../../oci/digest.ts";
import { imageIdOf } from "../../oci/image-config.ts";
import { type Platform, platformDistance } from "../../oci/platform.ts";
import { parseReference, withDefaultTag } from "../../oci/reference.ts";
import type { LayerLease } from "../../storage/layer/holds.ts";
import type { LayerStore } from "../../storage/layer/store.ts";
import type { LayerId, LayerRecord } from "../../storage/layer/types.ts";
import { configOf, type ImageRecord } from "../image/record.ts";
import type { ImageService } from "../image/service.ts";

/** A tar archive with nothing in it: its two closing blocks. */
const EMPTY_TAR_BYTES = 1024;

/** Returns an image as the builder sees it. */
export function sourceImageOf(image: ImageRecord, name: string): SourceImage {
  const { id, layers } = image;
  return { id, config: configOf(image), layers, name, ...registryDigestOf(image) };
}

/** Images by name, pulled when missing; what a build makes becomes an image here. */
export function imageSource(images: ImageService, layers: LayerStore): ImageSource {
  return {
    async resolve(request) {
      // An id means an image that is here: there is nothing newer of it in any registry.
      const isId = isDigest(request.reference);
      const local =
        request.pull && !isId ? undefined : localImage(images, request.reference, request.platform);
      if (local === undefined && isId)
        throw new Fault("notFound", `no such image: ${request.reference}`, { code: "image.not-found" });
      if (local !== undefined && isFor(local, request.platform))
        return sourceImageOf(local, request.reference);
      const reference = withDefaultTag(parseReference(request.reference));
      const auth = await request.credentials(reference.domain);
      const { platform, onProgress, signal } = request;
      const pulled = await images.pullFor(reference, platform, auth, onProgress, signal);
      return sourceImageOf(pulled, request.reference);
    },
    async findLocal(reference) {
      const local = localImage(images, reference);
      return local && sourceImageOf(local, reference);
    },
    async create(image) {
      const id = imageIdOf(image.config);
      await images.add({
        version: 1,
        id,
        configText: Buffer.from(image.config).toString("utf8"),
        layers: [...image.layers],
        sizeBytes: image.layers.reduce((sum, id) => sum + layerOf(layers, id).sizeBytes, 0),
        repoDigests: [],
        parentId: image.parentId ?? "",
        isIntermediate: image.isIntermediate,
      });
      return id;
    },
  };
}

function registryDigestOf({ repoDigests: [first] }: ImageRecord): Pick<SourceImage, "registryDigest"> {
  const digest = first?.split("@")[1];
  return digest === undefined ? {} : { registryDigest: digest };
}

/** Whether an image serves a platform; where none is asked for, what is here does. */
function isFor(image: ImageRecord, platform: Platform | undefined): boolean {
  return platform === undefined || platformDistance(platform, configOf(image)) !== undefined;
}

function localImage(images: ImageService, reference: string, platform?: Platform): ImageRecord | undefined {
  try {
    return images.find(reference, platform);
  } catch (error) {
    if (error instanceof Fault && error.kind === "notFound") return undefined; // ignored: it will be pulled
    throw error;
  }
}

function layerOf(layers: LayerStore, id: LayerId): LayerRecord {
  const layer = layers.get(id);
  if (layer === undefined) throw new Fault("dataLoss", `layer ${id} is missing`, { code: "layer.missing" });
  return layer;
}

/**
 * Layers as one build writes and reads them; its lease keeps what it has made or found, whatever other builds that have come to the same
 * layers do with them. `mountTarget` is an existing empty directory.
 */
export function layerSink(
  { layers, keel, mountTarget }: { layers: LayerStore; keel: Keel; mountTarget: string },
  lease: LayerLease,
): LayerSink {
  const open = (root: RootSource): Promise<FsSession> =>
    keel.openFs(root.kind === "dir" ? root : { ...root, target: mountTarget });
  return {
    maxArchiveBytes: layers.maxTarBytes,
    async beginDiff(parent) {
      const draft = await layers.beginDiff(parent);
      return {
        root: () => draft.root(),
        upper: draft.upper,
        openFs: () => open(draft.root()),
        openUpper: () => open({ kind: "dir", path: draft.upper }),
        discard: () => draft.discard(),
        async commit({ keepsEmpty = false } = {}) {
          using briefly = layers.lease();
          // As in a pull.
          const layer = await draft.commit({ lease: briefly, durable: false });
          const isEmpty = layer.tarBytes <= EMPTY_TAR_BYTES;
          // No image has it: it would keep what is below it for ever.
          if (isEmpty && !keepsEmpty) {
            briefly.release();
            await layers.removeUnneeded(layer.id);
          } else lease.hold(layer.id);
          return {
            id: layer.id,
            diffId: layer.diffId,
            chainId: layer.chainId,
            sizeBytes: layer.sizeBytes,
            isEmpty,
          };
        },
      };
    },
    openView: (top) => open(layers.rootSource(top)),
    rootOf: (top) => layers.rootSource(top),
    async unpack(content, parent, expectedDiffId) {
      return (await layers.unpack(content, parent, { expectedDiffId, lease, durable: false })).id;
    },
    find: async (chainId) => {
      const id = layers.byChain(chainId)?.id;
      if (id !== undefined) lease.hold(id);
      return id;
    },
  };
}
