// What there is of a project: its containers, networks and volumes, found by their labels with one call each. A snapshot;
// nothing is changed.

import { ownName } from "../../api/container-name.ts";
import type { Client } from "../../api/client.ts";
import { containerList } from "../../api/operations/container.ts";
import { networkInspect, networkList } from "../../api/operations/network.ts";
import { volumeInspect, volumeList } from "../../api/operations/volume.ts";
import type { ContainerSummary } from "../../api/schemas/container.ts";
import { Fault } from "../../lib/errors.ts";
import type { Project } from "../model/project.ts";
import { label } from "./labels.ts";

export interface ObservedContainer {
  readonly id: string;
  /** Without the slash. */
  readonly name: string;
  readonly service: string;
  /** 0 for one-off containers. */
  readonly number: number;
  readonly isOneOff: boolean;
  readonly state: ContainerSummary["State"];
  readonly summary: ContainerSummary;
}

export interface ObservedNetwork {
  readonly id: string;
  readonly name: string;
  /** Empty when it was not made by Compose. */
  readonly project: string;
  /** Empty when unknown. */
  readonly hash: string;
}

export interface ObservedVolume {
  readonly name: string;
  readonly project: string;
  readonly hash: string;
}

export interface Observed {
  readonly containers: readonly ObservedContainer[];
  /** By the network's key in the file. */
  readonly networks: ReadonlyMap<string, ObservedNetwork>;
  readonly volumes: ReadonlyMap<string, ObservedVolume>;
}

/** Returns the filter that finds what belongs to a project. */
export function ofProject(project: string, ...labels: string[]): Readonly<Record<string, readonly string[]>> {
  return { label: [`${label.project}=${project}`, ...labels] };
}

/** Returns a project's containers, those of `run` included and those of hooks not, sorted by service and number. */
export async function observeContainers(client: Client, project: string): Promise<ObservedContainer[]> {
  const summaries = await client.call(containerList, { all: true, filters: ofProject(project) });
  return summaries
    .filter(({ Labels }) => Labels[label.service] !== undefined && Labels[label.hook] === undefined)
    .map(toObserved)
    .sort(byServiceAndNumber);
}

function toObserved(summary: ContainerSummary): ObservedContainer {
  const { Labels: labels } = summary;
  return {
    id: summary.Id,
    name: ownName(summary.Names),
    service: labels[label.service] ?? "",
    number: Number(labels[label.number] ?? 0) || 0,
    isOneOff: labels[label.oneOff] === "True",
    state: summary.State,
    summary,
  };
}

function byServiceAndNumber(a: ObservedContainer, b: ObservedContainer): number {
  if (a.service !== b.service) return a.service < b.service ? -1 : 1;
  return a.number - b.number || (a.name < b.name ? -1 : 1);
}

/** Observes a project. Throws a Fault when an external network or volume is not there. */
export async function observe(client: Client, project: Project): Promise<Observed> {
  const filters = ofProject(project.name);
  const [containers, networks, volumes] = await Promise.all([
    observeContainers(client, project.name),
    Object.keys(project.networks).length === 0 ? [] : client.call(networkList, { filters }),
    Object.keys(project.volumes).length === 0
      ? []
      : client.call(volumeList, { filters }).then((list) => list.Volumes ?? []),
  ]);
  const observed = {
    containers,
    networks: new Map<string, ObservedNetwork>(),
    volumes: new Map<string, ObservedVolume>(),
  };
  await Promise.all([
    ...Object.entries(project.networks).map(async ([key, { name, external }]) => {
      const own = networks.filter(({ Labels }) => Labels[label.network] === key);
      const found = own.find(({ Name }) => Name === name) ?? own[0] ?? (await foreignNetwork(client, name));
      if (found === undefined) {
        if (external === true) throw notFound(`network ${name} declared as external, but could not be found`);
        return;
      }
      const labels = found.Labels ?? {};
      const owner = labels[label.project] ?? "";
      const hash = owner === project.name ? (labels[label.configHash] ?? "") : "";
      observed.networks.set(key, { id: found.Id, name: found.Name, project: owner, hash });
    }),
    ...Object.entries(project.volumes).map(async ([key, { name, external }]) => {
      const own = volumes.filter(({ Labels }) => Labels?.[label.volume] === key);
      const found = own.find(({ Name }) => Name === name) ?? own[0] ?? (await foreignVolume(client, name));
      if (found === undefined) {
        if (external === true) throw notFound(`external volume ${JSON.stringify(name)} not found`);
        return;
      }
      const labels = found.Labels ?? {};
      const owner = labels[label.project] ?? "";
      const hash = owner === project.name ? (labels[label.configHash] ?? "") : "";
      observed.volumes.set(key, { name: found.Name, project: owner, hash });
    }),
  ]);
  return observed;
}

function notFound(message: string): Fault {
  return new Fault("notFound", message, { code: "compose.external" });
}

/** A network of that name that carries no label of this project. */
async function foreignNetwork(client: Client, name: string) {
  const found = await orNothing(client.call(networkInspect, { id: name }));
  // The daemon also finds networks by the beginning of their id.
  return found?.Name === name || found?.Id === name ? found : undefined;
}

async function foreignVolume(client: Client, name: string) {
  return orNothing(client.call(volumeInspect, { name }));
}

/** Returns what the call answers, undefined for what is not there. */
export async function orNothing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Fault && error.kind === "notFound") return undefined;
    throw error;
  }
}
