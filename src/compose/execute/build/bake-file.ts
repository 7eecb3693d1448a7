// `build --print`: what is built as a file of Docker's `buildx bake`, byte for byte as Docker Compose prints it.
// Fields that are empty are left out; lists without an order of their own are sorted.

import type { BuildSpec, Project, Service } from "../../model/project.ts";
import { contextService } from "../../model/build-contexts.ts";
import { attestationsOf, entitlementsOf, limitsOf, sshOf } from "./options.ts";
import type { BuildSettings } from "./settings.ts";

type Target = Readonly<Record<string, unknown>>;

export interface BakeInput {
  /** All that is described, since a target may be another's context. */
  readonly services: readonly Service[];
  /** What is built. */
  readonly built: readonly Service[];
  readonly settingsOf: (service: Service) => BuildSettings;
  /** Path of the Dockerfile that is not in the project's file. */
  readonly dockerfileOf: (service: Service) => string;
  readonly call: "lint" | undefined;
}

/** Returns a name for each service's target: dots are not allowed there, and what comes to the same gets an underscore more. */
function targetNames(services: readonly Service[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const used = new Set<string>();
  for (const { name } of services.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    let target = name.replaceAll(".", "_");
    while (used.has(target)) target += "_";
    used.add(target);
    names.set(name, target);
  }
  return names;
}

/** Bake would put variables in. */
const literal = (text: string): string => text.replaceAll("${", () => "$${");

function outputOf({ platforms, push }: BuildSettings): string {
  if (platforms.length > 1) return `type=image,push=${push}`;
  return push ? "type=registry" : "type=docker";
}

function secretsOf(project: Project, build: BuildSpec): string[] {
  return (build.secrets ?? []).flatMap(({ source = "", target = source }) => {
    const { file, environment } = project.secrets[source] ?? {};
    if (environment !== undefined) return [`id=${target},type=env,env=${environment}`];
    return file === undefined ? [] : [`id=${target},type=file,src=${file}`];
  });
}

function extraHosts(hosts: readonly string[]): Record<string, string> {
  const addresses = new Map<string, string[]>();
  for (const text of hosts) {
    const at = text.search(/[:=]/);
    const name = text.slice(0, at);
    addresses.set(name, [...(addresses.get(name) ?? []), text.slice(at + 1)]);
  }
  return Object.fromEntries([...addresses].map(([name, each]) => [name, each.join(",")]));
}

function targetOf(
  project: Project,
  service: Service,
  names: ReadonlyMap<string, string>,
  input: BakeInput,
): Target {
  const { build = {} } = service;
  const settings = input.settingsOf(service);
  const [image = "", ...tags] = settings.tags;
  const contexts = Object.entries(build.additional_contexts ?? {}).map(([name, value]) => {
    const from = contextService(value);
    return [name, from === undefined ? value : `target:${names.get(from) ?? ""}`] as const;
  });
  const args = Object.entries(settings.args).flatMap(([name, value]) =>
    value === null ? [] : [[name, literal(value)] as const],
  );
  return {
    context: build.context,
    contexts: sorted(Object.fromEntries(contexts)),
    dockerfile: build.dockerfile_inline === undefined ? input.dockerfileOf(service) : undefined,
    "dockerfile-inline": literal(build.dockerfile_inline ?? ""),
    args: sorted(Object.fromEntries(args)),
    labels: sorted(settings.labels),
    tags: [...tags, image],
    "cache-from": build.cache_from,
    "cache-to": build.cache_to,
    target: build.target,
    secret: secretsOf(project, build),
    ssh: sshOf(build, settings).map(([id, path]) => `${id}=${path ?? ""}`),
    platforms: settings.platforms,
    pull: settings.pull || undefined,
    "no-cache": settings.noCache || undefined,
    network: build.network,
    "no-cache-filter": build.no_cache_filter,
    "shm-size": build.shm_size === undefined ? undefined : String(build.shm_size),
    ulimits: limitsOf(build),
    call: input.call,
    entitlements: entitlementsOf(build),
    "extra-hosts": sorted(extraHosts(settings.extraHosts)),
    output: input.call === undefined ? [outputOf(settings)] : [],
    attest: attestationsOf(build),
  };
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function withoutEmpty(target: Target): Target {
  const isEmpty = (value: unknown): boolean =>
    value === undefined ||
    value === "" ||
    (typeof value === "object" && Object.keys(value ?? {}).length === 0);
  return Object.fromEntries(Object.entries(target).filter(([, value]) => !isEmpty(value)));
}

/** compat: Go's encoder writes these characters as escapes. */
function goJson(value: unknown): string {
  const escaped = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, undefined, 2).replace(/[<>&\u2028\u2029]/g, escaped);
}

/** Returns the file's text. */
export function bakeFile(project: Project, input: BakeInput): string {
  const names = targetNames(input.services);
  const targets = input.services.map((service) => {
    const target = targetOf(project, service, names, input);
    return [names.get(service.name) ?? "", withoutEmpty(target)] as const;
  });
  const group = input.built.map(({ name }) => names.get(name) ?? "").sort();
  return `${goJson({ group: { default: { targets: group } }, target: sorted(Object.fromEntries(targets)) })}\n`;
}
