// What `docker manifest` asks of registries. It speaks with them itself: no daemon has to run, as with Docker's.

import { Fault } from "../../lib/errors.ts";
import { canonicalString, type Reference, withDigest } from "../../oci/reference.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import { type Manifest, parseManifest } from "../../oci/manifest.ts";
import { RepositoryWriter } from "../../registry/push.ts";
import { type FetchedManifest, RegistryRepository } from "../../registry/repository.ts";
import type { RegistryAuth } from "../../registry/tokens.ts";
import { storedAuth } from "../config/stored-auth.ts";
import { complain } from "../failure.ts";
import type { Session } from "../session.ts";
import { checkSameRegistry, formatList, type ListEntry, type ListedManifest, platformIn } from "./listed.ts";

export interface RegistryOptions {
  /** Takes what certificate there is, and plain HTTP. */
  readonly insecure: boolean;
}

/** What a name stands for in its registry. */
export type Remote =
  | { readonly kind: "manifest"; readonly manifest: ListedManifest }
  | { readonly kind: "list"; readonly entries: readonly ListEntry[] };

/** A registry as the user of the session sees it. */
export class ManifestRegistry {
  readonly #session: Session;
  readonly #options: RegistryOptions;
  readonly #signal = new AbortController().signal;

  constructor(session: Session, options: RegistryOptions) {
    this.#session = session;
    this.#options = options;
  }

  /** Returns what a name stands for. Throws a Fault with Docker's text when it is not to be had. */
  async find(reference: Reference): Promise<Remote> {
    const repository = await this.#repository(reference);
    const fetched = await this.#fetch(repository, reference);
    if (fetched.parsed.kind === "manifest")
      return {
        kind: "manifest",
        manifest: await this.#listed(repository, reference, fetched, fetched.parsed),
      };
    const raw = JSON.parse(Buffer.from(fetched.bytes).toString("utf8")) as {
      manifests: { platform?: unknown }[];
    };
    const entries = fetched.parsed.manifests.map((entry, index) => ({
      mediaType: entry.mediaType,
      digest: entry.digest,
      sizeBytes: entry.sizeBytes,
      platform: platformIn(raw.manifests[index]?.platform),
    }));
    return { kind: "list", entries };
  }

