// Sends a project's artifact to a registry, with the images of its services where they are wanted beside it.

import { Fault } from "../../lib/errors.ts";
import type { Digest } from "../../oci/digest.ts";
import type { Descriptor } from "../../oci/manifest.ts";
import { parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import type { ArtifactRegistry } from "../load/artifact.ts";
import { type Artifact, applicationIndex, type OciVersion, projectArtifact } from "./artifact.ts";
import type { PublishedFile } from "./files.ts";

/** Registries that take what is published; filled by the command line. */
export interface ArtifactPublisher extends ArtifactRegistry {
  putBlob(target: Reference, digest: Digest, bytes: Uint8Array): Promise<void>;
  putManifest(target: Reference, bytes: Uint8Array, mediaType: string): Promise<Digest>;
  /** Brings a blob from one repository into another. */
  copyBlob(source: Reference, target: Reference, descriptor: Descriptor): Promise<void>;
}

export interface PushOptions {
  readonly files: readonly PublishedFile[];
  /** Names of images that are put beside the project. */
  readonly images: readonly string[];
  /** What the registry knows, undefined to try. */
  readonly oci: OciVersion | undefined;
  readonly version: string;
}

/** Publishes under `target`. Throws a Fault of the registry. */
export async function pushProject(
  publisher: ArtifactPublisher,
  target: Reference,
  { files, images, oci, version }: PushOptions,
): Promise<void> {
  const make = (of: OciVersion): Artifact => projectArtifact(files, { version, now: new Date(), oci: of });
  let project = make(oci ?? "1.1");
  try {
    await put(publisher, target, project);
  } catch (error) {
    if (oci !== undefined || !isRefused(error)) throw error;
    // Most likely a registry that does not know types of artifacts.
    project = make("1.0");
    await put(publisher, target, project);
  }
  if (images.length === 0) return;
  const { domain, path } = target;
  const copied: Descriptor[] = [];
  for (const image of images)
    copied.push(await copyImage(publisher, withDefaultTag(parseReference(image)), { domain, path }));
  const index = applicationIndex(copied, project, version);
  await put(publisher, { domain, path, digest: index.digest }, index);
}

async function put(publisher: ArtifactPublisher, target: Reference, artifact: Artifact): Promise<void> {
  for (const { digest, bytes } of artifact.blobs) await publisher.putBlob(target, digest, bytes);
  await publisher.putManifest(target, artifact.bytes, artifact.mediaType);
}

/** Whether the registry wants something else: neither other credentials nor another moment. */
function isRefused(error: unknown): boolean {
  const status = error instanceof Fault ? Number(error.detail["status"]) : Number.NaN;
  return status >= 400 && status < 500 && ![401, 403, 407, 429].includes(status);
}

/** Copies an image, every platform of it, and returns its descriptor. */
async function copyImage(
  publisher: ArtifactPublisher,
  source: Reference,
  target: Reference,
): Promise<Descriptor> {
  const { digest, bytes, parsed } = await publisher.manifest(source);
  const { domain, path } = source;
  if (parsed.kind === "index")
    for (const entry of parsed.manifests)
      await copyImage(publisher, { domain, path, digest: entry.digest }, target);
  else for (const blob of [parsed.config, ...parsed.layers]) await publisher.copyBlob(source, target, blob);
  await publisher.putManifest({ ...target, digest }, bytes, parsed.mediaType);
  return { mediaType: parsed.mediaType, digest, sizeBytes: bytes.length };
}
