// COPY --parents: a source keeps the directories it is in. The part before `/./` is where they begin; what matches the rest
// is copied with all that is in it, and the directories above it with their metadata and nothing else.

import { Fault } from "../../lib/errors.ts";
import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import { compileIgnorePatterns, type ParentMatch } from "../../lib/patternmatch/ignore-patterns.ts";
import { hasWildcards } from "../../lib/patternmatch/go-match.ts";
import { type Selected, selectSources, type SelectOptions } from "./select.ts";
import type { SourceTree, WalkedFile } from "./source-tree.ts";

/** Leaves out what does not match and is not on the way to what does. */
async function* onlyMatching(files: AsyncIterable<WalkedFile>, pattern: string): AsyncIterable<WalkedFile> {
  const patterns = compileIgnorePatterns([pattern]);
  const known = new Map<string, ParentMatch>();
  /** Directories that are delivered when something in them is. */
  let waiting: WalkedFile[] = [];
  for await (const file of files) {
    if (file.path === "") {
      yield file;
      continue;
    }
    const slash = file.path.lastIndexOf("/");
    const parent = slash < 0 ? "" : file.path.slice(0, slash);
    const { isMatch, forChildren } = patterns.match(file.path, known.get(parent));
    const isDirectory = file.node.type === "directory";
    if (isDirectory) known.set(file.path, forChildren);
    waiting = waiting.filter((w) => parent === w.path || parent.startsWith(`${w.path}/`));
    if (!isMatch) {
      if (isDirectory) waiting.push(file);
      continue;
    }
    yield* waiting;
    waiting = [];
    yield file;
  }
}

/** Returns the tree of what a source names, with its parents; undefined when a wildcard matches nothing. */
export async function selectWithParents(
  tree: SourceTree,
  source: string,
  options: SelectOptions,
): Promise<{ tree: SourceTree; selected: Selected } | undefined> {
  const pivot = source.indexOf("/./");
  const base = pivot < 0 ? "/" : source.slice(0, pivot) || "/";
  const pattern = cleanPath(`/${pivot < 0 ? source : source.slice(pivot + 3)}`).slice(1);
  const [root, ...more] = await selectSources(tree, [base], options);
  if (root === undefined) return undefined;
  if (more.length > 0)
    throw new Fault("invalidParameter", `${options.verb} failed: "${base}" names several directories`, {
      code: "build.copy",
    });
  if (pattern === "") return { tree, selected: { ...root, name: "" } };
  const filtered: SourceTree = {
    lstat: (path) => tree.lstat(path),
    list: (path) => tree.list(path),
    walk: (path) => onlyMatching(tree.walk(path), pattern),
  };
  let hasFile = false;
  for await (const file of filtered.walk(root.path)) {
    hasFile = file.path !== "";
    if (hasFile) break;
  }
  if (hasFile) return { tree: filtered, selected: { ...root, name: "" } };
  if (hasWildcards(source)) return undefined;
  const shown = source.replace(/^\//, "");
  throw new Fault("invalidParameter", `${options.verb} failed: ${JSON.stringify(shown)}: not found`, {
    code: "build.copy",
  });
}
