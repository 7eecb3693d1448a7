// COPY --parents: a source keeps the directories it is in. The part before `/./` is where they begin; what matches the rest
// is copied with all that is in it, and the directories above it with their metadata and nothing else.

import { Fault } from "../../lib/errors.ts";
import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import { compileIgnorePatterns, type ParentMatch } from "../../lib/patternmatch/ignore-patterns.ts";
import { hasWildcards } from "../../lib/patternmatch/go-match.ts";
import { type Selected, selectSources, type SelectOptions } from "./select.ts";
import type { SourceTree, WalkedFile } from "./source-tree.ts";

/** compat: a directory that is only on the way is as old as what is put into it. */
function onTheWay(file: WalkedFile): WalkedFile {
  const mtimeSec = Math.floor(Date.now() / 1000);
  return { ...file, node: { ...file.node, mtimeSec, mtimeNsec: 0 } };
}

/** Leaves out what does not match and is not on the way to what does. `waiting` is what leads to the first of the files. */
async function* onlyMatching(
  files: AsyncIterable<WalkedFile>,
  pattern: string,
  waiting: WalkedFile[],
): AsyncIterable<WalkedFile> {
  const patterns = compileIgnorePatterns([pattern]);
  const known = new Map<string, ParentMatch>();
  for await (const file of files) {
    const slash = file.path.lastIndexOf("/");
    const parent = slash < 0 ? "" : file.path.slice(0, slash);
    const { isMatch, forChildren } = patterns.match(file.path, known.get(parent));
    const isDirectory = file.node.type === "directory";
    if (isDirectory) known.set(file.path, forChildren);
    for (let last = waiting.at(-1); last !== undefined && !isBelow(parent, last.path); last = waiting.at(-1))
      waiting.pop();
    if (!isMatch) {
      if (isDirectory) waiting.push(onTheWay(file));
      continue;
    }
    yield* waiting.splice(0);
    yield file;
  }
}

const isBelow = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(`${directory}/`);

async function* noContent(): AsyncGenerator<Uint8Array> {}

/** Walks what matches below `root`: no further than the pattern's words without wildcards lead. */
async function* walkMatching(tree: SourceTree, root: string, pattern: string): AsyncIterable<WalkedFile> {
  const words = pattern.split("/");
  const first = words.findIndex((word) => hasWildcards(word));
  const fixed = first < 0 ? words.length : first;
  const waiting: WalkedFile[] = [];
  const at = (count: number): string => cleanPath(`${root}/${words.slice(0, count).join("/")}`);
  for (let count = 0; count <= fixed; count++) {
    const node = await tree.lstat(at(count));
    if (node === undefined || (count < words.length && node.type !== "directory")) return;
    const directory = { path: words.slice(0, count).join("/"), node, xattrs: [], content: noContent };
    if (count === 0) yield directory;
    else if (count < fixed) waiting.push(onTheWay(directory));
  }
  const prefix = words.slice(0, fixed).join("/");
  async function* files(): AsyncIterable<WalkedFile> {
    for await (const file of tree.walk(at(fixed))) {
      const path = [prefix, file.path].filter((part) => part !== "").join("/");
      if (path !== "") yield { ...file, path };
    }
  }
  yield* onlyMatching(files(), pattern, waiting);
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
    walk: (path) => walkMatching(tree, path, pattern),
  };
  // To its end: a walk that is left leaves its session unusable.
  let hasFile = false;
  for await (const file of filtered.walk(root.path)) hasFile ||= file.path !== "";
  if (hasFile) return { tree: filtered, selected: { ...root, name: "" } };
  if (hasWildcards(source)) return undefined;
  const shown = source.replace(/^\//, "");
  throw new Fault("invalidParameter", `${options.verb} failed: ${JSON.stringify(shown)}: not found`, {
    code: "build.copy",
  });
}
