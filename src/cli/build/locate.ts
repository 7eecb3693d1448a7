// Finds the build context and the Dockerfile that the user means, with Docker's sentences for what is missing.

import { existsSync, lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { errnoText } from "../options/env.ts";

export interface LocalContext {
  /** Absolute path of the directory, symlinks resolved. */
  readonly directory: string;
  /** Path of the Dockerfile within the context; undefined when it is not in it. */
  readonly dockerfile: string | undefined;
  /** Content of a Dockerfile from outside the context. */
  readonly outside: Uint8Array | undefined;
}

function refuse(why: string): Fault {
  return new Fault("invalidParameter", `unable to prepare context: ${why}`, { code: "cli.build-context" });
}

/** Tells a URL that the daemon fetches itself from a path: http(s), git and the short forms of git hosts. */
export function isRemoteContext(text: string): boolean {
  return /^(?:https?:\/\/|git:\/\/|git@|ssh:\/\/|github\.com\/)/.test(text);
}

/** Locates a local context. `dockerfile` is the user's -f, empty for the default. Throws a Fault. */
export function locateContext(path: string, dockerfile: string): LocalContext {
  if (!existsSync(path)) throw refuse(`path ${JSON.stringify(path)} not found`);
  const directory = realpathSync(resolve(path));
  if (!statSync(directory).isDirectory()) throw refuse(`context must be a directory: ${directory}`);
  if (dockerfile === "-") return { directory, dockerfile: undefined, outside: undefined };
  const wanted = dockerfile === "" ? defaultDockerfile(directory) : resolve(dockerfile);
  const found = evaluate(wanted);
  const inside = relative(directory, found);
  if (inside !== ".." && !inside.startsWith("../") && !isAbsolute(inside)) {
    return { directory, dockerfile: inside, outside: undefined };
  }
  try {
    return { directory, dockerfile: undefined, outside: readFileSync(dockerfile) };
  } catch (error) {
    throw refuse(`unable to open Dockerfile: open ${dockerfile}: ${errnoText(error)}`);
  }
}

/** `Dockerfile`, or `dockerfile` where only that exists. */
function defaultDockerfile(directory: string): string {
  const usual = join(directory, "Dockerfile");
  if (existsLink(usual)) return usual;
  const lower = join(directory, "dockerfile");
  return existsLink(lower) ? lower : usual;
}

function existsLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function evaluate(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT" ? firstMissing(path) : path;
    throw refuse(`unable to evaluate symlinks in Dockerfile path: lstat ${missing}: ${errnoText(error)}`);
  }
}

/** Returns the first part of the path that does not exist, which is what Go's EvalSymlinks names. */
function firstMissing(path: string): string {
  let current = "";
  for (const part of path.split("/").filter((part) => part !== "")) {
    current += `/${part}`;
    if (!existsLink(current)) return current;
    if (lstatSync(current).isSymbolicLink() && !existsSync(current)) return path;
  }
  return path;
}
