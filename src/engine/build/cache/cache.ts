// The build cache: what steps produced, by key, in the record store (table `build-cache`). A record may hold its layer, so that
// the layer lives although no image has it; BuildKit's kind of build works so, while the classic builder's results are held
// by the images of its steps. Records and the directories of cache mounts are listed, counted, pruned and limited together.
import { statfs } from "node:fs/promises";
import type { Filters } from "../../../api/contract.ts";
import type { BuildCacheRecord } from "../../../api/schemas/build.ts";
import type { CacheRecord, CacheStore } from "../../../build/solver/ports.ts";
import type { ChainId } from "../../../oci/image-config.ts";
import type { LayerStore } from "../../../storage/layer/store.ts";
import type { LayerId } from "../../../storage/layer/types.ts";
import type { RecordStore, Table } from "../../../storage/meta/types.ts";
import { cacheMatcher } from "./filter.ts";
import type { CacheMountStore } from "./mounts.ts";

/** How much is kept; 0 is "no limit". */
export interface CacheLimits {
  /** Bytes that a collection leaves at least. */
  readonly reservedBytes: number;
  /** Bytes from which on a collection begins. */
  readonly maxBytes: number;
  /** Bytes of the disk that are to stay free. */
  readonly minFreeBytes: number;
}

export interface PruneWish extends Partial<CacheLimits> {
  readonly filters: Filters;
  /** Also what an image shares. */
  readonly isAll: boolean;
}

export interface BuildCacheOptions {
  store: RecordStore;
  layers: LayerStore;
  mounts: CacheMountStore;
  dataRoot: string;
  now: () => string;
}

/** One object of the cache, as listings show it. */
interface Item extends BuildCacheRecord {
  /** Bytes that go when it is removed. */
  readonly ownBytes: number;
  readonly remove: () => Promise<void>;
}

const ID_LENGTH = 25;
const holderOf = (key: string): string => `build-cache:${key}`;

export class BuildCache implements CacheStore {
  readonly #options: BuildCacheOptions;
  readonly #records: Table<CacheRecord>;
  /** When the builds that run began, by a token of each. */
  readonly #running = new Map<object, string>();

  /** Holds the layers of all records from now on. */
  constructor(options: BuildCacheOptions) {
    this.#options = options;
    this.#records = options.store.table<CacheRecord>("build-cache");
    for (const [key, record] of this.#records.entries()) this.#hold(key, record);
  }

  #layerOf(record: CacheRecord | undefined): LayerId | undefined {
    if (record?.chainId === undefined) return undefined;
    return this.#options.layers.byChain(record.chainId as ChainId)?.id;
  }

