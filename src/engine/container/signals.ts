// Signal names and numbers as Docker accepts them (`kill -s`, STOPSIGNAL): with or without SIG, any case, or a number.
import { constants } from "node:os";
import { Fault } from "../../lib/errors.ts";

const RTMIN = 34;
const RTMAX = 64;

/** Returns the signal's number; fails with invalidParameter. */
export function parseSignal(text: string): number {
  const invalid = (): Fault =>
    new Fault("invalidParameter", `invalid signal: ${text}`, { code: "signal.invalid" });
  if (/^\d+$/.test(text)) {
    const n = Number(text);
    if (n < 1 || n > RTMAX) throw invalid();
    return n;
  }
  const name = text.toUpperCase().replace(/^SIG/, "");
  const known = constants.signals[`SIG${name}` as keyof typeof constants.signals];
  if (known !== undefined) return known;
  const real = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (real === null) throw invalid();
  const base = real[1] === "MIN" ? RTMIN : RTMAX;
  const n = base + (real[2] === "-" ? -1 : 1) * Number(real[3] ?? 0);
  if (n < RTMIN || n > RTMAX) throw invalid();
  return n;
}
