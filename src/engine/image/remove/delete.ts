// Removing images: which names and images one `rmi` takes away. Pure decisions over the table; the service commits them.
import type { ImageDeleted } from "../../../api/schemas/image.ts";
import { Fault } from "../../../lib/errors.ts";
import type { Platform } from "../../../oci/platform.ts";
import {
  canonicalName,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
  withDigest,
} from "../../../oci/reference.ts";
import type { Change } from "../../../storage/meta/types.ts";
import { checkPlatform } from "../platform.ts";
import { configOf, type ImageRecord } from "../record.ts";
import { bestImage, type ImageTable } from "../table.ts";

/** A container that uses an image. */
export interface ImageUser {
  containerId: string;
  isRunning: boolean;
  /** What its creator called the image. */
  imageName: string;
}

export type UsersOf = (imageId: string) => readonly ImageUser[];

export interface DeletePlan {
  readonly changes: readonly Change[];
  /** Images whose names are taken away, one for each line that says so. */
  readonly untagged: readonly ImageRecord[];
  /** Images to be removed, children before parents. */
  readonly remove: readonly ImageRecord[];
  readonly answer: readonly ImageDeleted[];
}

export interface DeleteOptions {
  readonly force: boolean;
  readonly noprune: boolean;
  /** Of a name that stands for several, only those for these; none stand for all. */
  readonly platforms?: readonly Platform[];
}

const conflict = (message: string): Fault => new Fault("conflict", message, { code: "image.in-use" });

/** What is decided for one image. */
interface Verdict {
  readonly image: ImageRecord;
  /** Names and digests that it loses, as people write them. */
  readonly loses: readonly string[];
  readonly isRemoved: boolean;
}

/**
 * Decides what removing `text` means, with Docker's rules. By name, the name is taken away, and with the last name the image
 * and the build steps that only it kept, unless other images or running containers need it. By id, the image is removed or
 * the reason against it is an error. Fails with notFound, or conflict in Docker's words.
 */
export function planDelete(
  table: ImageTable,
  text: string,
  options: DeleteOptions,
  usersOf: UsersOf,
): DeletePlan {
  const { image, by, reference } = table.find(text);
  const all = by === "name" && reference !== undefined ? table.imagesOf(reference) : [image];
  const wanted = chosen(text, all, options.platforms ?? []);
  const isById = reference === undefined || by === "id" || image.id === reference.digest;
  const verdicts =
    wanted.length < all.length
      ? wanted.map((i) => removal(table, i, options.force, usersOf))
      : isById
        ? [removalById(table, image, options.force, usersOf)]
        : all.map((i) => untagging(table, text, i, reference, options.force, usersOf));
  return planOf(table, verdicts, { ...options, isPart: wanted.length < all.length }, usersOf);
}

/** Of several images under a name those for the platforms. Fails with notFound when one is for none. */
function chosen(
  text: string,
  all: readonly ImageRecord[],
  platforms: readonly Platform[],
): readonly ImageRecord[] {
  if (platforms.length === 0) return all;
  const found = platforms.map((platform) => {
    const best = bestImage(platform, all);
    if (best === undefined) checkPlatform(text, configOf(all[0] as ImageRecord), [platform]);
    return best as ImageRecord;
  });
  return [...new Set(found)];
}

const shortId = (image: ImageRecord): string => image.id.slice(7, 19);

const familiarDigest = (text: string): string => familiarString(parseReference(text));

/** All that an image is known by, as people write it. */
function refsOf(table: ImageTable, image: ImageRecord): string[] {
  return [...table.tagsOf(image.id), ...image.repoDigests.map(familiarDigest)];
}

const repositoryOf = (ref: string): string => canonicalName(parseReference(ref));

/** Whether everything it is known by is one name, and digests of the same repository. */
function hasOneName(refs: readonly string[]): boolean {
  return refs.filter((r) => !r.includes("@")).length <= 1 && new Set(refs.map(repositoryOf)).size <= 1;
}

/** What taking a name away means for one of its images. With a repository's last tag its digests go, too. */
function untagging(
  table: ImageTable,
  text: string,
  image: ImageRecord,
  reference: Reference,
  isForced: boolean,
  usersOf: UsersOf,
): Verdict {
  const { digest } = reference;
  const name = familiarString(
    digest === undefined ? withDefaultTag(reference) : withDigest(reference, digest),
  );
  const rest = refsOf(table, image).filter((r) => r !== name);
  const repository = canonicalName(reference);
  const hasTag = rest.some((r) => !r.includes("@") && repositoryOf(r) === repository);
  const digests = rest.filter((r) => r.includes("@") && repositoryOf(r) === repository);
  const loses = [name, ...(digest === undefined && !hasTag ? digests : [])];
  if (rest.some((r) => !loses.includes(r))) return { image, loses, isRemoved: false };
  refuseLastName(text, image, isForced, usersOf);
  const isNeeded = childrenOf(table, image).length > 0 || usersOf(image.id).some((u) => u.isRunning);
  return { image, loses, isRemoved: !isNeeded };
}

