// Names of signals, and what their arrival usually means.
import { constants } from "node:os";

/** Returns SIGKILL for 9; `signal 40` for those without a name. */
export function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(
    ([name, value]) => value === number && !["SIGIOT", "SIGPOLL"].includes(name),
  );
  return found?.[0] ?? `signal ${number}`;
}

const { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS } = constants.signals;

/** Signals that a program brings upon itself. */
export const CRASHES: ReadonlyMap<number, string> = new Map([
  [SIGABRT, "the program gave up itself (abort)"],
  [SIGBUS, "the program touched memory that has nothing behind it, such as a file that was cut"],
  [SIGFPE, "the program divided by zero"],
  [SIGILL, "the program has instructions that this processor does not know"],
  [SIGSEGV, "the program touched memory that is not its own (a crash)"],
  [SIGSYS, "the program made a system call that the seccomp profile kills for"],
]);
