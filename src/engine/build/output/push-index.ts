// Pushes an index with its images: layers first, then configurations and attestations, manifests by digest, the index by its tag.
import { once, type Push, pushLayers } from "../../image/push.ts";
import type { ImageRecord } from "../../image/record.ts";
import { type Attestation, type IndexDocuments, makeIndex } from "./documents.ts";
import type { Platform } from "../../../oci/platform.ts";

/** An image of an index, and what is attested of it. */
export interface IndexEntry {
  readonly image: ImageRecord;
  readonly platform: Platform;
  readonly attestations: readonly Attestation[];
}

/** Pushes under a tag and returns what was pushed. Fails as a push of an image does. */
export async function pushIndex(
  push: Push,
  tag: string,
  entries: readonly IndexEntry[],
): Promise<IndexDocuments> {
  const { writer, signal } = push;
  const images = [];
  for (const { image, platform, attestations } of entries)
    images.push({
      platform,
      attestations,
      configText: image.configText,
      layers: await pushLayers(push, image),
    });
  const documents = makeIndex(images);
  for (const { descriptor, bytes } of documents.blobs)
    if (!(await writer.has(descriptor.digest, signal))) await writer.upload(once(bytes), signal);
  for (const { descriptor, bytes } of documents.manifests)
    await writer.putManifest(descriptor.digest, bytes, descriptor.mediaType, signal);
  const { descriptor, bytes } = documents.index;
  await writer.putManifest(tag, bytes, descriptor.mediaType, signal);
  return documents;
}
