// Steps that are being done right now, over all builds of a daemon: who needs the result of an equal step waits for it instead of
// doing it a second time. Only success is shared. When the step fails or its build is cancelled, the next one who
// waits does it himself, so that no build fails for what happened to another.

export class StepFlights {
  readonly #running = new Map<string, Promise<void>>();

  /** Notes that somebody does the step with this key until `done` settles. */
  begin(key: string, done: Promise<unknown>): void {
    const over = done.then(
      () => undefined,
      () => undefined, // ignored: whoever does the step reports it
    );
    this.#running.set(key, over);
    void over.then(() => {
      if (this.#running.get(key) === over) this.#running.delete(key);
    });
  }

  /** Returns what settles, never fails, when the one who does this step has ended; undefined where nobody does. */
  find(key: string): Promise<void> | undefined {
    return this.#running.get(key);
  }
}

/** Waits for a promise at most until the signal is aborted. Throws the signal's reason. */
export async function waitFor(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
