// Variables and labels: `-e KEY=value`, `-e KEY` (taken from the environment), and files of such lines.

import { buffer, fs } from "../../lib/builtins.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import { type FlagSpec, type FlagTraits, invalidValue, list } from "../../lib/flags/spec.ts";

/** A repeated `--env`. A name without a value takes the environment's; an unset one stays a bare name. */
export function envFlag(usage: string, traits: FlagTraits = {}): FlagSpec<string[]> {
  return list(usage, {
    ...traits,
    check: (text) => {
      const name = text.split("=", 1)[0] ?? "";
      if (name === "") throw invalidValue(`invalid environment variable: ${text}`);
      const inherited = text.includes("=") ? undefined : process.env[name];
      return inherited === undefined ? text : `${name}=${inherited}`;
    },
  });
}

/** A repeated `--label`. */
export function labelFlag(usage: string, traits: FlagTraits = {}): FlagSpec<string[]> {
  return list(usage, {
    ...traits,
    check: (text) => {
      const key = (text.split("=", 1)[0] ?? "").replace(/^[ \t]+/, "");
      if (key === "") throw invalidValue(`invalid label '${text}': empty name`);
      if (/[ \t]/.test(key)) throw invalidValue(`label '${key}' contains whitespaces`);
      return text;
    },
  });
}

/** Reads files of `KEY=value` lines and puts `own` behind them. `lookup` supplies values for bare names. */
export function readKeyValues(
  files: readonly string[],
  own: readonly string[],
  lookup?: (name: string) => string | undefined,
): string[] {
  return files.length === 0 ? [...own] : [...files.flatMap((path) => readKeyValueFile(path, lookup)), ...own];
}

/** compat: Go's line scanner takes no longer ones. */
const MAX_LINE_BYTES = 65_536;

/** Returns the lines without their ends (\n or \r\n). */
function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const feed = bytes.indexOf(10, start);
    const end = feed < 0 ? bytes.length : feed;
    lines.push(bytes.subarray(start, bytes[end - 1] === 13 && end > start ? end - 1 : end));
    start = end + 1;
  }
  return lines;
}

function readKeyValueFile(path: string, lookup?: (name: string) => string | undefined): string[] {
  const refuse = (why: string): Fault =>
    new Fault("invalidParameter", `invalid env file (${path}): ${why}`, { code: "cli.env-file" });
  let bytes: Buffer;
  try {
    bytes = fs().readFileSync(path);
  } catch (error) {
    // Go finds out that it is a directory when it reads, not when it opens it.
    if ((error as NodeJS.ErrnoException).code === "EISDIR") throw refuse(`read ${path}: is a directory`);
    throw openFault(path, error);
  }
  const found: string[] = [];
  for (const [index, raw] of linesOf(bytes).entries()) {
    if (raw.length >= MAX_LINE_BYTES) throw refuse("bufio.Scanner: token too long");
    if (!buffer().isUtf8(raw)) throw refuse(`invalid utf8 bytes at line ${index + 1}: [${raw.join(" ")}]`);
    const line = raw
      .toString("utf8")
      .replace(/^\uFEFF/, index === 0 ? "" : "\uFEFF")
      .trimStart();
    if (line === "" || line.startsWith("#")) continue;
    const key = line.split("=", 1)[0] ?? "";
    if (key === "") throw refuse(`no variable name on line '${line}'`);
    if (/[ \t]/.test(key)) throw refuse(`variable '${key}' contains whitespaces`);
    if (line.includes("=")) found.push(line);
    else {
      const value = lookup?.(key);
      if (value !== undefined) found.push(`${key}=${value}`);
    }
  }
  return found;
}

/** Turns a failure to open a file into Go's sentence: `open x: no such file or directory`. */
export function openFault(path: string, error: unknown): Fault {
  return new Fault("invalidParameter", `open ${path}: ${errnoText(error)}`, {
    code: "cli.open",
    cause: error,
  });
}

/** Returns the C library's words for the commonest errors of files. */
export function errnoText(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      return "no such file or directory";
    case "EACCES":
      return "permission denied";
    case "EISDIR":
      return "is a directory";
    case "ENOTDIR":
      return "not a directory";
    case "EEXIST":
      return "file exists";
    default:
      return messageOf(error);
  }
}

/** Turns `KEY=value` texts into an object; later ones win. */
export function toRecord(pairs: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    record[equals < 0 ? pair : pair.slice(0, equals)] = equals < 0 ? "" : pair.slice(equals + 1);
  }
  return record;
}
