// Builds that need BuildKit's session (secrets, agents, further contexts, several platforms): as the options of the command
// `build`, which knows it.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../../lib/errors.ts";
import { contextService } from "../../model/build-contexts.ts";
import type { BuildSpec, Project } from "../../model/project.ts";
import type { BuildSettings } from "./settings.ts";

const SESSION_FIELDS = [
  "secrets",
  "ssh",
  "additional_contexts",
  "cache_to",
  "no_cache_filter",
  "entitlements",
  "privileged",
  "provenance",
  "sbom",
] as const satisfies readonly (keyof BuildSpec)[];

/** Tells whether a build needs the session; the classic operation does all others. */
export function needsSession(build: BuildSpec, settings: BuildSettings): boolean {
  const isGiven = (value: unknown): boolean =>
    typeof value === "object" ? Object.keys(value ?? {}).length > 0 : value !== undefined && value !== false;
  return (
    SESSION_FIELDS.some((field) => isGiven(build[field])) ||
    settings.platforms.length > 1 ||
    settings.provenance !== "" ||
    settings.sbom !== "" ||
    Object.keys(settings.ssh).length > 0
  );
}

/** Returns the agents that a build may use, sockets by name: null is the user's own. */
export function sshOf(build: BuildSpec, { ssh }: BuildSettings): [string, string | null][] {
  return Object.entries({ ...build.ssh, ...ssh }).map(([id, path]) => [
    id,
    path === null ? null : String(path),
  ]);
}

/** Returns the limits of processes, as options write them. */
export function limitsOf({ ulimits = {} }: BuildSpec): string[] {
  return Object.entries(ulimits)
    .map(([name, limit]) =>
      typeof limit === "number" ? `${name}=${limit}` : `${name}=${limit.soft}:${limit.hard}`,
    )
    .sort();
}

/** Returns what a build is allowed beyond the usual. */
export function entitlementsOf({ entitlements = [], privileged = false }: BuildSpec): string[] {
  return privileged ? [...entitlements, "security.insecure"] : [...entitlements];
}

/** Returns what is to be said of an image beside it, as options write it. */
export function attestationsOf({ provenance, sbom }: BuildSpec): string[] {
  const one = (type: string, value: string | number | boolean | undefined): string[] => {
    const text = String(value ?? "");
    if (text === "" || text === "false") return [];
    return [text === "true" ? `type=${type}` : `type=${type},${text}`];
  };
  return [...one("provenance", provenance), ...one("sbom", sbom)];
}

/** What the options need beside the file and its settings. */
export interface OptionInput {
  /** Where secrets that are no files are written; the caller removes it. */
  readonly directory: string;
  /** Path, as an inline Dockerfile has one too. */
  readonly dockerfile: string;
  /** The images of services that are contexts, by the services' names. */
  readonly images: ReadonlyMap<string, string>;
}

/** Returns the options. */
export function buildOptions(
  project: Project,
  build: BuildSpec,
  settings: BuildSettings,
  { directory, dockerfile, images }: OptionInput,
): string[] {
  const value = (name: string, given: string | number | undefined): string[] =>
    given === undefined || given === "" ? [] : [`--${name}=${given}`];
  const each = (name: string, values: readonly string[] = []): string[] =>
    values.map((text) => `--${name}=${text}`);
  return [
    `--progress=${settings.isQuiet ? "quiet" : "plain"}`,
    `--file=${dockerfile}`,
    ...each("tag", settings.tags),
    ...each("build-arg", Object.entries(settings.args).map(pair)),
    ...each("label", Object.entries(settings.labels).map(pair)),
    ...each("add-host", settings.extraHosts),
    ...(settings.noCache ? ["--no-cache"] : []),
    ...(settings.pull ? ["--pull"] : []),
    ...(settings.push ? ["--push"] : []),
    ...value("platform", settings.platforms.join(",")),
    ...value("memory", settings.memory),
    ...value("target", build.target),
    ...value("network", build.network),
    ...value("shm-size", build.shm_size),
    ...each("ulimit", limitsOf(build)),
    ...each("cache-from", build.cache_from),
    ...each("cache-to", build.cache_to),
    ...each("no-cache-filter", build.no_cache_filter),
    ...each("allow", entitlementsOf(build)),
    ...each("attest", attestationsOf(build)),
    ...value("provenance", settings.provenance),
    ...value("sbom", settings.sbom),
    ...each("ssh", sshOf(build, settings).map(pair)),
    ...each("build-context", contextsOf(build, images).map(pair)),
    ...each("secret", secretsOf(project, build, directory)),
  ];
}

function pair([name, value]: readonly [string, string | number | boolean | null]): string {
  return value === null || value === "" ? name : `${name}=${value}`;
}

function contextsOf(build: BuildSpec, images: ReadonlyMap<string, string>): [string, string][] {
  return Object.entries(build.additional_contexts ?? {}).map(([name, value]) => {
    const image = images.get(contextService(value) ?? "");
    return [name, image === undefined ? value : `docker-image://${image}`];
  });
}

function secretsOf(project: Project, build: BuildSpec, directory: string): string[] {
  return (build.secrets ?? []).map(({ source = "", target = source }, index) => {
    const { file, content, environment } = project.secrets[source] ?? {};
    if (file === undefined && content === undefined) {
      throw new Fault(
        "invalidParameter",
        `environment variable ${JSON.stringify(environment ?? "")} required by secret ${JSON.stringify(source)} is not set`,
        { code: "compose.variable" },
      );
    }
    const path = file ?? join(directory, `secret-${index}`);
    if (file === undefined) writeFileSync(path, content ?? "", { mode: 0o600 });
    return [`id=${target}`, `src=${path}`].map(quoted).join(",");
  });
}

/** A field of a line of CSV. */
function quoted(field: string): string {
  return /[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
