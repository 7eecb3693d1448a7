// The command line of an OCI runtime (runc's, which all others share): which program with which arguments, and the files that go with a call.
// Decides only; keel runs it. Everything that a runtime keeps of a container is in the container's state directory, so that it
// goes with that, however the container ends.
import { join } from "node:path";

/** A runtime, by how it is called. */
export interface OciRuntime {
  /** Path of the program and arguments of every call. */
  readonly command: readonly string[];
  readonly env: readonly string[];
}

/** A container as its runtime knows it. */
export interface RuntimeContainer {
  readonly runtime: OciRuntime;
  readonly id: string;
  readonly stateDir: string;
}

/** What a call writes its errors to, one JSON object a line. */
export const RUNTIME_LOG = "runtime.log";

/** Variables of the daemon's that a runtime gets: enough to find programs and its configuration. */
const VARIABLES = ["PATH", "HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"];

/** Returns the environment of calls. */
export function runtimeEnvironment(daemon: Readonly<Record<string, string | undefined>>): string[] {
  return VARIABLES.flatMap((name) => (daemon[name] === undefined ? [] : [`${name}=${daemon[name]}`]));
}

export const bundleDir = (stateDir: string): string => join(stateDir, "bundle");

/** Returns a whole command line: `verb` and what follows it, logging to `log`. */
export function runtimeArgv(
  { runtime, stateDir }: Pick<RuntimeContainer, "runtime" | "stateDir">,
  log: string,
  verb: readonly string[],
): string[] {
  const root = join(stateDir, "runtime");
  return [...runtime.command, "--root", root, "--log", log, "--log-format", "json", ...verb];
}

/** `pid` and `tty` are names in the working directory, which keel makes the bundle. */
const consoleArgs = (isTty: boolean): string[] => [
  "--pid-file",
  "pid",
  ...(isTty ? ["--console-socket", "tty"] : []),
];

export function createArgv(
  container: RuntimeContainer,
  { log, isTty }: { log: string; isTty: boolean },
): string[] {
  const bundle = bundleDir(container.stateDir);
  return runtimeArgv(container, log, ["create", "--bundle", bundle, ...consoleArgs(isTty), container.id]);
}

export function startArgv(container: RuntimeContainer, log: string): string[] {
  return runtimeArgv(container, log, ["start", container.id]);
}

/** A container that comes from images of criu's, `imageDir`, in the place of its program. */
export function restoreArgv(
  container: RuntimeContainer,
  { log, imageDir }: { log: string; imageDir: string },
): string[] {
  const work = criuWorkDir(container.stateDir);
  const images = ["--image-path", imageDir, "--work-path", work, "--manage-cgroups-mode", "ignore"];
  const verb = ["restore", "--detach", "--bundle", bundleDir(container.stateDir), ...images];
  return runtimeArgv(container, log, [...verb, ...consoleArgs(false), container.id]);
}

/** Where criu writes its log. */
export const criuWorkDir = (stateDir: string): string => join(stateDir, "criu");

/** The description of the process is the file `process.json` in the working directory. */
export function execArgv(
  container: RuntimeContainer,
  { log, isTty }: { log: string; isTty: boolean },
): string[] {
  const verb = ["exec", "--detach", "--process", "process.json", ...consoleArgs(isTty), container.id];
  return runtimeArgv(container, log, verb);
}

export function deleteArgv(container: RuntimeContainer): string[] {
  return runtimeArgv(container, "/dev/null", ["delete", "--force", container.id]);
}
