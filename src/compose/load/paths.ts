// How relative paths in Compose files are made absolute.

import { realpathSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { PathRule } from "../schema/shape.ts";

/** Returns the resolver of paths that are relative to a directory. */
export function pathResolver(directory: string): (rule: PathRule, path: string) => string {
  return (rule, path) => {
    if (rule === "context" && isElsewhere(path)) return path;
    const home = expandHome(path);
    if (isAbsolute(home) || /^[a-zA-Z]:[\\/]|^\\\\/.test(home)) return home;
    const absolute = join(directory, home);
    return rule === "resolved" ? realPath(absolute) : absolute.replace(/(?<=.)\/$/, "");
  };
}

/** A build context that is no directory here, a file of a repository. */
function isElsewhere(path: string): boolean {
  return path.includes("://") || /^(?:service:|github\.com\/|git@)/.test(path);
}

/** Replaces a leading `~`. */
export function expandHome(path: string): string {
  if (path !== "~" && !path.startsWith("~/")) return path;
  return join(process.env["HOME"] ?? homedir(), path.slice(1));
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // ignored: what is not there yet has no other name
    return path;
  }
}
