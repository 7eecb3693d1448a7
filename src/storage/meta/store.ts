// The crash-proof record store: tables in memory in front of an append-only log. Everything the daemon must remember
// (containers, images, layers, networks) is a record here; bulk data is not. Invariants:
//   - readers see memory only, and every commit as a whole, in the order of the calls;
//   - a durable commit that has resolved survives a power cut, together with everything committed before it;
//   - a commit that is rejected has been undone in memory, and the commits behind it with it.
// All commits that arrive while the disk is busy go out together with the next write (group commit). Opening replays
// and repairs (recover.ts), and a lock keeps a second daemon out (lock.ts).

import { join } from "node:path";
import { Fault, messageOf } from "../../lib/errors.ts";
import { type DiskFile, type DiskIo, nodeDisk } from "../disk.ts";
import { encodeFrame, MAX_PAYLOAD_BYTES } from "./frame.ts";
import { acquireLock, type Lock } from "./lock.ts";
import {
  type Damage,
  fileName,
  recover,
  type Recovered,
  removeStale,
  NO_CHANGES,
  type StoredChange,
} from "./recover.ts";
import { deepFreeze, MemoryTable } from "./table.ts";
import type { Change, CommitOptions, RecordStore, Table } from "./types.ts";

export interface MetaStoreOptions {
  /** Receives one line for each thing that had to be repaired or went wrong in the background. */
  log?: (message: string, detail: Readonly<Record<string, unknown>>) => void;
  disk?: DiskIo;
  /** Freeze records on commit; the default is yes under a test runner (NODE_ENV=test). */
  isFreezing?: boolean;
  /** The log is replaced by a snapshot when it is larger than this and than twice the last snapshot. */
  compactAboveBytes?: number;
  /** false: no lock, for tests on a fake disk. */
  isLocking?: boolean;
}

interface Pending {
  readonly frame: Buffer;
  readonly sequence: number;
  readonly isDurable: boolean;
  /** Changes that stay whatever becomes of the commit. */
  readonly facts: readonly Change[];
  readonly undo: readonly Change[];
  resolve(): void;
  reject(error: Fault): void;
}

const COMPACT_ABOVE_BYTES = 8 << 20;
const SNAPSHOT_FRAME_BYTES = 256 << 10;
/** How long what nobody waits for may stay off the disk. */
const FLUSH_AFTER_MS = 1000;
/** How often it is tried to write what the disk has refused. */
const RETRY_AFTER_MS = 5000;
/** Most that one write takes; more commits wait for the next one. */
const MAX_BATCH_BYTES = 8 << 20;

export class MetaStore implements RecordStore {
  readonly #dir: string;
  readonly #disk: DiskIo;
  readonly #log: NonNullable<MetaStoreOptions["log"]>;
  readonly #isFreezing: boolean;
  readonly #compactAboveBytes: number;
  readonly #lock: Lock | undefined;
  readonly #tables: Map<string, MemoryTable<unknown>>;
  readonly #damage: readonly Damage[];

  #generation: number;
  #file: DiskFile;
  #fileEnd: number;
  #snapshotBytes: number;
  #sequence: number;
  #stable: number;
  #queue: Pending[] = [];
  #writer: Promise<void> | undefined;
  #compaction: Promise<void> | undefined;
  #flushTimer: NodeJS.Timeout | undefined;
  /** The log cannot be trusted after a failed write: the next commit starts from a fresh snapshot. */
  #needsRewrite = false;
  /** There are facts in memory that the disk has refused. */
  #hasUnwritten = false;
  #isClosed = false;

