// The command line of ps (ps(1)), as far as `docker top` users write it: selections, formats, sorting, threads, forests;
// in UNIX (-ef), BSD (aux) and long form. Anything else is refused with ps's kind of message.

import { Fault } from "../../lib/errors.ts";
import { type PsColumn, psColumn } from "./ps-columns.ts";

export interface PsOptions {
  columns: PsColumn[];
  /** Show one row per thread. */
  hasThreads: boolean;
  /** Draw the tree of processes (`--forest`, BSD f), or only order by it (-H). */
  forest?: "drawn" | "indented";
  sort: { column: PsColumn; isDescending: boolean }[];
  /** Which processes; absent: all. The ids or names of any list match. */
  select?: { pids: number[]; users: string[]; commands: string[] };
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
} as const;

class OptionReader {
  readonly #words: string[];
  isFull = false;
  isExtraFull = false;
  isLong = false;
  isJobs = false;
  bsd: "" | "bsd" | "u" | "bsdl" | "bsdj" = "";
  /** -o and its kin, in order; they replace every other format. */
  readonly custom: PsColumn[] = [];
  /** -O: these between pid and the rest of the default. */
  readonly inserted: PsColumn[] = [];
  threads: "" | "L" | "T" | "H" = "";
  forest: PsOptions["forest"];
  readonly sort: PsOptions["sort"] = [];
  isAll = false;
  readonly select = { pids: [] as number[], users: [] as string[], commands: [] as string[] };

  constructor(words: string[]) {
    this.#words = words;
  }

  read(): void {
    for (let word = this.#words.shift(); word !== undefined; word = this.#words.shift()) {
      if (word.startsWith("--")) this.#long(word);
      // "-aux" means the user x to UNIX and nothing sensible; ps takes it as BSD does
      else if (/^-aux[fw]*$/.test(word)) this.#bsd(word.slice(1));
      else if (word.startsWith("-") && word !== "-") this.#unix(word.slice(1));
      else this.#bsd(word);
    }
  }

