// Running one command of a table: its flags, the number of its operands, what the daemon must be able to do, its help page.

import { Fault } from "../lib/errors.ts";
import { parseFlags } from "../lib/flags/parse.ts";
import type { FlagTable } from "../lib/flags/spec.ts";
import { checkArity, type Command, usageLines } from "./command.ts";
import type { VerbEntry } from "./commands/table.ts";
import { exitWith } from "./failure.ts";
import { print } from "./output.ts";

/** What running a command asks of the session that it hands to the command. */
interface CommandSession {
  requireApi(version: string, what: string): Promise<void>;
}

/** Runs a command of the table with its arguments and returns the exit code. */
export async function runVerb<S extends CommandSession>(
  session: S,
  entry: VerbEntry,
  path: string,
  argv: readonly string[],
): Promise<number> {
  const command = (await entry.load()).command as unknown as Command<FlagTable, S>;
  const { operands, interspersed = true } = command;
  const raw = command.isRaw === true && !argv.includes("--help") ? ["--", ...argv] : argv;
  const parsed = parseOrExplain(command.flags, raw, { path, operands, interspersed });
  for (const notice of parsed.notices) print(`${notice}\n`);
  if (parsed.help !== undefined) {
    await showVerbHelp(path, entry, parsed.help === "h");
    return 0;
  }
  checkArity(command.arity, parsed.args.length, path, operands);
  await requireApiOfFlags(session, command, parsed.given);
  const code = await command.run(session, {
    flags: parsed.values,
    given: parsed.given,
    args: parsed.args,
    path,
  });
  return code ?? 0;
}

/** Refuses flags that the daemon is too old for or that another system's have, rather than have it ignore them. */
async function requireApiOfFlags(
  session: CommandSession,
  command: Pick<Command<FlagTable>, "flags">,
  given: ReadonlySet<string>,
): Promise<void> {
  for (const name of given) {
    const { since, os } = command.flags[name] ?? {};
    if (since !== undefined) await session.requireApi(since, `"--${name}"`);
    // compat: Docker asks the daemon where it runs; the ones this client is for run on Linux.
    if (os !== undefined && os !== "linux")
      throw new Fault(
        "invalidParameter",
        `"--${name}" is only supported on a Docker daemon running on ${os}, but the Docker daemon is running on linux`,
        { code: "cli.os" },
      );
  }
}

interface UsageOf {
  readonly path: string;
  readonly operands: string;
  readonly interspersed: boolean;
}

/** Parses flags; what is wrong with them is said with the usage line. */
export function parseOrExplain<F extends FlagTable>(
  table: F,
  argv: readonly string[],
  { path, operands, interspersed }: UsageOf,
) {
  try {
    return parseFlags(table, argv, { interspersed });
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "flags.usage") throw error;
    const usage = operands === "" ? path : `${path} ${usageLines(operands, path)}`;
    throw exitWith(125, `${error.message}\n\nUsage:  ${usage}\n\nRun '${path} --help' for more information`);
  }
}

export const deprecatedH = "Flag shorthand -h has been deprecated, use --help\n";

/** Prints the help page of a command. */
export async function showVerbHelp(path: string, entry: VerbEntry, isShort: boolean): Promise<void> {
  const { helpWidth, verbHelp } = await import("./help.ts");
  const { command } = await entry.load();
  print(
    `${isShort ? deprecatedH : ""}${verbHelp(path, entry, command as Command<FlagTable>, await helpWidth())}`,
  );
}
