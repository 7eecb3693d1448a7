// Which columns a ps command line shows: the formats of -f, -l, aux … and what other options add to them; format lists.
import { Fault } from "../../lib/errors.ts";
import { type PsColumn, psColumn } from "./ps-columns.ts";

/** What the options say of the format. */
export interface PsFlags {
  readonly isFull: boolean;
  readonly isExtraFull: boolean;
  readonly isLong: boolean;
  readonly isJobs: boolean;
  /** -y: memory in the place of addresses. */
  readonly hasResident: boolean;
  /** -c: the scheduling class. */
  readonly hasClass: boolean;
  /** -P: the processor. */
  readonly hasProcessor: boolean;
  /** -M: what the security module calls it. */
  readonly hasLabel: boolean;
  readonly bsd: "" | "bsd" | "u" | "bsdl" | "bsdj" | "v" | "s";
  readonly threads: "" | "L" | "T" | "H";
  /** -o and its kin, in order; they replace every other format. */
  readonly custom: PsColumn[];
  /** -O: these between pid and the rest of the default. */
  readonly inserted: PsColumn[];
}

/** Formats: -f, -l, … as lists of specifiers. `uid_hack` of procps is the user's name under the title UID. */
const FORMATS = {
  "": "pid tname=TTY time ucmd",
  f: "user=UID pid ppid c stime tname time cmd",
  F: "user=UID pid ppid c sz rss psr stime tname time cmd",
  fj: "user=UID pid ppid pgid sid c stime tname time cmd",
  j: "pid pgid sid tname time ucmd",
  l: "f s uid pid ppid c opri ni addr_1 sz wchan tname time ucmd",
  fl: "f s user=UID pid ppid c opri ni addr_1 sz wchan stime tname time cmd",
  bsd: "pid tname stat bsdtime args",
  u: "user pid pcpu pmem vsz rss tname stat start_time bsdtime args",
  bsdl: "f uid pid ppid priority ni vsz rss wchan stat tname bsdtime args",
  bsdj: "ppid pid pgid sid tname tpgid stat uid bsdtime args",
  v: "pid tname stat bsdtime maj_flt trs drs rss pmem args",
  s: "uid pid pending blocked ignored caught stat tname bsdtime args",
  ly: "s uid pid ppid c opri ni rss sz wchan tname time ucmd",
  fly: "s user=UID pid ppid c opri ni rss sz wchan stime tname time cmd",
} as const;

/** Returns the columns that the options ask for. */
export function layoutOf(flags: PsFlags): PsColumn[] {
  if (flags.custom.length > 0) return flags.custom;
  const columns = parseFormat(FORMATS[formatKey(flags)]);
  addClass(flags, columns);
  if (flags.hasProcessor) columns.splice(afterIds(columns), 0, ...parseFormat("psr"));
  if (flags.threads === "L" || flags.threads === "T")
    columns.splice(
      flags.threads === "L" ? afterIds(columns) : columns.findIndex((c) => c.title === "PID") + 1,
      0,
      ...parseFormat(flags.threads === "L" ? "lwp" : "spid"),
    );
  const nlwpAt = columns.findIndex((c) => c.title === "C");
  if (flags.threads === "L" && flags.isFull && nlwpAt > 0)
    columns.splice(nlwpAt + 1, 0, ...parseFormat("nlwp"));
  if (flags.hasLabel) columns.unshift(...parseFormat("label"));
  if (flags.inserted.length === 0) return columns;
  return [...parseFormat("pid"), ...flags.inserted, ...parseFormat("s tname=TTY time command")];
}

/** -c: the scheduling class and its priority, in the place of what the others are computed from. */
function addClass(flags: PsFlags, columns: PsColumn[]): void {
  if (!flags.hasClass || flags.bsd !== "") return;
  const at = columns.findIndex((c) => c.title === "C");
  const isLong = columns[at + 2]?.title === "NI";
  if (at < 0) columns.splice(afterIds(columns), 0, ...parseFormat("cls pri"));
  else columns.splice(at, isLong ? 3 : 1);
  if (at >= 0) columns.splice(flags.isExtraFull ? afterIds(columns) : at, 0, ...parseFormat("cls pri"));
}

function formatKey(flags: PsFlags): keyof typeof FORMATS {
  if (flags.bsd !== "") return flags.bsd;
  if (flags.isExtraFull) return "F";
  if (flags.isLong && flags.hasResident) return flags.isFull ? "fly" : "ly";
  if (flags.isLong) return flags.isFull ? "fl" : "l";
  if (flags.isJobs) return flags.isFull ? "fj" : "j";
  return flags.isFull ? "f" : "";
}

/** Index after the ids that follow each other: where ps puts the thread's and the processor's number. */
function afterIds(columns: readonly PsColumn[]): number {
  let at = columns.findIndex((c) => c.title === "PID") + 1;
  while (["PPID", "PGID", "SID"].includes(columns[at]?.title ?? "")) at++;
  return at;
}

/** compat: what Docker says when ps printed no process ids. */
export function missingPid(): Fault {
  return new Fault("invalidParameter", "Couldn't find PID field in ps output", {
    code: "container.top-args",
  });
}

/** `pid,user:20,cmd=WHAT`: names, each with an optional width and title. */
export function parseFormat(text: string): PsColumn[] {
  const columns: PsColumn[] = [];
  for (const part of text.split(/[, ]+/)) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const [name, width] = (equals < 0 ? part : part.slice(0, equals)).split(":") as [string, string?];
    const column = psColumn(name);
    if (column === undefined) throw psError(`unknown user-defined format specifier "${name.slice(0, 100)}"`);
    if (width !== undefined && !/^[1-9]\d{0,5}$/.test(width)) {
      throw psError("column widths must be unsigned decimal numbers");
    }
    const title = equals < 0 ? column.title : part.slice(equals + 1);
    columns.push({ ...column, title, ...(width === undefined ? {} : { width: Number(width) }) });
  }
  if (columns.length === 0 || columns.length > 200) throw psError("improper format list");
  return columns;
}

export function psError(message: string): Fault {
  return new Fault("invalidParameter", `ps: error: ${message}`, { code: "container.top-args" });
}
