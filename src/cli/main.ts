// The command line's entry: global options, finding the command, its flags and operands, its failure as text and exit
// code. What commands do is in commands/; what they are called in commands/table.ts.

import { findTop, findVerb, nouns } from "./commands/table.ts";
import { exitWith, exitCodeOf, describeFailure } from "./failure.ts";
import { globalFlags } from "./globals.ts";
import { print, printError } from "./output.ts";
import { deprecatedH, parseOrExplain, runVerb, showVerbHelp } from "./run-verb.ts";
import { Session } from "./session.ts";

/** Runs the command line and returns the exit code. `name` is what the program was invoked as. */
export async function runCommandLine(name: string, argv: readonly string[]): Promise<number> {
  const program = name === "docker" ? "docker" : "berth";
  try {
    return isCompose(name) ? await runCompose(name, argv) : await dispatch(program, argv);
  } catch (error) {
    const text = describeFailure(error);
    if (text !== "") printError(`${text}\n`);
    return exitCodeOf(error);
  }
}

const isCompose = (name: string): boolean => name === "docker-compose" || name === "berth-compose";

/** The program by the name of Docker's plugin for Compose: alone, or run by docker, which puts `compose` in front. */
async function runCompose(name: string, argv: readonly string[]): Promise<number> {
  if (argv[0] === "docker-cli-plugin-metadata") {
    const { composeMetadata } = await import("./commands/compose/plugin.ts");
    print(composeMetadata());
    return 0;
  }
  const { values, given } = parseOrExplain(globalFlags, [], {
    path: name,
    operands: "",
    interspersed: false,
  });
  const session = new Session("docker", values, given);
  const isPlugin = argv[0] === "compose";
  const entry = findTop("compose");
  if (entry === undefined) throw exitWith(1, "compose is not among the commands");
  return runVerb(session, entry, isPlugin ? "docker compose" : name, isPlugin ? argv.slice(1) : argv);
}

async function dispatch(program: string, argv: readonly string[]): Promise<number> {
  if (argv[0] === "__complete" || argv[0] === "__completeNoDesc") {
    const { completionText } = await import("./complete/complete.ts");
    print(await completionText(program, argv.slice(1), argv[0] === "__complete"));
    return 0;
  }
  const parsed = parseOrExplain(globalFlags, argv, { ...rootUsage(program), interspersed: false });
  const session = new Session(program, parsed.values, parsed.given);
  if (parsed.help !== undefined) return showRootHelp(session, parsed.help === "h");
  if (
    !["debug", "info", "warn", "warning", "error", "fatal", "panic", "trace"].includes(
      parsed.values["log-level"],
    )
  ) {
    throw exitWith(1, `Unable to parse logging level: ${parsed.values["log-level"]}`);
  }
  const [first, ...rest] = parsed.args;
  if (parsed.values.version) {
    // compat: a plugin gets the flag, too, and knows none of that name.
    const status = first === undefined || isOwn(first) ? undefined : await runPluginOf(session, first, argv);
    if (status !== undefined) return status;
    await printVersion(program);
    return 0;
  }
  if (first === undefined) {
    printError(await rootPage(session));
    return 0;
  }
  if (first === "help") return showHelpTopic(session, rest, argv);
  const top = findTop(first);
  if (top !== undefined) return runVerb(session, top, `${program} ${first}`, rest);
  if (nouns().some((noun) => noun.name === first)) return runNoun(session, first, rest);
  const status = await runPluginOf(session, first, argv);
  if (status !== undefined) return status;
  return refuseUnknown(session, first, rest);
}

/** compat: of a command that there is not the options are looked at first. */
async function refuseUnknown(session: Session, first: string, rest: readonly string[]): Promise<number> {
  const { program } = session;
  const { help, values } = parseOrExplain(globalFlags, rest, { ...rootUsage(program), interspersed: true });
  if (help !== undefined) return showRootHelp(session, help === "h");
  if (!values.version)
    throw exitWith(
      1,
      `${program}: unknown command: ${program} ${first}\n\nRun '${program} --help' for more information`,
    );
  await printVersion(program);
  return 0;
}

async function printVersion(program: string): Promise<void> {
  const { versionLine } = await import("./version.ts");
  print(`${versionLine(program)}\n`);
}

const rootUsage = (program: string) => ({ path: program, operands: "[OPTIONS] COMMAND [ARG...]" });

function isOwn(name: string): boolean {
  return findTop(name) !== undefined || nouns().some((noun) => noun.name === name);
}

async function runPluginOf(
  session: Session,
  name: string,
  argv: readonly string[],
): Promise<number | undefined> {
  const { runPlugin } = await import("./plugins/run.ts");
  return runPlugin(session, name, argv);
}

async function runNoun(session: Session, noun: string, argv: readonly string[]): Promise<number> {
  const { program } = session;
  const path = `${program} ${noun}`;
  const { args, help } = parseOrExplain({}, argv, { path, operands: "", interspersed: false });
  const { nounHelp } = await import("./help.ts");
  const showHelp = (how: typeof help): number => {
    print(`${how === "h" ? deprecatedH : ""}${nounHelp(program, noun)}`);
    return 0;
  };
  const [name, ...rest] = args;
  if (help !== undefined) return showHelp(help);
  if (name === undefined) {
    printError(nounHelp(program, noun));
    return 0;
  }
  const entry = findVerbOf(noun, name);
  if (entry !== undefined) return runVerb(session, entry, `${path} ${entry.name}`, rest);
  // compat: of a command that there is not the options are looked at first.
  const asked = parseOrExplain({}, rest, { path, operands: "", interspersed: true }).help;
  if (asked !== undefined) return showHelp(asked);
  throw exitWith(
    1,
    `${program}: unknown command: ${path} ${name}\n\nUsage:  ${path}\n\nRun '${path} --help' for more information`,
  );
}

const findVerbOf = (noun: string, name: string) =>
  findVerb((entry) => entry.noun === noun && (entry.name === name || entry.aliases?.includes(name) === true));

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

async function showHelpTopic(
  session: Session,
  words: readonly string[],
  argv: readonly string[],
): Promise<number> {
  const { program } = session;
  const [first, second, third] = words;
  if (first === undefined) return showRootHelp(session, false);
  const top = findTop(first);
  if (top !== undefined) {
    if (second !== undefined) throw noTopic(words.slice(1));
    await showVerbHelp(`${program} ${first}`, top, false);
    return 0;
  }
  if (nouns().some((noun) => noun.name === first)) {
    const entry = second === undefined ? undefined : findVerbOf(first, second);
    if (entry !== undefined) {
      if (third !== undefined) throw noTopic(words.slice(2));
      await showVerbHelp(`${program} ${first} ${entry.name}`, entry, false);
      return 0;
    }
    if (second === undefined) {
      const { nounHelp } = await import("./help.ts");
      print(nounHelp(program, first));
      return 0;
    }
    throw noTopic(words.slice(1));
  }
  const status = await runPluginOf(session, first, argv);
  if (status !== undefined) return status;
  throw noTopic(words);
}

const noTopic = (words: readonly string[]): Error => exitWith(1, `unknown help topic: ${words.join(" ")}`);
