// Signal names and numbers as Docker accepts them (`kill -s`, STOPSIGNAL): with or without SIG, any case, or a number.
import { constants } from "node:os";
import { Fault } from "../../lib/errors.ts";
import { table } from "../../lib/table.ts";

const RTMIN = 34;
const RTMAX = 64;
/** Standard signals; 32 and 33 are the C library's. */
const LAST_STANDARD = 31;
const OLD_NAMES: Readonly<Record<string, number>> = table({ CLD: constants.signals.SIGCHLD });

/** Returns the signal's number; fails with invalidParameter for what is no signal, or none of Linux. */
export function parseSignal(text: string): number {
  const n = /^-?\d+$/.test(text) ? Number(text) : numberOf(text.toUpperCase().replace(/^SIG/, ""));
  if (n === undefined || n === 0)
    throw new Fault("invalidParameter", `invalid signal: ${text}`, { code: "signal.invalid" });
  if (n < 0 || n > RTMAX || (n > LAST_STANDARD && n < RTMIN))
    throw new Fault("invalidParameter", `the linux daemon does not support signal ${n}`, {
      code: "signal.unsupported",
    });
  return n;
}

function numberOf(name: string): number | undefined {
  const known = constants.signals[`SIG${name}` as keyof typeof constants.signals] ?? OLD_NAMES[name];
  if (known !== undefined) return known;
  const real = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (real === null) return undefined;
  const base = real[1] === "MIN" ? RTMIN : RTMAX;
  const n = base + (real[2] === "-" ? -1 : 1) * Number(real[3] ?? 0);
  return n < RTMIN || n > RTMAX ? undefined : n;
}
