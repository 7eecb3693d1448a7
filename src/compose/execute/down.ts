// Takes a project down: containers in the reverse order of dependencies, then networks, and images and volumes when asked.

import { containerDelete } from "../../api/operations/container.ts";
import { imageDelete, imageList } from "../../api/operations/image.ts";
import { networkDelete, networkInspect, networkList } from "../../api/operations/network.ts";
import { volumeDelete, volumeInspect } from "../../api/operations/volume.ts";
import { Fault } from "../../lib/errors.ts";
import { imageOf, type Project, type Service } from "../model/project.ts";
import { label } from "../observe/labels.ts";
import { type ObservedContainer, observeContainers, ofProject, orNothing } from "../observe/observe.ts";
import { orphansOf } from "../plan/reconcile.ts";
import { stopContainer } from "./executor.ts";
import { removeHookContainers } from "./hooks/pre-start.ts";
import { inReverseOrder } from "./traverse.ts";
import { allDone, type Work } from "./work.ts";

export interface DownOptions {
  /** Services to remove; undefined is the whole project. */
  readonly services: readonly string[] | undefined;
  readonly removesOrphans: boolean;
  readonly removesVolumes: boolean;
  /** "all", "local" (those without a name of their own), or none. */
  readonly images: "" | "all" | "local";
  readonly timeoutSeconds: number | undefined;
}

/** Removes a project. What is gone already is no failure. */
export async function takeDown(work: Work, project: Project, options: DownOptions): Promise<void> {
  const containers = await observeContainers(work.client, project.name);
  const chosen = options.services;
  const known = { ...project.disabled, ...project.services };
  const removed = chosen === undefined ? known : pick(known, chosen);
  const isLeftAlone = (container: ObservedContainer): boolean =>
    container.isOneOff && !options.removesOrphans;
  await inReverseOrder(removed, async (service) => {
    const own = containers.filter(
      (container) => container.service === service.name && !isLeftAlone(container),
    );
    await allDone(own.map((container) => removeContainer(work, container, service, options)));
  });
  await removeHookContainers(work.client, project.name, chosen);
  if (options.removesOrphans) {
    const orphans = orphansOf(project, containers).filter(({ service }) => !Object.hasOwn(removed, service));
    await allDone(orphans.map((container) => removeContainer(work, container, undefined, options)));
  }
  const tasks = [
    ...Object.entries(project.networks).map(([key, network]) =>
      network.external === true ? undefined : removeNetwork(work, project, key, network.name),
    ),
    ...(options.removesVolumes
      ? Object.values(project.volumes).map(({ name, external }) =>
          external === true ? undefined : removeVolume(work, name),
        )
      : []),
    ...(options.images === ""
      ? []
      : (await imagesToRemove(work, project, options.images)).map((name) => removeImage(work, name))),
  ];
  const results = await allDone(tasks.map(async (task) => (await task) === true));
  if (containers.length === 0 && !results.includes(true))
    work.warn(`Warning: No resource found to remove for project ${JSON.stringify(project.name)}.`);
}

function pick(
  services: Readonly<Record<string, Service>>,
  names: readonly string[],
): Record<string, Service> {
  return Object.fromEntries(Object.entries(services).filter(([name]) => names.includes(name)));
}

async function removeContainer(
  work: Work,
  container: ObservedContainer,
  service: Service | undefined,
  { timeoutSeconds, removesVolumes }: DownOptions,
): Promise<void> {
  await work.limit.run(async () => {
    await stopContainer(work, container, { service, timeoutSeconds });
    await removed(work, `Container ${container.name}`, () =>
      work.client.call(containerDelete, { id: container.id, force: true, volumes: removesVolumes }),
    );
  });
}

/** Removes something and says how that went: what is in use stays, what is gone is gone. Tells whether there was something. */
async function removed(work: Work, id: string, remove: () => Promise<unknown>): Promise<boolean> {
  const { progress } = work;
  progress.on({ id, text: "Removing", status: "working" });
  try {
    await remove();
  } catch (error) {
    const kind = error instanceof Fault ? error.kind : "system";
    if (kind === "conflict") progress.on({ id, text: "Resource is still in use", status: "warning" });
    else if (kind === "notFound")
      progress.on({ id, text: "Warning: No resource found to remove", status: "done" });
    else {
      progress.on({ id, text: "Error", status: "error", details: (error as Error).message });
      throw error;
    }
    return true;
  }
  progress.on({ id, text: "Removed", status: "done" });
  return true;
}

async function removeNetwork(work: Work, project: Project, key: string, name: string): Promise<boolean> {
  const { client, progress } = work;
  const networks = await client.call(networkList, {
    filters: ofProject(project.name, `${label.network}=${key}`),
  });
  const id = `Network ${name}`;
  let hasFound = false;
  for (const network of networks.filter(({ Name }) => Name === name)) {
    hasFound = true;
    const inspected = await orNothing(client.call(networkInspect, { id: network.Id }));
    if (Object.keys(inspected?.Containers ?? {}).length > 0) {
      progress.on({ id, text: "Resource is still in use", status: "warning" });
      continue;
    }
    await removed(work, id, () => client.call(networkDelete, { id: network.Id }));
  }
  return hasFound;
}

async function removeVolume(work: Work, name: string): Promise<boolean> {
  if ((await orNothing(work.client.call(volumeInspect, { name }))) === undefined) return false;
  return removed(work, `Volume ${name}`, () => work.client.call(volumeDelete, { name, force: true }));
}

function removeImage(work: Work, name: string): Promise<boolean> {
  return removed(work, `Image ${name}`, () => work.client.call(imageDelete, { name }));
}

async function imagesToRemove(work: Work, project: Project, which: "all" | "local"): Promise<string[]> {
  const services = Object.values({ ...project.disabled, ...project.services });
  const named = services
    .filter(({ image }) => which === "all" || image === undefined)
    .map((service) => imageOf(project, service));
  const there = await work.client.call(imageList, { filters: { reference: [...new Set(named)] } });
  const tags = new Set(there.flatMap(({ RepoTags }) => RepoTags ?? []));
  return [...new Set(named)].filter((name) => tags.has(name) || tags.has(`${name}:latest`));
}
