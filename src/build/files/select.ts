// Which files the words of COPY and ADD mean: wildcards against the tree, symlinks followed, errors in Docker's words.

import { Fault } from "../../lib/errors.ts";
import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import { compileGoPattern, hasWildcards } from "../../lib/patternmatch/go-match.ts";
import type { Dialect } from "../graph/dialect.ts";
import { type LinkReader, resolveInTree } from "./resolve.ts";
import type { FileNode, SourceTree } from "./source-tree.ts";

/** A file or directory to be copied. */
export interface Selected {
  /** Last component of the path as named or matched: what the copy is called in a directory. */
  readonly name: string;
  /** Where it is, symlinks followed. */
  readonly path: string;
  readonly node: FileNode;
}

export interface SelectOptions {
  readonly verb: "COPY" | "ADD";
  /** The uploaded context has its own texts for what is missing. */
  readonly isContext: boolean;
  /** Whose texts they are. */
  readonly dialect: Dialect;
}

function failed(verb: string, why: string): Fault {
  return new Fault("invalidParameter", `${verb} failed: ${why}`, { code: "build.copy" });
}

/** Says in the words of the builder that was asked that a source is not there. */
function missing(source: string, { verb, isContext, dialect }: SelectOptions): Fault {
  if (dialect === "buildkit") {
    const path = cleanPath(`/${source}`);
    const why = isContext
      ? `failed to compute cache key: ${JSON.stringify(path)}: not found`
      : `lstat ${path}: no such file or directory`;
    return new Fault("invalidParameter", why, { code: "build.copy" });
  }
  const reason = `stat ${source.replace(/^\//, "").replace(/^\.\//, "")}: file does not exist`;
  return failed(
    verb,
    isContext ? `file not found in build context or excluded by .dockerignore: ${reason}` : reason,
  );
}

const linksOf =
  (tree: SourceTree): LinkReader =>
  async (path) => {
    const node = await tree.lstat(path);
    if (node === undefined) return undefined;
    return {
      isDirectory: node.type === "directory",
      ...(node.type === "symlink" ? { linkTarget: node.linkTarget } : {}),
    };
  };

async function selectOne(tree: SourceTree, source: string, options: SelectOptions): Promise<Selected> {
  const resolved = await resolveInTree(linksOf(tree), source);
  const node = resolved.exists ? await tree.lstat(resolved.path) : undefined;
  if (node === undefined) throw missing(source, options);
  const name = cleanPath(`/${source}`).split("/").at(-1) as string;
  return { name, path: resolved.path, node };
}

/** Expands one component after another; `*` never crosses a slash, so that is the same as matching whole paths. */
async function expandWildcards(tree: SourceTree, pattern: string): Promise<string[]> {
  let found = ["/"];
  const parts = cleanPath(`/${pattern}`).slice(1).split("/");
  for (const [i, part] of parts.entries()) {
    const matches = compileGoPattern(part);
    const next: string[] = [];
    for (const directory of found) {
      if ((await tree.lstat(directory))?.type !== "directory") continue;
      for (const name of await tree.list(directory)) {
        if (matches(name)) next.push(directory === "/" ? `/${name}` : `${directory}/${name}`);
      }
    }
    found = next;
    if (i < parts.length - 1 && found.length === 0) break;
  }
  return found;
}

function leavesRoot(source: string): boolean {
  return cleanPath(source.replace(/^\/+/, "")).startsWith("..");
}

/** Returns what the sources name, in order. Throws Fault invalidParameter with Docker's text when one names nothing. */
export async function selectSources(
  tree: SourceTree,
  sources: readonly string[],
  options: SelectOptions,
): Promise<Selected[]> {
  const selected: Selected[] = [];
  for (const source of sources) {
    // compat: to BuildKit what is above the context is the context.
    if (options.isContext && options.dialect === "classic" && leavesRoot(source)) {
      throw failed(options.verb, `forbidden path outside the build context: ${source} ()`);
    }
    if (!hasWildcards(source)) {
      selected.push(await selectOne(tree, source, options));
      continue;
    }
    let paths: string[];
    try {
      paths = await expandWildcards(tree, source);
    } catch (error) {
      throw error instanceof Fault && error.code === "pattern.bad"
        ? failed(options.verb, error.message)
        : error;
    }
    for (const path of paths) selected.push(await selectOne(tree, path, options));
  }
  return selected;
}
