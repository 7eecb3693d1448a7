// Which files make a project: those named, those of COMPOSE_FILE, or the ones found here or in a directory above.

import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { readEnvFiles } from "./environment.ts";
import type { ArtifactRegistry } from "./artifact.ts";
import type { SourceFile } from "./loader.ts";
import { defaults, fetchRemote, isRemote } from "./remote.ts";

const overrides = [
  "compose.override.yml",
  "compose.override.yaml",
  "docker-compose.override.yml",
  "docker-compose.override.yaml",
];

export interface FileOptions {
  /** Of -f, in order; "-" is stdin. */
  readonly files: readonly string[];
  /** Of --env-file. */
  readonly envFiles: readonly string[];
  /** Of --project-directory; empty when not given. */
  readonly projectDirectory: string;
  readonly processEnvironment: Readonly<Record<string, string | undefined>>;
  readonly warn: (message: string) => void;
  /** Where files of registries come from. */
  readonly artifacts: ArtifactRegistry;
}

export interface ProjectFiles {
  readonly files: readonly SourceFile[];
  readonly directory: string;
  readonly environment: Map<string, string>;
}

/** Finds and reads the files and the environment. Throws a Fault when there is no file. */
export async function locateProject(options: FileOptions): Promise<ProjectFiles> {
  const environment = new Map<string, string>();
  for (const [name, value] of Object.entries(options.processEnvironment))
    if (value !== undefined) environment.set(name, value);
  if (!environment.has("PWD")) environment.set("PWD", process.cwd());
  let paths = await Promise.all(options.files.map((path) => localPath(path, options)));
  addEnvFiles(environment, directoryOf(paths, options), options);
  if (paths.length === 0) paths = await filesOfEnvironment(environment, options);
  if (paths.length === 0) paths = findFiles(directoryOf([], options), options.warn);
  const directory = directoryOf(paths, options);
  // The directory may be another one now, with another .env.
  addEnvFiles(environment, directory, options);
  if (paths.length === 0)
    throw new Fault("notFound", "no configuration file provided: not found", { code: "compose.no-file" });
  return { files: paths.map(readSource), directory, environment };
}

/** Returns the variables of the project's env files that are options of the program; none where the files cannot be read. */
export function optionVariables(options: FileOptions): [string, string][] {
  const environment = new Map<string, string>();
  for (const [name, value] of Object.entries(options.processEnvironment))
    if (value !== undefined) environment.set(name, value);
  const paths = options.files.filter((path) => path !== "-").map((path) => resolve(path));
  if (options.files.some(isRemote)) return [];
  try {
    addEnvFiles(environment, directoryOf(paths, options), { ...options, warn: () => {} });
  } catch {
    return []; // ignored: who needs the files says what is wrong with them
  }
  return [...environment].filter(([name]) => name.startsWith("COMPOSE_"));
}

function directoryOf(paths: readonly string[], { projectDirectory }: FileOptions): string {
  if (projectDirectory !== "") return resolve(projectDirectory);
  const first = paths.find((path) => path !== "-");
  return first === undefined ? process.cwd() : dirname(first);
}

function addEnvFiles(environment: Map<string, string>, directory: string, options: FileOptions): void {
  const files =
    options.envFiles.length > 0
      ? options.envFiles.map((file) => resolve(file))
      : defaultEnvFile(environment, directory);
  const unset = (name: string): void =>
    options.warn(`The ${JSON.stringify(name)} variable is not set. Defaulting to a blank string.`);
  for (const [name, value] of readEnvFiles(files, environment, unset))
    if (!environment.has(name)) environment.set(name, value);
}

function defaultEnvFile(environment: ReadonlyMap<string, string>, directory: string): string[] {
  if (["1", "t", "true"].includes((environment.get("COMPOSE_DISABLE_ENV_FILE") ?? "").toLowerCase()))
    return [];
  const path = join(directory, ".env");
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true ? [path] : [];
}

/** Of a file as it is given: brought here first where it lies elsewhere. */
async function localPath(path: string, { artifacts }: FileOptions): Promise<string> {
  if (path === "-") return path;
  return isRemote(path) ? fetchRemote(path, artifacts) : resolve(path);
}

async function filesOfEnvironment(
  environment: ReadonlyMap<string, string>,
  options: FileOptions,
): Promise<string[]> {
  const value = environment.get("COMPOSE_FILE");
  if (value === undefined) return [];
  const separator = environment.get("COMPOSE_PATH_SEPARATOR") || ":";
  // compat: a colon that parts the list is none of an address.
  const isWhole = separator === ":" && isRemote(value);
  return Promise.all((isWhole ? [value] : value.split(separator)).map((path) => localPath(path, options)));
}

function findFiles(start: string, warn: (message: string) => void): string[] {
  const existing = (directory: string, names: readonly string[]): string[] =>
    names.map((name) => join(directory, name)).filter((path) => existsSync(path));
  for (let directory = start; ; directory = dirname(directory)) {
    const [main, ...others] = existing(directory, defaults);
    if (main !== undefined) {
      if (others.length > 0) {
        warn(`Found multiple config files with supported names: ${[main, ...others].join(", ")}`);
        warn(`Using ${main}`);
      }
      const [override, ...more] = existing(directory, overrides);
      if (more.length > 0) {
        warn(`Found multiple override files with supported names: ${[override, ...more].join(", ")}`);
        warn(`Using ${override}`);
      }
      return override === undefined ? [main] : [main, override];
    }
    if (directory === dirname(directory)) return [];
  }
}

function readSource(path: string): SourceFile {
  try {
    return { path, text: readFileSync(path === "-" ? 0 : path, "utf8") };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === "ENOENT"
        ? "no such file or directory"
        : code === "EISDIR"
          ? "is a directory"
          : "permission denied";
    throw new Fault(code === "ENOENT" ? "notFound" : "invalidParameter", `open ${path}: ${why}`, {
      code: "compose.no-file",
    });
  }
}
