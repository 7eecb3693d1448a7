// Carries out a plan: every step as soon as those before it are done, as many at once as the limit allows. After a failure
// no further step is begun; those that are under way are waited for, and the next `up` or `down` goes on from there.

import { containerDelete, containerRename, containerStop } from "../../api/operations/container.ts";
import { networkCreate, networkDelete, networkDisconnect } from "../../api/operations/network.ts";
import { volumeCreate, volumeDelete } from "../../api/operations/volume.ts";
import type { HookOutput } from "./hooks/said.ts";
import { networkHash, volumeHash } from "../model/hash.ts";
import { imageOf, type NetworkSpec, type Project, type Service, type VolumeSpec } from "../model/project.ts";
import { label } from "../observe/labels.ts";
import { type Observed, type ObservedContainer, orNothing } from "../observe/observe.ts";
import type { Plan, Step } from "../plan/plan.ts";
import { containerRequest, type RequestOptions } from "../request/container.ts";
import { shortName } from "../request/names.ts";
import { withReferences } from "../request/references.ts";
import { createConnected } from "./connected.ts";
import { putFiles } from "./files.ts";
import { runPreStopHooks } from "./hooks/exec.ts";
import type { Images } from "./images.ts";
import { withPlace } from "./place.ts";
import { rollOver } from "./roll-over.ts";
import { quietProgress, reported } from "../progress/progress.ts";
import { allDone, type Work } from "./work.ts";

export interface ExecuteOptions {
  readonly images: Images;
  /** Seconds to stop a container; the container's own time when absent. */
  readonly timeoutSeconds: number | undefined;
}

/** A container of a service as it is now. */
export interface LiveContainer {
  readonly id: string;
  readonly name: string;
}

/** Carries out a plan and returns the containers of each service afterwards. Throws the first failure. */
export async function execute(
  work: Work,
  project: Project,
  observed: Observed,
  plan: Plan,
  options: ExecuteOptions,
): Promise<void> {
  await new Executor(work, project, observed, options).run(plan);
}

type StepOf<K extends Step["kind"]> = Extract<Step, { readonly kind: K }>;

class Executor {
  readonly #work: Work;
  readonly #project: Project;
  readonly #options: ExecuteOptions;
  /** Containers by service. */
  readonly #live = new Map<string, LiveContainer[]>();
  /** Id of the container that a step has created. */
  readonly #created = new Map<number, string>();
  /** Services whose `pre_start` hooks have run. */
  readonly #prepared = new Set<string>();
  #hasFailed = false;

  constructor(work: Work, project: Project, observed: Observed, options: ExecuteOptions) {
    this.#work = work;
    this.#project = project;
    this.#options = options;
    for (const { id, name, service, isOneOff } of observed.containers)
      if (!isOneOff) this.#liveOf(service).push({ id, name });
  }