  private constructor(
    dir: string,
    disk: DiskIo,
    options: MetaStoreOptions,
    found: Recovered,
    resources: { lock: Lock | undefined; file: DiskFile },
  ) {
    this.#dir = dir;
    this.#disk = disk;
    this.#log = options.log ?? (() => undefined);
    this.#isFreezing = options.isFreezing ?? process.env["NODE_ENV"] === "test";
    this.#compactAboveBytes = options.compactAboveBytes ?? COMPACT_ABOVE_BYTES;
    this.#lock = resources.lock;
    this.#file = resources.file;
    this.#tables = found.tables;
    this.#damage = found.damage;
    this.#generation = found.generation;
    this.#fileEnd = found.logEnd;
    this.#snapshotBytes = found.snapshotBytes;
    this.#sequence = found.sequence;
    this.#stable = found.sequence;
  }

  /**
   * Opens the store in `dir`, made when missing, repairing what has to be. Fails with conflict when another process
   * uses it, with system when the directory cannot be used at all.
   */
  static async open(dir: string, options: MetaStoreOptions = {}): Promise<MetaStore> {
    const disk = options.disk ?? nodeDisk;
    await disk.makeDir(dir);
    const lock = options.isLocking === false ? undefined : await acquireLock(dir);
    try {
      const found = await recover(disk, dir);
      const file = await disk.open(join(dir, fileName("log", found.generation)));
      const store = new MetaStore(dir, disk, options, found, { lock, file });
      await store.#settle(found);
      return store;
    } catch (cause) {
      lock?.release();
      throw new Fault(
        "system",
        `cannot open the record store in ${JSON.stringify(dir)}: ${messageOf(cause)}`,
        {
          code: "store.unusable",
          cause,
        },
      );
    }
  }

  /** Makes what was found stable before anybody relies on it. */
  async #settle(found: Recovered): Promise<void> {
    for (const damage of found.damage)
      this.#log(`record store: ${damage.file}: ${damage.message}`, { ...damage });
    await this.#file.truncate(this.#fileEnd);
    if (this.#fileEnd === 0) this.#fileEnd = await beginLog(this.#file, this.#sequence);
    else await this.#file.datasync();
    await this.#disk.syncDir(this.#dir);
    if (this.#isFreezing) {
      for (const table of this.#tables.values()) for (const value of table.values()) deepFreeze(value);
    }
    if (found.needsCompaction) await this.#rewrite();
    else await removeStale(this.#disk, this.#dir, found.snapshotGeneration);
  }

  /** What was wrong with the files when the store was opened. */
  get damage(): readonly Damage[] {
    return this.#damage;
  }

  /** Returns the table called `name`; one that never existed is empty. */
  table<T>(name: string): Table<T> {
    return this.#table(name) as MemoryTable<unknown> as MemoryTable<T>;
  }

  #table(name: string): MemoryTable<unknown> {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new MemoryTable(name);
      this.#tables.set(name, table);
    }
    return table;
  }

