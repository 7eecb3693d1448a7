// One repository in one registry, as a puller sees it: manifests resolved for a platform, blobs as streams. Every
// digest is verified here or by the store that takes the stream. Source: OCI distribution specification 1.1, "Pull".
import { Fault } from "../lib/errors.ts";
import { type Digest, digestOf, isDigest } from "../oci/digest.ts";
import {
  type Descriptor,
  type Index,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseManifest,
} from "../oci/manifest.ts";
import { MEDIA_TYPES } from "../oci/mediatype.ts";
import { bestPlatform, formatPlatform, type Platform } from "../oci/platform.ts";
import { MAX_CONFIG_BYTES, parseImageConfig } from "../oci/image-config.ts";
import { downloadParallel } from "./parallel.ts";
import type { OnWait, OpenBlob, RetryPolicy } from "./retry.ts";
import { readBytes, readText } from "./answers.ts";
import type { RegistryAuth } from "./tokens.ts";
import { type RegistryOptions, RegistryTransport, scopeOf } from "./transport.ts";

/** Every kind of manifest that is understood here. */
export const ACCEPT_MANIFESTS = [
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.dockerManifestList,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerManifest,
].join(", ");

/** A registry that never comes to an end is not followed for ever. */
const MAX_TAG_PAGES = 1000;

/** What a tag or digest stands for. */
export interface ResolvedManifest {
  /** Digest of what the reference itself names: the index where there is one. */
  digest: Digest;
  manifest: Manifest;
  /** The manifest's bytes as they came. */
  bytes: Uint8Array;
  /** What the reference names: the manifest itself, or the index. */
  top: FetchedManifest;
}

/** What a registry says of a reference without handing it out. */
export interface DescribedManifest {
  mediaType: string;
  digest: Digest;
  sizeBytes: number;
  platforms: readonly Platform[];
}

/** A document under a tag or digest. */
export interface FetchedManifest {
  digest: Digest;
  bytes: Uint8Array;
  parsed: Manifest | Index;
}

export interface BlobOptions {
  readonly policy: RetryPolicy;
  readonly onWait: OnWait;
  /** Over how many connections a big blob may come. */
  readonly connections?: number;
  /** Told the length of an answer that has all of the blob; undefined when the registry does not say. */
  readonly onSize?: (sizeBytes: number | undefined) => void;
  readonly signal: AbortSignal;
}

export class RegistryRepository {
  readonly #transport: RegistryTransport;
  readonly #path: string;
  readonly #options: RegistryOptions;

  /** `address` is the registry's host[:port] or URL, `path` the repository without it (`library/debian`). */
  constructor(address: string, path: string, auth?: RegistryAuth, options: RegistryOptions = {}) {
    this.#transport = new RegistryTransport(address, auth, options);
    this.#path = path;
    this.#options = options;
  }

  get #scope(): string {
    return scopeOf(this.#path, "pull", this.#options);
  }

  /** Returns the manifest that `reference` (tag or digest) has for `platform`. Fails with notFound, unauthorized, unavailable, dataLoss. */
  async resolve(reference: string, platform: Platform, signal: AbortSignal): Promise<ResolvedManifest> {
    const top = await this.manifest(reference, signal);
    if (top.parsed.kind === "manifest")
      return { digest: top.digest, manifest: top.parsed, bytes: top.bytes, top };
    // Attestations are listed with the platform unknown/unknown; they never match.
    const best = bestPlatform(platform, top.parsed.manifests);
    if (best === undefined)
      throw new Fault(
        "notFound",
        `no matching manifest for ${formatPlatform(platform)} in the manifest list entries`,
        { code: "image.platform" },
      );
    const inner = await this.manifest(best.digest, signal);
    if (inner.parsed.kind !== "manifest")
      throw new Fault("dataLoss", "a manifest list inside a manifest list is not supported", {
        code: "image.malformed",
      });
    return { digest: top.digest, manifest: inner.parsed, bytes: inner.bytes, top };
  }