function removalById(table: ImageTable, image: ImageRecord, isForced: boolean, usersOf: UsersOf): Verdict {
  if (!hasOneName(refsOf(table, image)) && !isForced)
    throw conflict(
      `conflict: unable to delete ${shortId(image)} (must be forced) - image is referenced in multiple repositories`,
    );
  return removal(table, image, isForced, usersOf);
}

function removal(table: ImageTable, image: ImageRecord, isForced: boolean, usersOf: UsersOf): Verdict {
  refuseIfUsed(table, image, isForced, usersOf);
  return { image, loses: refsOf(table, image), isRemoved: true };
}

/** Puts the verdicts into words and changes. Of a part of a name only the images are spoken of: the name stays. */
function planOf(
  table: ImageTable,
  verdicts: readonly Verdict[],
  options: DeleteOptions & { readonly isPart: boolean },
  usersOf: UsersOf,
): DeletePlan {
  const removed = verdicts.filter((v) => v.isRemoved).map((v) => v.image);
  const remove = [
    ...new Set(removed.flatMap((i) => [i, ...(options.noprune ? [] : prunableParents(table, i, usersOf))])),
  ];
  const losers = new Map<string, Set<string>>();
  for (const { image, loses } of verdicts)
    for (const ref of loses) losers.set(ref, (losers.get(ref) ?? new Set()).add(image.id));
  const tags = [...losers].filter(([ref]) => !ref.includes("@"));
  return {
    changes: [
      ...tags.map(([name, ids]) => table.untagImagesChange(name, ids)),
      ...verdicts.filter((v) => !v.isRemoved).map((v) => table.putChange(withoutDigests(v))),
      ...remove.map((i) => table.removeChange(i)),
    ],
    untagged: options.isPart
      ? []
      : [...losers.keys()].map((ref) => (verdicts.find((v) => v.loses.includes(ref)) as Verdict).image),
    remove,
    answer: [
      ...(options.isPart ? [] : [...losers.keys()].map((ref) => ({ Untagged: ref }))),
      ...remove.map((i) => ({ Deleted: i.id })),
    ],
  };
}

function withoutDigests({ image, loses }: Verdict): ImageRecord {
  return { ...image, repoDigests: image.repoDigests.filter((d) => !loses.includes(familiarDigest(d))) };
}

/** The last name of an image stays while a container uses it, unless forced. */
function refuseLastName(text: string, image: ImageRecord, isForced: boolean, usersOf: UsersOf): void {
  const user = usersOf(image.id)[0];
  if (user === undefined || isForced) return;
  throw conflict(
    `conflict: unable to remove repository reference "${text}" (must force) - container ${user.containerId.slice(0, 12)} is using its referenced image ${shortId(image)}`,
  );
}

function refuseIfUsed(table: ImageTable, image: ImageRecord, isForced: boolean, usersOf: UsersOf): void {
  const shown = shortId(image);
  const users = usersOf(image.id);
  const running = users.find((u) => u.isRunning);
  if (childrenOf(table, image).length > 0)
    throw conflict(
      `conflict: unable to delete ${shown} (cannot be forced) - image has dependent child images`,
    );
  if (running !== undefined)
    throw conflict(
      `conflict: unable to delete ${shown} (cannot be forced) - image is being used by running container ${running.containerId.slice(0, 12)}`,
    );
  const stopped = users[0];
  if (stopped !== undefined && !isForced)
    throw conflict(
      `conflict: unable to delete ${shown} (must be forced) - image is being used by stopped container ${stopped.containerId.slice(0, 12)}`,
    );
}

const childrenOf = (table: ImageTable, image: ImageRecord): ImageRecord[] =>
  table.all().filter((i) => i.parentId === image.id);

/** The nameless build steps below an image that nothing else needs. */
function prunableParents(table: ImageTable, image: ImageRecord, usersOf: UsersOf): ImageRecord[] {
  const parents: ImageRecord[] = [];
  let child = image;
  for (;;) {
    const parent = table.get(child.parentId);
    if (parent === undefined || !parent.isIntermediate) return parents;
    if (table.tagsOf(parent.id).length > 0 || usersOf(parent.id).length > 0) return parents;
    if (childrenOf(table, parent).some((c) => c.id !== child.id)) return parents;
    parents.push(parent);
    child = parent;
  }
}

/** Whether an image is `<none>:<none>`: without a name and no step of another. */
export function isDangling(table: ImageTable, image: ImageRecord): boolean {
  return (
    table.tagsOf(image.id).length === 0 && childrenOf(table, image).length === 0 && configOf(image).os !== ""
  );
}
