// Files to one tree: each file is read (YAML, variables, long form), takes in what it includes, extends its services, and
// goes on top of the files before it. The whole is verified at the end. Files may lie in git repositories (remote.ts); nothing but
// files is touched.

import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { file as fileShape } from "../schema/file.ts";
import { readTree } from "../schema/read.ts";
import { service as serviceShape } from "../schema/service.ts";
import { verifyTree } from "../schema/verify.ts";
import {
  child,
  type MapEntry,
  type MapNode,
  map,
  type Node,
  type Position,
  scalar,
  textOf,
  withEntry,
  without,
} from "../tree/node.ts";
import { parseYaml } from "../tree/parse.ts";
import { invalidAt, invalidFile, type Problem, showFile, showPosition } from "../tree/problem.ts";
import { didYouMean } from "../tree/suggest.ts";
import type { ArtifactRegistry } from "./artifact.ts";
import { readEnvFiles } from "./environment.ts";
import { interpolate } from "./interpolate.ts";
import { mergeTrees } from "./merge.ts";
import { expandHome, pathResolver } from "./paths.ts";
import { fetchRemote, isRemote } from "./remote.ts";

export interface SourceFile {
  /** Absolute path, or "-" for stdin. */
  readonly path: string;
  readonly text: string;
}

export interface LoaderOptions {
  readonly isInterpolated: boolean;
  readonly resolvesPaths: boolean;
  readonly warn: (message: string) => void;
  readonly artifacts: ArtifactRegistry;
}

/** Where a file's relative paths and variables come from. */
interface Scope {
  readonly directory: string;
  readonly environment: ReadonlyMap<string, string>;
  /** Files that include each other, outermost first. */
  readonly chain: readonly string[];
}

/** The parts of a file that it may take from the files it includes. */
const resources = ["services", "models", "networks", "volumes", "secrets", "configs"];

export class Loader {
  readonly #options: LoaderOptions;
  readonly #documents = new Map<string, Node[]>();
  /** Where files that lie elsewhere have been brought to. */
  readonly #remote = new Map<string, Promise<string>>();
  /** Unset variables, each of which is reported once. */
  readonly #unset = new Set<string>();

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  /** Returns the project's tree: all files merged and verified. Throws a Fault with every problem found. */
  async load(files: readonly SourceFile[], scope: Omit<Scope, "chain">): Promise<MapNode> {
    const root = await this.#model(files, { ...scope, chain: [] });
    if (root.entries.size === 0)
      throw new Fault("invalidParameter", "empty compose file", { code: "compose.empty" });
    const problems = verifyTree(fileShape, root);
    if (problems.length > 0) throw invalidFile(problems);
    return root;
  }

  /** Returns a file's documents, which are parsed once. */
  documents({ path, text }: SourceFile): readonly Node[] {
    let nodes = this.#documents.get(path);
    if (nodes === undefined) {
      nodes = parseYaml(text, path);
      this.#documents.set(path, nodes);
    }
    return nodes;
  }

