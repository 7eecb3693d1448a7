// Builds that need BuildKit's session (secrets, agents, further contexts): as the options of the command `build`, which knows it.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import type { BuildSpec, Project } from "../model/project.ts";

const SESSION_FIELDS = [
  "secrets",
  "ssh",
  "additional_contexts",
  "cache_to",
  "no_cache_filter",
  "entitlements",
] as const satisfies readonly (keyof BuildSpec)[];

/** Tells whether a build needs the session; the classic operation does all others. */
export function needsSession(build: BuildSpec): boolean {
  return SESSION_FIELDS.some((field) => Object.keys(build[field] ?? {}).length > 0);
}

/** What a build is told beside its own fields. */
export interface BuildSettings {
  readonly tags: readonly string[];
  readonly args: Readonly<Record<string, string | null>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly extraHosts: readonly string[];
  readonly noCache: boolean;
  readonly pull: boolean;
  readonly platform: string | undefined;
  readonly memory: number | undefined;
  /** Path, as an inline Dockerfile has one too. */
  readonly dockerfile: string;
  readonly isQuiet: boolean;
}

/** Returns the options. Secrets that are no files are written into `directory`, which the caller removes. */
export function buildOptions(
  project: Project,
  build: BuildSpec,
  settings: BuildSettings,
  directory: string,
): string[] {
  const value = (name: string, given: string | number | undefined): string[] =>
    given === undefined ? [] : [`--${name}=${given}`];
  const each = (name: string, values: readonly string[] = []): string[] =>
    values.map((text) => `--${name}=${text}`);
  const limits = Object.entries(build.ulimits ?? {}).map(([name, limit]) =>
    typeof limit === "number" ? `${name}=${limit}` : `${name}=${limit.soft}:${limit.hard}`,
  );
  return [
    `--progress=${settings.isQuiet ? "quiet" : "plain"}`,
    `--file=${settings.dockerfile}`,
    ...each("tag", settings.tags),
    ...each("build-arg", Object.entries(settings.args).map(pair)),
    ...each("label", Object.entries(settings.labels).map(pair)),
    ...each("add-host", settings.extraHosts),
    ...(settings.noCache ? ["--no-cache"] : []),
    ...(settings.pull ? ["--pull"] : []),
    ...value("platform", settings.platform),
    ...value("memory", settings.memory),
    ...value("target", build.target),
    ...value("network", build.network),
    ...value("shm-size", build.shm_size),
    ...each("ulimit", limits),
    ...each("cache-from", build.cache_from),
    ...each("cache-to", build.cache_to),
    ...each("no-cache-filter", build.no_cache_filter),
    ...each("allow", build.entitlements),
    ...each("ssh", Object.entries(build.ssh ?? {}).map(pair)),
    ...each("build-context", Object.entries(build.additional_contexts ?? {}).map(pair)),
    ...each("secret", secretsOf(project, build, directory)),
  ];
}

function pair([name, value]: readonly [string, string | number | boolean | null]): string {
  return value === null || value === "" ? name : `${name}=${value}`;
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
