// Building the images of services: with the daemon's build operation, or as the command `build` does where that is not enough.
// Services that are contexts of others are built first, and taken by their images' ids.

import { imageBuild } from "../../../api/operations/build.ts";
import { imageInspect } from "../../../api/operations/image.ts";
import type { StreamResponse } from "../../../api/client.ts";
import type { ProgressLine } from "../../../api/schemas/progress.ts";
import { Fault } from "../../../lib/errors.ts";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { contextServicesOf, withContextServices } from "../../model/build-contexts.ts";
import { type BuildSpec, imageOf, type Project, type Service } from "../../model/project.ts";
import { bakeFile } from "./bake-file.ts";
import { buildOptions, needsSession } from "./options.ts";
import { type BuildOptions, type BuildSettings, settingsOf } from "./settings.ts";
import { pushImage } from "../push.ts";
import { PrefixedOutput } from "./prefixed.ts";
import { allDone, type Work } from "../work.ts";

/** One service's build under way. */
interface Job {
  readonly work: Work;
  readonly project: Project;
  readonly service: Service;
  readonly settings: BuildSettings;
  /** Waits for the images of the services that it takes as contexts. */
  readonly contexts: () => Promise<ReadonlyMap<string, string>>;
  readonly output: PrefixedOutput;
}

/** Builds the services' images, each one's output behind its name. Throws a Fault for the first that fails. */
export async function buildServices(
  work: Work,
  project: Project,
  services: readonly Service[],
  options: BuildOptions,
): Promise<void> {
  const all = withContextServices(project, services);
  const jobs = new Map<string, Promise<string>>();
  // Each comes after those that it takes as contexts: their promises are there.
  for (const service of all) {
    const contexts = imagesOf(contextServicesOf(service), jobs);
    const prefix = all.length === 1 ? "" : `${service.name} | `;
    const output = new PrefixedOutput(prefix, work.write);
    const settings = settingsOf(work, project, service, options);
    jobs.set(service.name, buildService({ work, project, service, settings, contexts, output }));
  }
  await allDone([...jobs.values()]);
}

function imagesOf(
  names: readonly string[],
  jobs: ReadonlyMap<string, Promise<string>>,
): () => Promise<ReadonlyMap<string, string>> {
  const needed = names.flatMap((name) => {
    const job = jobs.get(name);
    return job === undefined ? [] : [job.then((image) => [name, image] as const)];
  });
  const images = allDone(needed).then((entries) => new Map(entries));
  images.catch(() => undefined); // ignored: told by the build that waits for it
  return () => images;
}

/** Builds and returns how other builds call the image: by its id, or by its name where that stands for several platforms. */
async function buildService(job: Job): Promise<string> {
  const { work, project, service, settings } = job;
  const image = imageOf(project, service);
  const id = `Image ${image}`;
  const isSession = needsSession(service.build ?? {}, settings);
  try {
    const images = await job.contexts();
    await work.limit.run(async () => {
      work.progress.on({ id, text: "Building", status: "working" });
      await (isSession ? buildWithSession(job, images) : buildClassic(job));
    });
    job.output.end();
    work.progress.on({ id, text: "Built", status: "done" });
    if (settings.push && !isSession) await pushImage(work, image, settings.isQuiet);
    if (work.isDryRun || settings.platforms.length > 1) return image;
    return (await work.client.call(imageInspect, { name: image })).Id;
  } catch (error) {
    job.output.end();
    work.progress.on({ id, text: "Error", status: "error", details: (error as Error).message });
    throw error;
  }
}

async function buildClassic(job: Job): Promise<void> {
  const { service, settings, output } = job;
  for await (const line of await startBuild(job)) {
    const failure = line.errorDetail?.message ?? line.error;
    if (failure !== undefined && failure !== "")
      throw new Fault("system", `failed to build ${service.name}: ${failure}`, { code: "compose.build" });
    if (!settings.isQuiet && line.stream !== undefined) output.write(line.stream);
  }
}

