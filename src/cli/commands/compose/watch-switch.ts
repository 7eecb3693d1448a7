// Watching files beside the output of `up`, switched on and off while it goes on.

export class WatchSwitch {
  readonly #watch: (signal: AbortSignal) => Promise<void>;
  readonly #failed = Promise.withResolvers<never>();
  #current: AbortController | undefined;
  #ended: Promise<void> = Promise.resolve();

  /** `watch` ends with its signal. */
  constructor(watch: (signal: AbortSignal) => Promise<void>) {
    this.#watch = watch;
    this.#failed.promise.catch(() => {}); // ignored: until() hands it on
  }

  get isOn(): boolean {
    return this.#current !== undefined;
  }

  /** Begins to watch, or ends it. */
  toggle(): void {
    if (this.#current !== undefined) {
      this.#current.abort();
      this.#current = undefined;
      return;
    }
    const { signal } = (this.#current = new AbortController());
    this.#ended = this.#ended
      .then(() => this.#watch(signal))
      .catch((error: unknown) => this.#failed.reject(error));
  }

  /** Resolves when the signal has come and nothing is watched any more. Rejects when watching fails. */
  async until(signal: AbortSignal): Promise<void> {
    const over = new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    await Promise.race([over, this.#failed.promise]);
    if (this.isOn) this.toggle();
    await this.#ended;
  }
}
