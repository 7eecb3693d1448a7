// Shares expensive flushes: whoever asks while one is running waits for the next one, together with all others.
// Correct for syncfs: a flush that starts after my writes covers them, whoever started it.

/** Turns `flush` into one that concurrent callers share. */
export class SharedFlush {
  readonly #flush: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(flush: () => Promise<void>) {
    this.#flush = flush;
  }

  /** Resolves after a flush that began no earlier than this call. */
  run(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running
      .catch(() => undefined) // ignored: the next flush is not the one that failed
      .then(() => {
        this.#next = undefined;
        return this.#start();
      });
    return this.#next;
  }

  #start(): Promise<void> {
    const mine = this.#flush().finally(() => {
      if (this.#running === mine) this.#running = undefined;
    });
    this.#running = mine;
    return mine;
  }
}
