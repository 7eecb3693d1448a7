// Building the images of services with the daemon's build operation.

import { imageBuild } from "../../api/operations/build.ts";
import type { StreamResponse } from "../../api/client.ts";
import type { ProgressLine } from "../../api/schemas/progress.ts";
import { Fault } from "../../lib/errors.ts";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type BuildSpec, imageOf, type Project, type Service } from "../model/project.ts";
import { label } from "../observe/labels.ts";
import { positionOf } from "../tree/node.ts";
import { invalidFile, type Problem } from "../tree/problem.ts";
import { extraHostsOf } from "../request/container.ts";
import { buildOptions, needsSession } from "./build-options.ts";
import { allDone, type Work } from "./work.ts";

export interface BuildOptions {
  readonly isQuiet: boolean;
  readonly noCache?: boolean;
  readonly pull?: boolean;
  /** Bytes. */
  readonly memory?: number;
  /** `NAME=value`, or a name whose value is the environment's. */
  readonly buildArgs?: readonly string[];
}

/** Builds the services' images, each one's output behind its name. Throws a Fault for the first that fails. */
export async function buildServices(
  work: Work,
  project: Project,
  services: readonly Service[],
  options: BuildOptions,
): Promise<void> {
  const problems = services.flatMap((service) => unsupported(project, service));
  if (problems.length > 0) throw invalidFile(problems);
  const isAlone = services.length === 1;
  await allDone(
    services.map((service) =>
      work.limit.run(() => buildService(work, project, service, { ...options, isAlone })),
    ),
  );
}

/** What of `build` the daemon's operation cannot do is refused, not left out. */
function unsupported(project: Project, { name, build = {} }: Service): Problem[] {
  const problem = (field: string, message: string): Problem => ({
    at: positionOf(project.tree, ["services", name, "build", field]),
    path: `services.${name}.build.${field}`,
    message,
  });
  const found: Problem[] = [];
  if (build.privileged === true) found.push(problem("privileged", "privileged builds are not supported"));
  for (const [context, from] of Object.entries(build.additional_contexts ?? {}))
    if (from.startsWith("service:"))
      found.push(
        problem("additional_contexts", `${context}: images of other services are not supported as contexts`),
      );
  if ((build.platforms ?? []).length > 1)
    found.push(problem("platforms", "images for several platforms cannot be built at once"));
  return found;
}

async function buildService(
  work: Work,
  project: Project,
  service: Service,
  options: BuildOptions & { readonly isAlone: boolean },
): Promise<void> {
  const image = imageOf(project, service);
  const id = `Image ${image}`;
  work.progress.on({ id, text: "Building", status: "working" });
  try {
    if (needsSession(service.build ?? {})) await buildWithSession(work, project, service, options);
    else await buildClassic(work, project, service, options);
  } catch (error) {
    work.progress.on({ id, text: "Error", status: "error", details: (error as Error).message });
    throw error;
  }
  work.progress.on({ id, text: "Built", status: "done" });
}

async function buildClassic(
  work: Work,
  project: Project,
  service: Service,
  options: BuildOptions & { readonly isAlone: boolean },
): Promise<void> {
  const lines = await startBuild(work, project, service, options);
  const output = new PrefixedOutput(options.isAlone ? "" : `${service.name} | `, (text) =>
    work.ports.write(text),
  );
  for await (const line of lines) {
    const failure = line.errorDetail?.message ?? line.error;
    if (failure !== undefined && failure !== "")
      throw new Fault("system", `failed to build ${service.name}: ${failure}`, { code: "compose.build" });
    if (!options.isQuiet && line.stream !== undefined) output.write(line.stream);
  }
  output.end();
}

