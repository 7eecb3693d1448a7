// What may come next on a command line: commands, flags, their values, and names that live in the daemon. Speaks cobra's protocol
// (`__complete WORD… CURRENT`: one candidate a line, a tab, its description, at last `:` and a directive), so that a completion script
// made by Docker's client works with this program, and ours with Docker's.

import type { FlagSpec, FlagTable } from "../../lib/flags/spec.ts";
import type { Command } from "../command.ts";
import { nouns, type VerbEntry, verbs } from "../commands/table.ts";
import { globalFlags } from "../globals.ts";
import { findPlugin, listPlugins, pluginDirs } from "../plugins/plugins.ts";
import { Session } from "../session.ts";
import { parseFlags } from "../../lib/flags/parse.ts";
import { flagValues, type Names, operandValues } from "./values.ts";

/** A candidate and what to say of it. */
export type Candidate = readonly [value: string, description: string];

/** cobra's ShellCompDirective: 0 the shell completes file names when there is no candidate, 4 it does not. */
export type Directive = 0 | 4;

export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly directive: Directive;
}

const only = (candidates: readonly Candidate[]): Completion => ({ candidates, directive: 4 });

/** Returns the text that `__complete` prints for the words behind the program's name, the last of which is being written. */
export async function completionText(
  program: string,
  words: readonly string[],
  hasDescriptions = true,
): Promise<string> {
  const current = words.at(-1) ?? "";
  const { candidates, directive } = await complete(program, words.slice(0, -1), current).catch(() =>
    only([]),
  ); // ignored: no daemon, no names
  const lines = candidates
    .filter(([value]) => value.startsWith(current))
    .map(([value, text]) => (hasDescriptions && text !== "" ? `${value}\t${text}\n` : `${value}\n`));
  return `${lines.join("")}:${directive}\n`;
}

async function complete(program: string, before: readonly string[], current: string): Promise<Completion> {
  const head = splitFlags(globalFlags, before, false);
  const { values, given } = parseFlags(globalFlags, head.flags, { interspersed: false });
  const session = new Session(program, values, given);
  const names: Names = { session };
  const [first, ...rest] = head.operands;
  if (first === undefined) {
    if (head.open !== undefined) return flagValues(names, ...head.open);
    if (current.startsWith("-")) return flagsOf(names, globalFlags, current);
    return only(await topNames(session));
  }
  if (first === "compose") return completeCompose(names, rest, current);
  const top = verbs().find((entry) => entry.top === first);
  if (top !== undefined) return completeVerb(names, top, rest, current);
  if (nouns().some((noun) => noun.name === first)) {
    const [name, ...words] = rest;
    if (name === undefined) return only(verbsOf(first));
    const entry = verbs().find((v) => v.noun === first && (v.name === name || v.aliases?.includes(name)));
    return entry === undefined ? only([]) : completeVerb(names, entry, words, current);
  }
  return completePlugin(session, before, first, current);
}

async function topNames(session: Session): Promise<Candidate[]> {
  const plugins = await listPlugins(pluginDirs(session.globals.config, await session.config()));
  return [
    ...nouns().flatMap((noun): Candidate[] => (noun.hidden === true ? [] : [[noun.name, noun.summary]])),
    ...verbs().flatMap((v): Candidate[] =>
      v.top === undefined || v.hidden === true ? [] : [[v.top, v.summary]],
    ),
    ...plugins.flatMap((p): Candidate[] =>
      p.Err === undefined && p.Hidden !== true ? [[p.Name, p.ShortDescription ?? ""]] : [],
    ),
    ["help", "Help about any command"] as const,
  ].sort(([a], [b]) => (a < b ? -1 : 1));
}

function verbsOf(noun: string): Candidate[] {
  return verbs().flatMap((v): Candidate[] =>
    v.noun === noun && v.hidden !== true ? [[v.name, v.summary]] : [],
  );
}

async function completeCompose(
  { session }: Names,
  words: readonly string[],
  current: string,
): Promise<Completion> {
  const [{ composeFlags }, { composeVerbs }, { ComposeSession }] = await Promise.all([
    import("../commands/compose/flags.ts"),
    import("../commands/compose/table.ts"),
    import("../commands/compose/session.ts"),
  ]);
  const { flags, operands, open } = splitFlags(composeFlags, words, false);
  const [name, ...rest] = operands;
  const { values, given } = parseFlags(composeFlags, flags, { interspersed: false });
  const compose = new ComposeSession(session, values, given);
  const names: Names = { session: compose.session, services: () => compose.serviceNames() };
  if (open !== undefined) return flagValues(names, ...open);
  if (name === undefined) {
    if (current.startsWith("-")) return flagsOf(names, composeFlags, current);
    return only(composeVerbs.flatMap((v): Candidate[] => (v.hidden === true ? [] : [[v.name, v.summary]])));
  }
  const entry = composeVerbs.find((v) => v.name === name || v.aliases?.includes(name));
  return entry === undefined ? only([]) : completeVerb(names, entry, rest, current);
}

