// The command line's entry: global options, finding the command, its flags and operands, its failure as text and exit
// code. What commands do is in commands/; what they are called in commands/table.ts.

import { Fault } from "../lib/errors.ts";
import { parseFlags } from "../lib/flags/parse.ts";
import type { FlagTable } from "../lib/flags/spec.ts";
import { checkArity, type Command, usageLines } from "./command.ts";
import type { VerbEntry } from "./commands/table.ts";
import { exitWith, exitCodeOf, describeFailure } from "./failure.ts";
import { globalFlags } from "./globals.ts";
import { print, printError } from "./output.ts";
import { Session } from "./session.ts";
import { versionLine } from "./version.ts";

/** Runs the command line and returns the exit code. `name` is what the program was invoked as. */
export async function runCommandLine(name: string, argv: readonly string[]): Promise<number> {
  const program = name === "docker" ? "docker" : "berth";
  try {
    return await dispatch(program, argv);
  } catch (error) {
    const text = describeFailure(error);
    if (text !== "") printError(`${text}\n`);
    return exitCodeOf(error);
  }
}

async function dispatch(program: string, argv: readonly string[]): Promise<number> {
  if (argv[0] === "__complete" || argv[0] === "__completeNoDesc") {
    const { completionText } = await import("./complete/complete.ts");
    print(await completionText(program, argv.slice(1), argv[0] === "__complete"));
    return 0;
  }
  const parsed = parseOrExplain(globalFlags, argv, {
    path: program,
    operands: "[OPTIONS] COMMAND [ARG...]",
    interspersed: false,
  });
  const session = new Session(program, parsed.values, parsed.given);
  if (parsed.help !== undefined) return showRootHelp(session, parsed.help === "h");
  if (parsed.values.version) {
    print(`${versionLine(program)}\n`);
    return 0;
  }
  if (
    !["debug", "info", "warn", "warning", "error", "fatal", "panic", "trace"].includes(
      parsed.values["log-level"],
    )
  ) {
    throw exitWith(1, `Unable to parse logging level: ${parsed.values["log-level"]}`);
  }
  const [first, ...rest] = parsed.args;
  if (first === undefined) {
    printError(await rootPage(session));
    return 0;
  }
  if (first === "help") return showHelpTopic(session, rest, argv);
  const { nouns, verbs } = await import("./commands/table.ts");
  const top = verbs.find((entry) => entry.top === first);
  if (top !== undefined) return runVerb(session, top, `${program} ${first}`, rest);
  if (nouns.some((noun) => noun.name === first)) return runNoun(session, first, rest);
  const { runPlugin } = await import("./plugins/run.ts");
  const status = await runPlugin(session, first, argv);
  if (status !== undefined) return status;
  throw exitWith(
    1,
    `${program}: unknown command: ${program} ${first}\n\nRun '${program} --help' for more information`,
  );
}

async function runNoun(session: Session, noun: string, argv: readonly string[]): Promise<number> {
  const { program } = session;
  const path = `${program} ${noun}`;
  const { args, help } = parseOrExplain({}, argv, { path, operands: "", interspersed: false });
  const { nounHelp } = await import("./help.ts");
  const [name, ...rest] = args;
  if (help !== undefined || name === "help") {
    print(`${help === "h" ? deprecatedH : ""}${nounHelp(program, noun)}`);
    return 0;
  }
  if (name === undefined) {
    printError(nounHelp(program, noun));
    return 0;
  }
  const entry = await findVerb(noun, name);
  if (entry !== undefined) return runVerb(session, entry, `${path} ${entry.name}`, rest);
  throw exitWith(
    1,
    `${program}: unknown command: ${path} ${name}\n\nUsage:  ${path}\n\nRun '${path} --help' for more information`,
  );
}

async function findVerb(noun: string, name: string): Promise<VerbEntry | undefined> {
  const { verbs } = await import("./commands/table.ts");
  return verbs.find(
    (entry) => entry.noun === noun && (entry.name === name || entry.aliases?.includes(name) === true),
  );
}

async function runVerb(
  session: Session,
  entry: VerbEntry,
  path: string,
  argv: readonly string[],
): Promise<number> {
  const command = (await entry.load()).command as Command<FlagTable>;
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
  session: Session,
  command: Command<FlagTable>,
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

function parseOrExplain<F extends FlagTable>(
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

const deprecatedH = "Flag shorthand -h has been deprecated, use --help\n";

async function showRootHelp(session: Session, isShort: boolean): Promise<number> {
  print(`${isShort ? deprecatedH : ""}${await rootPage(session)}`);
  return 0;
}

async function rootPage(session: Session): Promise<string> {
  const [{ helpWidth, rootHelp }, { listPlugins, pluginDirs }] = await Promise.all([
    import("./help.ts"),
    import("./plugins/plugins.ts"),
  ]);
  const config = await session.config().catch(() => ({})); // ignored: help is given whatever the file is like
  const plugins = await listPlugins(pluginDirs(session.globals.config, config));
  return rootHelp(session.program, await helpWidth(), plugins);
}

async function showVerbHelp(path: string, entry: VerbEntry, isShort: boolean): Promise<void> {
  const { helpWidth, verbHelp } = await import("./help.ts");
  const { command } = await entry.load();
  print(
    `${isShort ? deprecatedH : ""}${verbHelp(path, entry, command as Command<FlagTable>, await helpWidth())}`,
  );
}

async function showHelpTopic(
  session: Session,
  words: readonly string[],
  argv: readonly string[],
): Promise<number> {
  const { program } = session;
  const [first, second] = words;
  if (first === undefined) return showRootHelp(session, false);
  const { nouns, verbs } = await import("./commands/table.ts");
  const top = verbs.find((entry) => entry.top === first);
  if (top !== undefined) {
    await showVerbHelp(`${program} ${first}`, top, false);
    return 0;
  }
  if (nouns.some((noun) => noun.name === first)) {
    const entry = second === undefined ? undefined : await findVerb(first, second);
    if (entry !== undefined) {
      await showVerbHelp(`${program} ${first} ${entry.name}`, entry, false);
      return 0;
    }
    if (second === undefined) {
      const { nounHelp } = await import("./help.ts");
      print(nounHelp(program, first));
      return 0;
    }
  }
  const { runPlugin } = await import("./plugins/run.ts");
  const status = await runPlugin(session, first, argv);
  if (status !== undefined) return status;
  throw exitWith(1, `unknown help topic: ${words.join(" ")}`);
}
