// From the files' tree to the project: what is implied is written out (the default network, names of networks and volumes,
// dependencies that follow from links and shared namespaces), and variables without a value get the one of the environment.

import { posix } from "node:path";
import { plain, type MapNode } from "../tree/node.ts";
import type {
  ConfigSpec,
  Dependency,
  Mount,
  NetworkSpec,
  Project,
  SecretSpec,
  Service,
  ServiceSpec,
  VolumeSpec,
} from "./project.ts";

export interface NormalizeOptions {
  readonly name: string;
  readonly directory: string;
  readonly files: readonly string[];
  readonly environment: ReadonlyMap<string, string>;
  readonly envFiles?: readonly string[];
  readonly separator?: "-" | "_";
  /** false leaves implied things unwritten. */
  readonly isNormalized: boolean;
}

interface PlainFile {
  readonly services?: Readonly<Record<string, ServiceSpec>>;
  readonly networks?: Readonly<Record<string, Partial<NetworkSpec> | null>>;
  readonly volumes?: Readonly<Record<string, Partial<VolumeSpec> | null>>;
  readonly configs?: Readonly<Record<string, Partial<ConfigSpec>>>;
  readonly secrets?: Readonly<Record<string, Partial<SecretSpec>>>;
  readonly models?: Readonly<Record<string, unknown>>;
}

type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** Returns the project of a verified tree, with all its services enabled. */
export function normalize(tree: MapNode, options: NormalizeOptions): Project {
  const file = plain(tree) as PlainFile;
  const { name, environment, isNormalized } = options;
  const services: Record<string, Service> = {};
  for (const [key, spec] of Object.entries(file.services ?? {})) {
    const service: Draft<Service> = { ...spec, name: key };
    completeDependencies(service);
    if (isNormalized) normalizeService(service, environment);
    services[key] = service;
  }
  const networks: Record<string, Partial<NetworkSpec> | null> = { ...file.networks };
  const usesDefault = Object.values(services).some((service) =>
    Object.hasOwn(service.networks ?? {}, "default"),
  );
  if (isNormalized && usesDefault && !Object.hasOwn(networks, "default")) networks["default"] = null;
  const named = <T extends { readonly name: string }>(
    specs: Readonly<Record<string, Partial<T> | null>>,
  ): Record<string, T> => nameAll<T>(specs, name, isNormalized);
  return {
    name,
    directory: options.directory,
    files: options.files,
    environment,
    envFiles: options.envFiles ?? [],
    separator: options.separator ?? "-",
    profiles: [],
    services,
    disabled: {},
    networks: named<NetworkSpec>(networks),
    volumes: named<VolumeSpec>(file.volumes ?? {}),
    configs: resolveContent(named<ConfigSpec>(file.configs ?? {}), environment),
    secrets: resolveContent(named<SecretSpec>(file.secrets ?? {}), environment),
    models: file.models ?? {},
    extensions: Object.fromEntries(Object.entries(file).filter(([key]) => key.startsWith("x-"))),
    tree,
  };
}

function nameAll<T extends { readonly name: string }>(
  specs: Readonly<Record<string, Partial<T> | null>>,
  project: string,
  isNormalized: boolean,
): Record<string, T> {
  const result: Record<string, T> = {};
  for (const [key, spec] of Object.entries(specs)) {
    const { name, external } = (spec ?? {}) as { name?: string; external?: boolean };
    const implied = external === true ? key : `${project}_${key}`;
    result[key] = { ...spec, ...(isNormalized ? { name: name ?? implied } : {}) } as T;
  }
  return result;
}

/** Configs and secrets from a variable get its value; it is what `content` says. */
function resolveContent<T extends { readonly environment?: string }>(
  specs: Record<string, T>,
  environment: ReadonlyMap<string, string>,
): Record<string, T> {
  for (const [key, spec] of Object.entries(specs)) {
    const value = spec.environment === undefined ? undefined : environment.get(spec.environment);
    if (value !== undefined) specs[key] = { ...spec, content: value };
  }
  return specs;
}

function completeDependencies(service: Draft<Service>): void {
  const dependencies = service.depends_on;
  if (dependencies === undefined) return;
  service.depends_on = Object.fromEntries(
    Object.entries(dependencies).map(([name, dependency]) => [name, { required: true, ...dependency }]),
  );
}

function normalizeService(service: Draft<Service>, environment: ReadonlyMap<string, string>): void {
  if (service.pull_policy === "if_not_present") service.pull_policy = "missing";
  if (service.provider === undefined && service.network_mode === undefined) {
    if (Object.keys(service.networks ?? {}).length === 0) service.networks = { default: null };
  }
  if (service.build !== undefined) {
    const build = { ...service.build };
    if (build.dockerfile === undefined && build.dockerfile_inline === undefined)
      build.dockerfile = "Dockerfile";
    if (build.args !== undefined) build.args = resolveVariables(build.args, environment, false);
    service.build = build;
  }
  if (service.environment !== undefined)
    service.environment = resolveVariables(service.environment, environment, true);
  if (service.volumes !== undefined) service.volumes = service.volumes.map(cleanTarget);
  if (service.pre_start !== undefined && service.image !== undefined) {
    const { image } = service;
    service.pre_start = service.pre_start.map((hook) => ({ image, ...hook }));
  }
  const implied = impliedDependencies(service);
  if (Object.keys(implied).length > 0) service.depends_on = { ...implied, ...service.depends_on };
}

function cleanTarget(mount: Mount): Mount {
  if (mount.target === undefined) return mount;
  return { ...mount, target: posix.normalize(mount.target).replace(/(?<=.)\/$/, "") };
}

/** Gives variables without a value the environment's; those that it does not have are kept or left out. */
export function resolveVariables(
  variables: Readonly<Record<string, string | null>>,
  environment: ReadonlyMap<string, string>,
  keepsUnset: boolean,
): Record<string, string | null> {
  const result: Record<string, string | null> = {};
  for (const [name, value] of Object.entries(variables)) {
    const resolved = value ?? environment.get(name) ?? null;
    if (resolved !== null || keepsUnset) result[name] = resolved;
  }
  return result;
}

/** Links, shared namespaces and volumes of another service make it a dependency. */
function impliedDependencies(service: Service): Record<string, Dependency> {
  const implied: Record<string, Dependency> = {};
  const add = (name: string, restart: boolean): void => {
    implied[name] ??= { condition: "service_started", required: true, ...(restart ? { restart } : {}) };
  };
  for (const link of service.links ?? []) add(link.split(":", 1)[0] as string, true);
  for (const namespace of [service.network_mode, service.ipc, service.pid, service.uts, service.cgroup]) {
    if (namespace?.startsWith("service:") === true) add(namespace.slice("service:".length), true);
  }
  for (const source of service.volumes_from ?? []) {
    if (!source.startsWith("container:")) add(source.split(":", 1)[0] as string, false);
  }
  return implied;
}