/** Calls `act` with the options of the command `build`, while the files that they name are there. */
async function withOptions<T>(
  { project, service, settings }: Pick<Job, "project" | "service" | "settings">,
  images: ReadonlyMap<string, string>,
  act: (context: string, options: readonly string[]) => Promise<T>,
): Promise<T> {
  const build = service.build ?? {};
  const { context = "." } = build;
  const directory = mkdtempSync(join(tmpdir(), "berth-compose-"));
  try {
    let dockerfile = dockerfilePath(context, build);
    if (build.dockerfile_inline !== undefined) {
      dockerfile = join(directory, "Dockerfile");
      writeFileSync(dockerfile, build.dockerfile_inline);
    }
    return await act(context, buildOptions(project, build, settings, { directory, dockerfile, images }));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function buildWithSession(job: Job, images: ReadonlyMap<string, string>): Promise<void> {
  const { work, output } = job;
  if (work.isDryRun) return;
  await withOptions(job, images, (context, options) =>
    work.ports.buildWithSession(context, options, (text) => output.write(text)),
  );
}

/** Checks the services' Dockerfiles, prints what is found, and tells whether that was nothing. */
export async function checkServices(
  work: Work,
  project: Project,
  services: readonly Service[],
  { options, print }: { readonly options: BuildOptions; readonly print: (text: string) => void },
): Promise<boolean> {
  let isGood = true;
  const images = new Map(
    withContextServices(project, services).map(
      (service) => [service.name, imageOf(project, service)] as const,
    ),
  );
  for (const service of services) {
    const settings = { ...settingsOf(work, project, service, options), push: false };
    const found = await withOptions({ project, service, settings }, images, (context, given) =>
      work.ports.checkBuild(context, given),
    );
    isGood &&= found.isGood;
    // compat: headings and empty lines as bake prints them.
    print(services.length === 1 ? found.text : `${service.name}\n\n${found.text}\n`);
  }
  return isGood;
}

/** Returns what would be built as a file for Docker's `buildx bake`. `described` are all services that take part. */
export function printServices(
  work: Work,
  project: Project,
  { built, described }: { readonly built: readonly Service[]; readonly described: readonly Service[] },
  { options, isCheck }: { readonly options: BuildOptions; readonly isCheck: boolean },
): string {
  const all = withContextServices(project, built);
  const names = new Set(all.map(({ name }) => name));
  const others = described.filter(({ name, build }) => build !== undefined && !names.has(name));
  const proxies = work.ports.proxies();
  return bakeFile(project, {
    services: [...all, ...others],
    built: all,
    settingsOf(service) {
      const settings = settingsOf(work, project, service, options);
      return { ...settings, args: { ...proxies, ...settings.args } };
    },
    dockerfileOf: ({ build = {} }) => dockerfilePath(build.context ?? ".", build),
    call: isCheck ? "lint" : undefined,
  });
}

function isRemote(context: string): boolean {
  return /^(?:https?:\/\/|git:\/\/|git@|ssh:\/\/|github\.com\/)/.test(context);
}

function dockerfilePath(context: string, { dockerfile }: BuildSpec): string {
  return isRemote(context) ? (dockerfile ?? "") : resolve(context, dockerfile ?? "Dockerfile");
}

function startBuild({ work, project: _, service, settings }: Job): Promise<StreamResponse<ProgressLine>> {
  const build = service.build ?? {};
  const { context = "." } = build;
  const remote = isRemote(context) ? context : undefined;
  const packed =
    remote === undefined ? work.ports.packContext(context, dockerfileOf(context, build)) : undefined;
  const { tags, labels, extraHosts, noCache, pull, memory } = settings;
  const args = {
    ...{ tags, labels, extraHosts, noCache, pull, memory },
    platform: settings.platforms[0],
    dockerfile: packed?.dockerfile ?? build.dockerfile,
    remote,
    cacheFrom: build.cache_from === undefined ? undefined : [...build.cache_from],
    buildArgs: { ...work.ports.proxies(), ...settings.args },
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

function ulimits(limits: NonNullable<BuildSpec["ulimits"]>): object[] {
  return Object.entries(limits).map(([Name, limit]) =>
    typeof limit === "number"
      ? { Name, Soft: limit, Hard: limit }
      : { Name, Soft: limit.soft, Hard: limit.hard },
  );
}
