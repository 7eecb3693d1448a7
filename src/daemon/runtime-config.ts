// The part of the daemon's configuration that says which OCI runtimes containers may ask for, and which they get when they do not.
import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import type { ConfiguredRuntime, RuntimeSettings } from "../engine/container/runtime/runtimes.ts";
import { Runtimes } from "../engine/container/runtime/runtimes.ts";
import { Fault } from "../lib/errors.ts";
import { type FlagValues, list, string } from "../lib/flags/spec.ts";
import { ownCommand } from "./own-command.ts";

export const RUNTIME_FLAGS = {
  "add-runtime": list("Register an additional OCI compatible runtime"),
  "default-runtime": string("Default OCI runtime for containers"),
} as const;

/** daemon.json keys and the flag that each has. */
export const RUNTIME_KEYS = {
  runtimes: "add-runtime",
  "default-runtime": "default-runtime",
} as const satisfies Readonly<Record<string, keyof typeof RUNTIME_FLAGS>>;

/** compat: these are Docker's own and cannot be given another meaning; ours is as well. */
const RESERVED = ["runc", "io.containerd.runc.v2", "berth"];
/** containerd's way to name runc's command line: a shim, and the program as its option. */
const RUNC_SHIM = "io.containerd.runc.v2";
const PROGRAM_OPTION = "BinaryName";

/** Reads the runtimes from the file where it has them, else from the flags. Throws Fault invalidParameter. */
export function runtimeSettingsOf(
  file: Readonly<Record<string, unknown>>,
  flags: FlagValues<typeof RUNTIME_FLAGS>,
  find: (program: string) => string | undefined = programFinder(process.env["PATH"] ?? ""),
): RuntimeSettings {
  const configured =
    file["runtimes"] === undefined ? fromFlags(flags["add-runtime"]) : fromFile(file["runtimes"]);
  for (const name of Object.keys(configured))
    if (RESERVED.includes(name)) throw invalid(`runtime name '${name}' is reserved`);
  const defaultName = file["default-runtime"] ?? flags["default-runtime"];
  if (typeof defaultName !== "string")
    throw invalid('"default-runtime" in the configuration file must be a string');
  const settings = { configured, defaultName, ownCommand: [...ownCommand(), "runtime"], find };
  try {
    if (defaultName !== "") new Runtimes(settings).choose(defaultName);
  } catch {
    throw invalid(`specified default runtime '${defaultName}' does not exist`);
  }
  return settings;
}

/** compat: names are kept in lower case, as Docker keeps those of its flag. */
function fromFlags(texts: readonly string[]): Record<string, ConfiguredRuntime> {
  const runtimes: Record<string, ConfiguredRuntime> = {};
  for (const text of texts) {
    const [name = "", path] = text.includes("=")
      ? [text.slice(0, text.indexOf("=")).trim().toLowerCase(), text.slice(text.indexOf("=") + 1).trim()]
      : [text];
    if (name === "" || !path) throw invalid(`invalid runtime argument: ${text}`);
    if (Object.hasOwn(runtimes, name)) throw invalid(`runtime '${name}' was already defined`);
    runtimes[name] = { path };
  }
  return runtimes;
}

function fromFile(value: unknown): Record<string, ConfiguredRuntime> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid('"runtimes" in the configuration file must be an object');
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, runtimeOf(name, entry)]));
}

function runtimeOf(name: string, entry: unknown): ConfiguredRuntime {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry))
    throw invalid(`runtime ${name}: must be an object`);
  const {
    path = "",
    runtimeArgs = [],
    runtimeType = "",
    options = {},
    ...rest
  } = entry as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw invalid(`runtime ${name}: unknown setting "${unknown}"`);
  if (typeof path !== "string" || typeof runtimeType !== "string")
    throw invalid(`runtime ${name}: path and runtimeType must be strings`);
  if (!Array.isArray(runtimeArgs) || !runtimeArgs.every((arg) => typeof arg === "string"))
    throw invalid(`runtime ${name}: runtimeArgs must be a list of strings`);
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw invalid(`runtime ${name}: options must be an object`);
  if (path === "" && runtimeType === "")
    throw invalid(`runtime ${name}: either a runtimeType or a path must be configured`);
  if (path === "") return ofShim(name, runtimeType, runtimeArgs, options as Record<string, unknown>);
  if (runtimeType !== "")
    throw invalid(`runtime ${name}: cannot configure both path and runtimeType for the same runtime`);
  if (Object.keys(options).length > 0)
    throw invalid(`runtime ${name}: options cannot be used with a path runtime`);
  return { path, ...(runtimeArgs.length === 0 ? {} : { runtimeArgs }) };
}

/** There is no containerd whose shims could be used: only what stands for a command line like runc's is understood. */
function ofShim(
  name: string,
  runtimeType: string,
  args: readonly string[],
  options: Record<string, unknown>,
): ConfiguredRuntime {
  if (args.length > 0) throw invalid(`runtime ${name}: args cannot be used with a runtimeType runtime`);
  const program = options[PROGRAM_OPTION];
  const [other] = Object.keys(options).filter((option) => option !== PROGRAM_OPTION);
  if (runtimeType !== RUNC_SHIM || typeof program !== "string" || program === "")
    throw invalid(
      `runtime ${name}: runtimeType ${runtimeType} is not supported, only ${RUNC_SHIM} with the option ${PROGRAM_OPTION}; configure the path of an OCI runtime instead`,
    );
  if (other !== undefined) throw invalid(`runtime ${name}: option ${other} is not supported`);
  return { path: program, runtimeType, options };
}

/** Returns a function that finds programs as a shell does; each name is looked for once. */
function programFinder(path: string): (program: string) => string | undefined {
  const known = new Map<string, string | undefined>();
  return (program) => {
    if (!known.has(program)) known.set(program, findProgram(program, path));
    return known.get(program);
  };
}

function findProgram(program: string, path: string): string | undefined {
  return path
    .split(":")
    .filter((dir) => isAbsolute(dir))
    .map((dir) => join(dir, program))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false; // ignored: it is not there, or not ours to execute
  }
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "daemon.config" });
}
