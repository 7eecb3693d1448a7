// Gives memory back when work is over. What a burst of work has taken (a long history of events read, many builds) the
// runtime keeps for the next one: it collects when the heap has grown, not when there is nothing to do.

/** What is asked and done; a test has its own. */
export interface QuietParts {
  /** Processor time that the process has used, in milliseconds. */
  readonly cpuMs: () => number;
  readonly shrink: () => void;
}

/** How often is looked. */
export const LOOK_EVERY_MS = 30_000;
/** Less than this between two looks is no work: timers, health checks. */
const QUIET_MS = 300;
/** So much work may have left something that is worth a collection. */
const WORTH_MS = 1000;

/** Returns what looks once: whether the work since the last shrink was worth one, and is over. */
export function quietLook({ cpuMs, shrink }: QuietParts): () => void {
  let shrunkAt = cpuMs();
  let lookedAt = shrunkAt;
  return () => {
    const now = cpuMs();
    const isQuiet = now - lookedAt < QUIET_MS;
    lookedAt = now;
    if (!isQuiet || now - shrunkAt < WORTH_MS) return;
    shrink();
    shrunkAt = lookedAt = cpuMs(); // its own work is none
  };
}

/** Looks again and again; does not keep the process from ending. */
export function shrinkWhenQuiet(): void {
  const cpuMs = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  setInterval(quietLook({ cpuMs, shrink: () => Bun.shrink() }), LOOK_EVERY_MS).unref();
}
