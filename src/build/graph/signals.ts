// The signals that STOPSIGNAL accepts on Linux, by name (with or without SIG, any case) or by number.

import { Fault } from "../../lib/errors.ts";
import { signalNumber } from "../../lib/signals.ts";

/** Checks a signal; throws Fault invalidParameter as Docker words it. */
export function checkSignal(signal: string): void {
  const realTime = /^(?:SIG)?RT(MIN|MAX)(.+)$/.exec(signal.toUpperCase());
  const isKnown =
    // compat: any number but 0 passes.
    (/^\d{1,3}$/.test(signal) && Number(signal) !== 0) ||
    (realTime === null ? signalNumber(signal) !== undefined : isCounted(realTime[1], realTime[2]));
  if (!isKnown) {
    throw new Fault("invalidParameter", `Invalid signal: ${signal}`, { code: "dockerfile.signal" });
  }
}

/** compat: of the names that count from an end Docker knows those of the nearer half. */
function isCounted(end = "", distance = ""): boolean {
  const [, digits] = (end === "MIN" ? /^\+(\d{1,2})$/ : /^-(\d{1,2})$/).exec(distance) ?? [];
  return Number(digits) >= 1 && Number(digits) <= (end === "MIN" ? 15 : 14);
}