async function buildWithSession(
  work: Work,
  project: Project,
  service: Service,
  options: BuildOptions,
): Promise<void> {
  if (work.isDryRun) return;
  const build = service.build ?? {};
  const { context = "." } = build;
  const directory = mkdtempSync(join(tmpdir(), "berth-compose-"));
  try {
    let dockerfile = isRemote(context)
      ? (build.dockerfile ?? "")
      : resolve(context, build.dockerfile ?? "Dockerfile");
    if (build.dockerfile_inline !== undefined) {
      dockerfile = join(directory, "Dockerfile");
      writeFileSync(dockerfile, build.dockerfile_inline);
    }
    const { isQuiet, memory } = options;
    const settings = { ...common(work, project, service, options), dockerfile, isQuiet, memory };
    await work.ports.buildWithSession(context, buildOptions(project, build, settings, directory));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function isRemote(context: string): boolean {
  return /^(?:https?:\/\/|git:\/\/|git@|ssh:\/\/|github\.com\/)/.test(context);
}

/** What both ways of building are told. */
function common(work: Work, project: Project, service: Service, options: BuildOptions) {
  const build = service.build ?? {};
  return {
    tags: [imageOf(project, service), ...(build.tags ?? [])],
    args: buildArgs(project, build, options),
    labels: {
      ...build.labels,
      [label.project]: project.name,
      [label.service]: service.name,
      [label.version]: work.version,
    },
    extraHosts: extraHostsOf(build.extra_hosts),
    noCache: options.noCache === true || build.no_cache === true,
    pull: options.pull === true || build.pull === true,
    platform: build.platforms?.[0] ?? service.platform ?? process.env["DOCKER_DEFAULT_PLATFORM"],
  };
}

function startBuild(
  work: Work,
  project: Project,
  service: Service,
  options: BuildOptions,
): Promise<StreamResponse<ProgressLine>> {
  const build = service.build ?? {};
  const { context = "." } = build;
  const remote = isRemote(context) ? context : undefined;
  const packed =
    remote === undefined ? work.ports.packContext(context, dockerfileOf(context, build)) : undefined;
  const { args: buildArguments, ...settings } = common(work, project, service, options);
  const args = {
    ...settings,
    dockerfile: packed?.dockerfile ?? build.dockerfile,
    remote,
    cacheFrom: build.cache_from === undefined ? undefined : [...build.cache_from],
    memory: options.memory,
    buildArgs: { ...work.ports.proxies(), ...buildArguments },
    shmSize: build.shm_size,
    ulimits: build.ulimits === undefined ? undefined : ulimits(build.ulimits),
    networkMode: build.network,
    target: build.target,
    isolation: build.isolation,
    version: "1",
    registryConfig: work.ports.registryConfig(),
  };
  return work.client.stream(imageBuild, args, { upload: packed?.body ?? new Uint8Array(0) });
}

function dockerfileOf(context: string, build: BuildSpec): string | { readonly content: string } {
  if (build.dockerfile_inline !== undefined) return { content: build.dockerfile_inline };
  return resolve(context, build.dockerfile ?? "Dockerfile");
}

function buildArgs(
  { environment }: Project,
  build: BuildSpec,
  { buildArgs: given = [] }: BuildOptions,
): Record<string, string | null> {
  const args: Record<string, string | null> = { ...build.args };
  for (const pair of given) {
    const equals = pair.indexOf("=");
    args[equals < 0 ? pair : pair.slice(0, equals)] = equals < 0 ? null : pair.slice(equals + 1);
  }
  for (const [name, value] of Object.entries(args)) args[name] = value ?? environment.get(name) ?? null;
  return args;
}

function ulimits(limits: NonNullable<BuildSpec["ulimits"]>): object[] {
  return Object.entries(limits).map(([Name, limit]) =>
    typeof limit === "number"
      ? { Name, Soft: limit, Hard: limit }
      : { Name, Soft: limit.soft, Hard: limit.hard },
  );
}

/** Puts a prefix in front of every line; whole lines only, so that several writers do not mix. */
class PrefixedOutput {
  readonly #prefix: string;
  readonly #write: (text: string) => void;
  #rest = "";

  constructor(prefix: string, write: (text: string) => void) {
    this.#prefix = prefix;
    this.#write = write;
  }

  write(text: string): void {
    if (this.#prefix === "") {
      this.#write(text);
      return;
    }
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    this.#write(lines.map((line) => `${this.#prefix}${line}\n`).join(""));
  }

  end(): void {
    if (this.#rest !== "") this.#write(`${this.#prefix}${this.#rest}\n`);
  }
}
