// The files of one log, open: the current one and those that rotation has left, plain or compressed (`path.3.gz`). An open
// file stays readable whatever rotation does to its name. Invariant: the queue holds the files without a gap, oldest first.
import type { BigIntStats } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";

/** A rotation takes microseconds: so many in a row between two steps of one look mean that something else is wrong. */
const MAX_LOOKS = 100;
/** Rotated more often than this while one reader stood still: it goes on without the files in between, as Docker's does. */
const MAX_OPEN = 64;
const BLOCK_BYTES = 256 * 1024;
/** No line is longer: 16 KiB of escaped text and the attributes. What is has been torn. */
const MAX_LINE_BYTES = 1 << 20;
const NEWLINE = 10;

/** Where reading begins in a file: behind so many bytes, or so many lines where it is compressed. */
export interface Start {
  readonly bytes?: number;
  readonly lines?: number;
}

/** One open file of a log and how far it has been read. */
export class LogFile implements AsyncDisposable {
  readonly inode: bigint;
  readonly isPacked: boolean;
  /** Time of the last write. */
  readonly modifiedMs: number;
  /** When it was opened. */
  readonly sizeBytes: number;
  readonly handle: FileHandle;
  /** Bytes of whole lines that were read. */
  #offset = 0;
  #skipLines = 0;

  private constructor(handle: FileHandle, isPacked: boolean, stats: BigIntStats) {
    this.handle = handle;
    this.isPacked = isPacked;
    this.inode = stats.ino;
    this.modifiedMs = Number(stats.mtimeMs);
    this.sizeBytes = Number(stats.size);
  }

  /** Opens a file; null when it is not there (any more). */
  static async open(path: string): Promise<LogFile | null> {
    const handle = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    if (handle === null) return null;
    return new LogFile(handle, path.endsWith(".gz"), await handle.stat({ bigint: true }));
  }

  startAt(start: Start): void {
    this.#offset = start.bytes ?? 0;
    this.#skipLines = start.lines ?? 0;
  }

  /**
   * Yields what has not been read yet up to the last newline, in texts of whole lines. An unfinished line is left for the next
   * call, since the shim may be in the middle of writing it.
   */
  async *lines(): AsyncGenerator<string> {
    let kept: Buffer = Buffer.alloc(0);
    for await (const block of this.isPacked ? this.#unpacked() : this.#blocks(this.#offset)) {
      let data = kept.length === 0 ? block : Buffer.concat([kept, block]);
      if (this.#skipLines > 0) data = this.#skip(data);
      const end = data.lastIndexOf(NEWLINE) + 1;
      kept = Buffer.from(data.subarray(end));
      // Before the yield: whoever stops here has had these lines.
      this.#offset += end;
      if (kept.length > MAX_LINE_BYTES) {
        this.#offset += kept.length;
        kept = Buffer.alloc(0);
      }
      if (end > 0) yield data.toString("utf8", 0, end);
    }
  }

  #skip(data: Buffer): Buffer {
    let from = 0;
    for (; this.#skipLines > 0; this.#skipLines--) {
      const at = data.indexOf(NEWLINE, from);
      if (at < 0) return data.subarray(from);
      from = at + 1;
    }
    return data.subarray(from);
  }

  /** Yields the file's bytes in one buffer, which each step overwrites. */
  async *#blocks(from: number, size = BLOCK_BYTES): AsyncGenerator<Buffer> {
    const block = Buffer.allocUnsafe(size);
    for (let at = from; ; ) {
      const { bytesRead } = await this.handle.read(block, 0, block.length, at);
      if (bytesRead === 0) return;
      yield block.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  /** A compressed file is complete: it is read once, and never again. */
  async *#unpacked(): AsyncGenerator<Buffer> {
    if (this.#offset > 0) return;
    const blocks = this.#blocks(0);
    const copies = (async function* () {
      for await (const block of blocks) yield Buffer.from(block);
    })();
    const unpacked = createGunzip({ chunkSize: BLOCK_BYTES });
    pipeline(Readable.from(copies), unpacked, () => {}); // ignored: the loop below meets the same failure
    yield* unpacked as AsyncIterable<Buffer>;
  }

  /** Returns where the last `count` lines begin, and how many are missing because the file has fewer. */
  async startOfLast(count: number): Promise<Start & { missing: number }> {
    if (this.isPacked) return this.#startOfLastPacked(count);
    const block = Buffer.allocUnsafe(64 * 1024);
    const { size } = await this.handle.stat();
    let missing = count;
    let isInLine = false; // the newline that ends the last line has been seen
    let wholeEnd = 0;
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - block.length);
      const { bytesRead } = await this.handle.read(block, 0, end - start, start);
      for (let at = bytesRead; at > 0; ) {
        at = block.lastIndexOf(NEWLINE, at - 1);
        if (at < 0) break;
        if (isInLine) missing--;
        else wholeEnd = start + at + 1;
        isInLine = true;
        if (missing === 0) return { bytes: count === 0 ? wholeEnd : start + at + 1, missing };
      }
      end = start;
    }
    return { bytes: 0, missing: isInLine ? missing - 1 : missing };
  }

  async #startOfLastPacked(count: number): Promise<Start & { missing: number }> {
    let total = 0;
    for await (const block of this.#unpacked()) for (const byte of block) if (byte === NEWLINE) total++;
    return { lines: Math.max(0, total - count), missing: Math.max(0, count - total) };
  }

  /** Returns the beginning of the first line, "" for an empty file. Does not count as reading. */
  async beginning(): Promise<string> {
    for await (const block of this.isPacked ? this.#unpacked() : this.#blocks(0, 64))
      return block.toString("latin1", 0, 64);
    return "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close().catch(() => {}); // ignored: nothing was written
  }
}

