// The operations of `undo`: what can be brought back, bringing it back, giving it up.
import type { Filters, InputOf } from "../../api/contract.ts";
import type * as operations from "../../api/operations/kept.ts";
import type { KeptItem, KeptPrune, KeptRestored, Prunable } from "../../api/schemas/kept.ts";
import { Fault } from "../../lib/errors.ts";
import type { KeptStore } from "./store.ts";

/** What a prune of one kind would take. */
export type Prunables = (filters: Filters) => Promise<{ name: string; sizeBytes: number }[]>;

export class KeptService {
  readonly #store: KeptStore;
  readonly #prunables: ReadonlyMap<string, Prunables>;

  /** `prunables` by kind: containers, images, networks, volumes. */
  constructor(store: KeptStore, prunables: ReadonlyMap<string, Prunables>) {
    this.#store = store;
    this.#prunables = prunables;
  }

  async preview(input: InputOf<typeof operations.prunePreview>): Promise<Prunable> {
    const prunable = this.#prunables.get(input.kind);
    if (prunable === undefined)
      throw new Fault("notFound", `nothing of the kind ${JSON.stringify(input.kind)} is pruned`, {
        code: "prune.kind",
      });
    return (await prunable(input.filters)).map((p) => ({ Name: p.name, SizeBytes: p.sizeBytes }));
  }

  async list(): Promise<KeptItem[]> {
    return this.#store.all().map((kept) => ({
      Id: kept.id,
      Group: kept.group,
      Kind: kept.kind,
      Name: kept.name,
      RemovedAt: kept.removedAt,
      ExpiresAt: this.#store.expiresAt(kept),
      SizeBytes: kept.sizeBytes,
    }));
  }

  async restore(input: InputOf<typeof operations.keptRestore>): Promise<KeptRestored> {
    const { kept, name, warnings } = await this.#store.restore(input.id, { name: input.name });
    return { Kind: kept.kind, Name: name, Warnings: [...warnings] };
  }

  async prune(): Promise<KeptPrune> {
    const { spaceBytes, given } = await this.#store.prune();
    return { Deleted: given.map((kept) => `${kept.kind} ${kept.name}`), SpaceReclaimed: spaceBytes };
  }
}
