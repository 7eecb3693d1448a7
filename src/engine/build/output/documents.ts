// The documents of what a build gives out when one manifest is not enough: an OCI manifest for each platform, one for what is attested
// of it, and the index that names them all. Pure: layers come in as descriptors, blobs and manifests come out as bytes.
// Source: OCI image specification (image-index.md), and BuildKit's attestation storage for how attestations are named.
import { type Digest, digestOf } from "../../../oci/digest.ts";
import { type Descriptor, encodeManifest } from "../../../oci/manifest.ts";
import { layerCompression, MEDIA_TYPES } from "../../../oci/mediatype.ts";
import type { Platform } from "../../../oci/platform.ts";

/** Something that is said of an image, as an in-toto statement. */
export interface Attestation {
  readonly predicateType: string;
  /** The whole statement, given the digest of the manifest that it is about. */
  readonly statement: (subject: Digest) => object;
  /** The same about files. */
  readonly statementOf: (subjects: readonly object[]) => object;
  /** What the statement is called as a file. */
  readonly fileName: string;
}

/** One platform's image. */
export interface IndexedImage {
  readonly platform: Platform;
  /** The configuration's text, byte for byte. */
  readonly configText: string;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
  readonly attestations: readonly Attestation[];
}

export interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export interface AttestationDocuments {
  readonly manifest: Document;
  readonly statements: readonly Document[];
}

export interface IndexDocuments {
  /** What manifests refer to, without the layers. */
  readonly blobs: readonly Document[];
  readonly manifests: readonly Document[];
  /** Of the images alone, in their order. */
  readonly imageManifests: readonly Digest[];
  /** What is attested of each, in their order. */
  readonly attested: readonly (AttestationDocuments | undefined)[];
  readonly index: Document;
}

const IN_TOTO = "application/vnd.in-toto+json";
/** How clients tell an attestation's entry from an image's. */
const UNKNOWN: Platform = { os: "unknown", architecture: "unknown" };

function documentOf(bytes: Uint8Array, mediaType: string): Document {
  return { descriptor: { mediaType, digest: digestOf(bytes), sizeBytes: bytes.length }, bytes };
}

function jsonOf(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** OCI names the same compressions by names of its own. */
function asOci(layer: Descriptor): Descriptor {
  const { ociLayer, ociLayerGzip, ociLayerZstd } = MEDIA_TYPES;
  const types = { none: ociLayer, gzip: ociLayerGzip, zstd: ociLayerZstd };
  return { ...layer, mediaType: types[layerCompression(layer.mediaType) ?? "none"] };
}

function manifestOf(config: Document, layers: readonly Descriptor[]): Document {
  const mediaType = MEDIA_TYPES.ociManifest;
  return documentOf(
    encodeManifest({ kind: "manifest", mediaType, config: config.descriptor, layers }),
    mediaType,
  );
}

/** Returns the statements as layers of a manifest whose configuration says that nothing can be run. */
function attestationOf(
  image: IndexedImage,
  subject: Digest,
): AttestationDocuments & { readonly config: Document } {
  const statements = image.attestations.map(({ predicateType, statement }): Document => {
    const { descriptor, bytes } = documentOf(jsonOf(statement(subject)), IN_TOTO);
    return {
      bytes,
      descriptor: { ...descriptor, annotations: { "in-toto.io/predicate-type": predicateType } },
    };
  });
  const config = documentOf(
    jsonOf({
      ...UNKNOWN,
      config: {},
      rootfs: { type: "layers", diff_ids: statements.map((s) => s.descriptor.digest) },
    }),
    MEDIA_TYPES.ociConfig,
  );
  const manifest = manifestOf(
    config,
    statements.map((s) => s.descriptor),
  );
  return { config, statements, manifest };
}

/** Makes the documents. Images come first in the index, then what is attested of each. */
export function makeIndex(images: readonly IndexedImage[]): IndexDocuments {
  const blobs: Document[] = [];
  const manifests: Document[] = [];
  const attested: (AttestationDocuments | undefined)[] = [];
  const statementEntries: Descriptor[] = [];
  const listed = images.map((image): Descriptor => {
    const config = documentOf(Buffer.from(image.configText), MEDIA_TYPES.ociConfig);
    const manifest = manifestOf(config, image.layers.map(asOci));
    blobs.push(config);
    manifests.push(manifest);
    const about =
      image.attestations.length === 0 ? undefined : attestationOf(image, manifest.descriptor.digest);
    attested.push(about);
    if (about !== undefined) {
      blobs.push(about.config, ...about.statements);
      manifests.push(about.manifest);
      statementEntries.push({
        ...about.manifest.descriptor,
        annotations: {
          "vnd.docker.reference.digest": manifest.descriptor.digest,
          "vnd.docker.reference.type": "attestation-manifest",
        },
        platform: UNKNOWN,
      });
    }
    return { ...manifest.descriptor, platform: image.platform };
  });
  const mediaType = MEDIA_TYPES.ociIndex;
  const index = encodeManifest({ kind: "index", mediaType, manifests: [...listed, ...statementEntries] });
  return {
    blobs,
    manifests,
    imageManifests: listed.map((d) => d.digest),
    attested,
    index: documentOf(index, mediaType),
  };
}
