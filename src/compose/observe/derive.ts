// A project of which only the name is known: its services, networks and volumes as far as labels tell. Enough to stop it, to
// take it down and to look at it.

import type { Client } from "../../api/client.ts";
import { networkList } from "../../api/operations/network.ts";
import { volumeList } from "../../api/operations/volume.ts";
import type { Dependency, NetworkSpec, Project, Service, VolumeSpec } from "../model/project.ts";
import { map } from "../tree/node.ts";
import { label } from "./labels.ts";
import { type ObservedContainer, ofProject } from "./observe.ts";

/** Returns the project that these containers belong to. */
export function deriveProject(name: string, containers: readonly ObservedContainer[]): Project {
  const services: Record<string, Service> = {};
  for (const { service, summary, isOneOff } of containers) {
    if (isOneOff) continue;
    const known = services[service];
    services[service] = {
      name: service,
      image: summary.Image,
      scale: (known?.scale ?? 0) + 1,
      depends_on: dependenciesOf(summary.Labels[label.dependsOn] ?? ""),
    };
  }
  for (const [key, service] of Object.entries(services)) {
    const dependencies = Object.entries(service.depends_on ?? {}).filter(([other]) =>
      Object.hasOwn(services, other),
    );
    services[key] = { ...service, depends_on: Object.fromEntries(dependencies) };
  }
  const [first] = containers;
  return {
    name,
    directory: first?.summary.Labels[label.workingDir] ?? "",
    files: (first?.summary.Labels[label.configFiles] ?? "").split(",").filter((file) => file !== ""),
    environment: new Map(),
    envFiles: [],
    separator: "-",
    profiles: [],
    services,
    disabled: {},
    networks: {},
    volumes: {},
    configs: {},
    secrets: {},
    models: {},
    extensions: {},
    tree: map(new Map(), { file: "-", line: 1, column: 1 }),
  };
}

/** Reads `name:condition:restart` items. */
function dependenciesOf(text: string): Record<string, Dependency> {
  const dependencies: Record<string, Dependency> = {};
  for (const item of text.split(",")) {
    const [name = "", condition, restart] = item.split(":");
    if (name === "") continue;
    dependencies[name] = {
      required: false,
      condition: (condition ?? "service_started") as NonNullable<Dependency["condition"]>,
      ...(restart === "true" ? { restart: true } : {}),
    };
  }
  return dependencies;
}

/** Returns the project with the networks and volumes that carry its name. */
export async function withResources(client: Client, project: Project): Promise<Project> {
  const filters = ofProject(project.name);
  const [networks, volumes] = await Promise.all([
    client.call(networkList, { filters }),
    client.call(volumeList, { filters }),
  ]);
  const named = <T extends { readonly name: string }>(
    items: readonly { readonly Name: string; readonly Labels: Readonly<Record<string, string>> | null }[],
    key: string,
  ): Record<string, T> =>
    Object.fromEntries(items.map(({ Name, Labels }) => [Labels?.[key] ?? Name, { name: Name } as T]));
  return {
    ...project,
    networks: named<NetworkSpec>(networks, label.network),
    volumes: named<VolumeSpec>(volumes.Volumes ?? [], label.volume),
  };
}
