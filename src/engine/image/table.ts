// All images of the daemon by id, name and prefix. Reads are memory accesses. Layers are kept as long as an image or
// a container refers to them; what the last one leaves behind goes in the background.
import { Fault } from "../../lib/errors.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import type { ImageId } from "../../oci/image-config.ts";
import {
  canonicalName,
  canonicalString,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../oci/reference.ts";
import type { LayerHolds } from "../../storage/layer/holds.ts";
import type { Change, RecordStore, Table } from "../../storage/meta/types.ts";
import type { ImageRecord, TagRecord } from "./record.ts";

const ID_TEXT = /^(?:sha256:)?([0-9a-f]{1,64})$/;

export class ImageTable {
  readonly #store: RecordStore;
  readonly #images: Table<ImageRecord>;
  readonly #tags: Table<TagRecord>;

  readonly #holds: LayerHolds;

  constructor(store: RecordStore, holds: LayerHolds) {
    this.#store = store;
    this.#holds = holds;
    this.#images = store.table<ImageRecord>("images");
    this.#tags = store.table<TagRecord>("tags");
    for (const image of this.#images.values()) this.#hold(image);
  }

  /** Layers are kept for their images; the service releases them when an image goes. */
  #hold(image: ImageRecord): void {
    const top = image.layers.at(-1);
    if (top !== undefined) this.#holds.retain(top, `image:${image.id}`);
  }

  get size(): number {
    return this.#images.size;
  }

  all(): ImageRecord[] {
    return [...this.#images.values()];
  }

  get(id: string): ImageRecord | undefined {
    return this.#images.get(id);
  }

  /** Returns the names of an image as people write them, sorted. */
  tagsOf(id: string): string[] {
    return [...this.#tags.entries()]
      .filter(([, t]) => t.imageId === id)
      .map(([name]) => familiarString(parseReference(name)))
      .sort();
  }

  /** Returns the tagged names of a repository, sorted. */
  referencesOf(repository: Reference): Reference[] {
    const prefix = `${canonicalName(repository)}:`;
    return [...this.#tags.keys()]
      .filter((name) => name.startsWith(prefix) && !name.slice(prefix.length).includes("/"))
      .sort()
      .map(parseReference);
  }

  /** Returns the tagged names that a repository's name without a tag stands for; none when `text` is something else. */
  referencesNamed(text: string): Reference[] {
    const reference = parsed(text);
    const isBare = reference !== undefined && reference.tag === undefined && reference.digest === undefined;
    return isBare ? this.referencesOf(reference) : [];
  }

  /** Records a manifest under which the image is known to a registry. */
  async addRepoDigest(id: string, repoDigest: string): Promise<void> {
    const image = this.#images.get(id);
    if (image === undefined || image.repoDigests.includes(repoDigest)) return;
    const known = { ...image, repoDigests: [...image.repoDigests, repoDigest] };
    await this.#store.commit([this.#images.put(id, known)]);
  }

  /** Returns when the image got a name last, "" for never. */
  lastTagTime(id: string): string {
    return [...this.#tags.values()]
      .filter((t) => t.imageId === id)
      .reduce((a, t) => (t.taggedAt > a ? t.taggedAt : a), "");
  }

  /** Returns the image that a name with its tag stands for. */
  byReference(reference: Reference): ImageRecord | undefined {
    if (reference.digest !== undefined) {
      const name = `${canonicalName(reference)}@${reference.digest}`;
      return this.all().find((i) => i.repoDigests.includes(name) || i.id === reference.digest);
    }
    const tag = this.#tags.get(canonicalString(withDefaultTag(reference)));
    return tag === undefined ? undefined : this.#images.get(tag.imageId);
  }

  /** Returns the image that a name, an id or a prefix of one means, and how it was meant. Fails with notFound. */
  find(text: string): { image: ImageRecord; by: "id" | "name"; reference?: Reference } {
    const reference = parsed(text);
    if (reference !== undefined) {
      const image = this.byReference(reference);
      if (image !== undefined) return { image, by: "name", reference };
    }
    const hex = ID_TEXT.exec(text)?.[1];
    const matches = hex === undefined ? [] : this.all().filter((i) => i.id.startsWith(`sha256:${hex}`));
    if (matches.length > 1)
      throw new Fault("invalidParameter", `ambiguous image reference: ${text}`, { code: "image.ambiguous" });
    if (matches[0] !== undefined) return { image: matches[0], by: "id" };
    const shown = reference === undefined ? text : familiarString(withDefaultTag(reference));
    throw new Fault("notFound", `No such image: ${shown}`, {
      code: "image.not-found",
      detail: { reference: shown },
    });
  }

  /** Commits an image with the names it gets; names move from their former images. */
  async add(image: ImageRecord, names: readonly Reference[], more: readonly Change[] = []): Promise<void> {
    const known = this.#images.get(image.id);
    const merged: ImageRecord =
      known === undefined
        ? image
        : {
            ...(image.manifest === undefined ? cameAs(known) : {}),
            ...image,
            repoDigests: [...new Set([...known.repoDigests, ...image.repoDigests])],
            parentId: known.parentId || image.parentId,
            isIntermediate: known.isIntermediate && image.isIntermediate,
          };
    this.#hold(merged);
    await this.#store.commit([
      this.#images.put(image.id, merged),
      ...names.map((n) => this.#tagChange(n, image.id)),
      ...more,
    ]);
  }

  #tagChange(name: Reference, imageId: ImageId): Change {
    return this.#tags.put(canonicalString(withDefaultTag(name)), {
      version: 1,
      imageId,
      taggedAt: formatNano(nowNano()),
    });
  }

  async tag(image: ImageRecord, name: Reference): Promise<void> {
    const named: ImageRecord = { ...image, isIntermediate: false };
    await this.#store.commit([this.#tagChange(name, image.id), this.#images.put(image.id, named)]);
  }

  /** Returns the change that takes a name away. */
  untagChange(familiar: string): Change {
    return this.#tags.remove(canonicalString(parseReference(familiar)));
  }

  removeChange(image: ImageRecord): Change {
    return this.#images.remove(image.id);
  }

  putChange(image: ImageRecord): Change {
    return this.#images.put(image.id, image);
  }

  commit(changes: readonly Change[]): Promise<void> {
    return this.#store.commit(changes);
  }
}

function parsed(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (ID_TEXT.test(text)) return undefined; // ignored: 64 hex digits are no name, but an id
    throw error;
  }
}

/** How an image came, for a record that knows nothing of it. */
function cameAs({ manifest, index }: ImageRecord): Pick<ImageRecord, "manifest" | "index"> {
  return {
    ...(manifest === undefined ? {} : { manifest }),
    ...(index === undefined ? {} : { index }),
  };
}
