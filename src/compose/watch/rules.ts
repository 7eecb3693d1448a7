// Which of a service's rules a changed path falls under, and what it is called in the container.

import { join, posix, relative } from "node:path";
import { compileIgnorePatterns, type IgnorePatterns } from "../../lib/patternmatch/ignore-patterns.ts";
import type { Service, WatchTrigger } from "../model/project.ts";

/** A rule of `develop.watch`, ready to judge paths. */
export interface WatchRule {
  readonly service: string;
  readonly trigger: WatchTrigger;
  /** Absolute path of the file or directory that is watched. */
  readonly path: string;
  readonly ignored: IgnorePatterns;
  readonly included: IgnorePatterns | undefined;
}

/** What editors and version control leave beside the files that matter. */
const temporary = [
  "**/.git",
  "**/*~",
  "**/.*.swp",
  "**/.*.swx",
  "**/.#*",
  "**/#*#",
  "**/4913",
  "**/.idea/**/*.tmp",
  "**/*___jb_*",
];

/** Returns a service's rules. `contextIgnore` are the patterns of its build context. */
export function watchRules(service: Service, contextIgnore: readonly string[]): WatchRule[] {
  return (service.develop?.watch ?? []).map((trigger) => {
    const { path = "", ignore = [], include = [] } = trigger;
    const context = service.build?.context;
    // The context's patterns are relative to the context, those of the rule to its path.
    const below =
      context === undefined || relative(context, path).startsWith("..") ? "" : relative(context, path);
    const own = below === "" ? contextIgnore : contextIgnore.flatMap((line) => rebased(line, below));
    return {
      service: service.name,
      trigger,
      path,
      ignored: compileIgnorePatterns([...temporary, ...own, ...ignore]),
      included: include.length === 0 ? undefined : compileIgnorePatterns([...include]),
    };
  });
}

function rebased(line: string, below: string): string[] {
  const isException = line.startsWith("!");
  const pattern = isException ? line.slice(1) : line;
  if (pattern.startsWith("**")) return [line];
  if (!pattern.startsWith(`${below}/`)) return [];
  return [`${isException ? "!" : ""}${pattern.slice(below.length + 1)}`];
}

/** Tells whether a changed path is meant by the rule. */
export function isMeant(rule: WatchRule, changed: string): boolean {
  if (changed === rule.path) return true;
  const inside = relative(rule.path, changed);
  if (inside === "" || inside.startsWith("..")) return false;
  if (rule.ignored.match(inside).isMatch) return false;
  return rule.included === undefined || rule.included.match(inside).isMatch;
}

/** Returns the path in the container that a path here is synchronised to. */
export function targetOf({ path, trigger: { target = "/" } }: WatchRule, changed: string): string {
  const inside = relative(path, changed);
  return inside === "" ? target : posix.join(target, inside.split(/[\\/]/).join("/"));
}

/** Returns the path here by the name that a watcher of the rule's path tells. */
export function changedPath({ path }: WatchRule, isDirectory: boolean, name: string): string {
  return isDirectory ? join(path, name) : path;
}