  /**
   * See RecordStore. Without changes it is a barrier: it resolves when everything committed before is where
   * `durable` says. A commit that is not durable may still be undone when the disk fails before it is flushed.
   */
  commit(changes: readonly Change[], options: CommitOptions = {}): Promise<void> {
    if (this.#isClosed) return Promise.reject(new Fault("unavailable", "the record store is closed"));
    const hasFrame = changes.length > 0 && options.isPassing !== true;
    const payload = hasFrame ? payloadOf(changes) : "";
    if (payload.length * 3 > MAX_PAYLOAD_BYTES && Buffer.byteLength(payload) > MAX_PAYLOAD_BYTES) {
      return Promise.reject(
        new Fault("invalidParameter", "a commit is too large", { code: "store.too-large" }),
      );
    }
    // What is not written has no frame and must not use up a number: a missing number would mean a lost commit.
    const sequence = hasFrame ? ++this.#sequence : this.#sequence;
    const frame = hasFrame ? encodeFrame(sequence, this.#stable, payload) : NOTHING;
    const undo = changes.map((change) => this.#apply(change)).reverse();
    return new Promise((resolve, reject) => {
      const isDurable = options.durable ?? true;
      const facts = options.isFact || options.isPassing ? changes : [];
      this.#queue.push({ frame, sequence, isDurable, facts, undo, resolve, reject });
      this.#writer ??= this.#write();
    });
  }

  /** Applies a change and returns its inverse. */
  #apply(change: Change): Change {
    const table = this.#table(change.table);
    const before = table.get(change.key);
    if (this.#isFreezing) deepFreeze(change.value);
    table.apply(change.key, change.value);
    return { table: change.table, key: change.key, value: before };
  }

  async #write(): Promise<void> {
    // Commits of the same turn of the event loop share the first write.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch();
      try {
        await this.#writeBatch(batch);
      } catch (cause) {
        this.#fail(batch, cause);
      }
      if (this.#isLogLarge()) await this.#startCompaction();
    }
    this.#writer = undefined;
  }

  #takeBatch(): Pending[] {
    let sizeBytes = 0;
    let count = 0;
    for (const pending of this.#queue) {
      if (count > 0 && sizeBytes + pending.frame.length > MAX_BATCH_BYTES) break;
      sizeBytes += pending.frame.length;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #writeBatch(batch: Pending[]): Promise<void> {
    if (this.#needsRewrite) {
      // The snapshot has these commits in it already, since memory does; nothing is left to write.
      await this.#rewrite();
      for (const pending of batch) pending.resolve();
      return;
    }
    const bytes = batch.length === 1 ? (batch[0] as Pending).frame : Buffer.concat(batch.map((p) => p.frame));
    if (bytes.length > 0) await this.#file.write(bytes, this.#fileEnd);
    this.#fileEnd += bytes.length;
    for (const pending of batch) if (!pending.isDurable) pending.resolve();
    if (!batch.some((pending) => pending.isDurable)) return this.#flushSoon();
    await this.#file.datasync();
    this.#stable = (batch.at(-1) as Pending).sequence;
    for (const pending of batch) pending.resolve();
  }

  #flushSoon(afterMs = FLUSH_AFTER_MS): void {
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      // ignored: a failure is logged, and is told to the next one who waits
      if (this.#stable < this.#sequence) this.commit([]).catch(() => {});
    }, afterMs).unref();
  }

  /** Undoes a batch that did not reach the disk and everything that was built on it, except for facts. */
  #fail(batch: Pending[], cause: unknown): void {
    this.#needsRewrite = true;
    const undone = [...batch, ...this.#queue.splice(0)];
    for (const pending of undone.toReversed()) for (const change of pending.undo) this.#apply(change);
    const fault = new Fault("unavailable", `cannot write to the record store: ${messageOf(cause)}`, {
      code: "store.write-failed",
      cause,
    });
    // Once for all: what waits is tried again and again.
    if (undone.some((pending) => pending.frame.length > 0))
      this.#log(fault.message, { commits: undone.length });
    for (const pending of undone) {
      if (this.#keep(pending.facts)) pending.resolve();
      else pending.reject(fault);
    }
    if (this.#hasUnwritten) this.#flushSoon(RETRY_AFTER_MS);
  }

  /** Applies facts although they were not written; false, and none of them, when there is no such record. */
  #keep(facts: readonly Change[]): boolean {
    const areKept = facts.length > 0 && facts.every((fact) => this.#table(fact.table).has(fact.key));
    if (areKept) {
      for (const fact of facts) this.#apply(fact);
      this.#hasUnwritten = true;
    }
    return areKept;
  }

  #isLogLarge(): boolean {
    return (
      this.#compaction === undefined &&
      this.#fileEnd > this.#compactAboveBytes &&
      this.#fileEnd > 2 * this.#snapshotBytes
    );
  }

  /** Begins a new log and writes the snapshot it starts from in the background. */
  async #startCompaction(): Promise<void> {
    try {
      const copy = await this.#rotate();
      this.#compaction = this.#writeSnapshot(copy)
        .catch((error: unknown) => this.#log(`record store: compaction failed: ${messageOf(error)}`, {}))
        .finally(() => {
          this.#compaction = undefined;
        });
    } catch (error) {
      this.#log(`record store: compaction failed: ${messageOf(error)}`, {});
      this.#snapshotBytes = this.#fileEnd; // not again before the log has doubled
    }
  }

  /** Writes everything afresh; afterwards nothing depends on the old files. */
  async #rewrite(): Promise<void> {
    await this.#compaction;
    const copy = await this.#rotate({ isOldLogBroken: true });
    await this.#writeSnapshot(copy);
    this.#stable = copy.sequence;
    this.#needsRewrite = false;
    this.#hasUnwritten = false;
  }

