// A Dockerfile's text to instructions. One small parser per instruction; the table at the end is the grammar's index.
// Errors carry the lines and start with `dockerfile parse error on line N: `, as BuildKit's do.

import { Flags, type FlagKind } from "./flags.ts";
import { messageOf } from "../../lib/errors.ts";
import { parseDuration } from "../../lib/units/duration.ts";
import { type Heredoc, parseHeredocMark } from "./heredoc.ts";
import {
  type AddInstruction,
  type CommandLine,
  type CopyInstruction,
  type FromInstruction,
  type HealthcheckInstruction,
  type Instruction,
  KEYWORDS,
  type RunInstruction,
  type Transfer,
} from "./instructions.ts";
import { type Directives, type LogicalLine, lexDockerfile } from "./lex.ts";
import { checkMount } from "./mounts.ts";
import { parseJsonWords, splitBlanks, splitLine, splitPairs, splitWords } from "./split.ts";
import { parseDevice } from "./devices.ts";
import { suggestion } from "./suggest.ts";
import { syntaxError, withPlace } from "./syntax-error.ts";
import { table } from "../../lib/table.ts";

export interface ParsedDockerfile {
  readonly directives: Directives;
  readonly instructions: readonly Instruction[];
  readonly warnings: readonly string[];
}

/** One logical line, taken apart, with the escape character in force. */
interface Source {
  readonly keyword: string;
  readonly rest: string;
  readonly flags: readonly string[];
  readonly heredocs: readonly Heredoc[];
  readonly escape: string;
  readonly common: { text: string; lines: LogicalLine["lines"]; flags: readonly string[] };
}

const NO_FLAGS: Readonly<Record<string, FlagKind>> = table({});

const atLeastOne = (keyword: string) => syntaxError(`${keyword} requires at least one argument`);
const exactlyOne = (keyword: string) => syntaxError(`${keyword} requires exactly one argument`);

function parseFrom(s: Source): FromInstruction {
  const words = splitBlanks(s.rest);
  const [base, as, name] = words;
  if (base === undefined || (words.length !== 1 && !(words.length === 3 && as?.toLowerCase() === "as"))) {
    throw syntaxError("FROM requires either one or three arguments");
  }
  if (name !== undefined && !/^[a-z][a-z0-9-_.]*$/.test(name.toLowerCase())) {
    throw syntaxError(
      `invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`,
    );
  }
  const flags = new Flags(s.flags, { platform: "value" });
  return {
    ...s.common,
    kind: "from",
    base,
    name: name?.toLowerCase() ?? "",
    platform: flags.value("platform"),
  };
}

/** Reads shell or exec form; the rest of the line is one word in shell form. */
function parseCommand(s: Source): CommandLine {
  const json = parseJsonWords(s.rest);
  if (json !== undefined) return { words: json, isShellForm: false };
  return { words: s.rest === "" ? [] : [s.rest], isShellForm: true };
}

function parseRun(s: Source): RunInstruction {
  const flags = new Flags(s.flags, {
    mount: "values",
    network: "value",
    security: "value",
    device: "values",
  });
  const network = flags.value("network") || "default";
  if (network !== "default" && network !== "none" && network !== "host") {
    throw syntaxError(`invalid network mode ${JSON.stringify(network)}`);
  }
  const security = flags.value("security") || "sandbox";
  if (security !== "sandbox" && security !== "insecure") {
    throw syntaxError(`security ${JSON.stringify(security)} is not valid`);
  }
  for (const mount of flags.values("mount")) checkMount(mount);
  return {
    ...s.common,
    kind: "run",
    command: parseCommand(s),
    heredocs: s.heredocs,
    mounts: flags.values("mount"),
    network,
    security,
    devices: flags.values("device").map(parseDevice),
  };
}

const TRANSFER_FLAGS = { chown: "value", chmod: "value", link: "boolean", exclude: "values" } as const;

