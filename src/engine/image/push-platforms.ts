// Pushing a name that stands for several platforms: each image's manifest by its digest, then the list under the tag. The list that they
// came with is sent as it was when all of it is here or in the registry already; what is only said about images (attestations) and is not
// here is left out of a new one.
import { Fault } from "../../lib/errors.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import type { Descriptor } from "../../oci/manifest.ts";
import { MEDIA_TYPES } from "../../oci/mediatype.ts";
import { indexOf } from "./manifests.ts";
import type { Push, PushedManifest } from "./push.ts";
import { configOf, type ImageRecord } from "./record.ts";

/** Pushes the images, at least two, each by `send`, under `tag`, and returns what the tag stands for then. Fails with conflict for a list with gaps. */
export async function pushPlatforms(
  push: Push,
  tag: string,
  images: readonly ImageRecord[],
  send: (image: ImageRecord) => Promise<PushedManifest>,
): Promise<PushedManifest> {
  const kept = (images[0] as ImageRecord).index;
  const gaps = await missingFrom(push, images);
  if (kept !== undefined && gaps.some(isImage)) throw incomplete();
  const pushed: PushedManifest[] = [];
  for (const image of images) pushed.push(await send(image));
  const isWhole =
    kept !== undefined &&
    gaps.length === 0 &&
    pushed.every(({ digest }) => indexOf(images[0] as ImageRecord).some((d) => d.digest === digest));
  const { bytes, mediaType } = isWhole
    ? { bytes: Buffer.from(kept.text), mediaType: kept.mediaType }
    : newIndex(images, pushed);
  const digest = await push.writer.putManifest(tag, bytes, mediaType, push.signal);
  return { digest, bytes, mediaType };
}

/** What stands in the list and is neither here nor there. */
async function missingFrom(push: Push, images: readonly ImageRecord[]): Promise<Descriptor[]> {
  const here = new Set<Digest>(
    images.flatMap(({ manifest }) => (manifest === undefined ? [] : [digestOf(manifest.text)])),
  );
  const missing: Descriptor[] = [];
  for (const descriptor of indexOf(images[0] as ImageRecord))
    if (!here.has(descriptor.digest) && !(await push.writer.hasManifest(descriptor.digest, push.signal)))
      missing.push(descriptor);
  return missing;
}

/** Attestations are listed with the platform unknown/unknown. */
const isImage = (d: Descriptor): boolean => d.platform !== undefined && d.platform.os !== "unknown";

const incomplete = (): Fault =>
  new Fault(
    "conflict",
    "not all platforms of the image are here or in the registry: pull the others, or push one of them with --platform",
    { code: "image.push-incomplete" },
  );

function newIndex(
  images: readonly ImageRecord[],
  pushed: readonly PushedManifest[],
): { bytes: Buffer; mediaType: string } {
  const mediaType = MEDIA_TYPES.ociIndex;
  const manifests = pushed.map(({ digest, bytes, mediaType: type }, i) => {
    const { os, architecture, variant } = configOf(images[i] as ImageRecord);
    const platform = { architecture, os, ...(variant === undefined ? {} : { variant }) };
    return { mediaType: type, digest, size: bytes.length, platform };
  });
  return { bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests })), mediaType };
}
