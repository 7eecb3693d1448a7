// All images of the daemon by id, name and prefix. Reads are memory accesses. Layers are kept as long as an image or
// a container refers to them; what the last one leaves behind goes in the background.
import { Fault } from "../../lib/errors.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import type { ImageId } from "../../oci/image-config.ts";
import {
  bestPlatform,
  formatPlatform,
  hostPlatform,
  normalisePlatform,
  type Platform,
} from "../../oci/platform.ts";
import {
  canonicalName,
  canonicalString,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../oci/reference.ts";
import type { LayerHolds } from "../../storage/layer/holds.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import type { Change, RecordStore, Table } from "../../storage/meta/types.ts";
import { configOf, type ImageRecord, type TagRecord } from "./record.ts";

/** What a removal takes: images, digests of images that stay, names by full reference. */
export interface ImageLoss {
  readonly images: readonly ImageRecord[];
  readonly digests: Readonly<Record<string, readonly string[]>>;
  readonly tags: Readonly<Record<string, TagRecord>>;
}

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

  /** Returns the names of an image as people write them, sorted; also those that it has for another platform. */
  tagsOf(id: string): string[] {
    return this.#tagsWhere((t) => idsOf(t).includes(id as ImageId));
  }

  /** Returns the names that mean this image where no platform is asked for, sorted. */
  mainTagsOf(id: string): string[] {
    return this.#tagsWhere((t) => t.imageId === id);
  }

  #tagsWhere(fits: (tag: TagRecord) => boolean): string[] {
    return [...this.#tags.entries()]
      .filter(([, tag]) => fits(tag))
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
      .filter((t) => idsOf(t).includes(id as ImageId))
      .reduce((a, t) => (t.taggedAt > a ? t.taggedAt : a), "");
  }

  /** Returns the images that a name with its tag, or a digest, stands for, one for each platform; first the one for this machine. */
  imagesOf(reference: Reference): ImageRecord[] {
    if (reference.digest !== undefined) {
      const name = `${canonicalName(reference)}@${reference.digest}`;
      const found = this.all().filter((i) => i.repoDigests.includes(name) || i.id === reference.digest);
      return mainFirst(found);
    }
    const tag = this.#tags.get(canonicalString(withDefaultTag(reference)));
    return tag === undefined ? [] : idsOf(tag).flatMap((id) => this.#images.get(id) ?? []);
  }

  /** Returns the image that a name with its tag stands for; of several the best for `platform`, where one fits. */
  byReference(reference: Reference, platform?: Platform): ImageRecord | undefined {
    const images = this.imagesOf(reference);
    return (platform === undefined ? undefined : bestImage(platform, images)) ?? images[0];
  }

  /**
   * Returns the image that a name, an id or a prefix of one means, and how it was meant; of several the best for `platform`, where one
   * fits. Fails with notFound.
   */
  find(text: string, platform?: Platform): { image: ImageRecord; by: "id" | "name"; reference?: Reference } {
    const reference = parsed(text);
    if (reference !== undefined) {
      const image = this.byReference(reference, platform);
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

  /**
   * Commits an image with the names it gets. A name moves from its former images, except from those of which `keeps` says that they are the
   * same for other platforms.
   */
  async add(
    image: ImageRecord,
    names: readonly Reference[],
    keeps: (other: ImageRecord) => boolean = () => false,
  ): Promise<void> {
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
      ...names.map((n) => {
        const others = this.imagesOf(n).filter((o) => keeps(o) && !isSamePlatform(o, image));
        return this.#tagChange(n, [image, ...others]);
      }),
    ]);
  }

  /** Returns the change that makes a name stand for `images`, at least one, for different platforms. */
  #tagChange(name: Reference, images: readonly ImageRecord[]): Change {
    const [main, ...others] = mainFirst(images).map((i) => i.id);
    return this.#tags.put(canonicalString(withDefaultTag(name)), {
      version: 1,
      imageId: main as ImageId,
      ...(others.length === 0 ? {} : { others }),
      taggedAt: formatNano(nowNano()),
    });
  }

  /** Makes a name stand for `images`, at least one. */
  async tag(images: readonly ImageRecord[], name: Reference): Promise<void> {
    await this.#store.commit([
      this.#tagChange(name, images),
      ...images.map((image) => this.#images.put(image.id, { ...image, isIntermediate: false })),
    ]);
  }

  /** Returns the change that leaves a name without some of its images; without all of them it goes. */
  untagImagesChange(familiar: string, gone: ReadonlySet<string>): Change {
    const name = parseReference(familiar);
    const rest = this.imagesOf(name).filter((i) => !gone.has(i.id));
    return rest.length === 0 ? this.untagChange(familiar) : this.#tagChange(name, rest);
  }

  /**
   * Removes the images that have lost a layer, with their names, and returns them: the layers of a pull are not on the disk at once, and
   * what a crash of the machine has damaged of them is gone by now.
   */
  async removeBroken(hasLayer: (id: LayerId) => boolean): Promise<readonly ImageRecord[]> {
    const broken = this.all().filter((image) => !image.layers.every(hasLayer));
    if (broken.length === 0) return broken;
    const gone = new Set<string>(broken.map((i) => i.id));
    const names = new Set(broken.flatMap((i) => this.tagsOf(i.id)));
    await this.#store.commit([
      ...[...names].map((name) => this.untagImagesChange(name, gone)),
      ...broken.map((i) => this.removeChange(i)),
    ]);
    for (const { id, layers } of broken) this.#holds.release(layers.at(-1) as LayerId, `image:${id}`);
    return broken;
  }

  /** Returns the change that takes a name away. */
  untagChange(familiar: string): Change {
    return this.#tags.remove(canonicalString(parseReference(familiar)));
  }

  /** Returns what changes to images and names are about to take away. */
  lossOf(changes: readonly Change[]): ImageLoss {
    const before = <T>(table: Table<T>): (readonly [string, T, unknown])[] =>
      changes.flatMap(({ table: name, key, value }) => {
        const record = name === table.name ? table.get(key) : undefined;
        return record === undefined ? [] : [[key, record, value] as const];
      });
    const images = before(this.#images);
    return {
      images: images.flatMap(([, image, value]) => (value === undefined ? [image] : [])),
      digests: Object.fromEntries(
        images.flatMap(([id, image, value]) => (value === undefined ? [] : [[id, image.repoDigests]])),
      ),
      tags: Object.fromEntries(before(this.#tags).map(([name, tag]) => [name, tag])),
    };
  }

  /**
   * Commits what was lost as it once was, as far as nothing else is in its place: an image that is there stays as it is. Returns the
   * names, by full reference, that belong to other images meanwhile.
   */
  async restore(loss: ImageLoss, more: readonly Change[]): Promise<string[]> {
    const missing = loss.images.filter((image) => !this.#images.has(image.id));
    const known = Object.entries(loss.digests).flatMap(([id, repoDigests]) => {
      const image = this.#images.get(id);
      if (image === undefined) return [];
      return [{ ...image, repoDigests: [...new Set([...image.repoDigests, ...repoDigests])] }];
    });
    const isOurs = ([name, tag]: [string, TagRecord]): boolean => {
      const now = this.#tags.get(name);
      return now === undefined || idsOf(now).every((id) => idsOf(tag).includes(id));
    };
    const tags = Object.entries(loss.tags);
    const isThere = (id: ImageId): boolean => this.#images.has(id) || missing.some((i) => i.id === id);
    for (const [name, tag] of tags)
      if (!idsOf(tag).some(isThere))
        throw new Fault(
          "conflict",
          `the image that was called ${familiarString(parseReference(name))} is gone: bring it back first`,
          { code: "image.gone" },
        );
    const taken = tags.filter((entry) => !isOurs(entry)).map(([name]) => name);
    for (const image of missing) this.#hold(image);
    await this.#store.commit([
      ...[...missing, ...known].map((image) => this.#images.put(image.id, image)),
      ...tags.filter(([name]) => !taken.includes(name)).map(([name, tag]) => this.#tags.put(name, tag)),
      ...more,
    ]);
    return taken;
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

const idsOf = (tag: TagRecord): ImageId[] => [tag.imageId, ...(tag.others ?? [])];

const isSamePlatform = (a: ImageRecord, b: ImageRecord): boolean =>
  formatPlatform(normalisePlatform(configOf(a))) === formatPlatform(normalisePlatform(configOf(b)));

/** Returns the image that serves a platform best, undefined when none does. */
export function bestImage(platform: Platform, images: readonly ImageRecord[]): ImageRecord | undefined {
  return bestPlatform(
    platform,
    images.map((image) => ({ image, platform: configOf(image) })),
  )?.image;
}

/** Returns the images with the one for this machine first; where there is none, they stay as they are. */
function mainFirst(images: readonly ImageRecord[]): ImageRecord[] {
  const main = bestImage(hostPlatform(), images);
  return main === undefined ? [...images] : [main, ...images.filter((i) => i !== main)];
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
function cameAs({
  manifest,
  index,
  attestations,
}: ImageRecord): Pick<ImageRecord, "manifest" | "index" | "attestations"> {
  return {
    ...(manifest === undefined ? {} : { manifest }),
    ...(index === undefined ? {} : { index }),
    ...(attestations === undefined ? {} : { attestations }),
  };
}
