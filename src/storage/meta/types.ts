// What a record store offers: typed tables in memory in front of one durable log. Values are plain JSON data,
// immutable from the moment they are committed; whoever changes a record commits a new value for its key.

/** A record as it is stored: plain JSON data, never undefined. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** A read-only view of one table; every read is a memory access and sees all commits made so far. */
export interface Table<T> {
  readonly name: string;
  readonly size: number;
  get(key: string): T | undefined;
  has(key: string): boolean;
  /** In order of first insertion. */
  keys(): IterableIterator<string>;
  values(): IterableIterator<T>;
  entries(): IterableIterator<[string, T]>;
  /** Returns the change that sets `key`, to be passed to commit. */
  put(key: string, value: T): Change;
  /** Returns the change that removes `key`; removing a missing key is fine. */
  remove(key: string): Change;
}

/** One step of a commit; `value` undefined removes. Made by Table.put and Table.remove. */
export interface Change {
  readonly table: string;
  readonly key: string;
  readonly value: unknown;
}

export interface CommitOptions {
  /** true (default): resolves when the commit is on stable storage; false: when the kernel has it (survives a crash of the daemon). */
  durable?: boolean;
  /**
   * The changes say what has happened already: when the disk refuses, they stay, the commit succeeds, and they are written as soon as that is
   * possible; a barrier tells when. One of a record that has never reached the disk is undone with it.
   */
  isFact?: boolean;
  /**
   * The changes are for readers only, and are not written: another commit of the same records will follow, and the store as it was is as good
   * for a daemon that starts before that. Like facts, they stay when the disk refuses what came before them.
   */
  isPassing?: boolean;
}

/** The part of the store that the other stores need. */
export interface RecordStore {
  table<T>(name: string): Table<T>;
  /**
   * Applies all changes or none. Readers see them at once; a rejected commit has been undone.
   * Fails with unavailable when the disk refuses.
   */
  commit(changes: readonly Change[], options?: CommitOptions): Promise<void>;
}
