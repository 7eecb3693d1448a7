// Image manifests and indexes: parsing from untrusted JSON and encoding (OCI image specification, manifest.md and
// image-index.md; Docker's schema 2, which has the same shape). Invariant: the digest of an image is that of the
// bytes as they came; never re-encode what was received.

import { compact, Fields, malformed } from "./_json.ts";
import { type Digest, parseDigest } from "./digest.ts";
import { isConfigType, isIndexType, isLayerType, isManifestType, MEDIA_TYPES } from "./mediatype.ts";
import { normalisePlatform, type Platform } from "./platform.ts";

/** Registries accept at most 4 MiB (distribution specification, "Pushing manifests"). */
export const MAX_MANIFEST_BYTES = 4 << 20;

/** What a document refers to: bytes of a type, by digest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly platform?: Platform;
}

/** The manifest of one image. */
export interface Manifest {
  readonly kind: "manifest";
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A list of manifests, usually one per platform. */
export interface Index {
  readonly kind: "index";
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Returns the manifest or index in `bytes`. `mediaType` is the registry's Content-Type, used where the document
 * does not name its own. Fails with invalidParameter, also for a document that is both at once (CVE-2021-41190).
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest | Index {
  const doc = Fields.parse(bytes, "manifest", MAX_MANIFEST_BYTES);
  const version = doc.integer("schemaVersion");
  if (version !== 2) throw malformed(`manifest has schema version ${version ?? "none"}, only 2 is supported`);
  const layers = doc.objects("layers");
  const manifests = doc.objects("manifests");
  if (layers !== undefined && manifests !== undefined)
    throw malformed("manifest has both layers and manifests");
  const type = typeOf(doc, mediaType, { isList: manifests !== undefined });
  const annotations = doc.stringMap("annotations");
  const artifactType = doc.string("artifactType");
  const subject = doc.object("subject");
  const common = {
    mediaType: type,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(subject === undefined ? {} : { subject: parseDescriptor(subject) }),
  };
  if (isIndexType(type)) {
    return { kind: "index", ...common, manifests: (manifests ?? []).map(parseDescriptor) };
  }
  if (manifests !== undefined) throw malformed(`manifest of type ${type} has a list of manifests`);
  const config = doc.object("config");
  if (config === undefined) throw malformed("manifest has no config");
  return {
    kind: "manifest",
    ...common,
    config: parseDescriptor(config),
    layers: (layers ?? []).map(parseDescriptor),
  };
}

function typeOf(doc: Fields, given: string | undefined, shape: { isList: boolean }): string {
  const own = doc.string("mediaType");
  const type =
    own || given?.split(";")[0]?.trim() || (shape.isList ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest);
  if (!isIndexType(type) && !isManifestType(type))
    throw malformed(`unsupported manifest type ${type.slice(0, 200)}`);
  return type;
}

function parseDescriptor(fields: Fields): Descriptor {
  const sizeBytes = fields.integer("size") ?? 0;
  if (sizeBytes < 0) throw malformed(`${fields.what}: size is negative`);
  const urls = fields.strings("urls");
  const annotations = fields.stringMap("annotations");
  const artifactType = fields.string("artifactType");
  const platform = fields.object("platform");
  return {
    mediaType: fields.string("mediaType") ?? "",
    digest: parseDigest(fields.requiredString("digest")),
    sizeBytes,
    ...(urls === undefined ? {} : { urls }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(platform === undefined ? {} : { platform: parsePlatformFields(platform) }),
  };
}

function parsePlatformFields(fields: Fields): Platform {
  const variant = fields.string("variant");
  const osVersion = fields.string("os.version");
  const osFeatures = fields.strings("os.features");
  return normalisePlatform({
    os: fields.string("os") ?? "",
    architecture: fields.string("architecture") ?? "",
    ...(variant === undefined ? {} : { variant }),
    ...(osVersion === undefined ? {} : { osVersion }),
    ...(osFeatures === undefined ? {} : { osFeatures }),
  });
}

/** Whether the manifest describes a runnable image and not some other artifact. */
export function isImageManifest(manifest: Manifest): boolean {
  return isConfigType(manifest.config.mediaType) && manifest.layers.every((l) => isLayerType(l.mediaType));
}

/** Returns the document as JSON in the key order of Docker and the specification. */
export function encodeManifest(document: Manifest | Index): Uint8Array {
  const head = { schemaVersion: 2, mediaType: document.mediaType, artifactType: document.artifactType };
  const body =
    document.kind === "index"
      ? {
          manifests: document.manifests.map(encodeDescriptor),
          subject: document.subject && encodeDescriptor(document.subject),
        }
      : {
          config: encodeDescriptor(document.config),
          layers: document.layers.map(encodeDescriptor),
          subject: document.subject && encodeDescriptor(document.subject),
        };
  return Buffer.from(JSON.stringify(compact({ ...head, ...body, annotations: document.annotations })));
}

function encodeDescriptor(d: Descriptor): Record<string, unknown> {
  return compact({
    mediaType: d.mediaType,
    digest: d.digest,
    size: d.sizeBytes,
    urls: d.urls,
    annotations: d.annotations,
    platform: d.platform && encodePlatform(d.platform),
    artifactType: d.artifactType,
  });
}

function encodePlatform(p: Platform): Record<string, unknown> {
  return compact({
    architecture: p.architecture,
    os: p.os,
    "os.version": p.osVersion,
    "os.features": p.osFeatures,
    variant: p.variant,
  });
}
