// One table in memory: what readers see. Changed only by the store, one whole commit at a time.

import type { Change, Table } from "./types.ts";

/** See Table. */
export class MemoryTable<T> implements Table<T> {
  readonly name: string;
  readonly #records = new Map<string, T>();

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.#records.size;
  }

  get(key: string): T | undefined {
    return this.#records.get(key);
  }

  has(key: string): boolean {
    return this.#records.has(key);
  }

  keys(): IterableIterator<string> {
    return this.#records.keys();
  }

  values(): IterableIterator<T> {
    return this.#records.values();
  }

  entries(): IterableIterator<[string, T]> {
    return this.#records.entries();
  }

  put(key: string, value: T): Change {
    return { table: this.name, key, value };
  }

  remove(key: string): Change {
    return { table: this.name, key, value: undefined };
  }

  /** Sets or removes a record; for the store alone. */
  apply(key: string, value: T | undefined): void {
    if (value === undefined) this.#records.delete(key);
    else this.#records.set(key, value);
  }
}

/** Freezes a value and everything in it; tests use it to catch whoever changes a record in place. */
export function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
}
