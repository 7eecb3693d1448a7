// `system check`: reads everything that images consist of and compares it with its digests; with repair, what is damaged is removed so that
// a pull or a build brings it again. What containers use stays, and is spoken of. Records that a crash left half written cannot be: the
// store repairs itself when it opens, and layers and blobs without an owner are removed then and by prune.
import type { SystemCheck } from "../../api/schemas/system.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import { algorithmOf, type Digest, Digester } from "../../oci/digest.ts";
import type { ContentStore } from "../../storage/content/types.ts";
import type { LayerStore } from "../../storage/layer/store.ts";
import type { LayerId, LayerRecord } from "../../storage/layer/types.ts";
import type { ImageRecord } from "../image/record.ts";
import type { ImageService } from "../image/service.ts";
import type { ImageTable } from "../image/table.ts";

export interface CheckedStores {
  readonly table: ImageTable;
  readonly layers: LayerStore;
  readonly content: ContentStore;
}

type Problem = SystemCheck["Problems"][number];

/** Checks all images, layers and blobs. */
export async function checkStores(
  stores: CheckedStores,
  images: ImageService,
  { repairs, signal }: { readonly repairs: boolean; readonly signal: AbortSignal },
): Promise<SystemCheck> {
  const blobs = await checkBlobs(stores.content, signal);
  const layers = await checkLayers(stores, new Set(blobs.damaged.keys()), signal);
  const broken = stores.table.all().flatMap((image) => {
    const missing = image.layers.find((id) => stores.layers.get(id) === undefined);
    const damaged = image.layers.find((id) => layers.damaged.has(id));
    if (missing !== undefined) return [{ image, why: `its layer ${missing} is missing` }];
    return damaged === undefined ? [] : [{ image, why: `its layer ${damaged} is damaged` }];
  });
  const problems: Problem[] = [];
  for (const { image, why } of broken) problems.push(await judgeImage(images, image, why, repairs));
  for (const [id, why] of layers.damaged) {
    if (repairs && stores.layers.get(id) !== undefined) await stores.layers.removeUnneeded(id);
    const isGone = stores.layers.get(id) === undefined;
    const users = repairs && !isGone ? ": a container, or an image that is kept for undo, uses it" : "";
    problems.push(problem("layer", id, `${why}${users}`, repairs && isGone));
  }
  for (const [digest, why] of blobs.damaged) {
    const isNeeded = [...stores.layers.list()].some((l) => l.blob?.digest === digest);
    if (repairs && !isNeeded) await stores.content.remove(digest);
    problems.push(problem("blob", digest, why, repairs && !isNeeded));
  }
  return {
    Images: stores.table.size,
    Layers: layers.count,
    Blobs: blobs.count,
    Problems: problems,
  };
}

const problem = (Kind: string, ID: string, Text: string, Repaired: boolean): Problem => ({
  Kind,
  ID,
  Text,
  Repaired,
});

/** Removes a broken image where that is wanted and nothing uses it. */
async function judgeImage(
  images: ImageService,
  image: ImageRecord,
  why: string,
  repairs: boolean,
): Promise<Problem> {
  if (!repairs) return problem("image", image.id, why, false);
  if (images.isUsed(image.id)) return problem("image", image.id, `${why}: a container uses it`, false);
  try {
    await images.discard(image.id, { isForced: true });
    return problem("image", image.id, why, true);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return problem("image", image.id, `${why}: ${error.message}`, false);
  }
}

async function checkBlobs(
  content: ContentStore,
  signal: AbortSignal,
): Promise<{ count: number; damaged: Map<Digest, string> }> {
  const damaged = new Map<Digest, string>();
  let count = 0;
  for await (const { digest } of content.list()) {
    signal.throwIfAborted();
    count++;
    const digester = new Digester(algorithmOf(digest));
    try {
      for await (const chunk of content.open(digest, { signal })) digester.update(chunk);
    } catch (error) {
      if (error instanceof Fault && error.kind === "notFound") continue; // removed meanwhile
      throw error;
    }
    const actual = digester.finish();
    if (actual !== digest) damaged.set(digest, `its content has the digest ${actual}`);
  }
  return { count, damaged };
}

async function checkLayers(
  { layers, content }: CheckedStores,
  damagedBlobs: ReadonlySet<Digest>,
  signal: AbortSignal,
): Promise<{ count: number; damaged: Map<LayerId, string> }> {
  const damaged = new Map<LayerId, string>();
  const all = [...layers.list()];
  for (const layer of all) {
    signal.throwIfAborted();
    const why = await faultOf(layer, layers, content, damagedBlobs);
    if (why !== undefined && layers.get(layer.id) !== undefined) damaged.set(layer.id, why);
  }
  return { count: all.length, damaged };
}

/** What is wrong with a layer, undefined when nothing is. */
async function faultOf(
  { id, blob }: LayerRecord,
  layers: LayerStore,
  content: ContentStore,
  damagedBlobs: ReadonlySet<Digest>,
): Promise<string | undefined> {
  if (blob !== undefined && damagedBlobs.has(blob.digest)) return `its blob ${blob.digest} is damaged`;
  if (blob !== undefined && (await content.stat(blob.digest)) === undefined)
    return `its blob ${blob.digest} is missing`;
  try {
    for await (const _ of layers.pack(id)); // which compares the result
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
