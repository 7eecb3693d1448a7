// The command line of ps (ps(1)), as far as `docker top` users write it: selections, formats, sorting, threads, forests;
// in UNIX (-ef), BSD (aux) and long form. Anything else is refused with ps's kind of message.

import { type PsColumn, psColumn } from "./ps-columns.ts";
import { layoutOf, missingPid, parseFormat, type PsFlags, psError } from "./ps-layout.ts";

export interface PsOptions {
  columns: PsColumn[];
  /** Show one row per thread. */
  hasThreads: boolean;
  /** Draw the tree of processes (`--forest`, BSD f), or only order by it (-H). */
  forest?: "drawn" | "indented";
  sort: { column: PsColumn; isDescending: boolean }[];
  /** Which processes; absent: all. What any of the lists names matches. */
  select?: PsSelection;
  /** -N: the processes that do not match. */
  isNegated: boolean;
  /** BSD r: only those that run. */
  isRunningOnly: boolean;
}

export interface PsSelection {
  readonly pids: number[];
  readonly parents: number[];
  readonly sessions: number[];
  /** Names or numbers of effective users, and of effective and real groups. */
  readonly users: string[];
  readonly groups: string[];
  readonly realGroups: string[];
  readonly commands: string[];
  /** `pts/3`, `/dev/pts/3`, `?`. */
  readonly ttys: string[];
}

/** What prints something other than processes: without a PID, which Docker misses then. */
const NO_LISTING = ["--version", "--info", "--help", "-V", "V", "L"];
const NO_HEADERS = [
  "no-header",
  "no-headers",
  "no-heading",
  "no-headings",
  "noheader",
  "noheaders",
  "noheading",
  "noheadings",
];

class OptionReader implements PsFlags {
  readonly #words: string[];
  isFull = false;
  isExtraFull = false;
  isLong = false;
  isJobs = false;
  hasResident = false;
  hasClass = false;
  hasProcessor = false;
  hasLabel = false;
  isNegated = false;
  isRunningOnly = false;
  bsd: PsFlags["bsd"] = "";
  /** -o and its kin, in order; they replace every other format. */
  readonly custom: PsColumn[] = [];
  /** -O: these between pid and the rest of the default. */
  readonly inserted: PsColumn[] = [];
  threads: PsFlags["threads"] = "";
  forest: PsOptions["forest"];
  readonly sort: PsOptions["sort"] = [];
  isAll = false;
  readonly select: PsSelection = {
    pids: [],
    parents: [],
    sessions: [],
    users: [],
    groups: [],
    realGroups: [],
    commands: [],
    ttys: [],
  };

  constructor(words: string[]) {
    this.#words = words;
  }

  read(): void {
    for (let word = this.#words.shift(); word !== undefined; word = this.#words.shift()) {
      if (NO_LISTING.includes(word)) throw missingPid();
      if (word.startsWith("--")) this.#long(word);
      // "-aux" means the user x to UNIX and nothing sensible; ps takes it as BSD does
      else if (/^-aux[fw]*$/.test(word)) this.#bsd(word.slice(1));
      else if (word.startsWith("-") && word !== "-") this.#unix(word.slice(1));
      else this.#bsd(word);
    }
  }

