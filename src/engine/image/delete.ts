// Removing images: which names and images one `rmi` takes away. Pure decisions over the table; the service commits them.
import type { ImageDeleted } from "../../api/schemas/image.ts";
import { Fault } from "../../lib/errors.ts";
import { familiarString, withDefaultTag } from "../../oci/reference.ts";
import { configOf, type ImageRecord } from "./record.ts";
import type { ImageTable } from "./table.ts";

/** A container that uses an image. */
export interface ImageUser {
  containerId: string;
  isRunning: boolean;
}

export interface DeletePlan {
  /** Names to be taken away. */
  untag: string[];
  /** Images to be removed, children before parents. */
  remove: ImageRecord[];
  answer: ImageDeleted[];
}

const conflict = (message: string): Fault => new Fault("conflict", message, { code: "image.in-use" });

/**
 * Decides what removing `text` means, with Docker's rules. By name, the name is taken away, and with the last name the image
 * and the build steps that only it kept, unless other images or running containers need it. By id, the image is removed or
 * the reason against it is an error. Fails with notFound, or conflict in Docker's words.
 */
export function planDelete(
  table: ImageTable,
  text: string,
  options: { force: boolean; noprune: boolean },
  usersOf: (imageId: string) => readonly ImageUser[],
): DeletePlan {
  const { image, by, reference } = table.find(text);
  const tags = table.tagsOf(image.id);
  if (by === "name" && reference !== undefined && reference.digest === undefined) {
    const name = familiarString(withDefaultTag(reference));
    if (tags.length > 1) return untagOnly(name);
    refuseLastName(text, image, options.force, usersOf);
    if (childrenOf(table, image).length > 0 || usersOf(image.id).some((u) => u.isRunning))
      return untagOnly(name);
  } else {
    if (tags.length > 1 && !options.force)
      throw conflict(
        `conflict: unable to delete ${shortId(image)} (must be forced) - image is referenced in multiple repositories`,
      );
    refuseIfUsed(table, image, options.force, usersOf);
  }
  const remove = [image, ...(options.noprune ? [] : prunableParents(table, image, usersOf))];
  return {
    untag: tags,
    remove,
    answer: [
      ...tags.map((t) => ({ Untagged: t })),
      ...image.repoDigests.map((d) => ({ Untagged: d.replace(/^docker\.io\/(library\/)?/, "") })),
      ...remove.map((i) => ({ Deleted: i.id })),
    ],
  };
}

const shortId = (image: ImageRecord): string => image.id.slice(7, 19);

const untagOnly = (name: string): DeletePlan => ({ untag: [name], remove: [], answer: [{ Untagged: name }] });

/** The last name of an image stays while a container uses it, unless forced. */
function refuseLastName(
  text: string,
  image: ImageRecord,
  isForced: boolean,
  usersOf: (imageId: string) => readonly ImageUser[],
): void {
  const user = usersOf(image.id)[0];
  if (user === undefined || isForced) return;
  throw conflict(
    `conflict: unable to remove repository reference "${text}" (must force) - container ${user.containerId.slice(0, 12)} is using its referenced image ${shortId(image)}`,
  );
}

function refuseIfUsed(
  table: ImageTable,
  image: ImageRecord,
  isForced: boolean,
  usersOf: (imageId: string) => readonly ImageUser[],
): void {
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
function prunableParents(
  table: ImageTable,
  image: ImageRecord,
  usersOf: (imageId: string) => readonly ImageUser[],
): ImageRecord[] {
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
