// Signals as Docker accepts them (`kill -s`, STOPSIGNAL): names with or without SIG, any case, or a number.
import { Fault } from "../../lib/errors.ts";
import { SIGRTMAX, SIGRTMIN, signalNumber } from "../../lib/signals.ts";

/** Standard signals; 32 and 33 are the C library's. */
const LAST_STANDARD = 31;

/** Returns the signal's number; fails with invalidParameter for what is no signal, or none of Linux. */
export function parseSignal(text: string): number {
  const n = /^-?\d+$/.test(text) ? Number(text) : signalNumber(text);
  if (n === undefined || n === 0)
    throw new Fault("invalidParameter", `invalid signal: ${text}`, { code: "signal.invalid" });
  if (n < 0 || n > SIGRTMAX || (n > LAST_STANDARD && n < SIGRTMIN))
    throw new Fault("invalidParameter", `the linux daemon does not support signal ${n}`, {
      code: "signal.unsupported",
    });
  return n;
}