  /** The argument of an option: the rest of its word, or the next one. */
  #argument(rest: string, option: string): string {
    const value = rest !== "" ? rest : this.#words.shift();
    if (value === undefined) throw psError(`list of ${option} must follow`);
    return value;
  }

  #unix(letters: string): void {
    for (let i = 0; i < letters.length; i++) {
      const rest = letters.slice(i + 1);
      switch (letters[i]) {
        case "e":
        case "A":
        case "a":
        case "d":
          this.isAll = true;
          break;
        case "f":
          this.isFull = true;
          break;
        case "F":
          this.isExtraFull = true;
          break;
        case "l":
          this.isLong = true;
          break;
        case "j":
          this.isJobs = true;
          break;
        case "w":
        case "y":
        case "c":
          break;
        case "H":
          this.forest = "indented";
          break;
        case "L":
        case "T":
          this.threads = letters[i] as "L" | "T";
          break;
        case "o":
          this.custom.push(...parseFormat(this.#argument(rest, "formats")));
          return;
        case "O":
          this.inserted.push(...parseFormat(this.#argument(rest, "formats")));
          return;
        case "p":
        case "q":
          this.select.pids.push(...parsePids(this.#argument(rest, "process IDs")));
          return;
        case "u":
        case "U":
          this.select.users.push(...splitList(this.#argument(rest, "users")));
          return;
        case "C":
          this.select.commands.push(...splitList(this.#argument(rest, "command names")));
          return;
        default:
          throw psError("unsupported SysV option");
      }
    }
  }

  #bsd(letters: string): void {
    if (/^\d/.test(letters)) {
      this.select.pids.push(...parsePids(letters));
      return;
    }
    this.bsd ||= "bsd";
    for (let i = 0; i < letters.length; i++) {
      const rest = letters.slice(i + 1);
      switch (letters[i]) {
        case "a":
        case "x":
        case "A":
          this.isAll = true;
          break;
        case "u":
          this.bsd = "u";
          break;
        case "l":
          this.bsd = "bsdl";
          break;
        case "j":
          this.bsd = "bsdj";
          break;
        case "f":
          this.forest = "drawn";
          break;
        case "w":
        case "e":
        case "n":
        case "c":
        case "g":
          break;
        case "H":
          this.threads = "H";
          break;
        case "o":
          this.custom.push(...parseFormat(this.#argument(rest, "formats")));
          return;
        case "O":
          this.inserted.push(...parseFormat(this.#argument(rest, "formats")));
          return;
        case "p":
        case "q":
          this.select.pids.push(...parsePids(this.#argument(rest, "process IDs")));
          return;
        case "U":
          this.select.users.push(...splitList(this.#argument(rest, "users")));
          return;
        case "k":
          this.sort.push(...parseSort(this.#argument(rest, "sort keys")));
          return;
        default:
          throw psError("unsupported option (BSD syntax)");
      }
    }
  }

  #long(word: string): void {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const value = () => (equals < 0 ? this.#argument("", name) : word.slice(equals + 1));
    switch (name) {
      case "format":
        this.custom.push(...parseFormat(value()));
        return;
      case "sort":
        this.sort.push(...parseSort(value()));
        return;
      case "pid":
      case "quick-pid":
        this.select.pids.push(...parsePids(value()));
        return;
      case "user":
      case "User":
        this.select.users.push(...splitList(value()));
        return;
      case "forest":
        this.forest = "drawn";
        return;
      case "cols":
      case "columns":
      case "width":
      case "lines":
      case "rows":
        value();
        return;
      case "headers":
      case "cumulative":
      case "deselect-none":
        return;
      default:
        throw psError("unknown gnu long option");
    }
  }

  columns(): PsColumn[] {
    if (this.custom.length > 0) return this.custom;
    const key = this.#formatKey();
    const columns = parseFormat(FORMATS[key]);
    const pid = columns.findIndex((c) => c.title === "PID");
    if (this.threads === "L") columns.splice(pid + 2, 0, ...parseFormat("lwp"));
    if (this.threads === "T") columns.splice(pid + 1, 0, ...parseFormat("spid"));
    const nlwpAt = columns.findIndex((c) => c.title === "C");
    if (this.threads === "L" && this.isFull && nlwpAt > 0)
      columns.splice(nlwpAt + 1, 0, ...parseFormat("nlwp"));
    if (this.inserted.length === 0) return columns;
    return [...parseFormat("pid"), ...this.inserted, ...parseFormat("s tname=TTY time command")];
  }

  #formatKey(): keyof typeof FORMATS {
    if (this.bsd !== "") return this.bsd;
    if (this.isExtraFull) return "F";
    if (this.isLong) return this.isFull ? "fl" : "l";
    if (this.isJobs) return this.isFull ? "fj" : "j";
    return this.isFull ? "f" : "";
  }
}

/** Parses the words after `docker top CONTAINER`; none is `-ef`. Throws Fault invalidParameter. */
export function parsePsOptions(words: readonly string[]): PsOptions {
  if (words.length > 1000) throw psError("too many arguments");
  const reader = new OptionReader(words.length === 0 ? ["-ef"] : [...words]);
  reader.read();
  const { pids, users, commands } = reader.select;
  const hasSelection = !reader.isAll && pids.length + users.length + commands.length > 0;
  return {
    columns: reader.columns(),
    hasThreads: reader.threads !== "",
    ...(reader.forest === undefined ? {} : { forest: reader.forest }),
    sort: reader.sort,
    ...(hasSelection ? { select: reader.select } : {}),
  };
}

/** `pid,user:20,cmd=WHAT`: names, each with an optional width and title. */
function parseFormat(text: string): PsColumn[] {
  const columns: PsColumn[] = [];
  for (const part of text.split(/[, ]+/)) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const [name, width] = (equals < 0 ? part : part.slice(0, equals)).split(":") as [string, string?];
    const column = psColumn(name);
    if (column === undefined) throw psError(`unknown user-defined format specifier "${name.slice(0, 100)}"`);
    if (width !== undefined && !/^[1-9]\d{0,5}$/.test(width)) {
      throw psError(`column width must be a number in "${part.slice(0, 100)}"`);
    }
    const title = equals < 0 ? column.title : part.slice(equals + 1);
    columns.push({ ...column, title, ...(width === undefined ? {} : { width: Number(width) }) });
  }
  if (columns.length === 0 || columns.length > 200) throw psError("improper format list");
  return columns;
}

function parseSort(text: string): PsOptions["sort"] {
  return splitList(text).map((key) => {
    const column = psColumn(key.replace(/^[+-]/, ""));
    if (column === undefined) throw psError(`unknown sort specifier "${key.slice(0, 100)}"`);
    return { column, isDescending: key.startsWith("-") };
  });
}

function parsePids(text: string): number[] {
  return splitList(text).map((part) => {
    if (!/^[1-9]\d{0,9}$/.test(part)) throw psError("process ID list syntax error");
    return Number(part);
  });
}

const splitList = (text: string): string[] => text.split(/[, ]+/).filter(Boolean);

function psError(message: string): Fault {
  return new Fault("invalidParameter", `ps: error: ${message}`, { code: "container.top-args" });
}
