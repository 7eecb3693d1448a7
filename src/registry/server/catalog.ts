// What a registry has: repositories with their blobs, manifests and tags, as records (tables `blobs`, `manifests`, `tags`) in front of
// one content store. A blob is there once, however many repositories have it, and goes with the last of them. Changes run one
// after another; reads never wait.
import { Lane } from "../../lib/lanes.ts";
import type { Digest } from "../../oci/digest.ts";
import type { BlobInfo, ContentStore } from "../../storage/content/types.ts";
import type { RecordStore, Table } from "../../storage/meta/types.ts";

/** That a repository has a blob. */
interface BlobRecord {
  readonly version: 1;
  readonly atMs: number;
}

export interface ManifestRecord {
  readonly version: 1;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** What the referrers listing shows of it. */
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** The manifest that this one is about. */
  readonly subject?: Digest;
  /** Blobs and manifests that it needs. */
  readonly needs: readonly Digest[];
  readonly atMs: number;
}

interface TagRecord {
  readonly version: 1;
  readonly digest: Digest;
  /** When it was last known to be right; a cache asks again. */
  readonly atMs: number;
}

/** One repository as it is in memory. */
interface Repository {
  readonly blobs: Map<Digest, BlobRecord>;
  readonly manifests: Map<Digest, ManifestRecord>;
  readonly tags: Map<string, TagRecord>;
}

export class Catalog {
  readonly content: ContentStore;
  readonly #store: RecordStore;
  readonly #blobs: Table<BlobRecord>;
  readonly #manifests: Table<ManifestRecord>;
  readonly #tags: Table<TagRecord>;
  readonly #repositories = new Map<string, Repository>();
  /** How many repositories have it, as a blob or a manifest. */
  readonly #uses = new Map<Digest, number>();
  readonly #lane = new Lane();

  constructor(store: RecordStore, content: ContentStore) {
    this.#store = store;
    this.content = content;
    this.#blobs = store.table<BlobRecord>("blobs");
    this.#manifests = store.table<ManifestRecord>("manifests");
    this.#tags = store.table<TagRecord>("tags");
    for (const [key, record] of this.#blobs.entries()) {
      const [name, digest] = splitKey(key);
      this.#repository(name).blobs.set(digest as Digest, record);
      this.#use(digest as Digest, 1);
    }
    for (const [key, record] of this.#manifests.entries()) {
      const [name, digest] = splitKey(key);
      this.#repository(name).manifests.set(digest as Digest, record);
      this.#use(digest as Digest, 1);
    }
    for (const [key, record] of this.#tags.entries()) {
      const [name, tag] = splitKey(key);
      this.#repository(name).tags.set(tag, record);
    }
  }

