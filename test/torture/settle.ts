// When all that was made is removed, a host has to be what it was before; not at once, but without further help.
import { setTimeout } from "node:timers/promises";

/** How long what was removed may take to be gone. */
const SETTLE_MS = 60_000;

/**
 * Without what comes and goes while nothing is there: a bridge is down when it has been up, and connections between the daemon and idle processes
 * of its agent end one by one.
 */
export function steady(inventory: readonly string[]): string[] {
  return inventory
    .filter((line) => !/ of keel-handler\b|^process keel-handler$|^descriptor of berth: socket:/.test(line))
    .map((line) => line.replace(/ linkdown\b/, "").trimEnd());
}

function differences(before: readonly string[], now: readonly string[]): string[] {
  const count = (list: readonly string[]): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const line of list) counts.set(line, (counts.get(line) ?? 0) + 1);
    return counts;
  };
  const [was, is] = [count(before), count(now)];
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((line) => {
    const more = (is.get(line) ?? 0) - (was.get(line) ?? 0);
    return more === 0 ? [] : [`${more > 0 ? "+" : ""}${more} ${line}`];
  });
}

/** Compares what `look` sees with what there was, until it is the same; returns what stays different after a minute. */
export async function differencesSince(before: readonly string[], look: () => string[]): Promise<string[]> {
  const end = performance.now() + SETTLE_MS;
  for (;;) {
    const left = differences(before, look());
    if (left.length === 0 || performance.now() > end) return left;
    await setTimeout(200);
  }
}

/** What `look` sees when it has seen the same twice, and nothing that is on its way out; at most after a minute. */
export async function settled(look: () => string[]): Promise<string[]> {
  const end = performance.now() + SETTLE_MS;
  let before = look();
  for (;;) {
    await setTimeout(200);
    const now = look();
    const isStill = differences(before, now).length === 0 && !now.some((line) => /\btrash\//.test(line));
    if (isStill || performance.now() > end) return now;
    before = now;
  }
}
