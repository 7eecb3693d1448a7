// `berth runtime`: an OCI runtime with runc's command line, for engines that start one (containerd's shim, podman's conmon, Docker)
// and for people. Nothing of the daemon is loaded, and of the commands only the one that is asked for. Exit codes: the process's own for
// `run` and `exec`, 255 for an exec that could not be started, 1 for everything else that fails.

import { closeSync, mkdirSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { Fault, messageOf } from "../../lib/errors.ts";
import { parseFlags } from "../../lib/flags/parse.ts";
import { bool, string } from "../../lib/flags/spec.ts";
import { type Command, ExitFault, type Invocation } from "./invocation.ts";
import { Logger } from "./logger.ts";
import { print } from "./print.ts";

/** Every command: one line for help, and where it is. */
export const COMMANDS: Readonly<Record<string, readonly [usage: string, load: () => Promise<Command<any>>]>> =
  {
    checkpoint: [
      "checkpoint a running container",
      async () => (await import("./commands/checkpoint.ts")).checkpoint,
    ],
    create: ["create a container", async () => (await import("./commands/create.ts")).create],
    delete: [
      "delete any resources held by the container often used with detached container",
      async () => (await import("./commands/delete.ts")).remove,
    ],
    events: [
      "display container events such as OOM notifications, cpu, memory, and IO usage statistics",
      async () => (await import("./commands/events.ts")).events,
    ],
    exec: ["execute new process inside the container", async () => (await import("./commands/exec.ts")).exec],
    features: ["show the enabled features", async () => (await import("./commands/features.ts")).features],
    kill: [
      "kill sends the specified signal (default: SIGTERM) to the container's init process",
      async () => (await import("./commands/kill.ts")).kill,
    ],
    list: [
      "lists containers started by this runtime with the given root",
      async () => (await import("./commands/list.ts")).list,
    ],
    pause: [
      "pause suspends all processes inside the container",
      async () => (await import("./commands/pause.ts")).pause,
    ],
    ps: [
      "ps displays the processes running inside a container",
      async () => (await import("./commands/ps.ts")).ps,
    ],
    restore: [
      "restore a container from a previous checkpoint",
      async () => (await import("./commands/restore.ts")).restore,
    ],
    resume: [
      "resumes all processes that have been previously paused",
      async () => (await import("./commands/pause.ts")).resume,
    ],
    run: ["create and run a container", async () => (await import("./commands/run.ts")).run],
    spec: ["create a new specification file", async () => (await import("./commands/spec.ts")).spec],
    start: [
      "executes the user defined process in a created container",
      async () => (await import("./commands/start.ts")).start,
    ],
    state: ["output the state of a container", async () => (await import("./commands/state.ts")).state],
    update: [
      "update container resource constraints",
      async () => (await import("./commands/update.ts")).update,
    ],
  };

export const GLOBAL_FLAGS = {
  debug: bool("enable debug logging"),
  log: string("set the log file to write logs to (default is '/dev/stderr')"),
  "log-format": string("set the log format ('text' (default), or 'json')", { initial: "text" }),
  root: string("root directory for storage of container state (this should be located in tmpfs)"),
  "systemd-cgroup": bool(
    'enable systemd cgroup support, expects cgroupsPath to be of form "slice:prefix:name"',
  ),
  rootless: string("ignore cgroup permission errors ('true', 'false', or 'auto')", { initial: "auto" }),
  version: bool("print the version", { short: "v" }),
} as const;

/** Runs one command line. `program` is the name we were called by; returns the exit code. */
export async function runRuntime(program: string, argv: readonly string[]): Promise<number> {
  delete process.env["BUN_JSC_useJIT"]; // native/front.c has set it for us, not for hooks
  let log = new Logger({ file: "", format: "text", isDebug: false });
  try {
    const { values, args, help } = parseFlags(GLOBAL_FLAGS, argv, { interspersed: false });
    const [name, ...rest] = args;
    if (values.version || help !== undefined || name === undefined || name === "help")
      return await inform(program, values.version ? "version" : "help", rest[0]);
    log = openLog(values);
    const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!entry) throw usage(`No help topic for '${name}'`);
    const call: Invocation = {
      program,
      root: rootOf(values.root),
      isRootGiven: values.root !== "",
      usesSystemd: values["systemd-cgroup"],
      rootless: values.rootless,
      log,
    };
    log.debug(`${name}: state in ${call.root}`);
    return await runCommand(call, name, await entry[1](), rest);
  } catch (error) {
    log.fatal(messageOf(error));
    return error instanceof ExitFault ? error.exitCode : 1;
  }
}

async function runCommand(
  call: Invocation,
  name: string,
  command: Command<any>,
  argv: readonly string[],
): Promise<number> {
  const parsed = parseFlags(command.flags, argv, { interspersed: command.interspersed });
  if (parsed.help !== undefined) return await inform(call.program, "help", name);
  checkCount(call.program, name, command, parsed.args.length);
  return await command.run(call, parsed.values, parsed.args);
}

function checkCount(program: string, name: string, { least, most }: Command<any>, count: number): void {
  const complain = (how: string, expected: number) => {
    throw usage(`${program}: "${name}" requires ${how} ${expected} argument(s)`);
  };
  if (least === most && count !== least) complain("exactly", least);
  if (count < least) complain("a minimum of", least);
  if (count > most) complain("a maximum of", most);
}

async function inform(program: string, what: "help" | "version", name: string | undefined): Promise<number> {
  const { commandHelp, programHelp, versionText } = await import("./help.ts");
  if (what === "version") print(versionText(program));
  else if (name === undefined) print(programHelp(program, COMMANDS, GLOBAL_FLAGS));
  else {
    const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!entry) throw usage(`No help topic for '${name}'`);
    print(commandHelp(program, name, entry[0], await entry[1]()));
  }
  return 0;
}

function openLog(values: { debug: boolean; log: string; "log-format": string }): Logger {
  const format = values["log-format"];
  if (format !== "text" && format !== "json") throw usage(`invalid log-format: ${format}`);
  const file = values.log === "" ? "" : resolve(values.log);
  if (file !== "") closeSync(openSync(file, "a", 0o644)); // a file that cannot be written is told now, not at the first message
  return new Logger({ file, format, isDebug: values.debug });
}

/** Where state is kept: on a file system that does not outlive the machine's run, because processes do not either. */
function rootOf(given: string): string {
  if (given !== "") {
    const root = resolve(given);
    if (root === "/") throw usage("Option --root argument should not be set to /");
    return root;
  }
  const runtimeDir = process.env["XDG_RUNTIME_DIR"];
  if (process.geteuid?.() === 0 || !runtimeDir) return "/run/berth/runtime";
  const root = `${runtimeDir}/berth/runtime`;
  // what is in $XDG_RUNTIME_DIR without the sticky bit may be tidied away (XDG base directory specification)
  mkdirSync(root, { recursive: true, mode: 0o1700 });
  return root;
}

function usage(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "runtime.usage" });
}
