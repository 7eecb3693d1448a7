// ImagePrune, and the intermediate images of BuildPrune: removes what no container uses and nobody names, or with
// `dangling=false` what no container uses at all. Each image goes by the rules of `rmi`; what they refuse stays.
import type { Filters } from "../../api/contract.ts";
import type { ImageDeleted, ImagesPrune } from "../../api/schemas/image.ts";
import { Fault } from "../../lib/errors.ts";
import { parseNano } from "../../lib/time.ts";
import { flagFilter, pruneMatcher } from "../prune-filter.ts";
import { type ImageUser, isDangling } from "./delete.ts";
import { configOf } from "./record.ts";
import type { ImageTable } from "./table.ts";

export interface PruneDeps {
  readonly table: ImageTable;
  readonly usersOf: (imageId: string) => readonly ImageUser[];
  /** Removes a name, or an image by id, without force. */
  remove(nameOrId: string): Promise<ImageDeleted[]>;
  /** Bytes of all layers there are. */
  sizeBytes(): number;
}

/** Removes the images. Fails with invalidParameter for wrong filters. */
export async function pruneImages(
  deps: PruneDeps,
  filters: Filters,
  options: { onlyIntermediate?: boolean } = {},
): Promise<ImagesPrune> {
  const { table } = deps;
  const onlyDangling = flagFilter(filters, "dangling", true);
  const fits = pruneMatcher(filters, ["dangling"]);
  const before = deps.sizeBytes();
  const deleted: ImageDeleted[] = [];
  for (const image of table.all()) {
    if (table.get(image.id) === undefined || deps.usersOf(image.id).length > 0) continue;
    if (options.onlyIntermediate === true && !image.isIntermediate) continue;
    const { created, config } = configOf(image);
    if (!fits({ createdNano: parseNano(created ?? "") ?? 0n, labels: config.labels })) continue;
    const names = onlyDangling ? [] : table.tagsOf(image.id);
    if (names.length === 0 && !isDangling(table, image)) continue;
    // By id is refused for what has digests of several repositories.
    const refs = [...names, ...image.repoDigests];
    for (const name of refs.length > 0 ? refs : [image.id]) deleted.push(...(await removed(deps, name)));
  }
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
