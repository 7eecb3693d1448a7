// Lists of CPUs and memory nodes as the kernel's cpuset writes them: `0-3,8` (cpuset(7) "List format").

import { Fault } from "../../lib/errors.ts";

/** Highest number that a list may have; more than any kernel is built for. */
const MAX_ID = 8191;

/** Returns the numbers of a list, sorted and each once. `what` names the field in errors: Fault invalidParameter. */
export function parseIdList(text: string, what: string): number[] {
  const ids = new Set<number>();
  for (const part of text.split(",")) {
    const range = part.trim();
    if (range === "") continue;
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(range);
    const [first, last] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (!match || first > last || last > MAX_ID)
      throw new Fault(
        "invalidParameter",
        `${what}: invalid range ${JSON.stringify(range)} (allowed: such as 0-3,8)`,
        {
          code: "spec.invalid",
        },
      );
    for (let id = first; id <= last; id++) ids.add(id);
  }
  return [...ids].sort((a, b) => a - b);
}

/** Returns the bits of the numbers, least first, in whole 64-bit words as the kernel takes masks. */
export function maskOfIds(ids: readonly number[]): Uint8Array {
  const words = Math.floor(Math.max(0, ...ids) / 64) + 1;
  const mask = new Uint8Array(words * 8);
  for (const id of ids) mask[id >> 3] = (mask[id >> 3] ?? 0) | (1 << (id & 7));
  return mask;
}
