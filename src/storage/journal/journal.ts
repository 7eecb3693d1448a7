// An append-only log of numbered entries that may be lost from its old end, never from the middle: the history of events.
// Not a store of records (storage/meta is): nobody waits for the disk here, and what is old goes. Invariants:
//   - an entry whose append has resolved is in the file, so that it survives the end of this process, kill -9 included;
//   - it survives a power cut when that came later than `SYNC_MS` after it;
//   - a number is never given twice, not even when the entry that had it was lost with the power;
//   - the files together take `maxBytes` and one segment at most.
//
// Files in the directory: segments named by the number of their first entry, each a sequence of frames (../meta/frame.ts).
// A payload that is a JSON string is the journal's own: `"boot <id>"` at the beginning of a segment and when the journal
// was opened, `"end"` when it was closed in order.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import { type DiskFile, type DiskIo, nodeDisk } from "../disk.ts";
import { encodeFrame, type Frame, scanFrames } from "../meta/frame.ts";

export interface JournalOptions {
  readonly disk?: DiskIo;
  /** Receives one line for what had to be repaired, and when writing fails. */
  readonly log?: (line: string) => void;
  readonly segmentBytes?: number;
  readonly maxBytes?: number;
  /** Names the run of the kernel: what was written in the same run is still there. */
  readonly bootId?: string;
}

export interface JournalEntry {
  readonly sequence: number;
  /** JSON text of an object. */
  readonly payload: string;
}

interface Segment {
  readonly first: number;
  sizeBytes: number;
}

/** The segment that was read last. */
interface Scanned {
  readonly segment: Segment;
  /** How much of it there was. */
  readonly sizeBytes: number;
  /** While it is being read. */
  reading: Promise<readonly Frame[] | undefined> | undefined;
  frames?: WeakRef<readonly Frame[]>;
}

interface Pending {
  readonly sequence: number;
  readonly payload: string;
  /** Number of the first entry of a segment that would begin with this. */
  readonly first: number;
  readonly settled: () => void;
}

const SEGMENT_BYTES = 1 << 20;
const MAX_BYTES = 16 << 20;
const SYNC_MS = 1000;
/** Of entries that a reader has been given the first of and not the rest: at least one, and no further one when they are this long together. */
const BATCH_BYTES = 64 << 10;
/** Skipped after a power cut: more entries than can have been lost within `SYNC_MS`. */
const SKIP = 1_000_000;

export class Journal {
  readonly #dir: string;
  readonly #disk: DiskIo;
  readonly #log: (line: string) => void;
  readonly #segmentBytes: number;
  readonly #maxBytes: number;
  readonly #bootMark: string;
  readonly #segments: Segment[];
  #scanned: Scanned | undefined;
  #file: DiskFile | undefined;
  #queue: Pending[] = [];
  #writer: Promise<void> | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  /** The synchronisation that is under way; writing goes on meanwhile, the file stays open. */
  #syncing: Promise<void> | undefined;
  #isClosed = false;
  /** Highest number that was given, and the highest that is in a file. */
  #last: number;
  #written: number;
  #stable = 0;
  #isFailing = false;

  private constructor(
    dir: string,
    segments: Segment[],
    last: number,
    options: JournalOptions & { bootId: string },
  ) {
    this.#dir = dir;
    this.#bootMark = bootMark(options.bootId);
    this.#disk = options.disk ?? nodeDisk;
    this.#log = options.log ?? (() => undefined);
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#segments = segments;
    this.#last = last;
    this.#written = last;
  }

  /** Opens the journal in `dir`, made when missing, and drops what a crash has left half written at its end. */
  static async open(dir: string, options: JournalOptions = {}): Promise<Journal> {
    const disk = options.disk ?? nodeDisk;
    const bootId = options.bootId ?? readBootId();
    await disk.makeDir(dir);
    const segments = await listSegments(disk, dir);
    const tail = await readTail(disk, dir, segments, options.log ?? (() => undefined));
    const isWhole = segments.length === 0 || [END, bootMark(bootId)].includes(tail.mark ?? "");
    const journal = new Journal(dir, segments, tail.last + (isWhole ? 0 : SKIP), { ...options, bootId });
    await journal.#mark(journal.#bootMark);
    return journal;
  }