  /** Returns all tags of the repository. Fails as resolve. */
  async tags(signal: AbortSignal): Promise<string[]> {
    const tags: string[] = [];
    let next: string | URL | undefined = `${this.#path}/tags/list`;
    for (let page = 0; next !== undefined && page < MAX_TAG_PAGES; page++) {
      const response: Response = await this.#transport.send(next, this.#scope, { signal });
      const listed = JSON.parse(await readText(response)) as { tags?: string[] | null };
      tags.push(...(listed.tags ?? []));
      const link: string | undefined = /<([^>]+)>;\s*rel="?next"?/.exec(
        response.headers.get("link") ?? "",
      )?.[1];
      next = link === undefined ? undefined : new URL(link, response.url);
    }
    return tags;
  }

  /** Returns what `reference` stands for and the platforms that it is there for. Fails as resolve. */
  async describe(reference: string, signal: AbortSignal): Promise<DescribedManifest> {
    const { digest, bytes, parsed } = await this.manifest(reference, signal);
    const platforms =
      parsed.kind === "index"
        ? parsed.manifests.flatMap((m) => (m.platform === undefined ? [] : [m.platform]))
        : [await this.#platformOf(parsed, signal)];
    return { mediaType: parsed.mediaType, digest, sizeBytes: bytes.length, platforms };
  }

  async #platformOf(manifest: Manifest, signal: AbortSignal): Promise<Platform> {
    const config = parseImageConfig(await this.blobBytes(manifest.config, signal));
    return { os: config.os, architecture: config.architecture };
  }

  /** Returns the manifest or index that `reference` itself names, as it came and parsed. Fails as resolve. */
  async manifest(reference: string, signal: AbortSignal): Promise<FetchedManifest> {
    const response = await this.#transport.send(`${this.#path}/manifests/${reference}`, this.#scope, {
      headers: { Accept: ACCEPT_MANIFESTS },
      signal,
    });
    const bytes = await readBytes(response, MAX_MANIFEST_BYTES);
    const digest = digestOf(bytes);
    if (isDigest(reference) && digest !== reference)
      throw new Fault(
        "dataLoss",
        `manifest verification failed for digest ${reference}: the registry sent ${digest}`,
        { code: "registry.digest" },
      );
    return {
      digest,
      bytes,
      parsed: parseManifest(bytes, response.headers.get("content-type")?.split(";")[0]?.trim()),
    };
  }

  /** Returns a small blob (an image configuration), verified. */
  async blobBytes(descriptor: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
    const response = await this.#transport.send(`${this.#path}/blobs/${descriptor.digest}`, this.#scope, {
      signal,
    });
    const bytes = await readBytes(response, MAX_CONFIG_BYTES);
    if (digestOf(bytes) !== descriptor.digest)
      throw new Fault("dataLoss", `filesystem layer verification failed for digest ${descriptor.digest}`, {
        code: "registry.digest",
      });
    return bytes;
  }

  /** Streams a blob, over further connections where one breaks off, or over several at once; its digest is for the taker to verify. */
  blob(descriptor: Descriptor, options: BlobOptions): AsyncIterable<Uint8Array> {
    const open: OpenBlob = ({ start, end }, signal) => {
      const isWhole = start === 0 && end === undefined;
      const headers = { Range: `bytes=${start}-${end === undefined ? "" : end - 1}` };
      return this.#transport.send(
        `${this.#path}/blobs/${descriptor.digest}`,
        this.#scope,
        { signal, ...(isWhole ? {} : { headers }) },
        [200, 206],
      );
    };
    const { onSize, connections = 1, ...retry } = options;
    const onResponse = (response: Response): void => {
      const size = response.headers.get("content-length");
      if (response.status === 200) onSize?.(size === null ? undefined : Number(size));
    };
    return downloadParallel(open, { ...retry, onResponse, connections, sizeBytes: descriptor.sizeBytes });
  }
}
