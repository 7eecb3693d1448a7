// Reads a store's files back into memory after a shutdown, a crash or worse. It never refuses to start: what cannot
// be believed is set aside in a quarantine file and reported.
//
// Files in the directory, N being the generation (a decimal counter):
//   snapshot-N   all records at the moment log-N began; complete when it has this name
//   log-N        commits since then; its first frame says how far the files before it reached
//   *.tmp        a snapshot that was being written: worthless
//   damaged-…    quarantine: copies of files that had damage, never read by the store
// Valid state: the snapshot with the highest N and all logs from that N on, in order. A crash during compaction
// leaves snapshot-N, log-N and log-N+1, which is the same state.

import { join } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import type { DiskIo } from "../disk.ts";
import { type Frame, type Scan, scanFrames } from "./frame.ts";
import { MemoryTable } from "./table.ts";

/** Something that was wrong with the files; one line for the daemon's log. */
export interface Damage {
  readonly file: string;
  readonly message: string;
  /** Whether acknowledged commits may be lost. */
  readonly isLoss: boolean;
}

export interface Recovered {
  readonly tables: Map<string, MemoryTable<unknown>>;
  /** The highest in use; its log is the one to go on with. */
  readonly generation: number;
  /** 0 when there is no snapshot. */
  readonly snapshotGeneration: number;
  readonly logEnd: number;
  readonly sequence: number;
  readonly snapshotBytes: number;
  readonly damage: readonly Damage[];
  /** Whether the files should be rewritten at once, because damage is in them. */
  readonly needsCompaction: boolean;
}

/** One change on disk: [table, key, value], or [table, key] for a removal. */
export type StoredChange = readonly [table: string, key: string, value?: unknown];

/** Name of a file of the store. */
export function fileName(kind: "snapshot" | "log", generation: number): string {
  return `${kind}-${generation}`;
}

