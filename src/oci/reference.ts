// Image names as Docker writes them: `ubuntu`, `ghcr.io/a/b:tag@sha256:…`. Implements the grammar of
// github.com/distribution/reference with its defaults (docker.io, library/, latest) and its error texts.
// Vocabulary only: whether such an image exists is engine/image's and registry's business.

import { Fault } from "../lib/errors.ts";
import { type Digest, parseDigest } from "./digest.ts";

/** A parsed and normalised image name: `domain` and `path` are always present (docker.io/library/ubuntu). */
export interface Reference {
  /** Registry host with optional port. */
  readonly domain: string;
  /** Repository path without the domain. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export const DEFAULT_DOMAIN = "docker.io";
const LEGACY_DOMAIN = "index.docker.io";
const OFFICIAL = "library";
export const DEFAULT_TAG = "latest";
const MAX_NAME = 255;
/** Longest text that is looked at: name, tag (128) and a sha512 digest with room to spare. */
const MAX_TEXT = 1024;

const ALNUM = "[a-z0-9]+";
const SEPARATOR = "(?:[._]|__|[-]+)";
const COMPONENT = `${ALNUM}(?:${SEPARATOR}${ALNUM})*`;
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const HOST = `(?:${LABEL}(?:\\.${LABEL})*|\\[(?:[a-fA-F0-9:]+)\\])`;
const DOMAIN = `${HOST}(?::[0-9]+)?`;
const TAG = "\\w[\\w.-]{0,127}";
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const REFERENCE = new RegExp(`^(${DOMAIN})/(${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const IDENTIFIER = /^[a-f0-9]{64}$/;
const TAG_ONLY = new RegExp(`^${TAG}$`);

function invalid(message: string, text: string): Fault {
  return new Fault("invalidParameter", message, {
    code: "reference.invalid",
    detail: { reference: text.slice(0, MAX_TEXT) },
  });
}

/**
 * Returns the image name that `text` spells, with domain and `library/` filled in but no tag added.
 * Fails with invalidParameter and Docker's text (`invalid reference format`, `… must be lowercase`).
 */
export function parseReference(text: string): Reference {
  if (text.length > MAX_TEXT) throw invalid("invalid reference format", text);
  if (IDENTIFIER.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`, text);
  }
  const { domain, rest } = splitDomain(text);
  const colon = rest.indexOf(":");
  const remote = colon < 0 ? rest : rest.slice(0, colon);
  if (remote.toLowerCase() !== remote) {
    throw invalid(`invalid reference format: repository name (${remote}) must be lowercase`, text);
  }
  const match = REFERENCE.exec(`${domain}/${rest}`);
  if (match === null) throw invalid("invalid reference format", text);
  const [, host, path, tag, digest] = match as unknown as [string, string, string, string?, string?];
  if (path.length > MAX_NAME) {
    throw invalid(`repository name must not be more than ${MAX_NAME} characters`, text);
  }
  return {
    domain: host,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

function splitDomain(text: string): { domain: string; rest: string } {
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash);
  // compat: a first part without dot and colon is a repository on Docker Hub, unless it is localhost. Engines since 23 take one with
  // capitals for a host; a name that somebody got wrong is likelier.
  const isDomain = slash >= 0 && (/[.:]/.test(first) || first === "localhost");
  const domain = !isDomain || first === LEGACY_DOMAIN ? DEFAULT_DOMAIN : first;
  const rest = isDomain ? text.slice(slash + 1) : text;
  return { domain, rest: domain === DEFAULT_DOMAIN && !rest.includes("/") ? `${OFFICIAL}/${rest}` : rest };
}

/** Returns `reference` with the tag `latest` when it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: DEFAULT_TAG }
    : reference;
}

/** Returns `reference` under another tag and without digest. Fails with `invalid tag format`. */
export function withTag(reference: Reference, tag: string): Reference {
  if (!TAG_ONLY.test(tag)) throw invalid("invalid tag format", tag);
  return { domain: reference.domain, path: reference.path, tag };
}

/** Returns `reference` pinned to `digest`, without tag. */
export function withDigest(reference: Reference, digest: Digest): Reference {
  return { domain: reference.domain, path: reference.path, digest };
}

/** Returns the full repository name, `docker.io/library/ubuntu`. */
export function canonicalName(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** Returns the repository name as people write it: `ubuntu`, `user/app`, `ghcr.io/a/b`. */
export function familiarName(reference: Reference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return canonicalName(reference);
  const short = reference.path.slice(OFFICIAL.length + 1);
  // compat: `library/a/b` keeps its prefix, since `a/b` would mean another repository.
  return reference.path.startsWith(`${OFFICIAL}/`) && !short.includes("/") ? short : reference.path;
}

function suffix(reference: Reference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  return reference.digest === undefined ? tag : `${tag}@${reference.digest}`;
}

/** Returns the full text, `docker.io/library/ubuntu:22.04`; the key under which images are recorded. */
export function canonicalString(reference: Reference): string {
  return canonicalName(reference) + suffix(reference);
}

/** Returns the text as people write it, `ubuntu:22.04`. */
export function familiarString(reference: Reference): string {
  return familiarName(reference) + suffix(reference);
}

/** What a user may have meant by an image argument: a full id, or a name. */
export type IdOrReference = { kind: "id"; digest: Digest } | { kind: "name"; reference: Reference };

/** Returns whether `text` is a whole image id (64 hex digits, or a digest) or a name; short ids look like names. */
export function parseIdOrReference(text: string): IdOrReference {
  if (IDENTIFIER.test(text)) return { kind: "id", digest: parseDigest(`sha256:${text}`) };
  if (/^sha256:[0-9a-f]{64}$/.test(text) || /^sha512:[0-9a-f]{128}$/.test(text)) {
    return { kind: "id", digest: parseDigest(text) };
  }
  return { kind: "name", reference: parseReference(text) };
}
