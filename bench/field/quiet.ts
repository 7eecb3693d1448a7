// Waits until the machine does nothing: what a removed container leaves to the kernel (its namespaces, its cgroups) would else
// be measured along with whatever comes next. Source: proc_stat(5).
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

const LOOK_EVERY_MS = 100;
/** Of all processors together. */
const BUSY_PART = 0.1;
const LIMIT_MS = 20_000;
/** Unit of /proc/stat (USER_HZ). */
const TICK_MS = 10;

/** Resolves when less than a tenth of all processors has been busy for a tenth of a second, or after 20 seconds of something that does not end. */
export async function quiet(): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  let [before, at] = [idleMs(), performance.now()];
  while (at < end) {
    await sleep(LOOK_EVERY_MS);
    const [idle, now] = [idleMs(), performance.now()];
    if (idle - before >= (1 - BUSY_PART) * availableParallelism() * (now - at)) return;
    [before, at] = [idle, now];
  }
}

/** How long processors have done nothing, each for itself. */
function idleMs(): number {
  const [, , , , idle, waiting] = readFileSync("/proc/stat", "utf8").split(/\s+/, 6);
  return (Number(idle) + Number(waiting)) * TICK_MS;
}
