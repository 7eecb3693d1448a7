// A project as the rest of Compose works with it: the values of its files, complete and without short forms. Made by
// normalize.ts from the files' tree, which stays beside it so that whatever is found wrong later can be shown in its place.

import type { config, network, secret, volume } from "../schema/file.ts";
import type { service } from "../schema/service.ts";
import type { ModelOf } from "../schema/shape.ts";
import type { MapNode } from "../tree/node.ts";

type Named<T> = T & { readonly name: string };
type MemberOf<T> = T extends Readonly<Record<string, infer M>> ? NonNullable<M> : never;

/** What a file says of a service. */
export type ServiceSpec = ModelOf<typeof service>;
/** A service and the name that it goes by. */
export type Service = Named<ServiceSpec>;
export type NetworkSpec = Named<ModelOf<typeof network>>;
export type VolumeSpec = Named<ModelOf<typeof volume>>;
export type ConfigSpec = Named<ModelOf<typeof config>>;
export type SecretSpec = Named<ModelOf<typeof secret> & { readonly content?: string }>;
export type BuildSpec = NonNullable<ServiceSpec["build"]>;
export type Mount = NonNullable<ServiceSpec["volumes"]>[number];
export type Port = NonNullable<ServiceSpec["ports"]>[number];
export type Dependency = MemberOf<NonNullable<ServiceSpec["depends_on"]>>;
export type Hook = NonNullable<ServiceSpec["post_start"]>[number];
export type PreStartHook = NonNullable<ServiceSpec["pre_start"]>[number];
export type FileReference = NonNullable<ServiceSpec["secrets"]>[number];
export type NetworkAttachment = NonNullable<NonNullable<ServiceSpec["networks"]>[string]>;
export type WatchTrigger = NonNullable<NonNullable<ServiceSpec["develop"]>["watch"]>[number];

export interface Project {
  readonly name: string;
  readonly directory: string;
  /** Absolute paths of the files given, "-" for stdin. */
  readonly files: readonly string[];
  readonly environment: ReadonlyMap<string, string>;
  /** Env files given on the command line, absolute. */
  readonly envFiles: readonly string[];
  /** Between the parts of names: "-", or "_" as Compose 1 had it. */
  readonly separator: "-" | "_";
  readonly profiles: readonly string[];
  readonly services: Readonly<Record<string, Service>>;
  /** Services of profiles that are not active, or that were not selected. */
  readonly disabled: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, NetworkSpec>>;
  readonly volumes: Readonly<Record<string, VolumeSpec>>;
  readonly configs: Readonly<Record<string, ConfigSpec>>;
  readonly secrets: Readonly<Record<string, SecretSpec>>;
  readonly models: Readonly<Record<string, unknown>>;
  /** Top-level `x-…` members. */
  readonly extensions: Readonly<Record<string, unknown>>;
  /** All files merged, for positions. */
  readonly tree: MapNode;
}

/** Returns an object without members that are undefined, which in exact optional types are no values. */
export function defined<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members) as T;
}

/** Returns the members sorted by name. */
export function sortedEntries<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Returns how many containers a service is to have. */
export function scaleOf(service: ServiceSpec): number {
  return service.scale ?? service.deploy?.replicas ?? 1;
}

/** Returns the name of a service's image, which is derived from the project's name where a service is only built. */
export function imageOf(project: Pick<Project, "name" | "separator">, service: Service): string {
  return service.image ?? `${project.name}${project.separator}${service.name}`;
}

/** Returns the services, and for each image that only a service's `pre_start` hooks need one that stands for it. */
export function withHookImages(project: Project, services: readonly Service[]): Service[] {
  return services.flatMap((service) => {
    const { pre_start: hooks = [], pull_policy: policy, ...rest } = service;
    const images = new Set(hooks.map(({ image = imageOf(project, service) }) => image));
    images.delete(imageOf(project, service));
    return [
      service,
      ...[...images].map((image) =>
        defined<Service>({
          name: rest.name,
          image,
          pull_policy: policy === "build" ? undefined : policy, // nothing says how it would be built
          pull_refresh_after: rest.pull_refresh_after,
          platform: rest.platform,
        }),
      ),
    ];
  });
}
