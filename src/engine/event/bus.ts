// The daemon's event bus: every state change of a concept is published here once, in order, with a sequence number that
// goes on over restarts. Readers have a place in the history and nothing else: one that does not keep up reads on where
// it was, costs no memory, never holds the publisher up, and is told how much it lost when the history has moved on
// without it. With a history on disk an event is shown when it is recorded: what was seen survives the daemon's end.

import { nowNano } from "../../lib/time.ts";
import type { EngineEvent, NewEvent } from "./event.ts";
import { EventHistory } from "./history.ts";

export interface EventQuery {
  /** From the history only events at or after this time (nanoseconds since the epoch). */
  readonly sinceNano?: bigint;
  /** End the stream at this time. Without `sinceNano` or `after` the whole history up to it is meant. */
  readonly untilNano?: bigint;
  /** Resume after the event with this number. */
  readonly after?: number;
  matches?(event: EngineEvent): boolean;
}

/** Says that events are missing before the next one: they have fallen out of the history, or the disk did not take them. */
export interface LostEvents {
  /** How many at most: numbers that were skipped after a power cut count as well. */
  readonly lost: number;
}

/** By more than this the clock has been set back: less is two events at one time, or a clock that is adjusted. */
const SET_BACK_NANO = 1_000_000_000n;

/** Publishes events and hands them to any number of readers. */
export class EventBus {
  readonly #history: EventHistory;
  /** The wall clock, in nanoseconds since the epoch. */
  readonly #now: () => bigint;
  /** Called when there is something new. */
  readonly #readers = new Set<() => void>();
  #lastNano = 0n;
  /** Resolves when all that has been published is shown. */
  #recorded: Promise<void> | undefined;

  constructor(history = new EventHistory(), now: () => bigint = nowNano) {
    this.#history = history;
    this.#now = now;
  }

  /** Number of subscriptions that are open. */
  get readerCount(): number {
    return this.#readers.size;
  }

  /** Number of the latest event, 0 when there was none. */
  get latest(): number {
    return this.#history.last;
  }

  /**
   * Publishes an event with the next sequence number and the current time (never equal for two events in a row; earlier than the one before
   * only where the clock was set back), or an earlier one: `atNano` is when it happened while no daemon was there to tell.
   */
  publish(event: NewEvent, atNano?: bigint): EngineEvent {
    let now = atNano ?? this.#now();
    const isSetBack = atNano === undefined && now <= this.#lastNano - SET_BACK_NANO;
    if (now <= this.#lastNano && !isSetBack) now = this.#lastNano + 1n;
    this.#lastNano = now;
    const { event: full, recorded } = this.#history.add({ ...event, timeNano: now });
    if (recorded === undefined) this.#wakeReaders();
    else this.#recorded = recorded.then(() => this.#wakeReaders());
    return full;
  }

  #wakeReaders(): void {
    for (const wake of [...this.#readers]) wake();
  }

  /** Ends the history; what is published from here on is not kept. */
  async close(): Promise<void> {
    await this.#recorded;
    await this.#history.close();
  }

  /** Yields matching events until `signal` aborts or `untilNano` has passed. */
  async *subscribe(query: EventQuery, signal: AbortSignal): AsyncGenerator<EngineEvent | LostEvents> {
    const history = this.#history;
    const place = this.#startOf(query);
    const end = new Ending(query.untilNano, signal);
    const wake = (): void => end.wake();
    this.#readers.add(wake);
    try {
      await this.#recorded;
      for (;;) {
        // Looked at first: what was published before the end has to be read after it.
        const isLast = end.hasCome;
        if (history.shown > place.sequence)
          for await (const event of history.after(place.sequence)) {
            if (signal.aborted) return;
            const lost = event.sequence - place.sequence - 1;
            if (place.isExact && lost > 0) yield { lost };
            place.sequence = event.sequence;
            place.isExact = true;
            if (query.untilNano !== undefined && event.timeNano > query.untilNano) {
              // In the history a clock that was set back may have put later events before earlier ones.
              if (event.sequence > place.live) return;
              continue;
            }
            if (isWanted(event, query, place.live)) yield event;
          }
        if (isLast) return;
        await end.orNews(() => history.shown > place.sequence);
      }
    } finally {
      this.#readers.delete(wake);
      end[Symbol.dispose]();
    }
  }

  /** Where a reader begins; `live` is the number after which events are news to it. */
  #startOf(query: EventQuery): { sequence: number; live: number; isExact: boolean } {
    const live = this.#history.last;
    if (query.after !== undefined) return { sequence: query.after, live, isExact: true };
    if (query.sinceNano !== undefined)
      return { sequence: this.#history.numberBefore(query.sinceNano), live, isExact: false };
    return { sequence: query.untilNano === undefined ? live : 0, live, isExact: false };
  }
}

function isWanted(event: EngineEvent, query: EventQuery, live: number): boolean {
  const isOld = query.sinceNano !== undefined && event.sequence <= live && event.timeNano < query.sinceNano;
  return !isOld && (query.matches?.(event) ?? true);
}

const MAX_TIMER_MS = 2 ** 31 - 1;

/** The end of one subscription: its time has come, or its reader has gone. */
class Ending implements Disposable {
  readonly #signal: AbortSignal;
  readonly #timer: NodeJS.Timeout | undefined;
  #resolve: () => void = () => {};
  #isOver: boolean;

  constructor(untilNano: bigint | undefined, signal: AbortSignal) {
    this.#signal = signal;
    const leftMs = untilNano === undefined ? undefined : Number(untilNano / 1_000_000n) - Date.now();
    this.#isOver = leftMs !== undefined && leftMs < 0;
    // An end weeks ahead is met by the first event after it.
    if (leftMs !== undefined && leftMs >= 0 && leftMs < MAX_TIMER_MS)
      this.#timer = setTimeout(() => {
        this.#isOver = true;
        this.wake();
      }, leftMs + 1);
    signal.addEventListener("abort", this.wake);
  }

  get hasCome(): boolean {
    return this.#isOver || this.#signal.aborted;
  }

  readonly wake = (): void => this.#resolve();

  /** Resolves when the end has come or there is news. */
  async orNews(hasNews: () => boolean): Promise<void> {
    if (this.hasCome || hasNews()) return;
    await new Promise<void>((resolve) => {
      this.#resolve = resolve;
    });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.wake);
  }
}