function generations(names: readonly string[], kind: "snapshot" | "log"): number[] {
  return names
    .map((name) => new RegExp(`^${kind}-([0-9]{1,15})$`).exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

/** Removes every file of a generation before `generation` and unfinished snapshots. */
export async function removeStale(disk: DiskIo, dir: string, generation: number): Promise<void> {
  const names = await disk.list(dir);
  const old = (kind: "snapshot" | "log") =>
    generations(names, kind)
      .filter((n) => n < generation)
      .map((n) => fileName(kind, n));
  const temporary = names.filter((name) => name.endsWith(".tmp"));
  for (const name of [...old("snapshot"), ...old("log"), ...temporary]) await disk.remove(join(dir, name));
}

/** Reads everything in `dir`. */
export async function recover(disk: DiskIo, dir: string): Promise<Recovered> {
  const names = await disk.list(dir);
  const snapshot = generations(names, "snapshot").at(-1);
  const logs = generations(names, "log").filter((n) => n >= (snapshot ?? 0));
  const state = new Recovery(disk, dir);
  if (snapshot !== undefined) await state.readSnapshot(snapshot);
  for (const log of logs) await state.readLog(log, { isLast: log === logs.at(-1) });
  const generation = Math.max(1, snapshot ?? 1, logs.at(-1) ?? 1);
  return { ...state.result(), generation, snapshotGeneration: snapshot ?? 0 };
}

class Recovery {
  readonly #disk: DiskIo;
  readonly #dir: string;
  readonly #tables = new Map<string, MemoryTable<unknown>>();
  readonly #damage: Damage[] = [];
  #sequence = 0;
  #snapshotBytes = 0;
  #logEnd = 0;
  #needsCompaction = false;
  /** Commits up to this one are in the snapshot; log frames of them are skipped. */
  #inSnapshot = 0;

  constructor(disk: DiskIo, dir: string) {
    this.#disk = disk;
    this.#dir = dir;
  }

  result(): Omit<Recovered, "generation" | "snapshotGeneration"> {
    return {
      tables: this.#tables,
      damage: this.#damage,
      sequence: this.#sequence,
      snapshotBytes: this.#snapshotBytes,
      logEnd: this.#logEnd,
      needsCompaction: this.#needsCompaction,
    };
  }

  async readSnapshot(generation: number): Promise<void> {
    const name = fileName("snapshot", generation);
    const bytes = await this.#read(name);
    const scan = scanFrames(bytes);
    this.#snapshotBytes = bytes.length;
    const isComplete = scan.frames.at(-1)?.payload.toString() === NO_CHANGES;
    for (const frame of isComplete ? scan.frames.slice(0, -1) : scan.frames) this.#apply(frame, name);
    if (isComplete && scan.damaged.length === 0) {
      this.#inSnapshot = this.#sequence;
      return;
    }
    await this.#quarantine(name, bytes, "snapshot is damaged: some records may be missing or old", true);
  }

  async readLog(generation: number, options: { isLast: boolean }): Promise<void> {
    const name = fileName("log", generation);
    const bytes = await this.#read(name);
    const scan = scanFrames(bytes);
    const promised = scan.frames[0]?.stable ?? 0;
    if (promised > this.#sequence) {
      const message = `log goes on after commit ${promised}, but the files before it end at ${this.#sequence}`;
      this.#damage.push({ file: name, message, isLoss: true });
      this.#needsCompaction = true;
    }
    for (const frame of scan.frames) if (frame.sequence > this.#inSnapshot) this.#apply(frame, name);
    if (options.isLast) this.#logEnd = scan.end;
    await this.#judge(name, bytes, scan);
  }

  async #judge(name: string, bytes: Buffer, scan: Scan): Promise<void> {
    if (scan.damaged.length > 0) {
      const where = scan.damaged.map(({ from, to }) => `${from}–${to}`).join(", ");
      await this.#quarantine(
        name,
        bytes,
        `log is damaged at bytes ${where}: commits recorded there are lost`,
        true,
      );
    } else if (scan.tail.sizeBytes > 0) {
      this.#needsCompaction = true;
      if (scan.tail.isEmpty) return;
      const message = `log ends in ${scan.tail.sizeBytes} bytes that are no whole commit: they were dropped`;
      this.#damage.push({ file: name, message, isLoss: false });
    }
  }

  #apply(frame: Frame, name: string): void {
    let changes: readonly StoredChange[];
    try {
      changes = JSON.parse(frame.payload.toString("utf8")) as StoredChange[];
    } catch (error) {
      // Cannot happen while the checksum holds; still no reason not to start.
      this.#damage.push({ file: name, message: `unreadable commit: ${messageOf(error)}`, isLoss: true });
      return;
    }
    for (const [table, key, value] of changes) this.#table(table).apply(key, value);
    this.#sequence = Math.max(this.#sequence, frame.sequence);
  }

  #table(name: string): MemoryTable<unknown> {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new MemoryTable(name);
      this.#tables.set(name, table);
    }
    return table;
  }

  async #read(name: string): Promise<Buffer> {
    try {
      return await this.#disk.read(join(this.#dir, name));
    } catch (error) {
      this.#needsCompaction = true;
      this.#damage.push({ file: name, message: `cannot be read: ${messageOf(error)}`, isLoss: true });
      return Buffer.alloc(0);
    }
  }

  /** Keeps a copy of a damaged file, since the store is about to rewrite it. */
  async #quarantine(name: string, bytes: Buffer, message: string, isLoss: boolean): Promise<void> {
    this.#needsCompaction = true;
    const copy = `damaged-${name}-${this.#sequence}`;
    try {
      const file = await this.#disk.open(join(this.#dir, copy), { truncate: true });
      await file.write(bytes, 0);
      await file.datasync();
      await file.close();
      this.#damage.push({ file: name, message: `${message}; the file is kept as ${copy}`, isLoss });
    } catch (error) {
      this.#damage.push({
        file: name,
        message: `${message}; no copy could be kept: ${messageOf(error)}`,
        isLoss,
      });
    }
  }
}

/** Payload without changes: the first frame of a log and the last one of a snapshot. */
export const NO_CHANGES = "[]";
