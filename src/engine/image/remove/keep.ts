// Removed images are kept for a while: their records and names move to the table of what is kept, and their layers stay.
import { familiarString, parseReference } from "../../../oci/reference.ts";
import type { LayerStore } from "../../../storage/layer/store.ts";
import type { LayerId } from "../../../storage/layer/types.ts";
import type { Change } from "../../../storage/meta/types.ts";
import type { EventBus } from "../../event/bus.ts";
import type { KeptOwner, KeptRecord, Restored } from "../../kept/record.ts";
import type { KeptStore } from "../../kept/store.ts";
import type { ImageRecord } from "../record.ts";
import type { ImageLoss, ImageTable } from "../table.ts";

export interface ImageKeeperOptions {
  readonly kept: KeptStore;
  readonly table: ImageTable;
  readonly layers: LayerStore;
  readonly events: EventBus;
  /** Removes `top` and what is below it as far as nobody needs it. */
  removeUnneeded(top: LayerId): Promise<void>;
}

const contentOf = (kept: KeptRecord): ImageLoss => kept.content as ImageLoss;
const holderOf = (kept: KeptRecord): string => `kept:${kept.id}`;
const topsOf = (kept: KeptRecord): LayerId[] => contentOf(kept).images.flatMap((i) => i.layers.at(-1) ?? []);

/** The layers below `records`, which are removed images, that nothing but what is kept holds: for everybody else they are gone. */
export function onlyKept(layers: LayerStore, records: readonly KeptRecord[]): ReadonlySet<LayerId> {
  const below = new Set(records.flatMap(topsOf).flatMap((top) => layers.chain(top).map((l) => l.id)));
  if (below.size === 0) return below;
  const isKeptOnly = (id: LayerId): boolean =>
    layers.holds.holdersOf(id).every((holder) => holder.startsWith("kept:"));
  for (const { id } of layers.list())
    if (!isKeptOnly(id)) for (const needed of layers.chain(id)) below.delete(needed.id);
  return below;
}

export class ImageKeeper implements KeptOwner {
  readonly #options: ImageKeeperOptions;

  constructor(options: ImageKeeperOptions) {
    this.#options = options;
    for (const kept of options.kept.of("image")) this.#hold(kept);
    options.kept.setOwner("image", this);
  }

  #hold(kept: KeptRecord): void {
    for (const top of topsOf(kept)) this.#options.layers.holds.retain(top, holderOf(kept));
  }

  #release(kept: KeptRecord): void {
    for (const top of topsOf(kept)) this.#options.layers.holds.release(top, holderOf(kept));
  }

  /** Returns what is kept of what `changes` take away, to be committed with them; undefined where nothing is kept. */
  async keep(changes: readonly Change[], group?: string): Promise<KeptRecord | undefined> {
    const { kept, table } = this.#options;
    if (!(await kept.accepts())) return undefined;
    const content = table.lossOf(changes);
    const [tag] = Object.keys(content.tags);
    const name =
      tag === undefined ? (content.images[0]?.id.slice(7, 19) ?? "") : familiarString(parseReference(tag));
    const record = kept.record({ kind: "image", name, content, ...(group === undefined ? {} : { group }) });
    this.#hold(record);
    return record;
  }

  async restore(kept: KeptRecord): Promise<Restored> {
    const { table, events } = this.#options;
    const loss = contentOf(kept);
    const taken = await table.restore(loss, [this.#options.kept.removeChange(kept)]);
    this.#release(kept);
    for (const id of new Set(Object.values(loss.tags).map((tag) => tag.imageId)))
      events.publish({ type: "image", action: "undo", actorId: id, attributes: { name: kept.name } });
    const warnings = taken.map(
      (name) => `the name ${familiarString(parseReference(name))} belongs to another image meanwhile`,
    );
    return { name: kept.name, warnings };
  }

  async dispose(kept: KeptRecord): Promise<void> {
    this.#release(kept);
    for (const top of topsOf(kept)) await this.#options.removeUnneeded(top);
  }

  async measure(kept: KeptRecord): Promise<number> {
    return this.#bytesOf(onlyKept(this.#options.layers, [kept]));
  }

  /** The images that are kept. */
  get images(): readonly ImageRecord[] {
    return this.#options.kept.of("image").flatMap((kept) => contentOf(kept).images);
  }

  /** Bytes of the layers that are there only because removed images are kept. */
  get keptBytes(): number {
    return this.#bytesOf(onlyKept(this.#options.layers, this.#options.kept.of("image")));
  }

  #bytesOf(ids: ReadonlySet<LayerId>): number {
    return [...ids].reduce((sum, id) => sum + (this.#options.layers.get(id)?.sizeBytes ?? 0), 0);
  }
}
