// The signals that STOPSIGNAL accepts on Linux, by name (with or without SIG, any case) or by number.

import { Fault } from "../../lib/errors.ts";

const NAMES = new Set(
  (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP " +
    "TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
  ).split(" "),
);

/** Checks a signal; throws Fault invalidParameter as Docker words it. */
export function checkSignal(signal: string): void {
  const name = signal.toUpperCase().replace(/^SIG/, "");
  const realTime = /^RT(MIN\+|MAX-)(\d{1,2})$/.exec(name);
  const isKnown =
    NAMES.has(name) ||
    // compat: any number but 0 passes.
    (/^\d{1,3}$/.test(signal) && Number(signal) !== 0) ||
    (realTime !== null &&
      Number(realTime[2]) >= 1 &&
      Number(realTime[2]) <= (realTime[1] === "MIN+" ? 15 : 14));
  if (!isKnown) {
    throw new Fault("invalidParameter", `Invalid signal: ${signal}`, { code: "dockerfile.signal" });
  }
}
