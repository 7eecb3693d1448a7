// Signals by name and number, as runc takes them: `KILL`, `SIGKILL`, `9`, `RTMIN+3`.

import { constants } from "node:os";
import { Fault } from "../../lib/errors.ts";

const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** Returns the number. Throws Fault invalidParameter for what is no signal. */
export function parseSignal(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realtime) {
    const base = realtime[1] === "MIN" ? SIGRTMIN : SIGRTMAX;
    const signo = base + Number(realtime[3] ?? 0) * (realtime[2] === "-" ? -1 : 1);
    if (signo >= SIGRTMIN && signo <= SIGRTMAX) return signo;
  }
  const signo = (constants.signals as Readonly<Record<string, number>>)[`SIG${name}`];
  if (signo === undefined)
    throw new Fault("invalidParameter", `unknown signal ${JSON.stringify(text)}`, { code: "runtime.signal" });
  return signo;
}
