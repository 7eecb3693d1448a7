// What the specification's schema cannot say: names that lead nowhere, attributes that exclude each other, cycles, and names
// and ports that two containers cannot have at once. All of it is found before anything is touched.

import type { Problem } from "../tree/problem.ts";
import { positionOf } from "../tree/node.ts";
import { didYouMean } from "../tree/suggest.ts";
import { anyService, contextService } from "./build-contexts.ts";
import { findCycle } from "./graph.ts";
import { type Project, type Service, scaleOf, sortedEntries } from "./project.ts";

type Path = readonly (string | number)[];

class Findings {
  readonly problems: Problem[] = [];
  readonly #project: Project;

  constructor(project: Project) {
    this.#project = project;
  }

  add(path: Path, message: string): void {
    this.problems.push({ at: positionOf(this.#project.tree, path), path: path.join("."), message });
  }

  /** Reports a name that is not among the known ones. */
  addUnknown(path: Path, message: string, name: string, known: object): void {
    this.add(path, `${message}${didYouMean(name, Object.keys(known))}`);
  }
}

/** Returns what is inconsistent in a project whose services are those of the active profiles. */
export function checkConsistency(project: Project): Problem[] {
  const findings = new Findings(project);
  for (const [, service] of sortedEntries(project.services)) checkService(project, service, findings);
  const cycle = findCycle(project.services);
  if (cycle !== undefined) {
    const [first = "", second = ""] = cycle;
    findings.add(
      ["services", first, "depends_on", second],
      `dependency cycle detected: ${cycle.join(" -> ")}`,
    );
  }
  return findings.problems;
}

function checkService(project: Project, service: Service, findings: Findings): void {
  const path = ["services", service.name];
  const fail = (message: string, ...below: Path): void => findings.add([...path, ...below], message);
  if (service.build === undefined && service.image === undefined && service.provider === undefined)
    fail("has neither an image nor a build context specified");
  checkBuild(project, service, findings);
  checkReferences(project, service, findings);
  if (service.network_mode !== undefined && Object.keys(service.networks ?? {}).length > 0)
    fail("declares mutually exclusive `network_mode` and `networks`", "network_mode");
  const test = service.healthcheck?.test?.[0];
  if (test !== undefined && !["CMD", "CMD-SHELL", "NONE"].includes(test))
    fail('must start either by "CMD", "CMD-SHELL" or "NONE"', "healthcheck", "test");
  checkLimits(service, fail);
  for (const [index, trigger] of (service.develop?.watch ?? []).entries()) {
    if (trigger.target === undefined && trigger.action !== "rebuild" && trigger.action !== "restart")
      fail("target is required for non-rebuild actions", "develop", "watch", index);
  }
  checkMountPoints(service, findings);
}

function checkBuild(project: Project, service: Service, findings: Findings): void {
  const { build } = service;
  if (build === undefined) return;
  const path = ["services", service.name, "build"];
  if (build.dockerfile_inline !== undefined && build.dockerfile !== undefined)
    findings.add(
      [...path, "dockerfile_inline"],
      "declares mutually exclusive dockerfile and dockerfile_inline",
    );
  for (const [name, context] of Object.entries(build.additional_contexts ?? {})) {
    const target = contextService(context);
    if (target === undefined) continue;
    const at = [...path, "additional_contexts", name];
    const other = anyService(project, target);
    if (other === undefined)
      findings.addUnknown(
        at,
        `refers to unknown service ${JSON.stringify(target)}`,
        target,
        project.services,
      );
    else if (other.build === undefined)
      findings.add(at, `refers to service ${JSON.stringify(target)}, which is not built`);
  }
  const { platforms = [] } = build;
  if (platforms.length > 0 && service.platform !== undefined && !platforms.includes(service.platform))
    findings.add(
      [...path, "platforms"],
      `must include the service's platform ${JSON.stringify(service.platform)}`,
    );
  for (const [index, { source = "" }] of (build.secrets ?? []).entries()) {
    if (!Object.hasOwn(project.secrets, source))
      findings.addUnknown(
        [...path, "secrets", index],
        `refers to undefined build secret ${source}`,
        source,
        project.secrets,
      );
  }
}

function checkReferences(project: Project, service: Service, findings: Findings): void {
  const path = ["services", service.name];
  for (const name of Object.keys(service.networks ?? {})) {
    if (!Object.hasOwn(project.networks, name))
      findings.addUnknown(
        [...path, "networks", name],
        `refers to undefined network ${name}`,
        name,
        project.networks,
      );
  }
  for (const [name, dependency] of Object.entries(service.depends_on ?? {})) {
    if (Object.hasOwn(project.services, name)) continue;
    if (Object.hasOwn(project.disabled, name)) {
      if (dependency.required === false) continue;
      const profiles = (project.disabled[name]?.profiles ?? []).join(", ");
      const message = `depends on service ${JSON.stringify(name)}, which is disabled (enable it with --profile ${profiles})`;
      findings.add([...path, ...placeOfDependency(service, name)], message);
      continue;
    }
    const message = `depends on undefined service ${JSON.stringify(name)}`;
    findings.addUnknown([...path, ...placeOfDependency(service, name)], message, name, project.services);
  }
  for (const [index, mount] of (service.volumes ?? []).entries()) {
    const { type, source } = mount;
    if (type !== "volume" || source === undefined || Object.hasOwn(project.volumes, source)) continue;
    findings.addUnknown(
      [...path, "volumes", index],
      `refers to undefined volume ${source}`,
      source,
      project.volumes,
    );
  }
  for (const [index, { source = "" }] of (service.configs ?? []).entries()) {
    if (!Object.hasOwn(project.configs, source))
      findings.addUnknown(
        [...path, "configs", index],
        `refers to undefined config ${source}`,
        source,
        project.configs,
      );
  }
  for (const [index, { source = "" }] of (service.secrets ?? []).entries()) {
    if (!Object.hasOwn(project.secrets, source))
      findings.addUnknown(
        [...path, "secrets", index],
        `refers to undefined secret ${source}`,
        source,
        project.secrets,
      );
  }
  for (const name of Object.keys(service.models ?? {})) {
    if (!Object.hasOwn(project.models, name))
      findings.addUnknown(
        [...path, "models", name],
        `refers to undefined model ${name}`,
        name,
        project.models,
      );
  }
}

/** Where a service says that it needs another: `depends_on`, or what implies it. */
function placeOfDependency(service: Service, name: string): Path {
  for (const attribute of ["network_mode", "ipc", "pid"] as const)
    if (service[attribute] === `service:${name}`) return [attribute];
  for (const attribute of ["links", "volumes_from"] as const) {
    const index = (service[attribute] ?? []).findIndex((text) => text.split(":", 1)[0] === name);
    if (index >= 0) return [attribute, index];
  }
  return ["depends_on", name];
}

function checkLimits(service: Service, fail: (message: string, ...below: Path) => void): void {
  const { deploy } = service;
  const { limits, reservations } = deploy?.resources ?? {};
  const distinct = (ours: unknown, theirs: unknown, name: string, other: string): void => {
    if (ours !== undefined && theirs !== undefined && ours !== theirs)
      fail(`can't set distinct values on '${name}' and '${other}'`, name);
  };
  distinct(service.scale, deploy?.replicas, "scale", "deploy.replicas");
  distinct(service.cpus, limits?.cpus, "cpus", "deploy.resources.limits.cpus");
  distinct(service.mem_limit, limits?.memory, "mem_limit", "deploy.resources.limits.memory");
  distinct(service.pids_limit, limits?.pids, "pids_limit", "deploy.resources.limits.pids");
  distinct(
    service.mem_reservation,
    reservations?.memory,
    "mem_reservation",
    "deploy.resources.reservations.memory",
  );
  if ((service.scale ?? 0) < 0) fail("must be greater than or equal to 0", "scale");
  if ((deploy?.replicas ?? 0) < 0) fail("must be greater than or equal to 0", "deploy", "replicas");
  if (scaleOf(service) > 1 && service.container_name !== undefined) {
    const what = service.scale === undefined ? "deploy.replicas" : "scale";
    fail(`can't set container_name and ${what} as container name must be unique`, "container_name");
  }
}

function checkMountPoints(service: Service, findings: Findings): void {
  const taken = new Map<string, string>();
  const take = (target: string, attribute: "tmpfs" | "volumes", index: number): void => {
    const here = `services.${service.name}.${attribute}[${index}]`;
    const there = taken.get(target);
    if (there === undefined) taken.set(target, here);
    else
      findings.add(
        ["services", service.name, attribute, index],
        `target ${target} already mounted as ${there}`,
      );
  };
  for (const [index, mount] of (service.tmpfs ?? []).entries())
    take(mount.split(":", 1)[0] as string, "tmpfs", index);
  for (const [index, { target = "" }] of (service.volumes ?? []).entries()) take(target, "volumes", index);
}

/** Returns the container names that two services ask for. */
export function containerNameClashes(project: Project): Problem[] {
  const findings = new Findings(project);
  const names = new Map<string, string>();
  for (const [name, { container_name: containerName }] of sortedEntries(project.services)) {
    if (containerName === undefined) continue;
    const other = names.get(containerName);
    const message = `container name ${JSON.stringify(containerName)} is already in use by service ${other}`;
    if (other !== undefined) findings.add(["services", name, "container_name"], message);
    names.set(containerName, name);
  }
  return findings.problems;
}

/** Returns the ports of the host that two containers of the project ask for. */
export function portClashes(project: Project): Problem[] {
  const findings = new Findings(project);
  const taken: { readonly port: string; readonly address: string; readonly service: string }[] = [];
  for (const [name, service] of sortedEntries(project.services)) {
    const scale = scaleOf(service);
    for (const [index, { published = "", protocol = "tcp", host_ip: address = "" }] of (
      service.ports ?? []
    ).entries()) {
      // With a range or no port at all the daemon finds a free one.
      if (!/^[0-9]+$/.test(published) || published === "0" || scale === 0) continue;
      const port = `${published}/${protocol}`;
      const owner = taken.find((other) => other.port === port && overlaps(other.address, address));
      const at = ["services", name, "ports", index];
      if (owner !== undefined)
        findings.add(at, `host port ${port} is already taken by service ${owner.service}`);
      else if (scale > 1) findings.add(at, `host port ${port} cannot be had by ${scale} containers at once`);
      taken.push({ port, address, service: name });
    }
  }
  return findings.problems;
}

function overlaps(a: string, b: string): boolean {
  const isAny = (address: string): boolean => address === "" || address === "0.0.0.0" || address === "::";
  return a === b || isAny(a) || isAny(b);
}