  async #model(files: readonly SourceFile[], scope: Scope): Promise<MapNode> {
    let root: MapNode = map(new Map(), { file: files[0]?.path ?? "-", line: 1, column: 1 });
    for (const file of files) root = await this.#file(file, root, scope);
    return this.#complete(root, scope);
  }

  async #file(file: SourceFile, base: MapNode, scope: Scope): Promise<MapNode> {
    let root = base;
    for (const document of this.documents(file)) {
      let own = this.#read(document, scope);
      own = await this.#include(own, { ...scope, chain: [...scope.chain, file.path] });
      own = await this.#extend(own, scope);
      if (own.entries.has("version")) {
        this.#options.warn(
          `${showFile(file.path)}: the attribute \`version\` is obsolete, it will be ignored, ` +
            "please remove it to avoid potential confusion",
        );
        own = without(own, "version");
      }
      root = mergeTrees(fileShape, root, own) as MapNode;
    }
    return root;
  }

  #read(document: Node, scope: Scope): MapNode {
    if (document.kind !== "map") throw invalidAt(document.at, "", "top-level object must be a mapping");
    const problems: Problem[] = [];
    const problem = (found: Problem): void => void problems.push(found);
    let node: Node = document;
    if (this.#options.isInterpolated) {
      node = interpolate(node, "", {
        lookup: (name) => scope.environment.get(name),
        onUnset: (name) => this.#warnUnset(name),
        problem,
      });
    }
    const read = readTree(fileShape, node, "", {
      resolvePath: this.#options.resolvesPaths ? pathResolver(scope.directory) : undefined,
      isLenient: !this.#options.isInterpolated,
      problem,
      warning: ({ at, path, message }) => this.#options.warn(`${showPosition(at)}: ${path}: ${message}`),
    });
    if (problems.length > 0) throw invalidFile(problems);
    return read as MapNode;
  }

  /** Returns the path of a file that lies elsewhere, here; undefined for one that is here anyway. */
  async #fetched(text: string, at: Position, attribute: string): Promise<string | undefined> {
    if (!isRemote(text)) return undefined;
    const fetching = this.#remote.get(text) ?? fetchRemote(text, this.#options.artifacts);
    this.#remote.set(text, fetching);
    try {
      return await fetching;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      throw invalidAt(at, attribute, error.message);
    }
  }

  #warnUnset(name: string): void {
    if (this.#unset.has(name)) return;
    this.#unset.add(name);
    this.#options.warn(`The ${JSON.stringify(name)} variable is not set. Defaulting to a blank string.`);
  }

  /** Puts what the files named by `include` have below the file's own services, networks, … */
  async #include(node: MapNode, scope: Scope): Promise<MapNode> {
    const includes = child(node, "include");
    if (includes?.kind !== "list") return node;
    let result = without(node, "include");
    for (const entry of includes.items) {
      const [files, inside] = await this.#included(entry, scope);
      const imported = withContents(await this.#model(files, inside), inside.environment, scope.environment);
      for (const part of resources) result = takeIn(result, imported, part);
    }
    return result;
  }

  async #included(entry: Node, scope: Scope): Promise<[SourceFile[], Scope]> {
    const within = (path: string): string => {
      const home = expandHome(path);
      return isAbsolute(home) ? home : join(scope.directory, home);
    };
    const paths: string[] = [];
    for (const path of textsOf(child(entry, "path")))
      paths.push((await this.#fetched(path, entry.at, "include")) ?? within(path));
    const [main] = paths;
    if (main === undefined) throw invalidAt(entry.at, "include", "missing property 'path'");
    if (scope.chain.includes(main)) {
      const chain = [...scope.chain, main].map(showFile).join("\n include ");
      throw invalidAt(entry.at, "include", `include cycle detected:\n${chain}`);
    }
    const files: SourceFile[] = [];
    for (const path of paths) files.push({ path, text: await readSource(path, entry.at, "include") });
    const projectDirectory = textOf(child(entry, "project_directory"));
    const directory = projectDirectory === undefined ? dirname(main) : within(projectDirectory);
    const named = textsOf(child(entry, "env_file"));
    const envFiles =
      named.length > 0 ? named.filter((name) => name !== "/dev/null").map(within) : dotenvIn(directory);
    const environment = new Map(scope.environment);
    const added = readEnvFiles(envFiles, environment, (name) => this.#warnUnset(name));
    for (const [name, value] of added) if (!environment.has(name)) environment.set(name, value);
    return [files, { directory, environment, chain: scope.chain }];
  }

  async #extend(node: MapNode, scope: Scope): Promise<MapNode> {
    const services = child(node, "services");
    if (services?.kind !== "map") return node;
    const entries = new Map<string, MapEntry>();
    for (const [name, { keyAt, value }] of services.entries)
      entries.set(name, { keyAt, value: await this.#extended(name, value, services, scope, []) });
    return withEntry(node, "services", map(entries, services.at));
  }

  /** Returns a service on top of the one it extends. `chain` names the services that led here. */
  async #extended(
    name: string,
    service: Node,
    services: MapNode,
    scope: Scope,
    chain: readonly string[],
  ): Promise<Node> {
    const extending = child(service, "extends");
    if (service.kind !== "map" || extending?.kind !== "map") return service;
    const at = extending.at;
    const path = `services.${name}.extends`;
    const target = textOf(child(extending, "service"));
    if (target === undefined) throw invalidAt(at, path, "missing property 'service'");
    const file = textOf(child(extending, "file"));
    const here = `${file ?? service.at.file}#${target}`;
    if (chain.includes(here)) {
      const shown = [...chain, here]
        .map((step) => step.replace("#", ": ").replace(/^.*\//, ""))
        .join("\n  extends ");
      throw invalidAt(at, path, `circular reference:\n  ${shown}`);
    }
    const [found, inside] =
      file === undefined ? [services, scope] : await this.#foreignServices(file, at, path, scope);
    const base = child(found, target);
    if (base === undefined) {
      const where = file === undefined ? "" : ` in ${showFile(file)}`;
      const hint = didYouMean(target, found.entries.keys());
      throw invalidAt(
        at,
        path,
        `cannot extend service ${JSON.stringify(name)}: service ${JSON.stringify(target)} not found${where}${hint}`,
      );
    }
    const extended = await this.#extended(target, base, found, inside, [...chain, here]);
    const merged = mergeTrees(serviceShape, extended, without(service, "extends"));
    return { ...merged, tag: service.tag };
  }

  async #foreignServices(file: string, at: Position, path: string, scope: Scope): Promise<[MapNode, Scope]> {
    const absolute = (await this.#fetched(file, at, path)) ?? resolve(scope.directory, file);
    const inside = { ...scope, directory: dirname(absolute) };
    const source = { path: absolute, text: await readSource(absolute, at, path) };
    let root: Node | undefined;
    for (const document of this.documents(source))
      root = mergeTrees(fileShape, root, this.#read(document, inside));
    const services = child(root, "services");
    if (services?.kind !== "map") throw invalidAt(at, path, `no services section in ${showFile(absolute)}`);
    return [services, inside];
  }

  /** Fills in what depends on the directory of a whole model: build contexts, host directories behind volumes. */
  #complete(root: MapNode, { directory }: Scope): MapNode {
    const toPath = this.#options.resolvesPaths ? pathResolver(directory) : (_: unknown, path: string) => path;
    let result = changeEach(root, "services", (service) => {
      const build = child(service, "build");
      if (build?.kind !== "map" || build.entries.has("context")) return service;
      return withEntry(service, "build", withEntry(build, "context", scalar(toPath("path", "."), build.at)));
    });
    result = changeEach(result, "volumes", (volume) => {
      const options = child(volume, "driver_opts");
      const device = child(options, "device");
      const isBind = textOf(child(volume, "driver")) === "local" && textOf(child(options, "o")) === "bind";
      const path = textOf(device);
      if (!isBind || options?.kind !== "map" || device === undefined || path === undefined) return volume;
      return withEntry(
        volume,
        "driver_opts",
        withEntry(options, "device", scalar(toPath("host", path), device.at)),
      );
    });
    return result;
  }
}

function changeEach(root: MapNode, part: string, change: (node: MapNode) => MapNode): MapNode {
  const node = child(root, part);
  if (node?.kind !== "map") return root;
  const entries = new Map<string, MapEntry>();
  for (const [name, { keyAt, value }] of node.entries)
    entries.set(name, { keyAt, value: value.kind === "map" ? change(value) : value });
  return withEntry(root, part, map(entries, node.at));
}

/** Gives secrets and configs the values of variables that only the files which they came with know. */
function withContents(
  model: MapNode,
  own: ReadonlyMap<string, string>,
  outer: ReadonlyMap<string, string>,
): MapNode {
  const complete = (spec: MapNode): MapNode => {
    const name = textOf(child(spec, "environment")) ?? "";
    const value = outer.has(name) ? undefined : own.get(name);
    return value === undefined ? spec : withEntry(spec, "content", scalar(value, spec.at));
  };
  return changeEach(changeEach(model, "secrets", complete), "configs", complete);
}

/** The including file's own goes on top of what it includes. */
function takeIn(node: MapNode, imported: MapNode, part: string): MapNode {
  const theirs = child(imported, part);
  const shape = fileShape.fields[part as "services"];
  if (theirs?.kind !== "map") return node;
  const ours = child(node, part);
  return withEntry(node, part, ours === undefined ? theirs : mergeTrees(shape, theirs, ours));
}

function textsOf(node: Node | undefined): string[] {
  if (node?.kind !== "list") return [];
  return node.items.map(textOf).filter((text) => text !== undefined);
}

function dotenvIn(directory: string): string[] {
  const path = join(directory, ".env");
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true ? [path] : [];
}

async function readSource(path: string, at: Position, attribute: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw invalidAt(
      at,
      attribute,
      `open ${path}: ${isMissing ? "no such file or directory" : "cannot be read"}`,
    );
  }
}
