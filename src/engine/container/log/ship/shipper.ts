// Carries a container's messages from its spool to their receiver. The container never waits for this: a receiver that is dead or slow
// leaves the lines in the spool, and those that rotation takes away meanwhile are counted as dropped.
//
//   shipping ── failure ──→ waiting (1 s, growing to 60 s) ──→ shipping
//       │ the log is at its end and delivered                (nothing is held open while waiting)
//       └──→ done
//
// Invariant: the position is written after each batch, before the next one is sent: a daemon that is killed repeats at most one batch
// and loses nothing.
import { messageOf } from "../../../../lib/errors.ts";
import type { Delivery, RetryPolicy } from "../driver/driver.ts";
import type { LogChanges, LogWatches } from "../watch.ts";
import {
  FIRST_POSITION,
  loadPosition,
  savePosition,
  type ShipPosition,
  type SpoolMessage,
  SpoolReader,
} from "./spool.ts";

/** Least time between two looks at a busy log: bounds how often the position is written. */
const PAUSE_MS = 50;
/** How long a change may go unnoticed when the watch misses it. */
const RECHECK_MS = 5000;
const MAX_DELAY_MS = 60_000;
const MIN_DELAY_MS = 10;
const GROWTH = 1.5;

export interface ShipperOptions {
  readonly containerId: string;
  readonly spoolPath: string;
  readonly positionPath: string;
  readonly retry: RetryPolicy;
  readonly watches: LogWatches;
  open(onUncertain: () => void): Promise<Delivery>;
  log(level: "info" | "warn", message: string): void;
}

/** What a shipper has done, for `inspect`. */
export interface ShipStatus {
  /** false before the position was read. */
  readonly isLoaded: boolean;
  readonly position: ShipPosition;
  /** Why nothing is delivered at present, "" when it is. */
  readonly error: string;
}

