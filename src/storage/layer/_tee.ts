// A second reader for a stream that is consumed elsewhere: every chunk that passes is also offered here. The
// stream goes no faster than the slower reader.

/** The side branch; write to it with push, read it as an async iterable, once. */
export class Branch implements AsyncIterable<Uint8Array> {
  #chunk: Uint8Array | undefined;
  #state: "open" | "ended" | "closed" = "open";
  #error: { error: unknown } | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  /** Offers a chunk and waits until the reader wants the next one; a reader that has left is no obstacle. */
  async push(chunk: Uint8Array): Promise<void> {
    if (this.#state !== "open") return;
    this.#chunk = chunk;
    this.#wakeReader?.();
    await new Promise<void>((resolve) => {
      this.#wakeWriter = resolve;
    });
  }

  end(): void {
    if (this.#state === "open") this.#state = "ended";
    this.#wakeReader?.();
  }

  /** Makes the reader fail. */
  fail(error: unknown): void {
    this.#error ??= { error };
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        while (this.#chunk === undefined && this.#state === "open") {
          await new Promise<void>((resolve) => {
            this.#wakeReader = resolve;
          });
        }
        const chunk = this.#chunk;
        if (this.#error) throw this.#error.error;
        if (chunk === undefined) return;
        yield chunk;
        this.#chunk = undefined;
        this.#wakeWriter?.();
      }
    } finally {
      this.#state = "closed";
      this.#chunk = undefined;
      this.#wakeWriter?.();
    }
  }
}

/** Passes `source` on and everything in it also to `branch`. */
export async function* teeTo(source: AsyncIterable<Uint8Array>, branch: Branch): AsyncGenerator<Uint8Array> {
  let isDone = false;
  try {
    for await (const chunk of source) {
      const taken = branch.push(chunk);
      yield chunk;
      await taken;
    }
    isDone = true;
    branch.end();
  } catch (error) {
    branch.fail(error);
    throw error;
  } finally {
    if (!isDone) branch.fail(new Error("the stream was given up"));
  }
}
