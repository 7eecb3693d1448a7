// Which files of the build's own context a graph reads, so that a client that is asked for a directory sends no others.

import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import { isUrl } from "../context/download.ts";
import { isGitSource } from "../../lib/git/git-ref.ts";
import type { BuildGraph, VertexOp } from "./vertex.ts";

function pathsOf(op: VertexOp): string[] {
  if (op.kind === "copy" && op.source === "")
    return op.sources
      .filter((source) => !isUrl(source) && !isGitSource(source))
      .map((source) => (op.keepsParents ? source.replace("/./", "/") : source));
  if (op.kind !== "run") return [];
  return op.mounts.flatMap((mount) => {
    if (mount.kind === "bind" && mount.source === "") return [mount.path];
    return mount.kind === "cache" && mount.origin?.source === "" ? [mount.origin.path] : [];
  });
}

/** Returns the paths and patterns, relative to the context; "." for all of it. */
export function contextPaths(graph: BuildGraph): string[] {
  const paths = graph.vertices.flatMap(({ op }) => pathsOf(op)).map((path) => cleanPath(`/${path}`).slice(1));
  return [...new Set(paths.map((path) => path || "."))].sort();
}
