// Signals as runc takes them: `KILL`, `SIGKILL`, `9`, `RTMIN+3`.

import { Fault } from "../../lib/errors.ts";
import { signalNumber } from "../../lib/signals.ts";

/** Returns the number. Throws Fault invalidParameter for what is no signal. */
export function parseSignal(text: string): number {
  const signo = /^\d{1,3}$/.test(text) ? Number(text) : signalNumber(text);
  if (signo === undefined)
    throw new Fault("invalidParameter", `unknown signal ${JSON.stringify(text)}`, { code: "runtime.signal" });
  return signo;
}