  /** Number of the latest entry, 0 when there was none. */
  get last(): number {
    return this.#last;
  }

  /** Number of the oldest entry that can still be read; one more than `last` when there is none. */
  get first(): number {
    return this.#segments[0]?.first ?? this.#last + 1;
  }

  /**
   * Adds an entry. Its number is given at once; `written` resolves when it is in the file, or when it is certain that it
   * will not be.
   */
  append(payload: string): { sequence: number; written: Promise<void> } {
    const sequence = ++this.#last;
    if (this.#isClosed) return { sequence, written: Promise.resolve() };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#enqueue({ sequence, payload, first: sequence, settled: resolve });
    return { sequence, written: promise };
  }

  /** Yields the entries from number `from` on that are in the files, oldest first; those that have gone are left out. A reader that stops in between holds `BATCH_BYTES` at most. */
  async *read(from: number): AsyncGenerator<JournalEntry> {
    const end = this.#written;
    const segments = [...this.#segments];
    let next = from;
    for (const [i, segment] of segments.entries()) {
      const following = segments[i + 1];
      if (segment.first > end || (following !== undefined && following.first <= next)) continue;
      for (;;) {
        const batch = batchOf(await this.#framesOf(segment), next, end);
        const last = batch.at(-1);
        if (last === undefined) break;
        yield* batch;
        next = last.sequence + 1;
      }
    }
  }

  /** Who reads on in a segment, and who reads it at the same time, need not read it anew; nobody keeps it from being forgotten. */
  async #framesOf(segment: Segment): Promise<readonly Frame[]> {
    if (!this.#segments.includes(segment)) return [];
    const { sizeBytes } = segment;
    const known = this.#scanned;
    if (known?.segment === segment && known.sizeBytes === sizeBytes) {
      const frames = known.frames?.deref() ?? (await known.reading);
      if (frames !== undefined) return frames;
    }
    const scanned: Scanned = { segment, sizeBytes, reading: this.#scan(segment) };
    this.#scanned = scanned;
    const frames = await scanned.reading;
    scanned.reading = undefined;
    if (frames !== undefined) scanned.frames = new WeakRef(frames);
    return frames ?? [];
  }

  async #scan(segment: Segment): Promise<readonly Frame[] | undefined> {
    try {
      return scanFrames(await this.#disk.read(this.#path(segment))).frames;
    } catch {
      return undefined; // ignored: it was dropped for being the oldest, or cannot be read: either way it is not there
    }
  }

  /** Makes everything stable and ends the journal; what is appended from here on is not recorded. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#mark(END);
    await this.#writer;
    clearTimeout(this.#syncTimer);
    await this.#syncing;
    await this.#sync();
    await this.#file?.close();
  }

  /** Writes a word of the journal's own. */
  #mark(payload: string): Promise<void> {
    const sequence = this.#last;
    return new Promise((settled) => this.#enqueue({ sequence, payload, first: sequence + 1, settled }));
  }

  #enqueue(entry: Pending): void {
    this.#queue.push(entry);
    this.#writer ??= this.#work();
  }

  /** The one writer: what arrives while it writes goes out together in the next batch. */
  async #work(): Promise<void> {
    await Promise.resolve(); // what is appended in the same turn goes out together, too
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      try {
        await this.#write(batch);
        this.#isFailing = false;
      } catch (error) {
        if (!this.#isFailing) this.#log(`events cannot be recorded: ${messageOf(error)}`);
        this.#isFailing = true;
      }
      for (const { settled } of batch) settled();
    }
    this.#writer = undefined;
  }

  async #write(batch: readonly Pending[]): Promise<void> {
    const frames = batch.map((e) => encodeFrame(e.sequence, this.#stable, e.payload));
    const { first } = batch[0] as Pending;
    const segment = await this.#segmentFor(
      first,
      frames.reduce((sum, f) => sum + f.length, 0),
    );
    if (segment.sizeBytes === 0) frames.unshift(encodeFrame(first - 1, this.#stable, this.#bootMark));
    const bytes = Buffer.concat(frames);
    await this.#file?.write(bytes, segment.sizeBytes);
    segment.sizeBytes += bytes.length;
    this.#written = (batch.at(-1) as Pending).sequence;
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      this.#syncing ??= this.#sync().finally(() => {
        this.#syncing = undefined;
      });
    }, SYNC_MS).unref();
  }

