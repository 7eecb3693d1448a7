// The manifest under which a project is published, and the blobs that it names.

import { type Digest, digestOf } from "../../oci/digest.ts";
import { type Descriptor, encodeManifest, type Index } from "../../oci/manifest.ts";
import { MEDIA_TYPES } from "../../oci/mediatype.ts";
import { ARTIFACT } from "../load/artifact.ts";
import type { PublishedFile } from "./files.ts";

/** 1.1 names the artifact's type, 1.0 says it by the type of its empty configuration. */
export type OciVersion = "1.0" | "1.1";

export interface Blob {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

export interface Artifact {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly blobs: readonly Blob[];
}

const EMPTY = Buffer.from("{}");

const blobOf = (bytes: Uint8Array): Blob => ({ digest: digestOf(bytes), bytes });

/** Returns a project's artifact. `version` is Compose's, for annotations; `now` when it is made. */
export function projectArtifact(
  files: readonly PublishedFile[],
  { version, now, oci }: { version: string; now: Date; oci: OciVersion },
): Artifact {
  const empty = blobOf(EMPTY);
  const layers = files.map((file) => ({ descriptor: layer(file, version), blob: blobOf(file.content) }));
  const mediaType = MEDIA_TYPES.ociManifest;
  const bytes = encodeManifest({
    kind: "manifest",
    mediaType,
    ...(oci === "1.1" ? { artifactType: ARTIFACT.type } : {}),
    config: {
      mediaType: oci === "1.1" ? MEDIA_TYPES.ociEmpty : ARTIFACT.emptyConfig,
      digest: empty.digest,
      sizeBytes: EMPTY.length,
    },
    layers: layers.map(({ descriptor }) => descriptor),
    annotations: { "org.opencontainers.image.created": now.toISOString().replace(/\.\d+Z$/, "Z") },
  });
  return { digest: digestOf(bytes), mediaType, bytes, blobs: [empty, ...layers.map(({ blob }) => blob)] };
}

function layer({ kind, name, content }: PublishedFile, version: string): Descriptor {
  const { annotations, envFile, file } = ARTIFACT;
  return {
    mediaType: kind === "env" ? envFile : file,
    digest: digestOf(content),
    sizeBytes: content.length,
    annotations: {
      [annotations.version]: version,
      ...(kind === "extended" ? { [annotations.extends]: "true" } : {}),
      [kind === "env" ? annotations.envFile : annotations.file]: name,
    },
  };
}

/** Returns the index of a project's images, which refers to its artifact. */
export function applicationIndex(
  images: readonly Descriptor[],
  project: Artifact,
  version: string,
): Artifact {
  const mediaType = MEDIA_TYPES.ociIndex;
  const index: Index = {
    kind: "index",
    mediaType,
    manifests: images,
    subject: {
      mediaType: project.mediaType,
      digest: project.digest,
      sizeBytes: project.bytes.length,
      artifactType: ARTIFACT.type,
    },
    annotations: { [ARTIFACT.annotations.version]: version },
  };
  const bytes = encodeManifest(index);
  return { digest: digestOf(bytes), mediaType, bytes, blobs: [] };
}
