// Follows symlinks inside a tree, as chroot would: `..` stops at the root, absolute targets start there. Works on any
// tree that can say what one path is; the tree itself keeps paths below its root by descriptor, so that a wrong answer
// here could name a wrong file in the tree and never one outside.

import { Fault } from "../../lib/errors.ts";

/** Linux stops after as many (MAXSYMLINKS). */
const MAX_LINKS = 40;

/** What the walk needs to know of a path whose parents are resolved. */
export type LinkReader = (path: string) => Promise<{ isDirectory: boolean; linkTarget?: string } | undefined>;

export interface Resolved {
  /** Without symlinks as far as it exists. */
  readonly path: string;
  readonly exists: boolean;
  readonly isDirectory: boolean;
}

const join = (directory: string, name: string): string =>
  directory === "/" ? `/${name}` : `${directory}/${name}`;
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";

/**
 * Returns what `path` refers to below `root` (itself taken as it is). Parts that do not exist are appended as they are.
 * With `keepLast` the last component is not followed. Throws Fault invalidParameter for a loop.
 */
export async function resolveInTree(
  read: LinkReader,
  path: string,
  options: { root?: string; keepLast?: boolean } = {},
): Promise<Resolved> {
  const root = options.root ?? "/";
  const pending = path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .reverse();
  let at = root;
  let links = 0;
  let state = { exists: true, isDirectory: true };
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part === "..") {
      at = at === root ? root : parentOf(at);
      state = { exists: true, isDirectory: true };
      continue;
    }
    const next = join(at, part);
    const found = state.exists && state.isDirectory ? await read(next) : undefined;
    const isLast = pending.length === 0;
    if (found?.linkTarget !== undefined && !(isLast && options.keepLast)) {
      if (++links > MAX_LINKS) {
        throw new Fault("invalidParameter", `too many levels of symbolic links: "${path}"`, {
          code: "build.symlink-loop",
        });
      }
      if (found.linkTarget.startsWith("/")) at = root;
      pending.push(
        ...found.linkTarget
          .split("/")
          .filter((p) => p !== "" && p !== ".")
          .reverse(),
      );
      continue;
    }
    at = next;
    state = { exists: found !== undefined, isDirectory: found?.isDirectory ?? false };
  }
  return { path: at, ...state };
}