function parseTransfer(s: Source, keyword: string, flags: Flags): Transfer {
  const words = parseJsonWords(s.rest) ?? splitBlanks(s.rest);
  if (words.length < 2) {
    throw syntaxError(
      `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  }
  const destination = words.at(-1) as string;
  if (parseHeredocMark(destination) !== undefined) {
    throw syntaxError(`${keyword} cannot accept a heredoc as a destination`);
  }
  const sources: string[] = [];
  const contents: Heredoc[] = [];
  for (const word of words.slice(0, -1)) {
    const mark = parseHeredocMark(word);
    if (mark === undefined) sources.push(word);
    else contents.push(s.heredocs.findLast((h) => h.name === mark.name) ?? mark);
  }
  return {
    sources,
    contents,
    destination,
    chown: flags.value("chown"),
    chmod: flags.value("chmod"),
    isLink: flags.isTrue("link"),
    excludes: flags.values("exclude"),
  };
}

function parseCopy(s: Source): CopyInstruction {
  const flags = new Flags(s.flags, { ...TRANSFER_FLAGS, from: "value", parents: "boolean" });
  return {
    ...s.common,
    kind: "copy",
    ...parseTransfer(s, "COPY", flags),
    from: flags.value("from"),
    keepsParents: flags.isTrue("parents"),
  };
}

function parseAdd(s: Source): AddInstruction {
  const flags = new Flags(s.flags, {
    ...TRANSFER_FLAGS,
    "keep-git-dir": "boolean",
    checksum: "value",
    unpack: "boolean",
  });
  const unpack = flags.optional("unpack");
  const keepGitDir = flags.optional("keep-git-dir");
  return {
    ...s.common,
    kind: "add",
    ...parseTransfer(s, "ADD", flags),
    checksum: flags.value("checksum"),
    ...(unpack === undefined ? {} : { unpack }),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
  };
}

function parsePairs(s: Source, keyword: "ENV" | "LABEL"): { name: string; value: string }[] {
  const pairs = splitPairs(s.rest, keyword, s.escape);
  new Flags(s.flags, NO_FLAGS);
  if (pairs.length === 0) throw atLeastOne(keyword);
  if (pairs.some((p) => p.name === "")) throw syntaxError(`${keyword} names can not be blank`);
  return pairs.map(({ name, value }) => ({ name, value }));
}

function parseArg(s: Source): Instruction {
  const words = splitWords(s.rest, s.escape);
  if (words.length === 0) throw atLeastOne("ARG");
  const args = words.map((word) => {
    const equals = word.indexOf("=");
    if (equals === 0) throw syntaxError("ARG names can not be blank");
    return equals < 0 ? { name: word } : { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
  return { ...s.common, kind: "arg", args };
}

function durationOf(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw syntaxError(messageOf(error));
  }
}

function parseInterval(flags: Flags, name: string): number {
  const text = flags.value(name);
  if (text === "") return 0;
  const nanos = durationOf(text);
  if (nanos !== 0 && nanos < 1e6)
    throw syntaxError(`Interval ${JSON.stringify(name)} cannot be less than 1ms`);
  return nanos;
}

function parseRetries(flags: Flags): number {
  const text = flags.value("retries");
  if (text === "") return 0;
  if (!/^[+-]?\d+$/.test(text))
    throw syntaxError(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  const retries = Number(text);
  if (retries < 0) throw syntaxError(`--retries cannot be negative (${retries})`);
  if (retries > 2 ** 31 - 1)
    throw syntaxError(`strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`);
  return retries;
}

function parseHealthcheck(s: Source): HealthcheckInstruction {
  const match = /^(\S+)\s*([^]*)$/.exec(s.rest);
  if (match === null) throw atLeastOne("HEALTHCHECK");
  const type = (match[1] as string).toUpperCase();
  const command = parseCommand({ ...s, rest: match[2] as string });
  if (type === "NONE") {
    if (command.words.length > 0) throw syntaxError("HEALTHCHECK NONE takes no arguments");
    const none = {
      intervalNanos: 0,
      timeoutNanos: 0,
      startPeriodNanos: 0,
      startIntervalNanos: 0,
      retries: 0,
    };
    return { ...s.common, kind: "healthcheck", test: ["NONE"], ...none };
  }
  const flags = new Flags(s.flags, {
    interval: "value",
    timeout: "value",
    "start-period": "value",
    "start-interval": "value",
    retries: "value",
  });
  if (type !== "CMD") throw syntaxError(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  if (command.words.length === 0) throw syntaxError("Missing command after HEALTHCHECK CMD");
  return {
    ...s.common,
    kind: "healthcheck",
    test: [command.isShellForm ? "CMD-SHELL" : "CMD", ...command.words],
    intervalNanos: parseInterval(flags, "interval"),
    timeoutNanos: parseInterval(flags, "timeout"),
    startPeriodNanos: parseInterval(flags, "start-period"),
    startIntervalNanos: parseInterval(flags, "start-interval"),
    retries: parseRetries(flags),
  };
}

function parseExpose(s: Source): Instruction {
  const values = splitBlanks(s.rest);
  if (values.length === 0) throw atLeastOne("EXPOSE");
  new Flags(s.flags, NO_FLAGS);
  return { ...s.common, kind: "expose", values: values.sort() };
}

function parseVolume(s: Source): Instruction {
  const words = parseJsonWords(s.rest) ?? splitBlanks(s.rest);
  if (words.length === 0) throw atLeastOne("VOLUME");
  new Flags(s.flags, NO_FLAGS);
  const values = words.map((word) => word.trim());
  if (values.includes("")) throw syntaxError("VOLUME specified can not be an empty string");
  return { ...s.common, kind: "volume", values };
}

function parseShell(s: Source): Instruction {
  new Flags(s.flags, NO_FLAGS);
  const command = parseCommand(s);
  if (command.words.length === 0) throw atLeastOne("SHELL");
  if (command.isShellForm) {
    throw syntaxError(`SHELL requires the arguments to be in JSON form`);
  }
  return { ...s.common, kind: "shell", values: command.words };
}

function parseValue(s: Source, kind: "workdir" | "user" | "stopsignal" | "maintainer"): Instruction {
  if (s.rest === "") throw exactlyOne(kind.toUpperCase());
  if (kind !== "stopsignal") new Flags(s.flags, NO_FLAGS);
  return { ...s.common, kind, value: s.rest };
}

function parseOnbuild(s: Source): Instruction {
  if (s.rest === "") throw atLeastOne("ONBUILD");
  new Flags(s.flags, NO_FLAGS);
  const keyword = splitLine(s.rest, s.escape).keyword.toUpperCase();
  if (keyword === "ONBUILD") throw syntaxError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (keyword === "MAINTAINER" || keyword === "FROM") {
    throw syntaxError(`${keyword} isn't allowed as an ONBUILD trigger`);
  }
  // The trigger's own syntax is checked now, so that the mistake shows where it was made.
  parseLine({ text: s.rest, lines: s.common.lines, heredocs: s.heredocs }, s.escape);
  const line = s.common.text.replace(/^\s*ONBUILD\s*/i, "");
  const trigger = [line, ...s.heredocs.map((h) => h.content + h.name)].join("\n");
  return { ...s.common, kind: "onbuild", trigger };
}

function parseCmd(s: Source, kind: "cmd" | "entrypoint"): Instruction {
  new Flags(s.flags, NO_FLAGS);
  return { ...s.common, kind, command: parseCommand(s) };
}

const PARSERS: Readonly<Record<string, (source: Source) => Instruction>> = table({
  add: parseAdd,
  arg: parseArg,
  cmd: (s) => parseCmd(s, "cmd"),
  copy: parseCopy,
  entrypoint: (s) => parseCmd(s, "entrypoint"),
  env: (s) => ({ ...s.common, kind: "env", pairs: parsePairs(s, "ENV") }),
  expose: parseExpose,
  from: parseFrom,
  healthcheck: parseHealthcheck,
  label: (s) => ({ ...s.common, kind: "label", pairs: parsePairs(s, "LABEL") }),
  maintainer: (s) => parseValue(s, "maintainer"),
  onbuild: parseOnbuild,
  run: parseRun,
  shell: parseShell,
  stopsignal: (s) => parseValue(s, "stopsignal"),
  user: (s) => parseValue(s, "user"),
  volume: parseVolume,
  workdir: (s) => parseValue(s, "workdir"),
});

function parseLine(line: LogicalLine, escape: string): Instruction {
  const { keyword, flags, rest } = splitLine(line.text, escape);
  const name = keyword.toLowerCase();
  const parser = Object.hasOwn(PARSERS, name) ? PARSERS[name] : undefined;
  if (parser === undefined) {
    const hint = suggestion(keyword, KEYWORDS, { isCaseSensitive: false });
    throw syntaxError(`unknown instruction: ${keyword}${hint}`, line.lines);
  }
  const { heredocs, text, lines, ...said } = line;
  const common = { text: text.trim(), lines, flags, ...said };
  return parser({ keyword, rest, flags, heredocs, escape, common });
}

/** Parses a whole Dockerfile. Throws Fault `dockerfile.syntax` with the lines in its detail. */
export function parseDockerfile(text: string): ParsedDockerfile {
  const { file, failure } = parseUpToFailure(text);
  if (failure !== undefined) throw failure;
  return file;
}

/** Parses a Dockerfile up to the first instruction that is wrong, and returns what is wrong there. Throws as parseDockerfile does where lines make no instructions. */
export function parseUpToFailure(text: string): { file: ParsedDockerfile; failure?: unknown } {
  const { directives, instructions: lines, warnings } = lexDockerfile(text);
  const instructions: Instruction[] = [];
  const file = { directives, warnings, instructions };
  for (const line of lines)
    try {
      instructions.push(parseLine(line, directives.escape));
    } catch (error) {
      return {
        file,
        failure: withPlace(error, `dockerfile parse error on line ${line.lines.start}: `, line.lines),
      };
    }
  return { file };
}

/** Parses the one instruction that an ONBUILD trigger is. Throws Fault `dockerfile.syntax`. */
export function parseTrigger(text: string): Instruction {
  const { directives, instructions } = lexDockerfile(text);
  const [line, ...more] = instructions;
  if (line === undefined || more.length > 0)
    throw syntaxError("onbuild trigger should be a single expression");
  return parseLine(line, directives.escape);
}
