// The status messages of one build, for readers who may come early, late or several at a time: each gets all of them.
import type { StatusMessage } from "../../build/export/status-stream.ts";

/** Messages that are kept; of a build that says more, late readers miss the beginning. */
const MAX_MESSAGES = 100_000;

export class BuildProgress {
  #messages: StatusMessage[] = [];
  #dropped = 0;
  #isOver = false;
  #wake = Promise.withResolvers<void>();

  push(messages: readonly StatusMessage[]): void {
    if (messages.length === 0 || this.#isOver) return;
    this.#messages.push(...messages);
    if (this.#messages.length > MAX_MESSAGES) {
      this.#dropped += MAX_MESSAGES / 2;
      this.#messages = this.#messages.slice(MAX_MESSAGES / 2);
    }
    this.#rouse();
  }

  /** What is kept of it. */
  get messages(): readonly StatusMessage[] {
    return this.#messages;
  }

  end(): void {
    this.#isOver = true;
    this.#rouse();
  }

  #rouse(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** Yields everything from the beginning to the end. */
  async *read(signal: AbortSignal): AsyncGenerator<StatusMessage, void, void> {
    let at = 0;
    const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    while (!signal.aborted) {
      const from = Math.max(0, at - this.#dropped);
      const fresh = this.#messages.slice(from);
      at = this.#dropped + this.#messages.length;
      yield* fresh;
      if (at < this.#dropped + this.#messages.length) continue;
      if (this.#isOver) return;
      await Promise.race([this.#wake.promise, aborted]);
    }
  }
}
