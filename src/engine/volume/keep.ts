// Removed volumes are kept for a while: the record moves to the table of what is kept, in one commit, and then the directory to
// volumes/.kept/<id>. Where a crash came in between, the directory follows at the next start. Only plain directories of the
// daemon's own are kept: what a driver or a mount has is not ours to keep.
import { messageOf } from "../../lib/errors.ts";
import type { RecordStore, Table } from "../../storage/meta/types.ts";
import type { LocalVolumes } from "../../storage/volume/local.ts";
import type { KeptRecord } from "../kept/record.ts";
import type { KeptStore } from "../kept/store.ts";
import { hasDataDirectory, type VolumeRecord } from "./record.ts";

export interface VolumeKeeperOptions {
  readonly kept: KeptStore;
  readonly store: RecordStore;
  readonly records: Table<VolumeRecord>;
  readonly local: LocalVolumes;
}

const recordOf = (kept: KeptRecord): VolumeRecord => kept.content as VolumeRecord;

export class VolumeKeeper {
  readonly #options: VolumeKeeperOptions;

  constructor(options: VolumeKeeperOptions) {
    this.#options = options;
  }

  async canKeep(record: VolumeRecord): Promise<boolean> {
    return (
      hasDataDirectory(record) &&
      !record.isFilling &&
      !record.isRestoring &&
      (await this.#options.kept.accepts())
    );
  }

  /** Removes a volume that nobody uses, and keeps it. In the lane of its name. */
  async keep(record: VolumeRecord, group?: string): Promise<void> {
    const { kept, store, records, local } = this.#options;
    // An anonymous volume is nobody's from the moment on that its container goes.
    const { isPending: _, ...content } = record;
    const entry = kept.record({
      kind: "volume",
      name: record.name,
      content,
      ...(group === undefined ? {} : { group }),
    });
    await store.commit([records.remove(record.name), kept.putChange(entry)]);
    try {
      await local.keep(record.name, entry.id);
    } catch (error) {
      await store.commit([records.put(record.name, record), kept.removeChange(entry)]);
      throw error;
    }
    kept.settle(entry);
  }

  /** Brings a volume back under `name`, which is free. In the lane of its name. */
  async restore(entry: KeptRecord, name: string): Promise<VolumeRecord> {
    const { kept, store, records, local } = this.#options;
    const record = { ...recordOf(entry), name };
    await local.takeBack(entry.id, name);
    try {
      await store.commit([records.put(name, record), kept.removeChange(entry)]);
    } catch (error) {
      await local.keep(name, entry.id);
      throw error;
    }
    return record;
  }

  dispose(entry: KeptRecord): Promise<void> {
    return this.#options.local.dropKept(entry.id);
  }

  measure(entry: KeptRecord): Promise<number> {
    return this.#options.local.keptBytes(entry.id);
  }

  /** Puts right what a crash has left between the directories and the records; before anybody sweeps. */
  async recover(log: (message: string) => void): Promise<void> {
    const { kept, records, local } = this.#options;
    const entries = kept.of("volume");
    const present = new Set(await local.listKept());
    for (const entry of entries)
      if (!present.has(entry.id) && !records.has(entry.name))
        await local
          .keep(entry.name, entry.id)
          .catch((error: unknown) =>
            log(`cannot keep the removed volume ${entry.name}: ${messageOf(error)}`),
          );
    const known = new Set(entries.map((entry) => entry.id));
    for (const id of present) if (!known.has(id)) await local.dropKept(id);
  }
}