  async run(plan: Plan): Promise<void> {
    const done = new Map<number, Promise<void>>();
    for (const { id, step, after } of plan.steps) {
      const before = Promise.all(after.map((other) => done.get(other) ?? Promise.resolve()));
      done.set(
        id,
        before.then(async () => {
          if (this.#hasFailed) return;
          try {
            await this.#work.limit.run(() => this.#step(id, step));
          } catch (error) {
            this.#hasFailed = true;
            throw error;
          }
        }),
      );
    }
    await allDone([...done.values()]);
  }

  async #step(id: number, step: Step): Promise<void> {
    const { client, progress } = this.#work;
    switch (step.kind) {
      case "create network":
        return createNetwork(this.#work, this.#project, step.key, step.network);
      case "remove network":
        return reported(progress, `Network ${step.name}`, "Removing", async () => {
          await client.call(networkDelete, { id: step.id });
        });
      case "disconnect":
        await client.call(networkDisconnect, {
          id: step.network,
          body: { Container: step.container.id, Force: true },
        });
        return;
      case "create volume":
        return createVolume(this.#work, this.#project, step.key, step.volume);
      case "remove volume":
        return reported(progress, `Volume ${step.name}`, "Removing", async () => {
          await client.call(volumeDelete, { name: step.name, force: true });
        });
      case "create container":
        return this.#create(id, step);
      case "roll over":
        return this.#rollOver(step);
      case "stop container":
        return this.#stop(step);
      case "remove container":
        return this.#remove(step);
      case "rename container":
        return this.#rename(step);
    }
  }

  async #create(id: number, step: StepOf<"create container">): Promise<void> {
    const { progress } = this.#work;
    const { replaces } = step;
    const create = async (): Promise<void> => {
      const created = await createContainer(this.#work, this.#project, step.service, {
        name: step.name,
        containersOf: (service) => this.#liveOf(service),
        images: this.#options.images,
        request: {
          number: step.number,
          withholdsPorts: step.isRolling === true,
          predecessor: step.inherits
            ? {
                mounts: replaces?.summary.Mounts ?? [],
                imageVolumes: this.#options.images.get(imageOf(this.#project, step.service))?.volumes ?? [],
              }
            : undefined,
          replaces: replaces === undefined ? undefined : shortName(this.#project.name, replaces.name),
        },
      });
      this.#created.set(id, created);
      this.#liveOf(step.service.name).push({ id: created, name: step.name });
    };
    if (replaces === undefined) return reported(progress, `Container ${step.name}`, "Creating", create);
    const event = `Container ${replaces.name}`;
    progress.on({ id: event, text: "Recreate", status: "working" });
    try {
      await create();
    } catch (error) {
      progress.on({ id: event, text: "Error", status: "error", details: (error as Error).message });
      throw error;
    }
  }

  async #rollOver({ created, service, name, old }: StepOf<"roll over">): Promise<void> {
    const id = this.#created.get(created);
    if (id === undefined) return;
    await rollOver(this.#work, this.#project, {
      ...{ id, name, service, old },
      containerOf: (other) => this.#liveOf(other)[0]?.id,
      isFirst: !this.#prepared.has(service.name),
    });
    this.#prepared.add(service.name);
  }

  async #stop({ container, service }: StepOf<"stop container">): Promise<void> {
    if (container.state === "exited" || container.state === "created" || container.state === "dead") return;
    // Of a container that is replaced only that is told.
    const isTold = !this.#isReplaced(container);
    await stopContainer(this.#work, container, {
      ...{ service, isTold },
      timeoutSeconds: this.#options.timeoutSeconds,
    });
  }

  async #remove({ container }: StepOf<"remove container">): Promise<void> {
    await orNothing(this.#work.client.call(containerDelete, { id: container.id, force: true }));
    const live = this.#live.get(container.service)?.filter(({ id }) => id !== container.id) ?? [];
    this.#live.set(container.service, live);
    if (!this.#isReplaced(container))
      this.#work.progress.on({ id: `Container ${container.name}`, text: "Removed", status: "done" });
  }

  #isReplaced({ id, name, service }: ObservedContainer): boolean {
    const successor = `${id.slice(0, 12)}_${name}`;
    return this.#liveOf(service).some((other) => other.name === successor);
  }

  async #rename({ created, name }: StepOf<"rename container">): Promise<void> {
    const id = this.#created.get(created);
    if (id === undefined) return;
    await this.#work.client.call(containerRename, { id, name });
    this.#work.progress.on({ id: `Container ${name}`, text: "Recreated", status: "done" });
  }

  #liveOf(service: string): LiveContainer[] {
    let live = this.#live.get(service);
    if (live === undefined) {
      live = [];
      this.#live.set(service, live);
    }
    return live;
  }
}

export interface CreateOptions {
  readonly name: string;
  readonly containersOf: (service: string) => readonly LiveContainer[];
  readonly images: Images;
  readonly request: Omit<RequestOptions, "imageId" | "version" | "proxies" | "links">;
}

/** Creates a container of a service, with its networks and its files in place; returns its id. */
export async function createContainer(
  work: Work,
  project: Project,
  service: Service,
  { name, containersOf, images, request: given }: CreateOptions,
): Promise<string> {
  const resolved = withReferences(service, (other) => containersOf(other)[0]?.id);
  const request = containerRequest(project, resolved, {
    ...given,
    imageId: images.get(imageOf(project, service))?.id,
    links: linksOf(project, service, given.number, containersOf),
    proxies: work.ports.proxies(),
    version: work.version,
  });
  const platform = service.platform ?? project.environment.get("DOCKER_DEFAULT_PLATFORM");
  const id = await createConnected(work, service, request, { name, platform }).catch((error: unknown) => {
    throw withPlace(error, project, service);
  });
  try {
    await putFiles(work, project, service, id);
  } catch (error) {
    await orNothing(work.client.call(containerDelete, { id, force: true }));
    throw error;
  }
  return id;
}

