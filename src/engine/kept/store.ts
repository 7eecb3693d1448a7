// What was removed and can be brought back for a while (`undo`). A removal is one commit that takes the record out of its table and
// puts it here; the data stays on the disk until the time is over, the shelf is full, the disk is short or somebody asks for the
// space. What happens to the data is its owner's to do (record.ts); this decides what is kept and for how long.
import { statfs } from "node:fs/promises";
import { Fault, messageOf } from "../../lib/errors.ts";
import { randomHex } from "../../lib/id.ts";
import { Lane } from "../../lib/lanes.ts";
import { formatNano, nowNano, parseNano } from "../../lib/time.ts";
import type { Change, RecordStore, Table } from "../../storage/meta/types.ts";
import type { KeptKind, KeptOwner, KeptRecord, Restored, RestoreOptions } from "./record.ts";

export interface KeepLimits {
  /** 0 keeps nothing. */
  readonly keepMs: number;
  readonly maxBytes: number;
}

export interface KeptStoreOptions {
  readonly store: RecordStore;
  /** The data root, on whose disk all of it is. */
  readonly dir: string;
  readonly limits: KeepLimits;
  readonly log: (message: string) => void;
  /** Bytes that are free and that there are; the disk's own when absent. */
  readonly space?: () => Promise<{ free: number; total: number }>;
}

/** Records are in memory: a host that removes thousands an hour keeps the last ones. */
const MAX_RECORDS = 1000;
const LOOK_EVERY_MS = 30_000;
/** A disk is short below this part of it, or below so many bytes of a large one. */
const SHORT = { part: 0.05, bytes: 5e9 };

export class KeptStore {
  readonly #options: KeptStoreOptions;
  readonly #records: Table<KeptRecord>;
  readonly #owners = new Map<KeptKind, KeptOwner>();
  /** Restoring and giving up, one at a time: nobody restores what is just being removed for good. */
  readonly #lane = new Lane();
  readonly #timer: NodeJS.Timeout;

  constructor(options: KeptStoreOptions) {
    this.#options = options;
    this.#records = options.store.table<KeptRecord>("kept");
    this.#timer = setInterval(() => this.expireSoon(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  setOwner(kind: KeptKind, owner: KeptOwner): void {
    this.#owners.set(kind, owner);
  }

  /** Whether what is removed now is kept: not on a disk that is short, where whoever removes wants the space. */
  async accepts(): Promise<boolean> {
    return this.#options.limits.keepMs > 0 && !(await this.#isDiskShort());
  }

  /** Newest first. */
  all(): KeptRecord[] {
    return [...this.#records.values()].reverse();
  }

  of(kind: KeptKind): KeptRecord[] {
    return this.all().filter((kept) => kept.kind === kind);
  }

  has(id: string): boolean {
    return this.#records.has(id);
  }

  expiresAt(kept: KeptRecord): string {
    const removedNano = parseNano(kept.removedAt) ?? 0n;
    return formatNano(removedNano + BigInt(this.#options.limits.keepMs) * 1_000_000n);
  }

  /** Returns a record to be committed with the removal. `id` names the data on the disk. */
  record(what: Pick<KeptRecord, "kind" | "name" | "content"> & { id?: string; group?: string }): KeptRecord {
    const id = what.id ?? randomHex(16);
    return {
      version: 1,
      removedAt: formatNano(nowNano()),
      sizeBytes: 0,
      ...what,
      id,
      group: what.group ?? id,
    };
  }

  putChange(kept: KeptRecord): Change {
    return this.#records.put(kept.id, kept);
  }

  /** Part of the commit that brings it back. */
  removeChange(kept: KeptRecord): Change {
    return this.#records.remove(kept.id);
  }

  /** To be called when a removal has been committed: its size is found out, and what is too much goes. In the background. */
  settle(kept: KeptRecord): void {
    void this.#lane
      .run(async () => {
        const sizeBytes = await this.#owner(kept).measure(kept);
        if (this.#records.has(kept.id))
          await this.#options.store.commit([this.putChange({ ...kept, sizeBytes })], { durable: false });
        await this.#expire();
      })
      .catch((error: unknown) => this.#options.log(`cannot measure what was removed: ${messageOf(error)}`));
  }

  /** Gives up what is too old or too much, in the background. */
  expireSoon(): void {
    void this.#lane
      .run(() => this.#expire())
      .catch((error: unknown) => this.#options.log(`cannot give up what was removed: ${messageOf(error)}`));
  }

  async #expire(): Promise<void> {
    const { keepMs, maxBytes } = this.#options.limits;
    const isShort = await this.#isDiskShort();
    let keptBytes = 0;
    let count = 0;
    for (const kept of this.all()) {
      const ageMs = Number((nowNano() - (parseNano(kept.removedAt) ?? 0n)) / 1_000_000n);
      keptBytes += kept.sizeBytes;
      count += 1;
      const isOver = ageMs >= keepMs || keptBytes > maxBytes || count > MAX_RECORDS;
      if (isOver || isShort) await this.#giveUp(kept);
    }
  }

  async #isDiskShort(): Promise<boolean> {
    const { free, total } = await (this.#options.space ?? (() => diskSpace(this.#options.dir)))();
    return free < Math.min(total * SHORT.part, SHORT.bytes);
  }

  /** Whatever the data does: what is no more recorded is removed at the next start, too. */
  async #giveUp(kept: KeptRecord): Promise<void> {
    await this.#options.store.commit([this.removeChange(kept)]);
    await this.#owner(kept).dispose(kept);
  }

  /** Gives up everything; returns the bytes that it took, and what it was. */
  prune(): Promise<{ spaceBytes: number; given: readonly KeptRecord[] }> {
    return this.#lane.run(async () => {
      const given = this.all();
      for (const kept of given) await this.#giveUp(kept);
      return { spaceBytes: given.reduce((sum, kept) => sum + kept.sizeBytes, 0), given };
    });
  }

  /** Brings one back. Fails with notFound for what is not, or no more, kept. */
  restore(id: string, options: RestoreOptions = {}): Promise<Restored & { kept: KeptRecord }> {
    return this.#lane.run(async () => {
      const kept = this.#records.get(id);
      if (kept === undefined)
        throw new Fault("notFound", `nothing that was removed has the id ${id}: its time may be over`, {
          code: "kept.not-found",
        });
      return { ...(await this.#owner(kept).restore(kept, options)), kept };
    });
  }

  #owner(kept: KeptRecord): KeptOwner {
    const owner = this.#owners.get(kept.kind);
    if (owner === undefined) throw new Fault("system", `nobody knows how to keep a ${kept.kind}`);
    return owner;
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#lane.run(async () => undefined);
  }
}

async function diskSpace(dir: string): Promise<{ free: number; total: number }> {
  const { bsize, blocks, bavail } = await statfs(dir);
  return { free: bsize * bavail, total: bsize * blocks };
}
