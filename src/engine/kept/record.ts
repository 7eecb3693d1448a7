// What the store keeps of something that was removed and can be brought back (table `kept`, key = id).

/** Removed containers, images and volumes are kept; their records are their owners' business. */
export type KeptKind = "container" | "image" | "volume";

export interface KeptRecord {
  readonly version: 1;
  readonly id: string;
  /** What one request has removed has one; it comes back together. */
  readonly group: string;
  readonly kind: KeptKind;
  /** What the user called it. */
  readonly name: string;
  /** RFC 3339 with nanoseconds. */
  readonly removedAt: string;
  /** What it takes of the disk; 0 until it was measured. */
  readonly sizeBytes: number;
  /** The owner's record or records, as they were. */
  readonly content: unknown;
}

/** What a kind does with what is kept of it. */
export interface KeptOwner {
  /** Brings it back, under another name if one is given. Fails with conflict where something is in its place. */
  restore(kept: KeptRecord, options: RestoreOptions): Promise<Restored>;
  /** Gives up the data. The record is gone already. */
  dispose(kept: KeptRecord): Promise<void>;
  measure(kept: KeptRecord): Promise<number>;
}

export interface RestoreOptions {
  readonly name?: string | undefined;
}

export interface Restored {
  readonly name: string;
  /** What is not as it was. */
  readonly warnings: readonly string[];
}