async function completeVerb(
  names: Names,
  entry: VerbEntry,
  words: readonly string[],
  current: string,
): Promise<Completion> {
  const command = (await entry.load()).command as Command<FlagTable>;
  const { flags, operands, open } = splitFlags(command.flags, words, command.interspersed ?? true);
  if (open !== undefined) return flagValues(names, ...open);
  const isPastOptions = flags.includes("--") || (command.interspersed === false && operands.length > 0);
  if (current.startsWith("-") && !isPastOptions) return flagsOf(names, command.flags, current);
  return operandValues(names, entry, command.operands, operands);
}

async function flagsOf(names: Names, table: FlagTable, current: string): Promise<Completion> {
  const [name, value] = current.split(/=(.*)/s);
  const spec = name?.startsWith("--") ? table[name.slice(2)] : undefined;
  if (value !== undefined && spec !== undefined) {
    const { candidates, directive } = await flagValues(names, name?.slice(2) ?? "", spec);
    return { candidates: candidates.map(([v, text]) => [`${name}=${v}`, text]), directive };
  }
  const shown = Object.entries(table).filter(([, s]) => !s.hidden && s.deprecated === undefined);
  return only([
    ...shown.map(([long, s]): Candidate => [`--${long}`, s.usage.split("\n", 1)[0] ?? ""]),
    ...shown.flatMap(([, s]): Candidate[] =>
      s.short === undefined ? [] : [[`-${s.short}`, s.usage.split("\n", 1)[0] ?? ""]],
    ),
    ["--help", "Print usage"],
  ]);
}

interface Split {
  readonly flags: readonly string[];
  readonly operands: readonly string[];
  /** The flag whose value is being written. */
  readonly open: readonly [name: string, spec: FlagSpec<unknown>] | undefined;
}

/** Parts words into flags (with their values) and operands without judging either. */
function splitFlags(table: FlagTable, words: readonly string[], interspersed: boolean): Split {
  const flags: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    const isFlag = word.startsWith("-") && word !== "-" && !flags.includes("--");
    if (!isFlag) {
      if (!interspersed) return { flags, operands: words.slice(at), open: undefined };
      const rest = splitFlags(table, words.slice(at + 1), interspersed);
      return { flags: [...flags, ...rest.flags], operands: [word, ...rest.operands], open: rest.open };
    }
    flags.push(word);
    const [name, spec] = flagOf(table, word) ?? [];
    if (name === undefined || spec === undefined || spec.noValue !== undefined) continue;
    const value = words[++at];
    if (value === undefined) return { flags: flags.slice(0, -1), operands: [], open: [name, spec] };
    flags.push(value);
  }
  return { flags, operands: [], open: undefined };
}

/** Returns the flag that `word` names and whose value does not stand in it. */
function flagOf(table: FlagTable, word: string): [string, FlagSpec<unknown>] | undefined {
  if (word.includes("=")) return undefined;
  const name = word.startsWith("--")
    ? word.slice(2)
    : Object.keys(table).find((long) => table[long]?.short === word.slice(-1));
  const spec = name === undefined ? undefined : table[name];
  return name === undefined || spec === undefined ? undefined : [name, spec];
}

/** Plugins complete themselves, by the same protocol. */
async function completePlugin(
  session: Session,
  before: readonly string[],
  name: string,
  current: string,
): Promise<Completion> {
  const plugin = await findPlugin(pluginDirs(session.globals.config, await session.config()), name);
  if (plugin === undefined) return only([]);
  const [{ execFile }, { promisify }] = await Promise.all([
    import("node:child_process"),
    import("node:util"),
  ]);
  const { stdout } = await promisify(execFile)(plugin.Path, ["__complete", ...before, current], {
    timeout: 5000,
  });
  const lines = stdout.trimEnd().split("\n");
  const candidates = lines
    .filter((line) => !line.startsWith(":"))
    .map((line): Candidate => [line.split("\t", 1)[0] ?? "", line.split("\t")[1] ?? ""]);
  return { candidates, directive: (Number(lines.at(-1)?.slice(1)) & 4) as Directive };
}
