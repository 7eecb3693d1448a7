// The manifest of one image as `docker manifest` keeps and shows it, and the list that is made of several.

import { Fault } from "../../lib/errors.ts";
import { escapeHtml, goJson } from "../../lib/json/go-json.ts";
import { compactJson } from "../../lib/json/parse.ts";
import { type Digest, parseDigest } from "../../oci/digest.ts";
import { MEDIA_TYPES } from "../../oci/mediatype.ts";
import { canonicalString, parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import { complain } from "../failure.ts";
import { indentJson } from "../format/json-text.ts";

/** A platform with the names that it has in JSON, and as it was written: no alias is resolved. */
export interface PlatformText {
  readonly architecture: string;
  readonly os: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
  readonly variant?: string;
}

/** What a list says of a manifest. */
export interface ListEntry {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly platform?: PlatformText | undefined;
}

export interface ListedManifest extends ListEntry {
  /** Where it came from. */
  readonly reference: Reference;
  /** Its bytes as they came. */
  readonly raw: Uint8Array;
}

/** Returns the name with the tag that is meant where none is given. Throws a Fault. */
export function parseName(text: string): Reference {
  return withDefaultTag(parseReference(text));
}

/** Returns the platform among the members of an object, which may be an image's configuration. */
export function platformIn(value: unknown): PlatformText {
  const members = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const text = (key: string) => (typeof members[key] === "string" ? members[key] : "");
  const features = members["os.features"];
  const listed = Array.isArray(features) ? features.filter((one) => typeof one === "string") : [];
  return {
    architecture: text("architecture"),
    os: text("os"),
    ...(text("os.version") === "" ? {} : { "os.version": text("os.version") }),
    ...(listed.length === 0 ? {} : { "os.features": listed }),
    ...(text("variant") === "" ? {} : { variant: text("variant") }),
  };
}

/** Returns the one line that is kept of a manifest, and shown by `inspect --verbose`. */
export function formatListed(manifest: ListedManifest): string {
  const { mediaType, digest, sizeBytes: size, platform, raw } = manifest;
  const head = {
    Ref: canonicalString(manifest.reference),
    Descriptor: { mediaType, digest, size, ...(platform === undefined ? {} : { platform }) },
    Raw: Buffer.from(raw).toString("base64"),
  };
  const member = mediaType === MEDIA_TYPES.ociManifest ? "OCIManifest" : "SchemaV2Manifest";
  return `${goJson(head).slice(0, -1)},"${member}":${compactManifest(raw)}}`;
}

/** A manifest in one line, as it is within another document. */
export function compactManifest(raw: Uint8Array): string {
  return escapeHtml(compactJson(Buffer.from(raw).toString("utf8")));
}

/** Reads what formatListed wrote. Throws a Fault. */
export function parseListed(text: string, path: string): ListedManifest {
  const malformed = (why: string, cause?: unknown) =>
    new Fault("invalidParameter", `invalid manifest file ${path}: ${why}`, {
      code: "manifest.malformed",
      cause,
    });
  let value: { Ref?: unknown; Descriptor?: Record<string, unknown>; Raw?: unknown };
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed("it is not JSON", error);
  }
  const { Ref, Descriptor, Raw } = value ?? {};
  if (typeof Ref !== "string" || typeof Descriptor !== "object" || Descriptor === null)
    throw malformed("it does not describe a manifest");
  // Docker kept no bytes before 20.10, and they cannot be had from what it kept.
  if (typeof Raw !== "string")
    throw malformed("it lacks the manifest's bytes; remove the list with `manifest rm` and create it anew");
  const { mediaType, digest, size, platform } = Descriptor;
  if (typeof mediaType !== "string" || typeof digest !== "string" || typeof size !== "number")
    throw malformed("its descriptor is not one");
  return {
    reference: parseReference(Ref),
    mediaType,
    digest: parseDigest(digest),
    sizeBytes: size,
    raw: Buffer.from(Raw, "base64"),
    ...(platform === undefined || platform === null ? {} : { platform: platformIn(platform) }),
  };
}

/** Throws Docker's refusal when one of the manifests is in another registry than the list. */
export function checkSameRegistry(list: Reference, manifests: readonly ListedManifest[]): void {
  const other = manifests.find(({ reference }) => reference.domain !== list.domain)?.reference;
  if (other !== undefined)
    throw complain(
      `cannot use source images from a different registry than the target image: ${other.domain} != ${list.domain}`,
    );
}

/** Returns the type and text of the list of these manifests: an OCI index where the first is an OCI manifest. */
export function formatList(entries: readonly ListEntry[]): { mediaType: string; text: string } {
  const isOci = entries[0]?.mediaType === MEDIA_TYPES.ociManifest;
  const mediaType = isOci ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.dockerManifestList;
  const manifests = entries.map((entry) => ({
    mediaType: entry.mediaType,
    size: entry.sizeBytes,
    digest: entry.digest,
    platform: entry.platform ?? { architecture: "", os: "" },
  }));
  return { mediaType, text: indentJson(goJson({ schemaVersion: 2, mediaType, manifests }), "   ") };
}
