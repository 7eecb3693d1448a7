// Reads the messages of a spool from a number on, and remembers across daemons how far they were shipped.
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { parseNano } from "../../../../lib/time.ts";
import type { LogMessage, Piece } from "../driver/driver.ts";
import { bytesOf, type LogEntry, numberOf, parseEntries } from "../entry.ts";
import { LogFiles } from "../files.ts";

/** A long line whose end has not come yet: number and time of its first piece, and how many there were. */
interface OpenLine {
  readonly first: number;
  readonly time: string;
  readonly ordinal: number;
}

export type OpenLines = Readonly<Partial<Record<"stdout" | "stderr", OpenLine>>>;

/** How far a container's messages were shipped, as it is kept beside the spool. */
export interface ShipPosition {
  readonly version: 1;
  /** Number of the next message. */
  readonly next: number;
  /** How many messages were lost on the way for ever. */
  readonly dropped: number;
  /** The state between the pieces of long lines, before `next`. */
  readonly openLines: OpenLines;
}

export const FIRST_POSITION: ShipPosition = { version: 1, next: 1, dropped: 0, openLines: {} };

/** Reads the position; without one, or with one that a power cut has spoilt, everything that is there is shipped. */
export async function loadPosition(path: string): Promise<ShipPosition> {
  try {
    const value = JSON.parse(await readFile(path, "utf8")) as ShipPosition;
    return value.version === 1 && Number.isSafeInteger(value.next) ? value : FIRST_POSITION;
  } catch {
    return FIRST_POSITION;
  }
}

/** Replaces the position. Not flushed: after a power cut some messages are sent twice. */
export async function savePosition(path: string, position: ShipPosition): Promise<void> {
  await writeFile(`${path}.tmp`, JSON.stringify(position), { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}

/** Returns the number of the last line in a spool, 0 when there is none. */
export async function lastNumber(path: string): Promise<number> {
  let last = 0;
  await using _ = await LogFiles.open(path, () => async (file) => {
    file.startAt(await file.startOfLast(1));
    for await (const text of file.lines()) last = parseEntries(text).at(-1)?.n ?? last;
    return last > 0 ? "enough" : "older";
  });
  return last;
}

/** A message, and the state of long lines behind it. */
export interface SpoolMessage extends LogMessage {
  readonly openLines: OpenLines;
}

const MAX_MESSAGES = 1000;

/** Messages of one spool in batches. */
export class SpoolReader implements AsyncDisposable {
  readonly #files: LogFiles;
  readonly #containerId: string;
  #next: number;
  #openLines: OpenLines;

  private constructor(files: LogFiles, containerId: string, position: ShipPosition) {
    this.#files = files;
    this.#containerId = containerId;
    this.#next = position.next;
    this.#openLines = position.openLines;
  }

  static async open(path: string, containerId: string, position: ShipPosition): Promise<SpoolReader> {
    const files = await LogFiles.open(path, () => async (file) => {
      const first = numberOf(await file.beginning());
      return first !== null && first <= position.next ? "enough" : "older";
    });
    return new SpoolReader(files, containerId, position);
  }

  /** Finds what rotation has added. */
  refresh(): Promise<void> {
    return this.#files.refresh();
  }

  /** Yields what is there, up to the present end. */
  async *batches(maxBytes: number): AsyncGenerator<SpoolMessage[]> {
    for (let file = this.#files.current; file !== undefined; file = this.#files.current) {
      const isComplete = this.#files.hasNext;
      for await (const text of file.lines()) yield* this.#split(text, maxBytes);
      if (!isComplete) return;
      await this.#files.next();
    }
  }

  *#split(text: string, maxBytes: number): Generator<SpoolMessage[]> {
    let messages: SpoolMessage[] = [];
    let bytes = 0;
    for (const entry of parseEntries(text)) {
      if (entry.n === undefined || entry.n < this.#next) continue;
      const message = this.#messageOf(entry, entry.n);
      messages.push(message);
      bytes += message.line.length;
      if (bytes < maxBytes && messages.length < MAX_MESSAGES) continue;
      yield messages;
      messages = [];
      bytes = 0;
    }
    if (messages.length > 0) yield messages;
  }

  #messageOf(entry: LogEntry, n: number): SpoolMessage {
    this.#next = n + 1;
    const stream = entry.stream === "stderr" ? "stderr" : "stdout";
    const isWhole = entry.log.endsWith("\n");
    const piece = this.#pieceOf(stream, entry.time, { n, isWhole });
    return {
      n,
      stream,
      time: entry.time,
      timeNano: parseNano(entry.time) ?? 0n,
      line: bytesOf(isWhole ? entry.log.slice(0, -1) : entry.log),
      ...(piece === undefined ? {} : { piece }),
      openLines: this.#openLines,
    };
  }

  /** All pieces of one line carry the time of the first; another time is another line, of another run of the container. */
  #pieceOf(
    stream: "stdout" | "stderr",
    time: string,
    { n, isWhole }: { n: number; isWhole: boolean },
  ): Piece | undefined {
    const { [stream]: before, ...others } = this.#openLines;
    const isContinued = before !== undefined && before.time === time;
    const line = isContinued ? { ...before, ordinal: before.ordinal + 1 } : { first: n, time, ordinal: 1 };
    this.#openLines = isWhole ? others : { ...others, [stream]: line };
    if (isWhole && !isContinued) return undefined;
    const id = createHash("sha256").update(`${this.#containerId}/${line.first}`).digest("hex");
    return { id, ordinal: line.ordinal, isLast: isWhole };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
  }
}
