// Reads a container's log: tail, since, until, follow. The shim writes the files; this module only reads them, in blocks, so that
// memory does not depend on the log's size. Invariant: a line is delivered whole and once, also across rotation.
import { parseNano } from "../../../lib/time.ts";
import { type LogEntry, parseEntries } from "./entry.ts";
import { LogFiles, type Needs } from "./files.ts";
import type { LogWatches } from "./watch.ts";

export interface LogQuery {
  /** How many of the last entries; undefined: all. */
  tail?: number;
  sinceNano?: bigint;
  untilNano?: bigint;
  /** Keep reading until `ended` has resolved and everything is read. */
  follow?: { ended: Promise<void>; signal: AbortSignal; watches: LogWatches };
}

/** Yields the log's entries in batches, oldest first. A missing file is an empty log. */
export async function* readLog(path: string, query: LogQuery): AsyncGenerator<LogEntry[]> {
  await using files = await LogFiles.open(path, () => neededFor(query));
  const span = new Span(query);
  if (query.follow === undefined) yield* atMost(query.tail, readOn(files, span));
  else yield* follow(path, files, span, query.follow);
}

/** Lines that are written while it is read are behind the end from which `count` was counted. */
async function* atMost(
  count = Number.POSITIVE_INFINITY,
  batches: AsyncIterable<LogEntry[]>,
): AsyncGenerator<LogEntry[]> {
  let left = count;
  if (left === 0) return;
  for await (const batch of batches) {
    yield batch.length <= left ? batch : batch.slice(0, left);
    left -= batch.length;
    if (left <= 0) return;
  }
}

/** The kernel's times of files are behind the clock by up to a tick. */
const CLOCK_SLACK_MS = 1000;

/** Which files a query needs, and where to begin in them. */
function neededFor(query: LogQuery): Needs {
  let missing = query.tail ?? Number.POSITIVE_INFINITY;
  const sinceMs = query.sinceNano === undefined ? 0 : Number(query.sinceNano / 1_000_000n);
  let isNewest = true;
  return async (file) => {
    if (Number.isFinite(missing)) {
      const start = await file.startOfLast(missing);
      file.startAt(start);
      missing = start.missing;
    }
    // Nothing in a file is younger than its last write. The newest is read all the same: it may be written to.
    const isTooOld = file.modifiedMs + CLOCK_SLACK_MS < sinceMs;
    if (isTooOld && !isNewest) file.startAt({ bytes: file.sizeBytes });
    isNewest = false;
    return missing === 0 || isTooOld ? "enough" : "older";
  };
}

/** The part of the log that was asked for by time. */
class Span {
  readonly untilNano: bigint | undefined;
  #sinceNano: bigint | undefined;
  isOver = false;

  constructor(query: Pick<LogQuery, "sinceNano" | "untilNano">) {
    this.#sinceNano = query.sinceNano;
    this.untilNano = query.untilNano;
  }

  /**
   * Returns the entries inside. compat: times need not ascend (the pieces of a long line carry the time of the first): whatever
   * follows the first entry inside is inside, until the first one after the end.
   */
  select(entries: LogEntry[]): LogEntry[] {
    if (this.#sinceNano === undefined && this.untilNano === undefined) return entries;
    let from = 0;
    while (this.#sinceNano !== undefined && from < entries.length) {
      if (timeOf(entries[from] as LogEntry) >= this.#sinceNano) this.#sinceNano = undefined;
      else from++;
    }
    const { untilNano } = this;
    const to = untilNano === undefined ? -1 : entries.findIndex((e, i) => i >= from && timeOf(e) > untilNano);
    this.isOver = to >= 0;
    return entries.slice(from, to < 0 ? entries.length : to);
  }
}

const timeOf = (entry: LogEntry): bigint => parseNano(entry.time) ?? 0n;

/** Reads all files up to the present end of the newest. */
async function* readOn(files: LogFiles, span: Span): AsyncGenerator<LogEntry[]> {
  while (files.current !== undefined) {
    const isComplete = files.hasNext; // before it is read: then nothing can be added any more
    for await (const text of files.current.lines()) {
      const entries = span.select(parseEntries(text));
      if (entries.length > 0) yield entries;
      if (span.isOver) return;
    }
    if (!isComplete) return;
    await files.next();
  }
}

const MAX_TIMER_MS = 2 ** 31 - 1;

/** Reads on as the log grows, until the container has ended, the reader has gone, or the time of `until` has come. */
async function* follow(
  path: string,
  files: LogFiles,
  span: Span,
  options: NonNullable<LogQuery["follow"]>,
): AsyncGenerator<LogEntry[]> {
  const { signal, watches } = options;
  let hasEnded = false;
  using changes = watches.watch(path, () => files.refresh());
  const end = (): void => {
    hasEnded = true;
    changes.wake();
  };
  void options.ended.then(end, end);
  signal.addEventListener("abort", end, { once: true });
  using _ = { [Symbol.dispose]: () => signal.removeEventListener("abort", end) };
  using _timer = untilTimer(span.untilNano, end);
  for (;;) {
    if (signal.aborted) return;
    const isLast = hasEnded;
    changes.reset();
    await files.refresh();
    yield* readOn(files, span);
    if (isLast || span.isOver) return;
    await changes.next();
  }
}

/** Calls `end` when no line can be of interest any more: none is written with a time that has passed. */
function untilTimer(untilNano: bigint | undefined, end: () => void): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const check = (): void => {
    const leftMs = Number(untilNano) / 1e6 - Date.now();
    if (leftMs > 0) {
      timer = setTimeout(check, Math.min(leftMs + 1, MAX_TIMER_MS));
      return;
    }
    end();
  };
  if (untilNano !== undefined) check();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
