// What a build does beside its steps, told to whoever shows it: contexts that are loaded, images that are looked for.

import { messageOf } from "../lib/errors.ts";
import type { BuildEvent } from "./events.ts";

export type OnEvent = (event: BuildEvent) => void;

/** How often a transfer tells how far it is. */
const TELL_MS = 150;

/** Does some work, telling of its beginning and its end. */
export async function working<T>(onEvent: OnEvent, what: string, work: () => Promise<T>): Promise<T> {
  onEvent({ type: "work", what, isOver: false });
  try {
    const result = await work();
    onEvent({ type: "work", what, isOver: true });
    return result;
  } catch (error) {
    onEvent({ type: "work", what, isOver: true, error: messageOf(error) });
    throw error;
  }
}

/** Counts the bytes of a transfer and tells of them now and then, and at the end. */
export function transferMeter(onEvent: OnEvent, what: string, name: string) {
  let bytes = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  const tell = (isOver: boolean): void => {
    toldAt = performance.now();
    onEvent({ type: "transferred", what, name, bytes, isOver });
  };
  return {
    add: (count: number): void => {
      bytes += count;
      if (performance.now() - toldAt >= TELL_MS) tell(false);
    },
    end: () => tell(true),
  };
}
