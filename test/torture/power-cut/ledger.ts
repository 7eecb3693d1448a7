// Who was promised what, and when: each object's states in the order in which they were asked for, with the number of disk steps at which
// the request was sent and at which its success was told. After a cut an object must be in the last state of which success had been told, or
// in one that was asked for later.

interface Entry {
  readonly state: string;
  readonly issued: number;
  acked: number;
  /** From here on it is stable; what is told before that may be undone by a power cut. */
  stable: number;
}

export const ABSENT = "absent";

export class Ledger {
  readonly #entries = new Map<string, Entry[]>();
  readonly #now: () => number;

  /** `now` says how many steps there were. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Notes that the states are asked for and runs `work`, whose success is the promise. With `laterBy`, the promise is of what will be stable
   * a moment later.
   */
  async promise<T>(
    states: Readonly<Record<string, string>>,
    work: () => Promise<T>,
    laterBy?: () => Promise<unknown>,
  ): Promise<T> {
    const entries = Object.entries(states).map(([object, state]) => {
      const entry: Entry = {
        state,
        issued: this.#now(),
        acked: Number.POSITIVE_INFINITY,
        stable: Number.POSITIVE_INFINITY,
      };
      this.#entries.set(object, [...(this.#entries.get(object) ?? []), entry]);
      return entry;
    });
    const result = await work();
    for (const entry of entries) entry.acked = this.#now();
    await laterBy?.();
    for (const entry of entries) entry.stable = this.#now();
    return result;
  }

  get objects(): string[] {
    return [...this.#entries.keys()];
  }

  /** Returns the states in which `object` may be after a cut at `count`. */
  allowed(object: string, count: number): string[] {
    const entries = this.#entries.get(object) ?? [];
    const last = entries.findLastIndex((entry) => entry.stable <= count);
    const later = entries.slice(last + 1).filter((entry) => entry.issued <= count);
    return [entries[last]?.state ?? ABSENT, ...later.map((entry) => entry.state)];
  }

  /** The number of promises kept at a cut at `count`. */
  promisesAt(count: number): number {
    return [...this.#entries.values()].flat().filter((entry) => entry.acked <= count).length;
  }
}