  /** Returns the segment to write in, a new one when the latest is full; the oldest go when there are too many. */
  async #segmentFor(first: number, sizeBytes: number): Promise<Segment> {
    const latest = this.#segments.at(-1);
    const hasRoom = latest !== undefined && latest.sizeBytes + sizeBytes <= this.#segmentBytes;
    if (latest !== undefined && (hasRoom || latest.first === first)) {
      this.#file ??= await this.#disk.open(this.#path(latest));
      return latest;
    }
    const segment = { first, sizeBytes: 0 };
    const file = await this.#disk.open(this.#path(segment), { truncate: true });
    await this.#syncing;
    await this.#sync();
    await this.#file?.close();
    this.#file = file;
    this.#segments.push(segment);
    await this.#disk.syncDir(this.#dir);
    await this.#dropOld();
    return segment;
  }

  async #dropOld(): Promise<void> {
    const total = (): number => this.#segments.reduce((sum, s) => sum + s.sizeBytes, 0);
    while (this.#segments.length > 1 && total() > this.#maxBytes - this.#segmentBytes)
      await this.#disk.remove(this.#path(this.#segments.shift() as Segment));
  }

  async #sync(): Promise<void> {
    const reached = this.#written;
    try {
      await this.#file?.datasync();
      this.#stable = Math.max(this.#stable, reached);
    } catch (error) {
      this.#log(`the history of events cannot be made stable: ${messageOf(error)}`);
    }
  }

  #path(segment: Segment): string {
    return join(this.#dir, nameOf(segment.first));
  }
}

const END = JSON.stringify("end");
const NAME = /^([0-9]{16})$/;

function bootMark(bootId: string): string {
  return JSON.stringify(`boot ${bootId}`);
}

function nameOf(first: number): string {
  return String(first).padStart(16, "0");
}

function isMark(frame: Frame): boolean {
  return frame.payload[0] === 0x22;
}

/** The entries from number `from` to `end`, as many as one batch holds. */
function batchOf(frames: readonly Frame[], from: number, end: number): JournalEntry[] {
  const batch: JournalEntry[] = [];
  let bytes = 0;
  for (const frame of frames) {
    if (frame.sequence < from || frame.sequence > end || isMark(frame)) continue;
    if (bytes >= BATCH_BYTES) break;
    batch.push({ sequence: frame.sequence, payload: frame.payload.toString("utf8") });
    bytes += frame.payload.length;
  }
  return batch;
}

async function listSegments(disk: DiskIo, dir: string): Promise<Segment[]> {
  const names = (await disk.list(dir)).filter((name) => NAME.test(name)).sort();
  return Promise.all(
    names.map(async (name) => ({ first: Number(name), sizeBytes: await disk.size(join(dir, name)) })),
  );
}

/** Finds the last number and the journal's last own word, and cuts off what is no whole frame. */
async function readTail(
  disk: DiskIo,
  dir: string,
  segments: readonly Segment[],
  log: (line: string) => void,
): Promise<{ last: number; mark: string | undefined }> {
  for (const segment of segments.toReversed()) {
    const path = join(dir, nameOf(segment.first));
    const scan = scanFrames(await disk.read(path));
    for (const { from, to } of scan.damaged)
      log(`events in bytes ${from}–${to} of ${path} are damaged and lost`);
    if (scan.tail.sizeBytes > 0 && segment === segments.at(-1)) {
      const file = await disk.open(path);
      await file.truncate(scan.end);
      await file.close();
      segment.sizeBytes = scan.end;
    }
    const latest = scan.frames.at(-1);
    if (latest === undefined) continue;
    const mark = scan.frames.findLast(isMark);
    const text = mark?.payload.toString("utf8");
    // "end" counts only as the last word: what came after it was not closed in order.
    return { last: latest.sequence, mark: text === END && mark !== latest ? undefined : text };
  }
  return { last: 0, mark: undefined };
}

function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
