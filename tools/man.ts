// Writes the manual: a page for the program, the daemon and every command, made of the same tables as the help pages.
// `bun tools/man.ts DIR` writes DIR/NAME.1 and DIR/berth-daemon.8.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, usageLines } from "../src/cli/command.ts";
import { nouns, type VerbEntry, verbs } from "../src/cli/commands/table.ts";
import { globalFlags } from "../src/cli/globals.ts";
import { DAEMON_FLAGS } from "../src/daemon/config.ts";
import type { FlagTable } from "../src/lib/flags/spec.ts";

const PACKAGE = new URL("../package.json", import.meta.url);
const { version } = JSON.parse(readFileSync(PACKAGE, "utf8")) as { version: string };

/** Escapes a text so that roff prints it as it is. */
export function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&");
}

interface Page {
  readonly name: string;
  readonly section: 1 | 8;
  readonly summary: string;
  readonly synopsis: readonly string[];
  readonly description: string;
  readonly options: FlagTable;
  readonly also: readonly string[];
}

/** Returns a page in man(7) macros. */
export function manPage({ name, section, summary, synopsis, description, options, also }: Page): string {
  const lines = [
    `.TH ${roff(name.toUpperCase())} ${section} "" "Berth ${version}" "Berth"`,
    ".SH NAME",
    `${roff(name)} \\- ${roff(summary)}`,
    ".SH SYNOPSIS",
    ...synopsis.flatMap((line, index) => [...(index === 0 ? [] : [".br"]), `.B ${roff(line)}`]),
    ".SH DESCRIPTION",
    ...description.split("\n\n").flatMap((part, index) => [...(index === 0 ? [] : [".PP"]), paragraph(part)]),
  ];
  const shown = Object.entries(options).filter(
    ([, spec]) => spec.hidden !== true && spec.deprecated === undefined,
  );
  if (shown.length > 0) lines.push(".SH OPTIONS");
  for (const [long, spec] of shown.sort(([a], [b]) => (a < b ? -1 : 1))) {
    const short = spec.short === undefined ? "" : `\\fB\\-${spec.short}\\fR, `;
    const value = spec.type === "" ? "" : ` \\fI${roff(spec.type)}\\fR`;
    const initial =
      spec.defaultText === undefined || spec.defaultText === "" ? "" : ` (default ${spec.defaultText})`;
    lines.push(".TP", `${short}\\fB\\-\\-${roff(long)}\\fR${value}`, roff(`${spec.usage}${initial}`));
  }
  if (also.length > 0) lines.push(".SH SEE ALSO", also.map((page) => `.BR ${roff(page)} (1)`).join(" ,\n"));
  return `${lines.join("\n")}\n`;
}

/** A block of lines that belong below each other stays one. */
function paragraph(text: string): string {
  return text.includes("\n") ? `.nf\n${roff(text)}\n.fi` : roff(text);
}

const pageName = (noun: string, name: string): string => ["berth", noun, name].filter(Boolean).join("-");

async function verbPage(entry: VerbEntry): Promise<Page> {
  const command = (await entry.load()).command as Command<FlagTable>;
  const paths = [
    ...(entry.top === undefined ? [] : [`berth ${entry.top}`]),
    ...(entry.noun === "" ? [] : [`berth ${entry.noun} ${entry.name}`]),
  ];
  return {
    name: pageName(entry.noun, entry.name),
    section: 1,
    summary: entry.summary,
    synopsis: [...new Set(paths)].map((path) => `${path} ${usageLines(command.operands, path)}`.trim()),
    description: command.description ?? `${entry.summary}.`,
    options: command.flags,
    also: ["berth"],
  };
}

async function allPages(): Promise<Page[]> {
  const shown = verbs().filter(
    (entry) => entry.hidden !== true && !nouns().some((n) => n.name === entry.noun && n.hidden === true),
  );
  const pages = await Promise.all(shown.map(verbPage));
  const list = shown.map(
    (entry) => `${[entry.noun, entry.name].filter(Boolean).join(" ")}: ${entry.summary}`,
  );
  const root: Page = {
    name: "berth",
    section: 1,
    summary: "containers: build, run and share them",
    synopsis: ["berth [OPTIONS] COMMAND [ARG...]"],
    description:
      "Berth runs containers. It takes the command lines, files and API requests that Docker takes.\n\n" +
      "The daemon is described in berth\\-daemon(8). Each command has a page of its own, berth\\-COMMAND(1).\n\n".replaceAll(
        "\\-",
        "-",
      ) +
      list.sort().join("\n"),
    options: globalFlags,
    also: pages.map((page) => page.name),
  };
  const daemon: Page = {
    name: "berth-daemon",
    section: 8,
    summary: "the container engine",
    synopsis: ["berth daemon [OPTIONS]"],
    description:
      "Answers the Docker Engine API on its sockets. Everything can be set in daemon.json as well, under dockerd's keys; " +
      "SIGHUP makes it read the file again. SIGTERM ends it; containers go on, unless live-restore is false.",
    options: DAEMON_FLAGS,
    also: ["berth"],
  };
  return [root, daemon, ...pages];
}

if (import.meta.main) {
  const dir = process.argv[2] ?? "build/man";
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  for (const page of await allPages())
    writeFileSync(join(dir, `${page.name}.${page.section}`), manPage(page));
}
