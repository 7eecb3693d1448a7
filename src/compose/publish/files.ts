// The files of a project as they are published: as they are written, variables and comments included, but for the names of files that go
// along with them. These get names of their own (a hash of where they lay), since an artifact has no directories and tells nobody
// about those of its author.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import {
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node as YamlNode,
  parseAllDocuments,
  type Scalar,
} from "yaml";
import { isRemote } from "../load/remote.ts";
import { substitute } from "../load/substitute.ts";
import { expandHome } from "../load/paths.ts";
import type { Project } from "../model/project.ts";

/** One file of an artifact. */
export interface PublishedFile {
  readonly kind: "project" | "extended" | "env";
  readonly name: string;
  readonly content: Uint8Array;
}

export interface PublishedFiles {
  readonly files: readonly PublishedFile[];
  /** Env files that there are, whether they are published or not. */
  readonly envFiles: readonly PublishedFile[];
  /** The texts of the files in which something is extended, and of those that they extend. */
  readonly sources: readonly { readonly path: string; readonly text: string }[];
  /** Files here that a file includes: they would be missing. */
  readonly localIncludes: readonly string[];
}

/** Reads the project's files and those that they refer to. */
export function publishedFiles(project: Project): PublishedFiles {
  const envFiles = new Map<string, PublishedFile>();
  const sources: { path: string; text: string }[] = [];
  const localIncludes: string[] = [];
  const files: PublishedFile[] = [];
  const seen = new Set<string>(project.files);
  const queue = project.files.map((path) => ({ path, kind: "project" as PublishedFile["kind"] }));
  for (const { path, kind } of queue) {
    const text = readFileSync(path === "-" ? 0 : path, "utf8");
    sources.push({ path, text });
    // As in loading: what an extended file names is beside that file.
    const directory = kind === "extended" ? dirname(path) : project.directory;
    const references = referencesOf(text, { directory, environment: project.environment });
    localIncludes.push(...references.filter((r) => r.kind === "include").map((r) => r.path));
    for (const reference of references) {
      if (reference.kind === "env" && existsSync(reference.path))
        envFiles.set(reference.path, {
          kind: "env",
          name: reference.name,
          content: readFileSync(reference.path),
        });
      if (reference.kind !== "extended" || seen.has(reference.path)) continue;
      seen.add(reference.path);
      queue.push({ path: reference.path, kind: "extended" });
    }
    const name = kind === "extended" ? hashedName(path, "yaml") : (path.split("/").at(-1) ?? "");
    files.push({ kind, name, content: Buffer.from(renamed(text, references)) });
  }
  return { files, envFiles: [...envFiles.values()], sources, localIncludes };
}

type Scope = Pick<Project, "directory" | "environment">;

/** A place in a file that names another one. */
interface FileReference {
  readonly kind: "extended" | "env" | "include";
  /** Absolute. */
  readonly path: string;
  /** What it is called in the artifact. */
  readonly name: string;
  /** Where the name begins and ends in the text. */
  readonly range: readonly [number, number];
}

const hashedName = (path: string, ending: string): string =>
  `${createHash("sha256").update(path).digest("hex")}.${ending}`;

/** Finds the files here that a Compose file names. It has been loaded before: what is not as it should be is passed over. */
function referencesOf(text: string, scope: Scope): FileReference[] {
  const found: FileReference[] = [];
  const documents = parseAllDocuments(text, { lineCounter: new LineCounter(), merge: true });
  for (const document of Array.isArray(documents) ? documents : []) {
    /** Follows aliases: what an anchor stands for is changed where it is written. */
    const at = (node: unknown, ...path: (string | number)[]): YamlNode | undefined => {
      let current = node as YamlNode | undefined;
      for (const step of [undefined, ...path]) {
        if (step !== undefined && (isMap(current) || isSeq(current)))
          current = current.get(step, true) as YamlNode | undefined;
        else if (step !== undefined) return undefined;
        if (current !== undefined && "source" in current && !isScalar(current))
          current = (current as { resolve(of: unknown): YamlNode | undefined }).resolve(document);
      }
      return current;
    };
    const add = (kind: FileReference["kind"], node: YamlNode | undefined): void => {
      const reference = referenceOf(kind, node, scope);
      if (reference !== undefined && !found.some(({ range }) => range[0] === reference.range[0]))
        found.push(reference);
    };
    const root = document.contents;
    for (const entry of itemsOf(at(root, "include")))
      for (const path of namesOf(at(entry, "path") ?? at(entry), at)) add("include", path);
    const services = at(root, "services");
    for (const { value } of isMap(services) ? services.items : []) {
      add("extended", at(value, "extends", "file"));
      for (const name of namesOf(at(value, "env_file"), at)) add("env", at(name, "path") ?? name);
    }
  }
  return found;
}

type Follow = (node: unknown, ...path: (string | number)[]) => YamlNode | undefined;

const itemsOf = (node: YamlNode | undefined): readonly unknown[] => (isSeq(node) ? node.items : []);

/** A name, or several in a list. */
const namesOf = (node: YamlNode | undefined, at: Follow): (YamlNode | undefined)[] =>
  isSeq(node) ? node.items.map((item) => at(item)) : [node];

function referenceOf(
  kind: FileReference["kind"],
  node: YamlNode | undefined,
  { directory, environment }: Scope,
): FileReference | undefined {
  if (!isScalar(node) || typeof node.value !== "string" || !node.range) return undefined;
  const named = substitute((node as Scalar<string>).value, {
    lookup: (name) => environment.get(name),
    onUnset: () => {},
  });
  if (isRemote(named)) return undefined;
  const home = expandHome(named);
  const path = isAbsolute(home) ? home : join(directory, home);
  // An env file that may be missing has a name, too: the artifact says nothing of where it would lie.
  if (kind === "extended" && !existsSync(path)) return undefined;
  const name = hashedName(path, kind === "env" ? "env" : "yaml");
  return { kind, path, name, range: [node.range[0], node.range[1]] };
}

/** Returns the text with the names that the files have in the artifact. */
function renamed(text: string, references: readonly FileReference[]): string {
  let result = text;
  for (const { kind, name, range } of references.toSorted((a, b) => b.range[0] - a.range[0]))
    if (kind !== "include") result = result.slice(0, range[0]) + name + result.slice(range[1]);
  return result;
}
