// The directories of `RUN --mount=type=cache`: one per key, kept from build to build below the data root, in the record
// store by what they are for. A directory that is shared has any number of users at once, a locked one makes the next
// wait, of a private one each user at the same time gets a directory of his own.
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { CacheMount, CacheMountRequest, CacheMounts } from "../../../build/solver/ports.ts";
import { randomHex } from "../../../lib/id.ts";
import type { Keel } from "../../../linux/keel.ts";
import { host } from "../../../linux/ops.ts";
import { treeBytes } from "../../../storage/tree-size.ts";
import type { RecordStore, Table } from "../../../storage/meta/types.ts";

/** What is kept of one directory, by its name. */
export interface CacheMountRecord {
  readonly version: 1;
  readonly key: string;
  /** As the user calls it. */
  readonly name: string;
  readonly createdAt: string;
  readonly lastUsedAt: string;
  readonly uses: number;
  readonly sizeBytes: number;
}

export interface CacheMountOptions {
  store: RecordStore;
  keel: Keel;
  /** Where the directories lie; made. */
  dir: string;
  now: () => string;
}

interface Use {
  users: number;
  /** Resolvers of those who want it to themselves. */
  readonly waiting: (() => void)[];
}

export class CacheMountStore implements CacheMounts {
  readonly #options: CacheMountOptions;
  readonly #records: Table<CacheMountRecord>;
  /** Directories in use, by name. */
  readonly #uses = new Map<string, Use>();

  private constructor(options: CacheMountOptions) {
    this.#options = options;
    this.#records = options.store.table<CacheMountRecord>("build-cache-mounts");
  }

  /** Opens the store and removes directories that nothing is known of. */
  static async open(options: CacheMountOptions): Promise<CacheMountStore> {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    const store = new CacheMountStore(options);
    for (const name of await readdir(options.dir))
      if (store.#records.get(name) === undefined) await store.#removeDir(name);
    return store;
  }

  list(): (CacheMountRecord & { readonly id: string; readonly isInUse: boolean })[] {
    return [...this.#records.keys()].map((id) => ({
      ...(this.#records.get(id) as CacheMountRecord),
      id,
      isInUse: this.#uses.has(id),
    }));
  }

  async take(request: CacheMountRequest): Promise<CacheMount> {
    const id = await this.#choose(request);
    const path = join(this.#options.dir, id);
    const known = this.#records.get(id);
    try {
      if (known === undefined) await mkdir(path, { recursive: true, mode: 0o755 });
    } catch (error) {
      this.#leave(id);
      throw error;
    }
    return {
      path,
      isNew: known === undefined,
      openFs: () => this.#options.keel.openFs({ kind: "dir", path }),
      release: async ({ isGood }) => {
        try {
          await this.#note(id, request, { isGood });
        } finally {
          this.#leave(id);
        }
      },
    };
  }

  /** Returns the directory that the step gets, already marked as used. */
  async #choose(request: CacheMountRequest): Promise<string> {
    const ids = [...this.#records.keys(), ...this.#uses.keys()].filter(
      (id) => id.slice(0, request.key.length) === request.key,
    );
    const [first = `${request.key}-0`] = ids;
    if (request.sharing === "private") {
      const free = [...new Set(ids)].find((id) => !this.#uses.has(id));
      return this.#enter(free ?? (ids.length === 0 ? first : `${request.key}-${randomHex()}`));
    }
    if (request.sharing === "locked") {
      while (this.#uses.has(first)) await this.#wait(first, request.signal);
    }
    return this.#enter(first);
  }

  #enter(id: string): string {
    const use = this.#uses.get(id);
    if (use === undefined) this.#uses.set(id, { users: 1, waiting: [] });
    else use.users++;
    return id;
  }

  #leave(id: string): void {
    const use = this.#uses.get(id);
    if (use === undefined || --use.users > 0) return;
    this.#uses.delete(id);
    for (const wake of use.waiting) wake();
  }

  #wait(id: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(signal.reason as Error);
      if (signal.aborted) return stop();
      signal.addEventListener("abort", stop, { once: true });
      this.#uses.get(id)?.waiting.push(() => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
    });
  }

  /** Keeps what a step left behind; of a new directory only when the step went well. */
  async #note(id: string, request: CacheMountRequest, how: { isGood: boolean }): Promise<void> {
    const known = this.#records.get(id);
    if (known === undefined && !how.isGood) return this.#removeDir(id);
    const { store, now, keel, dir } = this.#options;
    await using session = await keel.openFs({ kind: "dir", path: join(dir, id) });
    const record: CacheMountRecord = {
      version: 1,
      key: request.key,
      name: request.name,
      createdAt: known?.createdAt ?? now(),
      lastUsedAt: now(),
      uses: (known?.uses ?? 0) + 1,
      sizeBytes: await treeBytes(session),
    };
    await store.commit([this.#records.put(id, record)]);
  }

  /** Removes a directory that nobody uses; returns its bytes. */
  async remove(id: string): Promise<number> {
    const record = this.#records.get(id);
    if (record === undefined || this.#uses.has(id)) return 0;
    await this.#options.store.commit([this.#records.remove(id)]);
    await this.#removeDir(id);
    return record.sizeBytes;
  }

  async #removeDir(id: string): Promise<void> {
    await this.#options.keel.run([host.remove(join(this.#options.dir, id))]);
  }
}
