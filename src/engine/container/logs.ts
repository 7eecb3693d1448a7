// Reads a container's json-file log: tail, since, until, follow. The shim writes the file; this module only reads it,
// in blocks, so that memory does not depend on the log's size. Invariant: a line is delivered whole and once, also
// across rotation; an unfinished last line (the shim is in the middle of a write) is left for the next read.
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { watch } from "node:fs";
import { parseNano } from "../../lib/time.ts";

/** One entry of the log file. */
export interface LogEntry {
  log: string;
  stream: string;
  time: string;
  attrs?: Record<string, string>;
}

export interface LogQuery {
  /** How many of the last entries; undefined: all. */
  tail?: number;
  sinceNano?: bigint;
  untilNano?: bigint;
  /** Keep reading until `ended` has resolved and everything is read. */
  follow?: { ended: Promise<void>; signal: AbortSignal };
}

const BLOCK = 256 * 1024;
const SECOND_LOOK_MS = 10;
/** How long a change may go unnoticed when the watch misses it. */
const RECHECK_MS = 250;

/** Yields the log's entries in batches, oldest first. A missing file is an empty log. */
export async function* readLog(path: string, query: LogQuery): AsyncGenerator<LogEntry[]> {
  const files = await filesOldestFirst(path);
  const { skipFiles, offset: tailOffset } = await findTail(files, query.tail);
  let offset = tailOffset;
  let consumed: FilePosition | null = null;
  for (const file of files.slice(skipFiles)) {
    consumed = yield* readFile(file, offset, query);
    offset = 0;
    if (consumed.isPastUntil) return;
  }
  if (query.follow !== undefined) yield* followFile(path, consumed, query, query.follow);
}

interface FilePosition {
  inode: bigint;
  offset: number;
  isPastUntil: boolean;
}

async function filesOldestFirst(path: string): Promise<string[]> {
  const dir = path.slice(0, path.lastIndexOf("/"));
  const base = path.slice(dir.length + 1);
  const names: string[] = await readdir(dir).catch(() => []); // ignored: no directory, no log
  const rotated = names
    .filter((n) => n.startsWith(`${base}.`) && /^\d{1,4}$/.test(n.slice(base.length + 1)))
    .sort((x, y) => Number(y.slice(base.length + 1)) - Number(x.slice(base.length + 1)));
  return [...rotated, ...(names.includes(base) ? [base] : [])].map((n) => `${dir}/${n}`);
}

/** Finds where the last `tail` entries begin by counting newlines backwards. */
async function findTail(
  files: string[],
  tail: number | undefined,
): Promise<{ skipFiles: number; offset: number }> {
  if (tail === undefined) return { skipFiles: 0, offset: 0 };
  let wanted = tail;
  for (let i = files.length - 1; i >= 0; i--) {
    await using handle = await open(files[i] as string, "r");
    const found = await offsetOfLastLines(handle, wanted);
    if (found.missing === 0) return { skipFiles: i, offset: found.offset };
    wanted = found.missing;
  }
  return { skipFiles: 0, offset: 0 };
}

async function offsetOfLastLines(
  handle: FileHandle,
  lines: number,
): Promise<{ offset: number; missing: number }> {
  const { size } = await handle.stat();
  const block = Buffer.allocUnsafe(64 * 1024);
  let end = await endOfLastLine(handle, size, block);
  if (lines === 0) return { offset: end, missing: 0 };
  let missing = lines;
  end -= 1; // step over the newline that ends the last line
  while (end > 0) {
    const start = Math.max(0, end - block.length);
    const { bytesRead } = await handle.read(block, 0, end - start, start);
    for (
      let at = block.lastIndexOf(10, bytesRead - 1);
      at >= 0;
      at = at === 0 ? -1 : block.lastIndexOf(10, at - 1)
    ) {
      missing--;
      if (missing === 0) return { offset: start + at + 1, missing: 0 };
    }
    end = start;
  }
  return { offset: 0, missing: size > 0 ? Math.max(0, missing - 1) : missing };
}

async function endOfLastLine(handle: FileHandle, size: number, block: Buffer): Promise<number> {
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - block.length);
    const { bytesRead } = await handle.read(block, 0, end - start, start);
    const at = block.subarray(0, bytesRead).lastIndexOf(10);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}

