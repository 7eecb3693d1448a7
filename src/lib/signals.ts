// Linux' signals by name and by number. What a text that is none means, and in whose words, its users say.

import { constants } from "node:os";
import { table } from "./table.ts";

export const SIGRTMIN = 34;
export const SIGRTMAX = 64;

const NUMBERS: Readonly<Record<string, number>> = table({
  ...constants.signals,
  SIGCLD: constants.signals.SIGCHLD, // System V's name
});
/** Second names of a number; it is not called so. */
const ALIASES: ReadonlySet<string> = new Set(["SIGIOT", "SIGPOLL", "SIGCLD"]);

/** Returns the number of `KILL`, `SIGKILL`, `RTMIN+3`, in any case; undefined for what is no name of a signal. */
export function signalNumber(text: string): number | undefined {
  const name = text.toUpperCase().replace(/^SIG/, "");
  const known = NUMBERS[`SIG${name}`];
  if (known !== undefined) return known;
  const [, end, sign, distance = "0"] = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name) ?? [];
  if (end === undefined) return undefined;
  const number = (end === "MIN" ? SIGRTMIN : SIGRTMAX) + (sign === "-" ? -1 : 1) * Number(distance);
  return number < SIGRTMIN || number > SIGRTMAX ? undefined : number;
}

/** Returns SIGKILL for 9; undefined for those without a name. */
export function signalName(number: number): string | undefined {
  return Object.entries(NUMBERS).find(([name, value]) => value === number && !ALIASES.has(name))?.[0];
}
