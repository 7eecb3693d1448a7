// The records of all layers and what follows from them: chains, children, the next free id. Memory and the record
// store only; directories are store.ts's business.

import { Fault } from "../../lib/errors.ts";
import type { ChainId } from "../../oci/image-config.ts";
import type { CommitOptions, RecordStore, Table } from "../meta/types.ts";
import type { LayerId, LayerRecord } from "./types.ts";

/** Docker's limit, which other tools rely on; overlayfs itself takes 500. */
export const MAX_DEPTH = 125;

const ID = /^[0-9a-z]{1,8}$/;

export class LayerCatalog {
  readonly #meta: RecordStore;
  readonly #table: Table<LayerRecord>;
  readonly #byChain = new Map<ChainId, LayerId>();
  readonly #children = new Map<LayerId, Set<LayerId>>();
  #lastId = 0;

  /** `names` are the directories that exist: their ids are not given out again. */
  constructor(meta: RecordStore, names: readonly string[]) {
    this.#meta = meta;
    this.#table = meta.table<LayerRecord>("layers");
    for (const record of this.#table.values()) this.#index(record);
    for (const id of [...names, ...this.#table.keys()]) {
      if (ID.test(id)) this.#lastId = Math.max(this.#lastId, Number.parseInt(id, 36));
    }
  }

  #index(record: LayerRecord): void {
    this.#byChain.set(record.chainId, record.id);
    if (record.parent === null) return;
    const siblings = this.#children.get(record.parent) ?? new Set();
    siblings.add(record.id);
    this.#children.set(record.parent, siblings);
  }

  nextId(): LayerId {
    return (++this.#lastId).toString(36) as LayerId;
  }

  get(id: LayerId): LayerRecord | undefined {
    return this.#table.get(id);
  }

  /** As get. Fails with notFound. */
  require(id: LayerId): LayerRecord {
    const record = this.#table.get(id);
    if (record === undefined) {
      throw new Fault("notFound", `layer ${id} does not exist`, { code: "layer.not-found", detail: { id } });
    }
    return record;
  }

  byChain(chainId: ChainId): LayerRecord | undefined {
    const id = this.#byChain.get(chainId);
    return id === undefined ? undefined : this.#table.get(id);
  }

  values(): IterableIterator<LayerRecord> {
    return this.#table.values();
  }

  /** Whether a layer other than `except` stands on `id`. */
  hasChildren(id: LayerId, except?: LayerId): boolean {
    for (const child of this.#children.get(id) ?? []) if (child !== except) return true;
    return false;
  }

  /** Returns `top` and everything below it, topmost first. Fails with notFound. */
  chain(top: LayerId): LayerRecord[] {
    const chain: LayerRecord[] = [];
    for (let id: LayerId | null = top; id !== null; ) {
      const record = this.require(id);
      chain.push(record);
      id = record.parent;
    }
    return chain;
  }

  /** Records a layer. Fails with conflict when its parent was removed meanwhile, or the chain became too long. */
  async add(record: LayerRecord, options: CommitOptions): Promise<void> {
    if (record.parent !== null) {
      if (this.get(record.parent) === undefined) {
        throw new Fault("conflict", "the layer below was removed", { code: "layer.parent-removed" });
      }
      if (this.chain(record.parent).length >= MAX_DEPTH) {
        throw new Fault("invalidParameter", "max depth exceeded", { code: "layer.too-deep" });
      }
    }
    this.#index(record);
    try {
      await this.#meta.commit([this.#table.put(record.id, record)], options);
    } catch (error) {
      this.#forget(record);
      throw error;
    }
  }

  /** Removes the records of layers that nobody needs; readers miss them at once. */
  async remove(records: readonly LayerRecord[]): Promise<void> {
    for (const record of records) this.#forget(record);
    try {
      await this.#meta.commit(records.map((record) => this.#table.remove(record.id)));
    } catch (error) {
      for (const record of records) this.#index(record);
      throw error;
    }
  }

  #forget(record: LayerRecord): void {
    if (this.#byChain.get(record.chainId) === record.id) this.#byChain.delete(record.chainId);
    if (record.parent !== null) this.#children.get(record.parent)?.delete(record.id);
  }

  /** Says that the layers' directories are on stable storage now. */
  async markFlushed(records: readonly LayerRecord[]): Promise<void> {
    const changes = records
      .filter((record) => this.get(record.id) === record)
      .map(({ unflushed: _, ...record }) => this.#table.put(record.id, record));
    if (changes.length > 0) await this.#meta.commit(changes, { durable: false });
  }
}
