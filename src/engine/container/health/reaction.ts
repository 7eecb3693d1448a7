// What is done with a container that becomes unhealthy (`--health-on-failure`, an extension): nothing, a restart, a stop or a kill. A
// kill leaves the rest to the restart policy; a stop is final, as a user's. Restarts that do not help wait longer and longer.
import type { ContainerContext } from "../context.ts";
import type { LiveContainer } from "../table.ts";
import { type Reaction, reactionOf } from "./config.ts";

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 300_000;
/** After this long without a restart for its health a container is restarted at once again. */
const FORGOTTEN_AFTER_MS = 600_000;

/** The restarts of a container for its health, up to now. */
export interface Restarts {
  readonly count: number;
  /** When the latest one was due. */
  readonly atMs: number;
}

/** Returns how long the next restart waits: not at all, then 1 s, 2 s, 4 s… up to 5 minutes. */
export function nextRestart(before: Restarts | undefined, nowMs: number): Restarts & { delayMs: number } {
  const count = before === undefined || nowMs - before.atMs > FORGOTTEN_AFTER_MS ? 0 : before.count;
  const delayMs = count === 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (count - 1));
  return { count: count + 1, atMs: nowMs + delayMs, delayMs };
}

/** Does it; takes the container's lane itself. */
export type Act = (live: LiveContainer) => Promise<void>;

export class HealthReactions {
  readonly #context: Pick<ContainerContext, "table" | "inBackground" | "log">;
  readonly #acts: Readonly<Record<Exclude<Reaction, "none">, Act>>;
  readonly #restarts = new WeakMap<LiveContainer, Restarts>();
  readonly #timers = new WeakMap<LiveContainer, NodeJS.Timeout>();
  #isOpen = false;

  constructor(
    context: Pick<ContainerContext, "table" | "inBackground" | "log">,
    acts: Readonly<Record<Exclude<Reaction, "none">, Act>>,
  ) {
    this.#context = context;
    this.#acts = acts;
  }

  /** From here on reactions are arranged, now for those containers that are unhealthy already: the daemon knows its runs again. */
  open(): void {
    this.#isOpen = true;
    for (const { id } of this.#context.table.all())
      if (this.#context.table.live(id).health?.current.status === "unhealthy") this.unhealthy(id);
  }

  /** From here on nothing is begun: the next daemon does that. */
  close(): void {
    this.#isOpen = false;
  }

  /** Arranges the reaction to a container that has become unhealthy; void when it ends or gets well before. */
  unhealthy(id: string): void {
    if (!this.#isOpen) return;
    const record = this.#context.table.get(id);
    const reaction = record === undefined ? "none" : reactionOf(record.config);
    if (reaction === "none") return;
    const live = this.#context.table.live(id);
    const { run } = live;
    clearTimeout(this.#timers.get(live));
    const timer = setTimeout(
      () => {
        if (run !== null && live.run === run) this.#react(live, reaction);
      },
      this.#delayMs(live, reaction),
    );
    timer.unref();
    this.#timers.set(live, timer);
  }

  #react(live: LiveContainer, reaction: Exclude<Reaction, "none">): void {
    // Who is ending the container has the last word, as with the restart policy.
    if (!this.#isOpen || live.isRestartCalledOff || live.health?.current.status !== "unhealthy") return;
    const name = live.id.slice(0, 12);
    this.#context.log("info", `container ${name} is unhealthy: ${reaction}`);
    this.#context.inBackground(`${reaction} of the unhealthy container ${name}`, () =>
      this.#acts[reaction](live),
    );
  }

  #delayMs(live: LiveContainer, reaction: Reaction): number {
    if (reaction !== "restart") return 0;
    const next = nextRestart(this.#restarts.get(live), performance.now());
    this.#restarts.set(live, next);
    return next.delayMs;
  }
}