export class Shipper {
  readonly #options: ShipperOptions;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #position: ShipPosition = FIRST_POSITION;
  #isLoaded = false;
  #reader: SpoolReader | undefined;
  #delivery: Delivery | undefined;
  #changes: LogChanges | undefined;
  /** The log gets no more lines. */
  #hasEnded = false;
  #isRemoved = false;
  /** The position before the last batch, to go back to when that may not have arrived. */
  #before: ShipPosition | undefined;
  #isUncertain = false;
  /** What is being sent. */
  #batch: readonly SpoolMessage[] = [];
  #failures = 0;
  #error = "";
  /** Resolves when the spool has been opened, or that or anything else has failed. */
  #turn = Promise.withResolvers<void>();
  #isDone = false;

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  get status(): ShipStatus {
    return { isLoaded: this.#isLoaded, position: this.#position, error: this.#error };
  }

  /** The container runs again. False when this shipper is done, and another one is needed. */
  goOn(): boolean {
    if (this.#isDone) return false;
    this.#hasEnded = false;
    return true;
  }

  /** The container has ended: what is in the spool is all there is. */
  end(): void {
    this.#hasEnded = true;
    this.#changes?.wake();
  }

  /**
   * The spool is about to be removed: opens what is left of it. The promise inside resolves when it is delivered, at the latest
   * after `patienceMs`, and at once when the receiver cannot be reached.
   */
  async release(patienceMs: number): Promise<{ delivered: Promise<void> }> {
    this.#isRemoved = true;
    // It may be about to open the spool: a container can live shorter than that takes.
    while (this.#reader === undefined && this.#error === "" && !this.#isDone && !this.#stop.signal.aborted)
      await this.#turn.promise;
    await this.#reader?.refresh();
    this.end();
    if (this.#error !== "" || this.#reader === undefined) this.#stop.abort();
    const timer = setTimeout(() => this.#stop.abort(), patienceMs);
    return { delivered: this.#done.finally(() => clearTimeout(timer)) };
  }

  /** Stops where it is; another shipper can go on from the position. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#changes?.wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        if (await this.#session()) return;
      } catch (error) {
        if (!signal.aborted) await this.#recover(error);
      } finally {
        this.#changes?.[Symbol.dispose]();
        await this.#reader?.[Symbol.asyncDispose]();
        this.#reader = this.#changes = undefined;
        this.#tell();
      }
      if (this.#error !== "" && !signal.aborted) await this.#wait();
    }
    this.#delivery?.close();
  }

  #tell(): void {
    this.#turn.resolve();
    this.#turn = Promise.withResolvers();
  }

  /** Ships from the position on. True when everything is delivered and nothing will follow; false to begin again. */
  async #session(): Promise<boolean> {
    const { containerId, spoolPath, positionPath, watches } = this.#options;
    if (!this.#isLoaded) this.#position = await loadPosition(positionPath);
    this.#isLoaded = true;
    this.#delivery ??= await this.#options.open(() => this.#onUncertain());
    this.#reader = await SpoolReader.open(spoolPath, containerId, this.#position);
    this.#tell();
    this.#changes = watches.watch(spoolPath, async () => {}); // rotation may take files away: they are not ours to keep
    for (;;) {
      const isLast = this.#hasEnded;
      this.#changes.reset();
      await this.#reader.refresh();
      for await (const batch of this.#reader.batches(this.#options.retry.batchBytes)) {
        await this.#deliver(batch);
        if (this.#isUncertain) return this.#goBack();
        if (this.#stop.signal.aborted) return false;
      }
      if (isLast && !this.#isUncertain) await this.#delivery.finish().catch(() => this.#onUncertain());
      if (this.#isUncertain) return this.#goBack();
      if (isLast) {
        this.#isDone = this.#hasEnded; // it may have been started again meanwhile
        return this.#isDone;
      }
      await this.#sleep(PAUSE_MS);
      await this.#changes.next(RECHECK_MS);
      if (this.#stop.signal.aborted) return true;
    }
  }

  async #deliver(messages: readonly SpoolMessage[]): Promise<void> {
    const delivery = this.#delivery as Delivery;
    for (this.#batch = messages; this.#batch.length > 0; ) {
      const { taken, rejected } = await delivery.send(this.#batch, this.#stop.signal);
      await this.#advance(this.#batch.slice(0, taken), rejected);
      this.#batch = this.#batch.slice(taken);
    }
    if (this.#failures > 0) this.#options.log("info", "logs are delivered again");
    this.#failures = 0;
    this.#error = "";
  }

  /** Puts the position behind these messages, `lost` of which nobody gets; what is missing before them was rotated away. */
  async #advance(messages: readonly SpoolMessage[], lost: number): Promise<void> {
    const last = messages.at(-1);
    if (last === undefined) return;
    const gap = last.n + 1 - this.#position.next - messages.length;
    if (gap > 0)
      this.#options.log("warn", `${gap} lines of the log were lost before they could be delivered`);
    if (lost > 0) this.#options.log("warn", `${lost} lines of the log cannot be delivered`);
    this.#before = this.#position;
    this.#position = {
      version: 1,
      next: last.n + 1,
      dropped: this.#position.dropped + gap + lost,
      openLines: last.openLines,
    };
    if (!this.#isRemoved) await savePosition(this.#options.positionPath, this.#position);
  }

  #onUncertain(): void {
    this.#isUncertain = this.#before !== undefined;
    this.#changes?.wake();
  }

  /** The last batch may not have arrived: it is sent again. */
  #goBack(): boolean {
    this.#isUncertain = false;
    this.#position = { ...(this.#before ?? this.#position), dropped: this.#position.dropped };
    this.#before = undefined;
    return false;
  }

  async #recover(error: unknown): Promise<void> {
    const { retry } = this.#options;
    this.#delivery?.close();
    this.#delivery = undefined;
    if (this.#isUncertain) this.#goBack();
    this.#error = messageOf(error);
    this.#failures++;
    // At 1, 2, 4, 8… failures: often enough to be seen, seldom enough to be read.
    if ((this.#failures & (this.#failures - 1)) === 0)
      this.#options.log("warn", `logs cannot be delivered, ${this.#failures} times now: ${this.#error}`);
    if (this.#failures <= retry.maxRetries || this.#batch.length === 0) return;
    await this.#advance(this.#batch, this.#batch.length);
    this.#batch = [];
    this.#before = undefined;
    this.#failures = 0;
  }

  #wait(): Promise<void> {
    const { firstDelayMs } = this.#options.retry;
    const delay = firstDelayMs * GROWTH ** Math.max(0, this.#failures - 1);
    return this.#sleep(Math.max(MIN_DELAY_MS, Math.min(delay, MAX_DELAY_MS)));
  }

  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return;
    const over = Promise.withResolvers<void>();
    const wake = (): void => over.resolve();
    const timer = setTimeout(wake, ms);
    signal.addEventListener("abort", wake);
    await over.promise;
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
  }
}
