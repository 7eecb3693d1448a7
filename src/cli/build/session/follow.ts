// Which files of a directory a build asks for: the paths (or patterns) that its instructions name, and whatever the
// symlinks on the way to them lead to.

import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join, posix } from "node:path";
import { compileGoPattern, hasWildcards } from "../../../lib/patternmatch/go-match.ts";

/** Linux stops after as many. */
const MAX_LINKS = 255;

const partsOf = (path: string): string[] =>
  posix
    .normalize(`/${path}`)
    .split("/")
    .filter((part) => part !== "");

class Follower {
  private readonly root: string;
  /** Paths that are wanted, with what is below them; "" is everything. */
  readonly found = new Set<string>();
  private links = 0;

  constructor(root: string) {
    this.root = root;
  }

  /** Follows `parts` from the directory `at`. */
  follow(at: string, parts: readonly string[]): void {
    const [part, ...rest] = parts;
    if (part === undefined) {
      this.found.add(at);
      return;
    }
    if (part === "..") return this.follow(at === "" ? "" : posix.dirname(at).replace(/^\.$/, ""), rest);
    for (const name of this.namesOf(at, part)) this.step(at === "" ? name : `${at}/${name}`, rest);
  }

  private namesOf(at: string, part: string): string[] {
    if (!hasWildcards(part)) return [part];
    // What `**` may reach cannot be told without looking at everything.
    if (part === "**") {
      this.found.add(at);
      return [];
    }
    try {
      return readdirSync(join(this.root, at)).filter(compileGoPattern(part));
    } catch {
      return []; // ignored: there is nothing that could match
    }
  }

  private step(path: string, rest: readonly string[]): void {
    const stats = lstatSync(join(this.root, path), { throwIfNoEntry: false });
    if (stats === undefined) return;
    if (!stats.isSymbolicLink()) return this.follow(path, rest);
    this.found.add(path);
    if (++this.links > MAX_LINKS) return;
    const target = readlinkSync(join(this.root, path));
    const from = target.startsWith("/") ? "" : posix.dirname(path).replace(/^\.$/, "");
    // `..` at the root stays there.
    const parts = target.split("/").filter((p) => p !== "" && p !== ".");
    this.follow(from, [...parts, ...rest]);
  }
}

/** Tells whether a path is wanted, and whether something below it may be. */
export interface Wanted {
  isWanted(path: string): boolean;
  mayHold(path: string): boolean;
}

/** Returns what the paths mean in a directory; no paths mean everything. */
export function followPaths(root: string, paths: readonly string[]): Wanted {
  if (paths.length === 0) return { isWanted: () => true, mayHold: () => true };
  const follower = new Follower(root);
  for (const path of paths) follower.follow("", partsOf(path));
  const found = [...follower.found];
  const isBelow = (path: string, top: string): boolean =>
    top === "" || path === top || path.startsWith(`${top}/`);
  const isWanted = (path: string): boolean => found.some((top) => isBelow(path, top));
  return {
    isWanted,
    mayHold: (path) => isWanted(path) || found.some((top) => top.startsWith(`${path}/`)),
  };
}
