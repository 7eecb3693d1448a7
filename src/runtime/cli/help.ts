// Help and version: the layout that runc's users know (urfave/cli), since scripts look at the first lines.

import { flagUsages } from "../../lib/flags/usage.ts";
import type { FlagTable } from "../../lib/flags/spec.ts";
import { BERTH_COMMIT, BERTH_VERSION } from "../../lib/version.ts";
import { OCI_VERSION } from "../spec/defaults.ts";
import type { Command } from "./invocation.ts";

const WIDTH = 100;

/** Returns the lines of `--version`; engines read the first. */
export function versionText(program: string): string {
  return `${program} version ${BERTH_VERSION}\ncommit: ${BERTH_COMMIT}\nspec: ${OCI_VERSION}\n`;
}

/** Returns the help of the whole program. */
export function programHelp(
  program: string,
  commands: Readonly<Record<string, readonly [usage: string, load: unknown]>>,
  flags: FlagTable,
): string {
  const names = Object.entries(commands).map(([name, [usage]]) => `   ${name.padEnd(12)}${usage}`);
  return `NAME:
   ${program} - Open Container Initiative runtime

USAGE:
   ${program} [global options] command [command options] [arguments...]

VERSION:
   ${BERTH_VERSION}
spec: ${OCI_VERSION}

COMMANDS:
${names.join("\n")}

GLOBAL OPTIONS:
${flagUsages(flags, WIDTH)}`;
}

/** Returns the help of one command. */
export function commandHelp(
  program: string,
  name: string,
  usage: string,
  { operands, flags }: Pick<Command, "operands" | "flags">,
): string {
  const options = flagUsages(flags, WIDTH);
  return `NAME:
   ${program} ${name} - ${usage}

USAGE:
   ${program} ${name} [command options] ${operands}
${options === "" ? "" : `\nOPTIONS:\n${options}`}`;
}
