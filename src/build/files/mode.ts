// `--chmod`: octal digits, or a symbolic mode such as `u=rwX,go-w` that is applied to what the source has.

import { Fault } from "../../lib/errors.ts";
import { table } from "../../lib/table.ts";

/** Returns a file's permission bits (with setuid, setgid and sticky) after `--chmod`. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/;
const ACTION = /([-+=])([ugo]|[rwxXst]*)/g;
const SHIFTS: Readonly<Record<string, number>> = table({ u: 6, g: 3, o: 0 });
const SETUID = 0o4000;
const SETGID = 0o2000;
const STICKY = 0o1000;

interface Action {
  readonly who: readonly string[];
  readonly operator: string;
  readonly perms: string;
}

function invalid(chmod: string): Fault {
  return new Fault(
    "invalidParameter",
    `invalid chmod parameter: '${chmod}'. it should be octal string and between 0 and 07777`,
    { code: "build.chmod" },
  );
}

/** Bits that `perms` means for everybody, spread over user, group and others. */
function bitsOf(perms: string, mode: number, isDirectory: boolean): number {
  const copied = SHIFTS[perms];
  if (copied !== undefined) return ((mode >> copied) & 7) * 0o111;
  let bits = 0;
  for (const c of perms) {
    if (c === "r") bits |= 0o444;
    else if (c === "w") bits |= 0o222;
    else if (c === "x" || (c === "X" && (isDirectory || (mode & 0o111) !== 0))) bits |= 0o111;
    else if (c === "s") bits |= SETUID | SETGID;
    else if (c === "t") bits |= STICKY;
  }
  return bits;
}

/** The bits that belong to somebody. */
function maskOf(who: readonly string[]): number {
  let mask = 0;
  for (const w of who) {
    mask |= 7 << (SHIFTS[w] as number);
    if (w === "u") mask |= SETUID;
    else if (w === "g") mask |= SETGID;
    else mask |= STICKY;
  }
  return mask;
}

function apply(action: Action, mode: number, isDirectory: boolean): number {
  const mask = maskOf(action.who);
  const bits = bitsOf(action.perms, mode, isDirectory) & mask;
  if (action.operator === "+") return mode | bits;
  if (action.operator === "-") return mode & ~bits;
  return (mode & ~mask) | bits;
}

function actionsOf(clause: string, chmod: string): Action[] {
  const match = CLAUSE.exec(clause);
  if (match === null) throw invalid(chmod);
  const named = (match[1] as string).replaceAll("a", "ugo");
  const who = named === "" ? ["u", "g", "o"] : [...new Set(named)];
  return [...(match[2] as string).matchAll(ACTION)].map(([, operator = "", perms = ""]) => ({
    who,
    operator,
    perms,
  }));
}

/** Reads `--chmod`. Throws Fault `build.chmod` with BuildKit's text. */
export function parseMode(chmod: string): ModeChange {
  if (/^[0-7]+$/.test(chmod)) {
    const mode = Number.parseInt(chmod, 8);
    if (mode > 0o7777) throw invalid(chmod);
    return () => mode;
  }
  const actions = chmod.split(",").flatMap((clause) => actionsOf(clause, chmod));
  return (mode, isDirectory) => actions.reduce((m, action) => apply(action, m, isDirectory), mode);
}