  #repository(name: string): Repository {
    let repository = this.#repositories.get(name);
    if (repository === undefined) {
      repository = { blobs: new Map(), manifests: new Map(), tags: new Map() };
      this.#repositories.set(name, repository);
    }
    return repository;
  }

  #use(digest: Digest, by: 1 | -1): number {
    const uses = (this.#uses.get(digest) ?? 0) + by;
    if (uses > 0) this.#uses.set(digest, uses);
    else this.#uses.delete(digest);
    return uses;
  }

  /** Names of the repositories that have a manifest, sorted. */
  names(): string[] {
    return [...this.#repositories].flatMap(([name, r]) => (r.manifests.size > 0 ? [name] : [])).sort();
  }

  /** Whether anything was ever pushed there. */
  has(name: string): boolean {
    const repository = this.#repositories.get(name);
    return repository !== undefined && repository.manifests.size + repository.blobs.size > 0;
  }

  /** Tags of a repository, sorted as the specification wants it. */
  tags(name: string): string[] {
    return [...(this.#repositories.get(name)?.tags.keys() ?? [])].sort();
  }

  tag(name: string, tag: string): TagRecord | undefined {
    return this.#repositories.get(name)?.tags.get(tag);
  }

  manifest(name: string, digest: Digest): ManifestRecord | undefined {
    return this.#repositories.get(name)?.manifests.get(digest);
  }

  /** The manifests of a repository that are about `subject`, oldest first. */
  referrers(name: string, subject: Digest): [Digest, ManifestRecord][] {
    const all = this.#repositories.get(name)?.manifests ?? new Map<Digest, ManifestRecord>();
    return [...all].filter(([, record]) => record.subject === subject);
  }

  hasBlob(name: string, digest: Digest): boolean {
    return this.#repositories.get(name)?.blobs.has(digest) ?? false;
  }

  /** A repository that has the blob. */
  ownerOf(digest: Digest): string | undefined {
    if (!this.#uses.has(digest)) return undefined;
    for (const [name, { blobs }] of this.#repositories) if (blobs.has(digest)) return name;
    return undefined;
  }

  /** Stores a blob by `store`, which says what it is, and gives it to a repository. */
  addBlob(name: string, store: () => Promise<BlobInfo>): Promise<Digest> {
    return this.#lane.run(async () => {
      const { digest } = await store();
      await this.#link(name, digest);
      return digest;
    });
  }

  /** Gives a repository a blob that another one has; false when that has it not (any more). */
  mountBlob(name: string, from: string, digest: Digest): Promise<boolean> {
    return this.#lane.run(async () => {
      if (!this.hasBlob(from, digest)) return false;
      await this.#link(name, digest);
      return true;
    });
  }

  async #link(name: string, digest: Digest): Promise<void> {
    const record: BlobRecord = { version: 1, atMs: Date.now() };
    await this.#store.commit([this.#blobs.put(keyOf(name, digest), record)]);
    const { blobs } = this.#repository(name);
    if (!blobs.has(digest)) this.#use(digest, 1);
    blobs.set(digest, record);
  }

  /** Stores a manifest and points tags at it. */
  addManifest(
    name: string,
    digest: Digest,
    { bytes, record, tags }: { bytes: Uint8Array; record: ManifestRecord; tags: readonly string[] },
  ): Promise<void> {
    return this.#lane.run(async () => {
      await this.content.ingest(once(bytes), { digest, sizeBytes: bytes.length });
      const tagged: TagRecord = { version: 1, digest, atMs: Date.now() };
      await this.#store.commit([
        this.#manifests.put(keyOf(name, digest), record),
        ...tags.map((tag) => this.#tags.put(keyOf(name, tag), tagged)),
      ]);
      const repository = this.#repository(name);
      if (!repository.manifests.has(digest)) this.#use(digest, 1);
      repository.manifests.set(digest, record);
      for (const tag of tags) repository.tags.set(tag, tagged);
    });
  }

  /** Takes a tag away; false when there is none. */
  removeTag(name: string, tag: string): Promise<boolean> {
    return this.#lane.run(async () => {
      if (this.tag(name, tag) === undefined) return false;
      await this.#store.commit([this.#tags.remove(keyOf(name, tag))]);
      this.#repository(name).tags.delete(tag);
      return true;
    });
  }

  /** Removes a manifest with the tags that point at it; false when there is none. */
  removeManifest(name: string, digest: Digest): Promise<boolean> {
    return this.#lane.run(async () => {
      const repository = this.#repository(name);
      if (!repository.manifests.has(digest)) return false;
      const tags = [...repository.tags].flatMap(([tag, t]) => (t.digest === digest ? [tag] : []));
      await this.#store.commit([
        this.#manifests.remove(keyOf(name, digest)),
        ...tags.map((tag) => this.#tags.remove(keyOf(name, tag))),
      ]);
      repository.manifests.delete(digest);
      for (const tag of tags) repository.tags.delete(tag);
      if (this.#use(digest, -1) <= 0) await this.content.remove(digest);
      return true;
    });
  }

  /** Takes a blob from a repository; false when it has none. */
  removeBlob(name: string, digest: Digest): Promise<boolean> {
    return this.#lane.run(() => this.#unlink(name, digest));
  }

  async #unlink(name: string, digest: Digest): Promise<boolean> {
    const { blobs } = this.#repository(name);
    if (!blobs.has(digest)) return false;
    await this.#store.commit([this.#blobs.remove(keyOf(name, digest))]);
    blobs.delete(digest);
    if (this.#use(digest, -1) <= 0) await this.content.remove(digest);
    return true;
  }

  /**
   * Removes blobs that no manifest of their repository needs, given to it before `beforeMs` (since the epoch; younger ones may belong to
   * a push under way), and content that no repository has, which a crash can leave.
   */
  async collect(beforeMs: number): Promise<void> {
    for (const [name, { blobs, manifests }] of this.#repositories) {
      const needed = new Set([...manifests.values()].flatMap((m) => m.needs));
      for (const [digest, { atMs }] of [...blobs])
        if (atMs < beforeMs && !needed.has(digest)) await this.removeBlob(name, digest);
    }
    for await (const { digest, storedAtMs } of this.content.list())
      if (storedAtMs < beforeMs)
        await this.#lane.run(() => (this.#uses.has(digest) ? undefined : this.content.remove(digest)));
  }

  /** Removes manifests and blobs that came before `beforeMs`: a cache can get them again. */
  async expire(beforeMs: number): Promise<void> {
    for (const [name, { manifests }] of this.#repositories)
      for (const [digest, { atMs }] of [...manifests])
        if (atMs < beforeMs) await this.removeManifest(name, digest);
    await this.collect(beforeMs);
  }
}

const keyOf = (name: string, what: string): string => `${name} ${what}`;

function splitKey(key: string): [name: string, what: string] {
  const blank = key.indexOf(" ");
  return [key.slice(0, blank), key.slice(blank + 1)];
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
