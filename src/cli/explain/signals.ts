// What the arrival of a signal usually means.
import { constants } from "node:os";
import { signalName } from "../../lib/signals.ts";

/** Returns SIGKILL for 9; `signal 40` for those without a name. */
export const nameOfSignal = (number: number): string => signalName(number) ?? `signal ${number}`;

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
