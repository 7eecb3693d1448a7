// ImagePrune, and the intermediate images of BuildPrune: removes what no container uses and nobody names, or with
// `dangling=false` what no container uses at all, and the names under which no container uses an image. Each image goes by the rules of
// `rmi`; what they refuse stays.
import type { Filters } from "../../../api/contract.ts";
import type { ImageDeleted, ImagesPrune } from "../../../api/schemas/image.ts";
import { Fault } from "../../../lib/errors.ts";
import { parseNano } from "../../../lib/time.ts";
import { familiarString, parseReference, withDefaultTag } from "../../../oci/reference.ts";
import { flagFilter, pruneMatcher } from "../../prune-filter.ts";
import { type ImageUser, isDangling } from "./delete.ts";
import { configOf, type ImageRecord } from "../record.ts";
import type { ImageTable } from "../table.ts";

export interface PruneDeps {
  readonly table: ImageTable;
  readonly usersOf: (imageId: string) => readonly ImageUser[];
  /** Removes a name, or an image by id, without force. */
  remove(nameOrId: string): Promise<ImageDeleted[]>;
  /** Bytes of all layers there are. */
  sizeBytes(): number;
}

/** Returns what tells the names (or the id) under which an image is to be pruned, none for one that stays. */
export function imageMatcher(
  { table, usersOf }: Pick<PruneDeps, "table" | "usersOf">,
  filters: Filters,
  options: { onlyIntermediate?: boolean } = {},
): (image: ImageRecord) => readonly string[] {
  const onlyDangling = flagFilter(filters, "dangling", true);
  const fits = pruneMatcher(filters, ["dangling"]);
  return (image) => {
    if (table.get(image.id) === undefined) return [];
    const users = usersOf(image.id);
    if (users.length > 0 && onlyDangling) return [];
    if (options.onlyIntermediate === true && !image.isIntermediate) return [];
    const { created, config } = configOf(image);
    if (!fits({ createdNano: parseNano(created ?? "") ?? 0n, labels: config.labels })) return [];
    const names = onlyDangling ? [] : table.tagsOf(image.id);
    if (users.length > 0) return spareNames(names, users);
    if (names.length === 0 && !isDangling(table, image)) return [];
    // By id is refused for what has digests of several repositories.
    const refs = [...names, ...image.repoDigests];
    return refs.length > 0 ? refs : [image.id];
  };
}

/** The names of a used image by which no container knows it. compat: the last one stays when all know it by its id. */
function spareNames(names: readonly string[], users: readonly ImageUser[]): readonly string[] {
  const used = new Set(users.map(({ imageName }) => taggedName(imageName)));
  return names.some((name) => used.has(name)) ? names.filter((name) => !used.has(name)) : names.slice(0, -1);
}

function taggedName(imageName: string): string {
  try {
    return familiarString(withDefaultTag(parseReference(imageName)));
  } catch (error) {
    if (error instanceof Fault) return imageName; // ignored: an id is no name
    throw error;
  }
}

/** Removes the images. Fails with invalidParameter for wrong filters. */
export async function pruneImages(
  deps: PruneDeps,
  filters: Filters,
  options: { onlyIntermediate?: boolean } = {},
): Promise<ImagesPrune> {
  const before = deps.sizeBytes();
  const deleted: ImageDeleted[] = [];
  const isWanted = imageMatcher(deps, filters, options);
  for (const image of deps.table.all())
    for (const name of isWanted(image)) deleted.push(...(await removed(deps, name)));
  return {
    ImagesDeleted: deleted.length === 0 ? null : deleted,
    SpaceReclaimed: Math.max(0, before - deps.sizeBytes()),
  };
}

async function removed(deps: PruneDeps, nameOrId: string): Promise<ImageDeleted[]> {
  try {
    return await deps.remove(nameOrId);
  } catch (error) {
    if (error instanceof Fault && ["conflict", "notFound"].includes(error.kind)) return []; // ignored: it is needed, or gone
    throw error;
  }
}