  /** The argument of an option: the rest of its word, or the next one; `what` and `option` are for the message. */
  #argument(rest: string, what: string, option: string): string {
    const value = rest !== "" ? rest : this.#words.shift();
    if (value === undefined) throw psError(`${what} must follow ${option}`);
    return value;
  }

  #pidList(rest: string, option: string): number[] {
    return parsePids(this.#argument(rest, "list of process IDs", option));
  }

  #nameList(rest: string, what: string, option: string): string[] {
    return splitList(this.#argument(rest, `list of ${what}`, option));
  }

  #format(rest: string, option: string): PsColumn[] {
    return parseFormat(this.#argument(rest, "format specification", option));
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
        case "y":
          this.hasResident = true;
          break;
        case "c":
          this.hasClass = true;
          break;
        case "P":
          this.hasProcessor = true;
          break;
        case "M":
          this.hasLabel = true;
          break;
        case "N":
          this.isNegated = true;
          break;
        case "w":
        case "x":
          if (letters[i] === "x") this.bsd ||= "bsd";
          break;
        case "H":
          this.forest = "indented";
          break;
        case "L":
        case "T":
          this.threads = letters[i] as "L" | "T";
          break;
        default:
          this.#unixList(letters[i] ?? "", rest);
          return;
      }
    }
  }

  /** Options that take the rest of the word. */
  #unixList(letter: string, rest: string): void {
    const { select } = this;
    switch (letter) {
      case "o":
        this.custom.push(...this.#format(rest, "-o"));
        return;
      case "O":
        this.inserted.push(...parseFormat(this.#argument(rest, "format or sort specification", "-O")));
        return;
      case "p":
      case "q":
        select.pids.push(...this.#pidList(rest, `-${letter}`));
        return;
      case "s":
        select.sessions.push(
          ...parsePids(this.#argument(rest, "list of session leaders OR effective group IDs was", "-s")),
        );
        return;
      case "u":
        // ps takes a lone -u for BSD's.
        if (rest === "" && this.#words.length === 0) this.bsd = "u";
        else select.users.push(...this.#nameList(rest, "users", "-u"));
        return;
      case "U":
        select.users.push(...this.#nameList(rest, "real users", "-U"));
        return;
      case "G":
        select.realGroups.push(...this.#nameList(rest, "real groups", "-G"));
        return;
      case "g":
        this.#sessionsOrGroups(this.#nameList(rest, "session leaders OR effective group names", "-g"));
        return;
      case "t":
        select.ttys.push(...this.#nameList(rest, "terminals (pty, tty...)", "-t"));
        return;
      case "C":
        select.commands.push(...this.#nameList(rest, "command names", "-C"));
        return;
      default:
        throw psError("unsupported SysV option");
    }
  }

  /** ps -g takes numbers for sessions and names for groups. */
  #sessionsOrGroups(words: readonly string[]): void {
    if (words.every((word) => /^\d+$/.test(word))) this.select.sessions.push(...words.map(Number));
    else this.select.groups.push(...words);
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
        case "v":
        case "s":
          this.bsd = letters[i] as "v" | "s";
          break;
        case "Z":
          this.hasLabel = true;
          break;
        case "r":
          this.isRunningOnly = true;
          break;
        case "h":
          throw missingPid();
        case "w":
        case "e":
        case "n":
        case "c":
        case "g":
        case "S":
        case "T":
          break;
        case "H":
          this.threads = "H";
          break;
        default:
          this.#bsdList(letters[i] ?? "", rest);
          return;
      }
    }
  }

  #bsdList(letter: string, rest: string): void {
    switch (letter) {
      case "o":
        this.custom.push(...this.#format(rest, "o"));
        return;
      case "O":
        this.inserted.push(...parseFormat(this.#argument(rest, "format or sort specification", "O")));
        return;
      case "p":
      case "q":
        this.select.pids.push(...this.#pidList(rest, letter));
        return;
      case "t":
        this.select.ttys.push(...this.#nameList(rest, "terminals (pty, tty...)", "t"));
        return;
      case "U":
        this.select.users.push(...this.#nameList(rest, "users", "U"));
        return;
      case "k":
        this.sort.push(...parseSort(this.#argument(rest, "long sort specification", "'k'")));
        return;
      default:
        throw psError("unsupported option (BSD syntax)");
    }
  }

  #long(word: string): void {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    if (NO_HEADERS.includes(name)) throw missingPid();
    const value = (what: string, option = word): string =>
      equals < 0 ? this.#argument("", what, option) : word.slice(equals + 1);
    const names = (what: string): string[] => splitList(value(`list of ${what}`));
    const { select } = this;
    switch (name) {
      case "format":
        this.custom.push(...parseFormat(value("format specification")));
        return;
      case "sort":
        this.sort.push(...parseSort(value("long sort specification")));
        return;
      case "pid":
      case "quick-pid":
        select.pids.push(...parsePids(value("list of process IDs")));
        return;
      case "ppid":
        select.parents.push(...parsePids(value("list of process IDs")));
        return;
      case "sid":
      case "session":
        select.sessions.push(...parsePids(value("some sid thing(s)")));
        return;
      case "user":
        select.users.push(...names("effective users"));
        return;
      case "User":
        select.users.push(...names("real users"));
        return;
      case "group":
        select.groups.push(...names("effective groups"));
        return;
      case "Group":
        select.realGroups.push(...names("real groups"));
        return;
      case "tty":
        select.ttys.push(...names("ttys"));
        return;
      case "forest":
        this.forest = "drawn";
        return;
      case "cols":
      case "columns":
      case "width":
        value("number of columns", "--cols, --width, or --columns");
        return;
      case "lines":
      case "rows":
        value("number of rows", "--rows or --lines");
        return;
      case "context":
        this.hasLabel = true;
        return;
      case "deselect":
        this.isNegated = true;
        return;
      case "headers":
      case "cumulative":
        return;
      default:
        throw psError("unknown gnu long option");
    }
  }
}

/** Parses the words after `docker top CONTAINER`; none is `-ef`. Throws Fault invalidParameter. */
export function parsePsOptions(words: readonly string[]): PsOptions {
  if (words.length > 1000) throw psError("too many arguments");
  const reader = new OptionReader(words.length === 0 ? ["-ef"] : [...words]);
  reader.read();
  const isNamed = Object.values(reader.select).some((list) => list.length > 0);
  const hasSelection = isNamed && !reader.isAll;
  return {
    columns: layoutOf(reader),
    hasThreads: reader.threads !== "",
    ...(reader.forest === undefined ? {} : { forest: reader.forest }),
    sort: reader.sort,
    ...(hasSelection ? { select: reader.select } : {}),
    isNegated: reader.isNegated,
    isRunningOnly: reader.isRunningOnly,
  };
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
