// Images of services: which are there, pulling those that are not, building those that are built.

import { imageCreate, imageInspect } from "../../api/operations/image.ts";
import { canonicalName, parseReference, withDefaultTag } from "../../oci/reference.ts";
import { imageOf, type Project, type Service, withHookImages } from "../model/project.ts";
import { orNothing } from "../observe/observe.ts";
import { parseLongDuration } from "../schema/duration.ts";
import { buildServices } from "./build/services.ts";
import type { BuildOptions } from "./build/settings.ts";
import { transfer } from "./transfer.ts";
import { allDone, type Work } from "./work.ts";

export interface LocalImage {
  readonly id: string;
  /** Where the image says that there are volumes. */
  readonly volumes: readonly string[];
  /** Milliseconds since 1970 of its tagging, 0 when unknown. */
  readonly taggedMs: number;
}

export type Images = Map<string, LocalImage>;

export interface ImageOptions {
  /** Of --pull; "policy" leaves it to the services. */
  readonly pull: string;
  /** Builds: all that can be, those that are missing, none. */
  readonly build: "all" | "missing" | "none";
  readonly isQuietPull: boolean;
  readonly buildOptions: BuildOptions;
}

/** Returns the images of a project's services, which are pulled or built first where they have to be. */
export async function ensureImages(work: Work, project: Project, options: ImageOptions): Promise<Images> {
  const services = Object.values(project.services);
  const needed = withHookImages(project, services);
  const images = await inspectImages(
    work,
    needed.map((service) => imageOf(project, service)),
  );
  const pulled = new Map<string, Service>();
  for (const service of needed) {
    if (mustPull(service, images, options)) pulled.set(imageOf(project, service), service);
  }
  await allDone([...pulled].map(([image, service]) => pullOrBuild(work, image, service, options)));
  const built = services.filter((service) => mustBuild(project, service, images, options));
  if (built.length > 0) await buildServices(work, project, built, options.buildOptions);
  const changed = [...pulled.keys(), ...built.map((service) => imageOf(project, service))];
  for (const [name, image] of await inspectImages(work, changed)) images.set(name, image);
  return images;
}

async function inspectImages(work: Work, names: readonly string[]): Promise<Images> {
  const images: Images = new Map();
  await allDone(
    [...new Set(names)].map(async (name) => {
      const image = await orNothing(work.limit.run(() => work.client.call(imageInspect, { name })));
      if (image === undefined) return;
      const volumes = Object.keys(image.Config?.Volumes ?? {});
      const taggedMs = Date.parse(image.Metadata?.LastTagTime ?? "") || 0;
      images.set(name, { id: image.Id, volumes, taggedMs });
    }),
  );
  return images;
}

function policyOf(service: Service, options: ImageOptions): string {
  return options.pull === "policy" ? (service.pull_policy ?? "missing") : options.pull;
}

function mustPull(service: Service, images: Images, options: ImageOptions): boolean {
  if (service.image === undefined) return false;
  const policy = policyOf(service, options);
  const there = images.get(service.image);
  if (policy === "never" || policy === "build") return false;
  if (policy === "always") return true;
  const age = refreshAge(policy, service);
  if (age !== undefined) return there === undefined || Date.now() - there.taggedMs > age;
  return there === undefined && service.build === undefined;
}

/** How old an image may get, in milliseconds; undefined when that does not matter. */
function refreshAge(policy: string, service: Service): number | undefined {
  if (policy === "refresh" && service.pull_refresh_after !== undefined)
    return service.pull_refresh_after / 1e6;
  if (policy === "daily") return 86_400_000;
  if (policy === "weekly") return 7 * 86_400_000;
  return policy.startsWith("every_") ? parseLongDuration(policy.slice("every_".length)) / 1e6 : undefined;
}

function mustBuild(project: Project, service: Service, images: Images, options: ImageOptions): boolean {
  if (service.build === undefined || options.build === "none") return false;
  return options.build === "all" || service.pull_policy === "build" || !images.has(imageOf(project, service));
}

/** A service that can be built need not be pulled: its image may not be in any registry yet. */
async function pullOrBuild(
  work: Work,
  image: string,
  service: Service,
  options: ImageOptions,
): Promise<void> {
  try {
    await pullImage(work, image, { platform: service.platform, isQuiet: options.isQuietPull });
  } catch (error) {
    if (service.build === undefined || options.build === "none") throw error;
    work.progress.on({
      id: `Image ${image}`,
      text: "Warning",
      status: "warning",
      details: `pull access denied or not found: ${(error as Error).message}`,
    });
  }
}

export interface PullOptions {
  readonly platform: string | undefined;
  readonly isQuiet: boolean;
}

/** Pulls an image. Throws a Fault when that fails. */
export async function pullImage(work: Work, image: string, options: PullOptions): Promise<void> {
  const reference = withDefaultTag(parseReference(image));
  const open = () =>
    work.client.stream(imageCreate, {
      fromImage: canonicalName(reference),
      tag: reference.digest ?? reference.tag,
      platform: options.platform ?? process.env["DOCKER_DEFAULT_PLATFORM"],
      registryAuth: work.ports.registryAuth(image),
    });
  await transfer(work, image, { verb: "Pulling", done: "Pulled", isQuiet: options.isQuiet }, open);
}