/** Names under which the containers of linked services are reached. */
function linksOf(
  project: Project,
  service: Service,
  number: number,
  containersOf: (service: string) => readonly LiveContainer[],
): string[] {
  const { separator } = project;
  const links = (service.links ?? []).flatMap((link) => {
    const [target = "", alias = target] = link.split(":");
    return containersOf(target).flatMap(({ name }) => [
      `${name}:${alias}`,
      `${name}:${target}${separator}${number}`,
      `${name}:${project.name}${separator}${target}${separator}${number}`,
    ]);
  });
  const external = (service.external_links ?? []).map((link) =>
    link.includes(":") ? link : `${link}:${link}`,
  );
  return [...links, ...external];
}

/** Creates a network of the project. */
export async function createNetwork(
  work: Work,
  project: Project,
  key: string,
  network: NetworkSpec,
): Promise<void> {
  const { ipam, name } = network;
  const pools = ipam?.config?.map((pool) => ({
    ...(pool.subnet === undefined ? {} : { Subnet: pool.subnet }),
    ...(pool.ip_range === undefined ? {} : { IPRange: pool.ip_range }),
    ...(pool.gateway === undefined ? {} : { Gateway: pool.gateway }),
    ...(pool.aux_addresses === undefined ? {} : { AuxiliaryAddresses: pool.aux_addresses }),
  }));
  const isPlain = ipam?.driver === undefined && ipam?.options === undefined && (pools ?? []).length === 0;
  await reported(work.progress, `Network ${name}`, "Creating", async () => {
    await work.client.call(networkCreate, {
      body: {
        Name: name,
        CheckDuplicate: true,
        Driver: network.driver ?? "",
        Options: network.driver_opts ?? null,
        Internal: network.internal ?? false,
        Attachable: network.attachable ?? false,
        IPAM: isPlain
          ? null
          : { Driver: ipam?.driver ?? "", Config: pools ?? null, Options: ipam?.options ?? null },
        ...(network.enable_ipv4 === undefined ? {} : { EnableIPv4: network.enable_ipv4 }),
        ...(network.enable_ipv6 === undefined ? {} : { EnableIPv6: network.enable_ipv6 }),
        Labels: {
          ...network.labels,
          [label.network]: key,
          [label.project]: project.name,
          [label.version]: work.version,
          [label.configHash]: networkHash(network),
        },
      },
    });
  });
}

/** Creates a volume of the project. */
export async function createVolume(
  work: Work,
  project: Project,
  key: string,
  volume: VolumeSpec,
): Promise<void> {
  await reported(work.progress, `Volume ${volume.name}`, "Creating", async () => {
    await work.client.call(volumeCreate, {
      body: {
        Name: volume.name,
        Driver: volume.driver ?? "",
        DriverOpts: volume.driver_opts ?? {},
        Labels: {
          ...volume.labels,
          [label.volume]: key,
          [label.project]: project.name,
          [label.version]: work.version,
          [label.configHash]: volumeHash(volume),
        },
      },
    });
  });
}

export interface StopOptions {
  /** For its hooks; undefined when the project does not know it. */
  readonly service: Service | undefined;
  readonly timeoutSeconds: number | undefined;
  readonly hookOutput?: HookOutput;
  /** false: nothing is told of it. */
  readonly isTold?: boolean;
}

/** Stops a container. One that is gone already is no failure. */
export async function stopContainer(
  work: Work,
  container: { readonly id: string; readonly name: string },
  { service, timeoutSeconds, hookOutput, isTold = true }: StopOptions,
): Promise<void> {
  const progress = isTold ? work.progress : quietProgress;
  await reported(progress, `Container ${container.name}`, "Stopping", async () => {
    if (service !== undefined) await runPreStopHooks(work, container.id, service, hookOutput);
    await orNothing(work.client.call(containerStop, { id: container.id, timeoutSeconds }));
  });
}