  #hold(key: string, record: CacheRecord): void {
    const layer = this.#layerOf(record);
    if (layer !== undefined) this.#options.layers.holds.retain(layer, holderOf(key));
  }

  /** Says that a build runs until the result is disposed of: what it uses meanwhile is not removed. */
  begin(): Disposable {
    const token = {};
    this.#running.set(token, this.#options.now());
    return { [Symbol.dispose]: () => void this.#running.delete(token) };
  }

  async get(key: string): Promise<CacheRecord | undefined> {
    const record = this.#records.get(key);
    // A source's digest is a memo, not a result.
    if (record !== undefined && record.sourceDigest === undefined) void this.#touch(key, record);
    return record;
  }

  /** Notes that a result was used; nobody waits for it. */
  async #touch(key: string, record: CacheRecord): Promise<void> {
    const used = { ...record, lastUsedAt: this.#options.now(), uses: (record.uses ?? 1) + 1 };
    try {
      await this.#options.store.commit([this.#records.put(key, used)], { durable: false });
    } catch {
      // ignored: the disk is full, and only the order of removal suffers
    }
  }

  async put(key: string, record: CacheRecord): Promise<void> {
    await this.#options.store.commit([this.#records.put(key, record)]);
    this.#hold(key, record);
  }

  async #remove(key: string): Promise<void> {
    const layer = this.#layerOf(this.#records.get(key));
    await this.#options.store.commit([this.#records.remove(key)]);
    if (layer === undefined) return;
    this.#options.layers.holds.release(layer, holderOf(key));
    await this.#options.layers.removeUnneeded(layer);
  }

  /** The layers that something other than the cache needs: images, containers, builds under way. */
  #isShared(layer: LayerId): boolean {
    const { holds } = this.#options.layers;
    return holds.holdersOf(layer).some((holder) => !holder.startsWith("build-cache:"));
  }

  #itemOf(key: string, record: CacheRecord, shared: ReadonlySet<LayerId>): Item {
    const layer = this.#layerOf(record);
    const size = layer === undefined ? 0 : (this.#options.layers.get(layer)?.sizeBytes ?? 0);
    const isShared = layer !== undefined && shared.has(layer);
    const lastUsedAt = record.lastUsedAt ?? record.createdAt;
    return {
      ID: key.slice(0, ID_LENGTH),
      Type: "regular",
      Description: record.description ?? "",
      InUse: [...this.#running.values()].some((since) => lastUsedAt >= since),
      Shared: isShared,
      Size: size,
      CreatedAt: record.createdAt,
      LastUsedAt: lastUsedAt,
      UsageCount: record.uses ?? 1,
      ownBytes: isShared ? 0 : size,
      remove: () => this.#remove(key),
    };
  }

  /** Layers that images, containers and builds need, with everything below them. */
  #sharedLayers(): Set<LayerId> {
    const { layers } = this.#options;
    const shared = new Set<LayerId>();
    for (const layer of layers.list()) {
      if (shared.has(layer.id) || !this.#isShared(layer.id)) continue;
      for (const below of layers.chain(layer.id)) shared.add(below.id);
    }
    return shared;
  }

  #items(): Item[] {
    const shared = this.#sharedLayers();
    const steps = [...this.#records.entries()]
      .filter(([, record]) => record.sourceDigest === undefined && record.description !== undefined)
      .map(([key, record]) => this.#itemOf(key, record, shared));
    const mounts = this.#options.mounts.list().map(
      (mount): Item => ({
        ID: mount.id.slice(0, ID_LENGTH),
        Type: "exec.cachemount",
        Description: `cached mount ${mount.name}`,
        InUse: mount.isInUse,
        Shared: false,
        Size: mount.sizeBytes,
        CreatedAt: mount.createdAt,
        LastUsedAt: mount.lastUsedAt,
        UsageCount: mount.uses,
        ownBytes: mount.sizeBytes,
        remove: async () => void (await this.#options.mounts.remove(mount.id)),
      }),
    );
    return [...steps, ...mounts];
  }

  /** What there is, in the words of the Engine API. */
  list(): BuildCacheRecord[] {
    return this.#items().map(({ ownBytes: _, remove: __, ...record }) => record);
  }

  /** Removes what nobody uses and the wish allows, oldest use first, until its limits are kept. */
  async prune(wish: PruneWish): Promise<{ ids: string[]; bytes: number }> {
    const fits = cacheMatcher(wish.filters);
    const items = this.#items();
    const candidates = items
      .filter((item) => !item.InUse && (wish.isAll || !item.Shared) && fits(item))
      .sort((a, b) => ((a.LastUsedAt ?? "") < (b.LastUsedAt ?? "") ? -1 : 1));
    let total = items.reduce((sum, item) => sum + item.ownBytes, 0);
    const goal = await this.#goal(wish, total);
    const ids: string[] = [];
    let bytes = 0;
    for (const item of candidates) {
      if (goal !== undefined && total <= goal) break;
      await item.remove();
      ids.push(item.ID);
      bytes += item.ownBytes;
      total -= item.ownBytes;
    }
    // Memos of what is no more cost nothing but room.
    if (wish.isAll && goal === undefined && Object.keys(wish.filters).length === 0) await this.#forgetMemos();
    return { ids, bytes };
  }

  /** Bytes to come down to; undefined when everything may go. */
  async #goal(wish: PruneWish, total: number): Promise<number | undefined> {
    const { reservedBytes = 0, maxBytes = 0, minFreeBytes = 0 } = wish;
    if (reservedBytes === 0 && maxBytes === 0 && minFreeBytes === 0) return undefined;
    let goal = maxBytes > 0 ? maxBytes : minFreeBytes > 0 ? total : reservedBytes;
    if (minFreeBytes > 0) {
      const { bavail, bsize } = await statfs(this.#options.dataRoot);
      goal = Math.min(goal, total - Math.max(0, minFreeBytes - bavail * bsize));
    }
    return Math.max(goal, reservedBytes);
  }

  async #forgetMemos(): Promise<void> {
    const memos = [...this.#records.entries()].filter(
      ([, r]) => r.sourceDigest !== undefined || r.description === undefined,
    );
    await this.#options.store.commit(memos.map(([key]) => this.#records.remove(key)));
  }

  /** Keeps the limits, after a build. */
  async collect(limits: CacheLimits): Promise<void> {
    const total = this.#items().reduce((sum, item) => sum + item.ownBytes, 0);
    const isOver = limits.maxBytes > 0 && total > limits.maxBytes;
    if (!isOver && limits.minFreeBytes === 0) return;
    await this.prune({ ...limits, filters: {}, isAll: false });
  }
}
