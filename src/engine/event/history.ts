// The events that can still be asked for: the latest in memory, those before them in the journal, if there is one. Memory is
// bounded by number and by size, since labels can be of any length; the journal bounds its files itself.
import type { DiskIo } from "../../storage/disk.ts";
import { Journal } from "../../storage/journal/journal.ts";
import { decodeEvent, type EngineEvent, encodeEvent, type NewEvent } from "./event.ts";

/** Events in memory, and their texts' length together. */
const RECENT = 1024;
const RECENT_CHARS = 1 << 20;

interface Recent {
  readonly event: EngineEvent;
  readonly chars: number;
}

export class EventHistory {
  readonly #journal: Journal | undefined;
  readonly #recent: Recent[] = [];
  #recentChars = 0;
  /** Number of the latest event that was given one, and of the latest that may be read. */
  #last: number;
  #shown: number;

  constructor(journal?: Journal) {
    this.#journal = journal;
    this.#last = journal?.last ?? 0;
    this.#shown = this.#last;
  }

  /** Opens the history kept in `dir`. */
  static async open(dir: string, log: (line: string) => void, disk?: DiskIo): Promise<EventHistory> {
    return new EventHistory(await Journal.open(dir, { log, ...(disk === undefined ? {} : { disk }) }));
  }

  /** Number of the latest event, 0 when there was none. */
  get last(): number {
    return this.#last;
  }

  /** Number of the latest event that may be read. */
  get shown(): number {
    return this.#shown;
  }

  /** Number of the oldest event that can be read; the next one's when there is none. */
  get first(): number {
    return Math.min(this.#journal?.first ?? this.#firstInMemory, this.#firstInMemory);
  }

  get #firstInMemory(): number {
    return this.#recent[0]?.event.sequence ?? this.#last + 1;
  }

  /** Gives an event its number. It may be read when `recorded` resolves; at once, when there is none. */
  add(event: NewEvent & { readonly timeNano: bigint }): {
    event: EngineEvent;
    recorded: Promise<void> | undefined;
  } {
    const text = encodeEvent(event);
    const entry = this.#journal?.append(text);
    this.#last = entry?.sequence ?? this.#last + 1;
    const full = { ...event, sequence: this.#last };
    const remember = (): void => this.#remember(full, text.length);
    if (entry === undefined) remember();
    return { event: full, recorded: entry?.written.then(remember) };
  }

  #remember(event: EngineEvent, chars: number): void {
    this.#recent.push({ event, chars });
    this.#recentChars += chars;
    this.#shown = event.sequence;
    while (this.#recent.length > RECENT || (this.#recentChars > RECENT_CHARS && this.#recent.length > 1))
      this.#recentChars -= this.#recent.shift()?.chars ?? 0;
  }

  /** Returns a number before which no event is younger than `timeNano`, without looking at the disk. */
  numberBefore(timeNano: bigint): number {
    const first = this.#recent[0]?.event;
    return first !== undefined && first.timeNano < timeNano ? first.sequence : 0;
  }

  /** Yields the events after number `sequence` that may be read, oldest first, those that come meanwhile as well. */
  async *after(sequence: number): AsyncGenerator<EngineEvent> {
    let next = sequence + 1;
    for (;;) {
      if (next < this.#firstInMemory && this.#journal !== undefined) {
        const end = this.#firstInMemory;
        for await (const entry of this.#journal.read(next)) {
          if (entry.sequence >= end) break;
          yield decodeEvent(entry.sequence, entry.payload);
        }
        next = end;
        continue; // memory may have moved on while the reader slept
      }
      const event = this.#inMemory(next);
      if (event === undefined) return;
      yield event;
      next = event.sequence + 1;
    }
  }

  /** Returns the first event in memory from number `sequence` on. */
  #inMemory(sequence: number): EngineEvent | undefined {
    let [low, high] = [0, this.#recent.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#recent[middle] as Recent).event.sequence < sequence) low = middle + 1;
      else high = middle;
    }
    return this.#recent[low]?.event;
  }

  async close(): Promise<void> {
    await this.#journal?.close();
  }
}
