// Manifests and indexes: stored as they came when they are well-formed and what they need is there, handed out by tag or digest.
import { algorithmOf, type Digest, digestOf, isDigest } from "../../oci/digest.ts";
import { type Index, MAX_MANIFEST_BYTES, type Manifest, parseManifest } from "../../oci/manifest.ts";
import { isForeignLayerType } from "../../oci/mediatype.ts";
import { wantedDigest } from "./blobs.ts";
import type { Catalog, ManifestRecord } from "./catalog.ts";
import { Refusal } from "./errors.ts";
import type { Exchange, Headers } from "./exchange.ts";

const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Whether it can be a tag or a digest. */
export function isReference(reference: string): boolean {
  return reference.includes(":") ? isDigest(reference) : TAG.test(reference);
}

/** Fails for what is neither a tag nor a digest. */
function checkReference(reference: string): void {
  if (isReference(reference)) return;
  if (reference.includes(":")) wantedDigest(reference);
  throw new Refusal("TAG_INVALID", "manifest tag is not one", { detail: reference });
}

/** The manifest that a tag or digest stands for. */
export function findManifest(
  catalog: Catalog,
  name: string,
  reference: string,
): { digest: Digest; record: ManifestRecord } {
  const digest = isDigest(reference) ? reference : catalog.tag(name, reference)?.digest;
  const record = digest === undefined ? undefined : catalog.manifest(name, digest);
  if (digest !== undefined && record !== undefined) return { digest, record };
  throw new Refusal("MANIFEST_UNKNOWN", "manifest unknown", { detail: { name, reference } });
}

/** Answers GET and HEAD. */
export async function serveManifest(
  exchange: Exchange,
  catalog: Catalog,
  name: string,
  reference: string,
): Promise<void> {
  const { digest, record } = findManifest(catalog, name, reference);
  const headers: Headers = {
    "Content-Type": record.mediaType,
    "Content-Length": record.sizeBytes,
    "Docker-Content-Digest": digest,
    ETag: `"${digest}"`,
  };
  await exchange.stream(200, headers, catalog.content.open(digest));
}

/** Answers PUT. */
export async function takeManifest(
  exchange: Exchange,
  catalog: Catalog,
  name: string,
  reference: string,
): Promise<void> {
  checkReference(reference);
  const bytes = await exchange.bytes(MAX_MANIFEST_BYTES);
  const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : "sha256");
  if (isDigest(reference) && digest !== reference)
    throw new Refusal("DIGEST_INVALID", "provided digest did not match uploaded content", {
      detail: { digest },
    });
  const document = parseManifest(bytes, exchange.header("content-type"));
  const record = recordOf(document, bytes.length);
  requireNeeds(catalog, name, document);
  const tags = isDigest(reference) ? exchange.query.getAll("tag") : [reference];
  tags.forEach(checkReference);
  await catalog.addManifest(name, digest, { bytes, record, tags });
  const more = isDigest(reference) && tags.length > 0 ? { "OCI-Tag": tags.join(", ") } : {};
  exchange.send(201, {
    Location: `/v2/${name}/manifests/${digest}`,
    "Docker-Content-Digest": digest,
    ...(record.subject === undefined ? {} : { "OCI-Subject": record.subject }),
    ...more,
  });
}

/** Returns what the catalog keeps of a manifest. */
export function recordOf(document: Manifest | Index, sizeBytes: number): ManifestRecord {
  // compat: a manifest without an artifact type is of its configuration's ("Listing Referrers").
  const artifactType =
    document.artifactType ?? (document.kind === "manifest" ? document.config.mediaType : undefined);
  const { annotations, subject } = document;
  return {
    version: 1,
    mediaType: document.mediaType,
    sizeBytes,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(subject === undefined ? {} : { subject: subject.digest }),
    needs: (document.kind === "index" ? document.manifests : [document.config, ...document.layers]).map(
      (d) => d.digest,
    ),
    atMs: Date.now(),
  };
}

/** Refuses a manifest whose parts are not there; layers that are to be had elsewhere need not be. A subject may follow. */
function requireNeeds(catalog: Catalog, name: string, document: Manifest | Index): void {
  const missing =
    document.kind === "index"
      ? document.manifests.filter(
          (d) => catalog.manifest(name, d.digest) === undefined && !catalog.hasBlob(name, d.digest),
        )
      : [document.config, ...document.layers.filter((l) => !isForeignLayerType(l.mediaType))].filter(
          (d) => !catalog.hasBlob(name, d.digest),
        );
  if (missing.length === 0) return;
  throw new Refusal("MANIFEST_BLOB_UNKNOWN", "manifest references content that is not in the repository", {
    detail: missing.map((d) => ({ digest: d.digest })),
  });
}

/** Answers DELETE: of a tag, or of a manifest with its tags. */
export async function deleteManifest(
  exchange: Exchange,
  catalog: Catalog,
  name: string,
  reference: string,
): Promise<void> {
  checkReference(reference);
  const isGone = isDigest(reference)
    ? await catalog.removeManifest(name, reference)
    : await catalog.removeTag(name, reference);
  if (!isGone) throw new Refusal("MANIFEST_UNKNOWN", "manifest unknown", { detail: { name, reference } });
  exchange.send(202);
}
