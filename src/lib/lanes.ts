// Queues for work that must not overlap: a Lane runs its tasks one after another in the order of arrival; Lanes
// gives every key (a container id, an image name) a lane of its own that vanishes when it is empty.
// Not a thread pool: tasks are promises on the one event loop. Invariant: a failed task never stops its lane.

import { Fault } from "./errors.ts";

export interface LaneOptions {
  /** Gives up waiting, with the signal's reason, as long as the task has not started. */
  signal?: AbortSignal;
}

interface Waiter {
  start(): void;
}

/** A first-in first-out queue that runs at most `width` tasks at a time. */
export class Lane {
  readonly #width: number;
  readonly #waiting: Waiter[] = [];
  #running = 0;

  constructor(width = 1) {
    this.#width = width;
  }

  /** Whether nothing runs and nothing waits. */
  get isIdle(): boolean {
    return this.#running === 0 && this.#waiting.length === 0;
  }

  /** Runs `task` when it is its turn and returns its result. */
  async run<T>(task: () => Promise<T> | T, options: LaneOptions = {}): Promise<T> {
    await this.#enter(options.signal);
    try {
      return await task();
    } finally {
      this.#leave();
    }
  }

  /** Takes a place when it is one's turn; disposing gives it back. */
  async hold(options: LaneOptions = {}): Promise<Disposable> {
    await this.#enter(options.signal);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#leave();
        isHeld = false;
      },
    };
  }

  /** Whether a task would start at once. */
  get hasRoom(): boolean {
    return this.#running < this.#width;
  }

  #enter(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.reject(abortReason(signal));
    if (this.#running < this.#width) {
      this.#running++;
      return Promise.resolve();
    }
    return new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        const at = this.#waiting.indexOf(waiter);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(abortReason(signal as AbortSignal));
      };
      const waiter: Waiter = {
        start: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  #leave(): void {
    const next = this.#waiting.shift();
    // The place is handed over without being given up, so that nobody can slip in between.
    if (next) next.start();
    else this.#running--;
  }
}

/** Lanes by key. */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();

  /** Runs `task` after all earlier tasks of the same key. */
  async run<T>(key: string, task: () => Promise<T> | T, options: LaneOptions = {}): Promise<T> {
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = new Lane();
      this.#lanes.set(key, lane);
    }
    try {
      return await lane.run(task, options);
    } finally {
      if (lane.isIdle && this.#lanes.get(key) === lane) this.#lanes.delete(key);
    }
  }

  /** Number of keys that have work. */
  get size(): number {
    return this.#lanes.size;
  }
}

function abortReason(signal: AbortSignal): unknown {
  return signal.reason ?? new Fault("cancelled", "cancelled");
}