async function* readFile(
  path: string,
  from: number,
  query: LogQuery,
): AsyncGenerator<LogEntry[], FilePosition> {
  await using handle = await open(path, "r");
  const { ino } = await handle.stat({ bigint: true });
  return yield* readHandle(handle, ino, from, query);
}

async function* readHandle(
  handle: FileHandle,
  inode: bigint,
  from: number,
  query: LogQuery,
): AsyncGenerator<LogEntry[], FilePosition> {
  let offset = from;
  let block = Buffer.allocUnsafe(BLOCK);
  let kept = 0; // bytes of an unfinished line at the start of block
  for (;;) {
    if (kept === block.length) block = Buffer.concat([block, Buffer.allocUnsafe(block.length)]);
    const { bytesRead } = await handle.read(block, kept, block.length - kept, offset + kept);
    if (bytesRead === 0) return { inode, offset, isPastUntil: false };
    const filled = kept + bytesRead;
    const end = block.subarray(0, filled).lastIndexOf(10) + 1;
    const { entries, isPastUntil } = parseLines(block.toString("utf8", 0, end), query);
    if (entries.length > 0) yield entries;
    if (isPastUntil) return { inode, offset, isPastUntil };
    offset += end;
    kept = filled - end;
    block.copy(block, 0, end, filled);
  }
}

function parseLines(text: string, query: LogQuery): { entries: LogEntry[]; isPastUntil: boolean } {
  const entries: LogEntry[] = [];
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    const entry = parseEntry(text.slice(start, end < 0 ? text.length : end));
    start = end < 0 ? text.length : end + 1;
    if (entry === null) continue;
    if (query.sinceNano !== undefined || query.untilNano !== undefined) {
      const time = parseNano(entry.time) ?? 0n;
      if (query.sinceNano !== undefined && time < query.sinceNano) continue;
      if (query.untilNano !== undefined && time > query.untilNano) return { entries, isPastUntil: true };
    }
    entries.push(entry);
  }
  return { entries, isPastUntil: false };
}

function parseEntry(line: string): LogEntry | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "log" in value ? (value as LogEntry) : null;
  } catch {
    return null; // ignored: a line torn by a power cut must not hide the lines after it
  }
}

/** Resolves at the next change, or after a while. */
async function woken(register: (resolve: () => void) => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    register(resolve);
    // bun: fs.watch drops a change that follows another within about a millisecond, so that the last one may go unseen.
    timer = setTimeout(resolve, RECHECK_MS);
  });
  clearTimeout(timer);
}

/** Reads on as the file grows; a change of inode at `path` means rotation: finish the old file, start the new one. */
async function* followFile(
  path: string,
  position: FilePosition | null,
  query: LogQuery,
  follow: { ended: Promise<void>; signal: AbortSignal },
): AsyncGenerator<LogEntry[]> {
  let hasEnded = false;
  let changes = 1;
  let wake = (): void => {};
  const changed = (): void => {
    changes++;
    wake();
  };
  const onEnd = (): void => {
    hasEnded = true;
    changed();
  };
  // bun: fs.watch swallows an event that follows an equal one within about 2 ms; a second look finds what it was about.
  let secondLook: NodeJS.Timeout | undefined;
  const onChange = (): void => {
    changed();
    secondLook ??= setTimeout(() => {
      secondLook = undefined;
      changed();
    }, SECOND_LOOK_MS);
  };
  void follow.ended.then(onEnd, onEnd);
  follow.signal.addEventListener("abort", onEnd);
  const watcher = watch(path.slice(0, path.lastIndexOf("/")), onChange);
  let handle: FileHandle | null = null;
  let at = position;
  try {
    for (;;) {
      if (follow.signal.aborted) return;
      const isLast = hasEnded;
      changes = 0;
      handle ??= await open(path, "r").catch(() => null); // ignored: not there yet; the watch tells when it is
      if (handle !== null) {
        const { ino } = await handle.stat({ bigint: true });
        at = yield* readHandle(handle, ino, at?.inode === ino ? at.offset : 0, query);
        if (at.isPastUntil) return;
        const current = await stat(path, { bigint: true }).catch(() => null); // ignored: rotated away this moment
        if (current !== null && current.ino !== ino) {
          await handle.close();
          handle = null;
          continue;
        }
      }
      if (isLast) return;
      if (changes === 0) await woken((resolve) => (wake = resolve));
    }
  } finally {
    watcher.close();
    clearTimeout(secondLook);
    follow.signal.removeEventListener("abort", onEnd);
    await handle?.close();
  }
}
