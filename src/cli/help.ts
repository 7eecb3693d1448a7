// Help pages, generated from the command table and the commands' flags in the layout of Docker's (cobra's).

import type { FlagTable } from "../lib/flags/spec.ts";
import { flagUsages } from "../lib/flags/usage.ts";
import { type Command, usageLines } from "./command.ts";
import { nouns, type VerbEntry, verbs } from "./commands/table.ts";
import { globalFlags } from "./globals.ts";
import type { Plugin } from "./plugins/plugins.ts";

/** Columns to wrap at: the terminal's on stdin, else 80; one is left free. */
export async function helpWidth(): Promise<number> {
  const { isatty, WriteStream } = await import("node:tty");
  if (!isatty(0)) return 79;
  const columns = new WriteStream(0).columns;
  return (columns > 0 ? columns : 80) - 1;
}

/** The program's own page. */
export function rootHelp(program: string, width: number, plugins: readonly Plugin[]): string {
  const top = verbs().filter((entry) => entry.top !== undefined && entry.hidden !== true);
  const common = top
    .filter((entry) => entry.common !== undefined)
    .sort((a, b) => (a.common ?? 0) - (b.common ?? 0))
    .map((entry) => [entry.top ?? "", entry.summary] as const);
  const others = top
    .filter((entry) => entry.common === undefined)
    .map((entry) => [entry.top ?? "", entry.summary] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    `Usage:  ${program} [OPTIONS] COMMAND\n\nContainers: build, run and share them\n\n` +
    section("Common Commands", common) +
    section("Management Commands", managementEntries(plugins)) +
    section("Commands", others) +
    invalidPlugins(plugins) +
    `Global Options:\n${flagUsages(globalFlags, width)}\n` +
    `Run '${program} COMMAND --help' for more information on a command.\n`
  );
}

/** Nouns, and the plugins that are not hidden behind one; a star marks them. */
function managementEntries(plugins: readonly Plugin[]): (readonly [string, string])[] {
  const own = nouns()
    .filter((noun) => noun.hidden !== true)
    .map((noun) => [noun.name, noun.summary] as const);
  const isOwn = (name: string) =>
    nouns().some((noun) => noun.name === name) || verbs().some((verb) => verb.top === name);
  const others = plugins
    .filter((p) => p.Err === undefined && p.Hidden !== true && !isOwn(p.Name))
    .map((p) => [`${p.Name}*`, p.ShortDescription ?? ""] as const);
  return [...own, ...others].sort(([a], [b]) => (a < b ? -1 : 1));
}

function invalidPlugins(plugins: readonly Plugin[]): string {
  const entries = plugins.flatMap((p) => (p.Err === undefined ? [] : [[p.Name, p.Err] as const]));
  return entries.length === 0 ? "" : section("Invalid Plugins", entries);
}

/** The page of a noun. */
export function nounHelp(program: string, noun: string): string {
  const summary = nouns().find((entry) => entry.name === noun)?.summary ?? "";
  const entries = verbs()
    .filter((entry) => entry.noun === noun && entry.hidden !== true)
    .map((entry) => [entry.name, entry.summary] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    `Usage:  ${program} ${noun} COMMAND\n\n${summary}\n\n${section("Commands", entries)}` +
    `Run '${program} ${noun} COMMAND --help' for more information on a command.\n`
  );
}

function section(title: string, entries: readonly (readonly [string, string])[]): string {
  const column = Math.max(11, ...entries.map(([name]) => name.length)) + 1;
  return `${title}:\n${entries.map(([name, text]) => `  ${name.padEnd(column)}${text}\n`).join("")}\n`;
}

/** The page of a verb. */
export function verbHelp(path: string, entry: VerbEntry, command: Command<FlagTable>, width: number): string {
  const program = path.split(" ", 1)[0] ?? path;
  const operands = command.operands === "" ? "" : ` ${usageLines(command.operands, path)}`;
  let page = `Usage:  ${path}${operands}\n\n${command.description ?? entry.summary}\n`;
  const names = aliasesOf(program, entry);
  if (names.length > 1) page += `\nAliases:\n  ${names.join(", ")}\n`;
  const options = flagUsages(command.flags, width);
  if (options !== "") page += `\nOptions:\n${options}`;
  return page;
}

function aliasesOf(program: string, entry: VerbEntry): string[] {
  const names: string[] = [];
  if (entry.noun !== "") {
    for (const name of [entry.name, ...(entry.aliases ?? [])]) names.push(`${program} ${entry.noun} ${name}`);
  }
  if (entry.top !== undefined) names.push(`${program} ${entry.top}`);
  return names;
}