/** Which older files a reader needs; called with each, newest first, until one is the last. */
export type Needs = (file: LogFile) => Promise<"older" | "enough">;

/** The open files of one log. */
export class LogFiles implements AsyncDisposable {
  readonly #path: string;
  #files: LogFile[] = [];
  #refreshing: Promise<void> | undefined;
  #isClosed = false;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Opens the files from the newest to the first one that is enough. `makeNeeds` is called for each attempt. */
  static async open(path: string, makeNeeds: () => Needs): Promise<LogFiles> {
    const files = new LogFiles(path);
    try {
      // When a rotation comes in between, a file may have been missed or met twice: look again.
      for (let attempt = 0; attempt < MAX_LOOKS; attempt++) {
        await files.#close();
        await files.#openAll(makeNeeds());
        if ((await inodeOf(path)) === files.#files.at(-1)?.inode) break;
      }
    } catch (error) {
      await files[Symbol.asyncDispose]();
      throw error;
    }
    return files;
  }

  async #openAll(needs: Needs): Promise<void> {
    for await (const file of openNewestFirst(this.#path)) {
      if (this.#files.some((f) => f.inode === file.inode)) {
        await file[Symbol.asyncDispose]();
        continue;
      }
      this.#files.unshift(file);
      if ((await needs(file)) === "enough") return;
    }
  }

  /** The file to be read now; undefined when there is none. */
  get current(): LogFile | undefined {
    return this.#files[0];
  }

  /** Whether the current file is complete, because a newer one is there. */
  get hasNext(): boolean {
    return this.#files.length > 1;
  }

  /** Leaves the current file for the next newer one. */
  async next(): Promise<void> {
    await this.#files.shift()?.[Symbol.asyncDispose]();
  }

  /** Opens what rotation has made since, so that nothing is missed however slow the reader is. Calls meet in one look. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#lookForNewer().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #lookForNewer(): Promise<void> {
    const known = this.#files.at(-1)?.inode;
    if (known !== undefined && (await inodeOf(this.#path)) === known) return;
    let newer: LogFile[] = [];
    // When a rotation comes in between, a file may have been missed: look again.
    for (let attempt = 0; attempt < MAX_LOOKS; attempt++) {
      const before = await inodeOf(this.#path);
      for (const file of newer) await file[Symbol.asyncDispose]();
      newer = await this.#openNewer(known);
      const after = await inodeOf(this.#path);
      if (before !== undefined && before === after && (newer.at(-1)?.inode ?? known) === after) break;
    }
    this.#files.push(...newer);
    if (this.#isClosed) return this.#close();
    while (this.#files.length > MAX_OPEN) await this.#files.splice(1, 1)[0]?.[Symbol.asyncDispose]();
  }

  async #openNewer(known: bigint | undefined): Promise<LogFile[]> {
    const newer: LogFile[] = [];
    for await (const file of openNewestFirst(this.#path)) {
      const isKnown = file.inode === known || newer.some((f) => f.inode === file.inode);
      // Whatever is compressed was there long ago, and read: a plain file is compressed only after all readers have it open.
      if (isKnown || (file.isPacked && known !== undefined)) {
        await file[Symbol.asyncDispose]();
        if (file.inode === known || file.isPacked) break;
        continue;
      }
      newer.unshift(file);
    }
    return newer;
  }

  async #close(): Promise<void> {
    for (const file of this.#files.splice(0)) await file[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#refreshing?.catch(() => {}); // ignored: whoever asked for it has the error
    await this.#close();
  }
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  return (await stat(path, { bigint: true }).catch(() => undefined))?.ino; // ignored: missing is an answer
}

/**
 * Opens the log's files, the current one first. Rotation shifts names to the next higher number, from the highest on, so
 * going up meets every file that was there at the beginning (one may be met twice), however many renames come in between:
 * a number may stand empty for a moment, and the last file may move one beyond what the directory showed.
 */
async function* openNewestFirst(path: string): AsyncGenerator<LogFile> {
  let last = Math.max(0, ...(await rotatedNumbers(path)).map((r) => r.number));
  for (let number = 0; number <= last + 1; number++) {
    const plain = number === 0 ? path : `${path}.${number}`;
    const file = (await LogFile.open(plain)) ?? (number === 0 ? null : await LogFile.open(`${plain}.gz`));
    if (file === null) continue;
    last = Math.max(last, number);
    yield file;
  }
}

/** Returns the numbers of the rotated files that are there at this moment; one may stand twice, plain and compressed. */
async function rotatedNumbers(path: string): Promise<{ number: number; isPacked: boolean }[]> {
  const base = basename(path);
  const names = await readdir(dirname(path)).catch((): string[] => []); // ignored: no directory, no log
  return names.flatMap((name) => {
    const m = name.startsWith(`${base}.`) ? /^(\d{1,4})(\.gz)?$/.exec(name.slice(base.length + 1)) : null;
    return m === null ? [] : [{ number: Number(m[1]), isPacked: m[2] !== undefined }];
  });
}

/** Returns the paths of the rotated files that are not compressed, oldest first. */
export async function plainRotated(path: string): Promise<string[]> {
  const plain = (await rotatedNumbers(path)).filter((r) => !r.isPacked);
  return plain.sort((a, b) => b.number - a.number).map((r) => `${path}.${r.number}`);
}