  /** Returns the manifests of the list that `list` names, with the platforms that the list gives them. */
  async findAll(list: Reference, entries: readonly ListEntry[]): Promise<ListedManifest[]> {
    const repository = await this.#repository(list);
    const found: ListedManifest[] = [];
    for (const { digest, platform } of entries) {
      const reference = { ...list, digest };
      const fetched = await this.#fetch(repository, withDigest(list, digest));
      if (fetched.parsed.kind !== "manifest")
        throw complain("unsupported manifest type: a list within a list");
      found.push({ ...(await this.#listed(repository, reference, fetched, fetched.parsed)), platform });
    }
    return found;
  }

  async #repository({ domain, path }: Reference): Promise<RegistryRepository> {
    return new RegistryRepository(domain, path, await this.#auth(domain), {
      isInsecure: this.#options.insecure,
    });
  }

  async #auth(domain: string): Promise<RegistryAuth> {
    return storedAuth(await this.#session.config(), domain);
  }

  async #fetch(repository: RegistryRepository, reference: Reference): Promise<FetchedManifest> {
    let fetched: FetchedManifest;
    try {
      // compat: a tag is asked for even where a digest says which manifest it has to be.
      fetched = await repository.manifest(reference.tag ?? reference.digest ?? "", this.#signal);
    } catch (error) {
      throw describeFetch(error, reference);
    }
    if (reference.digest !== undefined && fetched.digest !== reference.digest)
      throw complain(`manifest verification failed for digest ${reference.digest}`);
    return fetched;
  }

  /** A manifest says nothing of its platform; its configuration does. */
  async #listed(
    repository: RegistryRepository,
    reference: Reference,
    { digest, bytes }: FetchedManifest,
    { mediaType, config }: Manifest,
  ): Promise<ListedManifest> {
    const text = Buffer.from(await repository.blobBytes(config, this.#signal)).toString("utf8");
    const platform = platformIn(JSON.parse(text));
    return { reference, mediaType, digest, sizeBytes: bytes.length, raw: bytes, platform };
  }

  /**
   * Pushes a list and what it needs: manifests of other repositories are put beside it, their blobs taken over. Calls `onPushed`
   * for each of them, and returns the list's digest. Throws a Fault.
   */
  async push(
    list: Reference,
    manifests: readonly ListedManifest[],
    onPushed: (reference: Reference, digest: Digest) => void,
  ): Promise<Digest> {
    checkPushable(list, manifests);
    const auth = await this.#auth(list.domain);
    const writer = new RepositoryWriter(list.domain, list.path, auth, { isInsecure: this.#options.insecure });
    const foreign = manifests.filter(({ reference }) => reference.path !== list.path);
    for (const manifest of foreign) await this.#mountBlobs(writer, list, manifest);
    for (const { digest, raw, mediaType } of foreign) {
      const reference = withDigest(list, digest);
      onPushed(reference, await this.#put(writer, reference, Buffer.from(raw), mediaType));
    }
    const { text, mediaType } = formatList(manifests);
    return this.#put(writer, list, Buffer.from(text), mediaType);
  }

  async #mountBlobs(writer: RepositoryWriter, list: Reference, manifest: ListedManifest): Promise<void> {
    const { path } = manifest.reference;
    for (const digest of blobsOf(manifest)) {
      const isMounted = await writer.mount(digest, path, this.#signal);
      // compat: Windows' base layers may be anywhere.
      if (!isMounted && manifest.platform?.os !== "windows")
        throw complain(`error mounting ${path}@${digest} to ${canonicalString(list)}`);
    }
  }

  async #put(
    writer: RepositoryWriter,
    reference: Reference,
    bytes: Uint8Array,
    mediaType: string,
  ): Promise<Digest> {
    try {
      return await writer.putManifest(
        reference.tag ?? reference.digest ?? "",
        bytes,
        mediaType,
        this.#signal,
      );
    } catch (error) {
      throw prefixed(error, `failed to put manifest ${canonicalString(reference)}`);
    }
  }
}

/** Whatever is wrong is found before anything is sent. */
function checkPushable(list: Reference, manifests: readonly ListedManifest[]): void {
  for (const { platform, reference } of manifests) {
    if (!platform?.architecture || !platform.os)
      throw complain(
        `manifest ${canonicalString(reference)} must have an OS and Architecture to be pushed to a registry`,
      );
  }
  checkSameRegistry(list, manifests);
  for (const { reference, digest, raw } of manifests) {
    const actual = digestOf(raw);
    if (actual !== digest)
      throw complain(
        `internal digest mismatch for ${canonicalString(reference)}: expected ${digest}, got ${actual}`,
      );
  }
}

function blobsOf({ raw, mediaType }: ListedManifest): Digest[] {
  const parsed = parseManifest(raw, mediaType);
  if (parsed.kind !== "manifest") throw complain("unsupported manifest type: a list within a list");
  return [parsed.config, ...parsed.layers].map(({ digest }) => digest);
}

function describeFetch(error: unknown, reference: Reference): unknown {
  if (!(error instanceof Fault)) return error;
  // compat: a registry that does not believe the credentials is said to have nothing.
  if (error.kind === "notFound" || error.code === "registry.status-401")
    return new Fault("notFound", `no such manifest: ${canonicalString(reference)}`, {
      code: "manifest.not-found",
      cause: error,
    });
  return error.code === "registry.unreachable"
    ? prefixed(error, "failed to configure transport: error pinging v2 registry")
    : error;
}

function prefixed(error: unknown, prefix: string): unknown {
  return error instanceof Fault
    ? new Fault(error.kind, `${prefix}: ${error.message}`, { code: error.code, cause: error })
    : error;
}
