// ContainerStats: samples once a second, each with the processor times of the one before, from which clients compute a
// percentage. All readers of one container share its samples: fifty streams cost as much reading as one. A reader that is
// slow misses samples and keeps nobody waiting. A stream goes on through stops and starts until the container is removed.
import type { ContainerStats } from "../../../api/schemas/stats.ts";
import { type Sample, statsOf } from "./sample.ts";

const INTERVAL_MS = 1000;

export interface StatsSource {
  /** Takes a sample; undefined when there is no such container any more. */
  take(id: string): Sample | undefined;
  isRunning(id: string): boolean;
}

export interface StatsOptions {
  readonly stream: boolean;
  /** Without `stream`: answer at once, without the earlier sample. */
  readonly oneShot: boolean;
}

export class StatsReaders {
  readonly #source: StatsSource;
  readonly #intervalMs: number;
  readonly #samplers = new Map<string, Sampler>();

  constructor(source: StatsSource, intervalMs = INTERVAL_MS) {
    this.#source = source;
    this.#intervalMs = intervalMs;
  }

  /** Yields a container's statistics until it is gone or `signal` aborts; one without `stream`. */
  async *read(id: string, options: StatsOptions, signal: AbortSignal): AsyncGenerator<ContainerStats> {
    if (!options.stream && (options.oneShot || !this.#source.isRunning(id))) {
      const sample = this.#source.take(id);
      if (sample !== undefined) yield statsOf(sample, undefined);
      return;
    }
    using sampler = this.#open(id);
    let previous: Sample | undefined;
    let sample = sampler.latest;
    // A single answer with a percentage needs two looks; the first of them is not shown.
    if (!options.stream) [previous, sample] = [sample, await sampler.next(signal)];
    while (sample !== undefined && !signal.aborted) {
      yield statsOf(sample, previous);
      if (!options.stream) return;
      [previous, sample] = [sample, await sampler.next(signal)];
    }
  }

  #open(id: string): Sampler {
    const sampler =
      this.#samplers.get(id) ??
      new Sampler(
        () => this.#source.take(id),
        this.#intervalMs,
        () => this.#samplers.delete(id),
      );
    this.#samplers.set(id, sampler);
    sampler.join();
    return sampler;
  }
}

/** Takes the samples of one container as long as somebody reads them. */
class Sampler implements Disposable {
  latest: Sample | undefined;
  readonly #take: () => Sample | undefined;
  readonly #onIdle: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #waiting = new Set<(sample: Sample | undefined) => void>();
  #readers = 0;

  constructor(take: () => Sample | undefined, intervalMs: number, onIdle: () => void) {
    this.#take = take;
    this.#onIdle = onIdle;
    this.latest = take();
    this.#timer = setInterval(() => this.#tick(), intervalMs);
  }

  join(): void {
    this.#readers++;
  }

  [Symbol.dispose](): void {
    this.#readers--;
    if (this.#readers > 0) return;
    clearInterval(this.#timer);
    this.#onIdle();
  }

  #tick(): void {
    this.latest = this.#take();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const tell of waiting) tell(this.latest);
  }

  /** Resolves to the next sample; undefined when the container is gone or `signal` aborts. */
  next(signal: AbortSignal): Promise<Sample | undefined> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(undefined);
      const onAbort = (): void => {
        this.#waiting.delete(tell);
        resolve(undefined);
      };
      const tell = (sample: Sample | undefined): void => {
        signal.removeEventListener("abort", onAbort);
        resolve(sample);
      };
      this.#waiting.add(tell);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
