// An image out of an OCI layout that somebody offers blob by blob (a build's `oci-layout://` context): only what its platform needs is
// taken, and layers that are here are not. Like what a registry sends it is verified on the way in. The image gets no name.
import { bestPlatform, type Platform } from "../../oci/platform.ts";
import { Fault } from "../../lib/errors.ts";
import type { Digest } from "../../oci/digest.ts";
import { MAX_CONFIG_BYTES } from "../../oci/image-config.ts";
import { type Descriptor, MAX_MANIFEST_BYTES, type Manifest, parseManifest } from "../../oci/manifest.ts";
import type { ImageRecord } from "../image/record.ts";
import type { ImageService } from "../image/service.ts";

/** Blobs by their digests; what `read` returns is verified. */
export interface LayoutSource {
  read(digest: Digest, maxBytes: number, signal: AbortSignal): Promise<Uint8Array>;
  open(digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** An index may name an index; deeper is nonsense. */
const MAX_DEPTH = 3;

async function manifestFor(
  source: LayoutSource,
  top: Digest,
  platform: Platform,
  signal: AbortSignal,
): Promise<Manifest> {
  let digest = top;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const parsed = parseManifest(await source.read(digest, MAX_MANIFEST_BYTES, signal));
    if (parsed.kind === "manifest") return parsed;
    const only = parsed.manifests.length === 1 ? parsed.manifests[0] : undefined;
    const best =
      bestPlatform(platform, parsed.manifests) ?? (only?.platform === undefined ? only : undefined);
    if (best === undefined)
      throw new Fault("notFound", "the layout has no image for this platform", { code: "image.platform" });
    digest = best.digest;
  }
  throw new Fault("invalidParameter", "the layout's indexes are nested too deeply", {
    code: "image.malformed",
  });
}

/** Takes the image with its layers. Fails with notFound, dataLoss, invalidParameter. */
export async function imageFromLayout(
  images: ImageService,
  source: LayoutSource,
  top: Digest,
  platform: Platform,
  signal: AbortSignal,
): Promise<ImageRecord> {
  const manifest = await manifestFor(source, top, platform, signal);
  const configBytes = await source.read(manifest.config.digest, MAX_CONFIG_BYTES, signal);
  const open = {
    blob: ({ digest }: Descriptor, how: { signal: AbortSignal }) => source.open(digest, how.signal),
  };
  return images.assemble(configBytes, manifest.layers, open, signal);
}