  /** Switches to a new log file and returns the records as of this moment. */
  async #rotate(options: { isOldLogBroken?: boolean } = {}): Promise<StateCopy> {
    if (!options.isOldLogBroken) {
      // Otherwise a later commit could survive a power cut in the new file while this one's end does not.
      await this.#file.datasync();
      this.#stable = Math.max(this.#stable, this.#lastWritten());
    }
    const generation = this.#generation + 1;
    const file = await this.#disk.open(join(this.#dir, fileName("log", generation)), { truncate: true });
    const fileEnd = await beginLog(file, this.#stable);
    await this.#disk.syncDir(this.#dir);
    const old = this.#file;
    this.#file = file;
    this.#fileEnd = fileEnd;
    this.#generation = generation;
    await old.close().catch(() => undefined); // ignored: it is not used any more
    const tables = [...this.#tables].map(([name, table]) => [name, [...table.entries()]] as const);
    return { generation, sequence: this.#sequence, tables };
  }

  /** Highest sequence number that has been written: everything that is not queued. */
  #lastWritten(): number {
    return (this.#queue[0]?.sequence ?? this.#sequence + 1) - 1;
  }

  async #writeSnapshot(copy: StateCopy): Promise<void> {
    const path = join(this.#dir, fileName("snapshot", copy.generation));
    const file = await this.#disk.open(`${path}.tmp`, { truncate: true });
    let end = 0;
    const put = async (payload: string) => {
      const frame = encodeFrame(copy.sequence, copy.sequence, payload);
      await file.write(frame, end);
      end += frame.length;
    };
    for (const payload of snapshotPayloads(copy)) await put(payload);
    await put(NO_CHANGES);
    await file.datasync();
    await file.close();
    await this.#disk.rename(`${path}.tmp`, path);
    await this.#disk.syncDir(this.#dir);
    this.#snapshotBytes = end;
    await removeStale(this.#disk, this.#dir, copy.generation);
  }

  /** Waits for everything that was committed, then lets go of files and lock. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    clearTimeout(this.#flushTimer);
    await this.commit([]).catch(() => undefined); // ignored: whoever committed has been told
    this.#isClosed = true;
    await this.#writer;
    await this.#compaction;
    await this.#file.close();
    this.#lock?.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const NOTHING = Buffer.alloc(0);

function payloadOf(changes: readonly Change[]): string {
  const stored: StoredChange[] = changes.map((c) =>
    c.value === undefined ? [c.table, c.key] : [c.table, c.key, c.value],
  );
  return JSON.stringify(stored);
}

/** Writes the first frame of a log, which says that everything up to `stable` is in the files before it. */
async function beginLog(file: DiskFile, stable: number): Promise<number> {
  const frame = encodeFrame(stable, stable, NO_CHANGES);
  await file.write(frame, 0);
  await file.datasync();
  return frame.length;
}

interface StateCopy {
  readonly generation: number;
  readonly sequence: number;
  readonly tables: readonly (readonly [name: string, records: readonly [string, unknown][]])[];
}

function* snapshotPayloads(copy: StateCopy): Generator<string> {
  let parts: string[] = [];
  let size = 0;
  for (const [table, records] of copy.tables) {
    for (const [key, value] of records) {
      const change = JSON.stringify([table, key, value]);
      parts.push(change);
      size += change.length;
      if (size < SNAPSHOT_FRAME_BYTES) continue;
      yield `[${parts.join(",")}]`;
      parts = [];
      size = 0;
    }
  }
  if (parts.length > 0) yield `[${parts.join(",")}]`;
}
