// What an event is, and its form in the journal.

/** What happened to which object; Docker's event message (Engine API `EventMessage`). */
export interface EngineEvent {
  /** Grows by one from event to event; goes on over restarts of the daemon. */
  readonly sequence: number;
  readonly type: "container" | "image" | "network" | "volume" | "daemon" | "builder" | "plugin";
  readonly action: string;
  readonly actorId: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeNano: bigint;
}

export type NewEvent = Omit<EngineEvent, "sequence" | "timeNano">;

/** Returns the event's text in the journal; the journal keeps the number itself. */
export function encodeEvent(event: NewEvent & { readonly timeNano: bigint }): string {
  const { type, action, actorId, attributes, timeNano } = event;
  return JSON.stringify({ type, action, actorId, attributes, timeNano: timeNano.toString() });
}

/** Returns the event of a journal's entry. */
export function decodeEvent(sequence: number, payload: string): EngineEvent {
  const stored = JSON.parse(payload) as NewEvent & { timeNano: string };
  return { ...stored, sequence, timeNano: BigInt(stored.timeNano) };
}
