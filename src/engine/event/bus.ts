// The daemon's event bus: every state change of a concept is published here once, in order, with a sequence
// number. Readers get what they asked for from a bounded history and then live; a reader that does not keep up
// loses the oldest events of its own queue, never anybody else's, and never holds the publisher up.

import { nowNano } from "../../lib/time.ts";

/** What happened to which object; Docker's event message (Engine API `EventMessage`). */
export interface EngineEvent {
  readonly sequence: number;
  readonly type: "container" | "image" | "network" | "volume" | "daemon" | "builder" | "plugin";
  readonly action: string;
  readonly actorId: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeNano: bigint;
}

export type NewEvent = Omit<EngineEvent, "sequence" | "timeNano">;

export interface EventQuery {
  /** Only events at or after this time (nanoseconds since the epoch), from the history. */
  sinceNano?: bigint;
  /** End the stream at this time. */
  untilNano?: bigint;
  matches?(event: EngineEvent): boolean;
}

const HISTORY = 1024;
const QUEUE = 10_000;

/** Publishes events and hands them to any number of readers. */
export class EventBus {
  readonly #history: EngineEvent[] = [];
  readonly #readers = new Set<(event: EngineEvent) => void>();
  #sequence = 0;
  #lastNano = 0n;

  /** Number of subscriptions that are open. */
  get readerCount(): number {
    return this.#readers.size;
  }

  /** Publishes an event with the next sequence number and the current time (never equal for two events). */
  publish(event: NewEvent): EngineEvent {
    let now = nowNano();
    if (now <= this.#lastNano) now = this.#lastNano + 1n;
    this.#lastNano = now;
    const full: EngineEvent = { ...event, sequence: ++this.#sequence, timeNano: now };
    this.#history.push(full);
    if (this.#history.length > HISTORY) this.#history.shift();
    for (const deliver of this.#readers) deliver(full);
    return full;
  }

  /** Yields matching events until `signal` aborts or `untilNano` has passed. */
  async *subscribe(query: EventQuery, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    const matches = (e: EngineEvent): boolean =>
      (query.untilNano === undefined || e.timeNano <= query.untilNano) && (query.matches?.(e) ?? true);
    const { sinceNano } = query;
    const queue =
      sinceNano === undefined ? [] : this.#history.filter((e) => e.timeNano >= sinceNano && matches(e));
    let wake: () => void = () => {};
    const deliver = (e: EngineEvent): void => {
      if (!matches(e)) return;
      queue.push(e);
      if (queue.length > QUEUE) queue.shift();
      wake();
    };
    const deadline = query.untilNano === undefined ? undefined : Number(query.untilNano / 1_000_000n);
    const end = new AbortController();
    const stop = (): void => {
      end.abort();
      wake();
    };
    signal.addEventListener("abort", stop);
    const timer =
      deadline === undefined
        ? undefined
        : setTimeout(stop, Math.max(0, Math.min(deadline - Date.now(), 2 ** 31 - 1)));
    if (signal.aborted) end.abort();
    this.#readers.add(deliver);
    try {
      for (;;) {
        for (let e = queue.shift(); e !== undefined; e = queue.shift()) yield e;
        if (end.signal.aborted) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.#readers.delete(deliver);
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }
}
