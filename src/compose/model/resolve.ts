// What services take from files beside the Compose files: variables of `env_file`, labels of `label_file`. Read only for
// commands that need them, so that `down` works without them.

import { readFileSync, statSync } from "node:fs";
import { Fault } from "../../lib/errors.ts";
import { parseDotenv, parseRawEnv } from "../load/dotenv.ts";
import { positionOf } from "../tree/node.ts";
import { invalidAt } from "../tree/problem.ts";
import { resolveVariables } from "./normalize.ts";
import { defined, type Project, type Service } from "./project.ts";

/** Returns the project with the services' environment complete; of all, or of those meant. Throws a Fault for a file that is not there. */
export function withEnvironment(project: Project, isMeant = (_: string): boolean => true): Project {
  const resolve = (service: Service): Service =>
    isMeant(service.name) ? resolveEnvironment(project, service) : service;
  return { ...project, services: mapServices(project, resolve) };
}

/** Returns the project with the labels of label files put into the services. */
export function withLabels(project: Project): Project {
  return { ...project, services: mapServices(project, (service) => resolveLabels(project, service)) };
}

function mapServices(project: Project, change: (service: Service) => Service): Record<string, Service> {
  return Object.fromEntries(
    Object.entries(project.services).map(([name, service]) => [name, change(service)]),
  );
}

function resolveEnvironment(project: Project, service: Service): Service {
  const own = resolveVariables(service.environment ?? {}, project.environment, true);
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(own)) if (value !== null) variables.set(name, value);
  const lookup = (name: string): string | undefined =>
    project.environment.get(name) ?? own[name] ?? undefined;
  for (const [index, { path = "", required, format }] of (service.env_file ?? []).entries()) {
    const at = ["services", service.name, "env_file", index];
    if (statSync(path, { throwIfNoEntry: false }) === undefined) {
      if (required === false) continue;
      throw invalidAt(positionOf(project.tree, at), at.join("."), `env file ${path} not found`);
    }
    if (format === "raw") parseRawEnv(readFileSync(path, "utf8"), variables);
    else if (format === undefined || format === ".env")
      parseDotenv(readFileSync(path, "utf8"), variables, { file: path, lookup });
    else
      throw invalidAt(
        positionOf(project.tree, at),
        at.join("."),
        `unsupported env_file format ${JSON.stringify(format)}`,
      );
  }
  const environment = { ...Object.fromEntries(variables), ...own };
  return defined<Service>({
    ...service,
    environment: Object.keys(environment).length === 0 ? undefined : environment,
    env_file: undefined,
  });
}

function resolveLabels(project: Project, service: Service): Service {
  const files = service.label_file ?? [];
  if (files.length === 0) return service;
  const labels = new Map<string, string>();
  for (const [index, file] of files.entries()) {
    const at = ["services", service.name, "label_file", index];
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (cause) {
      if (cause instanceof Fault) throw cause;
      throw invalidAt(positionOf(project.tree, at), at.join("."), `label file ${file} not found`);
    }
    parseDotenv(text, labels, { file, lookup: (name) => labels.get(name) });
  }
  return { ...service, labels: { ...Object.fromEntries(labels), ...service.labels } };
}
