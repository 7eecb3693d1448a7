// From command-line options to a project: find the files, name the project, merge, complete, choose the profiles, check.

import { resolve } from "node:path";
import { checkConsistency } from "../model/consistency.ts";
import { normalize } from "../model/normalize.ts";
import type { Project } from "../model/project.ts";
import { withoutNames } from "../model/printed.ts";
import { withEnabled, withProfiles } from "../model/select.ts";
import type { MapNode } from "../tree/node.ts";
import { invalidFile } from "../tree/problem.ts";
import { Loader } from "./loader.ts";
import { type FileOptions, locateProject, type ProjectFiles } from "./project-files.ts";
import { invalidName, projectName } from "./project-name.ts";

export interface LoadOptions extends FileOptions {
  /** Of -p; empty when not given. */
  readonly name: string;
  /** Of --profile; those of COMPOSE_PROFILES when none is given. */
  readonly profiles: readonly string[];
  /** Services named on the command line, whose profiles are active. */
  readonly services?: readonly string[];
  /** "_" as Compose 1 had it. */
  readonly separator?: "-" | "_";
  readonly isInterpolated?: boolean;
  readonly resolvesPaths?: boolean;
  readonly isNormalized?: boolean;
  readonly isChecked?: boolean;
}

/** Loads a project. Throws a Fault with every problem of its files. */
export async function loadProject(options: LoadOptions): Promise<Project> {
  const { tree, name, located } = await loadTree(options);
  let project = normalize(tree, {
    name,
    directory: located.directory,
    files: located.files.map(({ path }) => path),
    environment: located.environment,
    envFiles: options.envFiles.map((path) => resolve(path)),
    separator: options.separator ?? "-",
    isNormalized: options.isNormalized ?? true,
  });
  project = withProfiles(project, activeProfiles(options, located.environment));
  project = withEnabled(project, options.services ?? []);
  const problems = (options.isChecked ?? true) ? checkConsistency(project) : [];
  if (problems.length > 0) throw invalidFile(problems);
  return project;
}

/** Loads a project whose variables are not put in: what `config --no-interpolate` shows, as plain values. */
export async function loadRaw(options: LoadOptions): Promise<Readonly<Record<string, unknown>>> {
  const { tree, name, located } = await loadTree({ ...options, isInterpolated: false });
  const project = normalize(tree, {
    name,
    directory: located.directory,
    files: [],
    environment: new Map(),
    isNormalized: options.isNormalized ?? true,
  });
  const { networks, volumes, secrets, configs, extensions } = project;
  const parts = { services: withoutNames(project.services), networks, volumes, secrets, configs };
  const used = Object.entries(parts).filter(([, part]) => Object.keys(part).length > 0);
  return { name, ...Object.fromEntries(used), ...extensions };
}

/** Loads and merges a project's files, no more. */
async function loadTree(options: LoadOptions): Promise<{
  readonly tree: MapNode;
  readonly name: string;
  readonly located: ProjectFiles;
}> {
  const located = await locateProject(options);
  const { files, directory, environment } = located;
  const loader = new Loader({
    isInterpolated: options.isInterpolated ?? true,
    resolvesPaths: options.resolvesPaths ?? true,
    warn: options.warn,
    artifacts: options.artifacts,
  });
  const documents = files.flatMap((file) => loader.documents(file));
  const name = projectName({ given: options.name, documents, directory, environment });
  if (name === "") throw invalidName(name);
  environment.set("COMPOSE_PROJECT_NAME", name);
  return { tree: await loader.load(files, { directory, environment }), name, located };
}

function activeProfiles(
  { profiles }: LoadOptions,
  environment: ReadonlyMap<string, string>,
): readonly string[] {
  if (profiles.length > 0) return profiles;
  return (environment.get("COMPOSE_PROFILES") ?? "")
    .split(",")
    .map((profile) => profile.trim())
    .filter((profile) => profile !== "");
}
