// Whether a process is still the one it was: numbers are given again, a number with its start time is not.
import { readFileSync } from "node:fs";

/** Returns when a process began, in the kernel's ticks, undefined when there is none of that number. */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the name in parentheses, which may hold anything; the start is the 22nd.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? undefined : rest[18];
  } catch {
    return undefined; // ignored: it is gone
  }
}

/** Whether that process is there. */
export function isSameProcess({ pid, start }: { readonly pid: number; readonly start: string }): boolean {
  return start !== "" && processStart(pid) === start;
}
