// Under which manifests an image came: the one of this machine's platform, and the list it was taken from with what else is in there.
// What a host has built itself has none until it is pushed.
import type { Descriptor as ApiDescriptor, OciPlatform } from "../../api/schemas/descriptor.ts";
import type { ImageManifest } from "../../api/schemas/image.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import { type Descriptor, type Index, type Manifest, parseManifest } from "../../oci/manifest.ts";
import type { Platform } from "../../oci/platform.ts";
import type { ResolvedManifest } from "../../registry/repository.ts";
import { configOf, type ImageRecord } from "./record.ts";

/** How BuildKit marks what says something about another manifest of the list. */
const REFERENCE_TYPE = "vnd.docker.reference.type";
const ATTESTATION = "attestation-manifest";
const REFERENCE_DIGEST = "vnd.docker.reference.digest";

/** Whether an entry of a list is about another one of its entries. */
export function isAttestationOf({ annotations }: Descriptor, image: Digest): boolean {
  return annotations?.[REFERENCE_TYPE] === ATTESTATION && annotations[REFERENCE_DIGEST] === image;
}

/** Returns what a record keeps of how an image came. */
export function manifestsKept(resolved: ResolvedManifest): Pick<ImageRecord, "manifest" | "index"> {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
  const { top } = resolved;
  return {
    manifest: { mediaType: resolved.manifest.mediaType, text: text(resolved.bytes) },
    ...(top.parsed.kind === "index"
      ? { index: { mediaType: top.parsed.mediaType, text: text(top.bytes) } }
      : {}),
  };
}

/** Returns what the image's name stands for in its registry: the list where there is one; undefined for what never was there. */
export function targetOf(image: ImageRecord): ApiDescriptor | undefined {
  const kept = image.index ?? image.manifest;
  if (kept === undefined) return undefined;
  const bytes = Buffer.from(kept.text);
  return { mediaType: kept.mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** Returns all manifests of what the image came with: of `all` images those that came with the same list are here. */
export function manifestsOf(
  image: ImageRecord,
  all: readonly ImageRecord[],
  containersOf: (imageId: string) => readonly string[],
): ImageManifest[] | undefined {
  if (image.manifest === undefined) return undefined;
  if (image.index === undefined) return [availableOf(image, image.manifest, containersOf(image.id))];
  const here = new Map(
    all
      .filter((i) => hasSameIndex(i, image))
      .flatMap((i) => {
        if (i.manifest === undefined) return [];
        const available = availableOf(i, i.manifest, containersOf(i.id));
        return [[available.ID, available] as const];
      }),
  );
  const attested = attestedBytes(all.filter((i) => hasSameIndex(i, image)));
  return indexOf(image).map((d) => {
    const available = here.get(d.digest);
    if (available !== undefined) return { ...available, Descriptor: shown(d) };
    const bytes = attested.get(d.digest);
    const other = elsewhere(d);
    return bytes === undefined
      ? other
      : { ...other, Available: true, Size: { Content: bytes, Total: bytes } };
  });
}

/** The attestation manifests that are here, with the bytes of what they consist of. */
function attestedBytes(images: readonly ImageRecord[]): ReadonlyMap<Digest, number> {
  const kept = images.flatMap((i) => i.attestations ?? []);
  return new Map(
    kept.map(({ mediaType, text }) => {
      const bytes = Buffer.from(text);
      const { config, layers } = parseManifest(bytes, mediaType) as Manifest;
      const content = [config, ...layers].reduce((sum, d) => sum + d.sizeBytes, bytes.length);
      return [digestOf(bytes), content];
    }),
  );
}

/** The entries of the list that an image came from; none when it came from none. */
export function indexOf({ index }: ImageRecord): readonly Descriptor[] {
  if (index === undefined) return [];
  return (parseManifest(Buffer.from(index.text), index.mediaType) as Index).manifests;
}

/** Whether two images came from one list. */
export function hasSameIndex(a: ImageRecord, b: ImageRecord): boolean {
  return a.index !== undefined && a.index.text === b.index?.text;
}

function availableOf(
  image: ImageRecord,
  kept: NonNullable<ImageRecord["manifest"]>,
  containerIds: readonly string[],
): ImageManifest {
  const bytes = Buffer.from(kept.text);
  const manifest = parseManifest(bytes, kept.mediaType) as Manifest;
  const digest = digestOf(bytes);
  const sizeBytes = bytes.length;
  const { os, architecture, variant } = configOf(image);
  const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  const content = [manifest.config, ...manifest.layers].reduce((sum, d) => sum + d.sizeBytes, sizeBytes);
  return {
    ID: digest,
    Descriptor: { mediaType: manifest.mediaType, digest, size: sizeBytes, platform },
    Available: true,
    Size: { Content: content, Total: content + image.sizeBytes },
    Kind: "image",
    ImageData: {
      Platform: platform,
      Size: { Unpacked: image.sizeBytes },
      Containers: [...containerIds],
    },
  };
}

function elsewhere(d: Descriptor): ImageManifest {
  const isAttestation = d.annotations?.[REFERENCE_TYPE] === ATTESTATION;
  const common = {
    ID: d.digest,
    Descriptor: shown(d),
    Available: false,
    Size: { Content: 0, Total: 0 },
  };
  if (isAttestation)
    return {
      ...common,
      Kind: "attestation",
      AttestationData: { For: d.annotations?.[REFERENCE_DIGEST] ?? "" },
    };
  if (d.platform === undefined) return { ...common, Kind: "unknown" };
  const data = { Platform: platformOf(d.platform), Size: { Unpacked: 0 }, Containers: [] };
  return { ...common, Kind: "image", ImageData: data };
}

/** A descriptor as the API prints it. */
export function shown(d: Descriptor): ApiDescriptor {
  return {
    mediaType: d.mediaType,
    digest: d.digest,
    size: d.sizeBytes,
    ...(d.urls === undefined ? {} : { urls: [...d.urls] }),
    ...(d.annotations === undefined ? {} : { annotations: { ...d.annotations } }),
    ...(d.platform === undefined ? {} : { platform: platformOf(d.platform) }),
    ...(d.artifactType === undefined ? {} : { artifactType: d.artifactType }),
  };
}

function platformOf(p: Platform): OciPlatform {
  return {
    architecture: p.architecture,
    os: p.os,
    ...(p.osVersion === undefined ? {} : { "os.version": p.osVersion }),
    ...(p.osFeatures === undefined ? {} : { "os.features": [...p.osFeatures] }),
    ...(p.variant === undefined ? {} : { variant: p.variant }),
  };
}
