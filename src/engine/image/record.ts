// What the store keeps of images: tables `images` (key = image id) and `tags` (key = full reference, docker.io/library/x:y).
import { type ImageConfig, type ImageId, parseImageConfig } from "../../oci/image-config.ts";
import type { LayerId } from "../../storage/layer/types.ts";

/** An image: a configuration and its unpacked layers. */
export interface ImageRecord {
  readonly version: 1;
  readonly id: ImageId;
  /** The configuration's text, byte for byte what the id is the digest of. */
  readonly configText: string;
  /** Bottom first, one for each diff id. */
  readonly layers: readonly LayerId[];
  readonly sizeBytes: number;
  /** `repository@digest` of every manifest it was pulled by or pushed as. */
  readonly repoDigests: readonly string[];
  /** The manifest it was pulled by, byte for byte; a push of the same layers sends it again. */
  readonly manifest?: { readonly mediaType: string; readonly text: string };
  /** The list that this manifest was taken from, byte for byte. */
  readonly index?: { readonly mediaType: string; readonly text: string };
  /** The manifests of the list with statements about this one, byte for byte; the statements are blobs. */
  readonly attestations?: readonly { readonly mediaType: string; readonly text: string }[];
  /** Image that it was built on, "" when unknown. */
  readonly parentId: string;
  /** A build step's image: shown only by `images -a`. */
  readonly isIntermediate: boolean;
}

/** A name of an image, or of one image for each of several platforms. */
export interface TagRecord {
  readonly version: 1;
  /** The one for this machine, or the latest where none is. */
  readonly imageId: ImageId;
  /** Those for other platforms. */
  readonly others?: readonly ImageId[];
  /** RFC 3339. */
  readonly taggedAt: string;
}

const parsed = new WeakMap<ImageRecord, ImageConfig>();

/** Returns the image's configuration; parsed once for each record. */
export function configOf(record: ImageRecord): ImageConfig {
  let config = parsed.get(record);
  if (config === undefined) {
    config = parseImageConfig(Buffer.from(record.configText));
    parsed.set(record, config);
  }
  return config;
}
