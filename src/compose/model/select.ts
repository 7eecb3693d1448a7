// Which of a project's services take part: those of active profiles, those named on the command line and what they need.

import { Fault } from "../../lib/errors.ts";
import { didYouMean } from "../tree/suggest.ts";
import { withContextServices } from "./build-contexts.ts";
import { dependentsOf } from "./graph.ts";
import type { Project, Service } from "./project.ts";

/** What is taken in besides the services named. */
export type Company = "dependencies" | "dependents" | "none";

/** Returns the project with the services of these profiles ("*": of all) and those without any. */
export function withProfiles(project: Project, profiles: readonly string[]): Project {
  const isActive = ({ profiles: own = [] }: Service): boolean =>
    own.length === 0 || profiles.includes("*") || own.some((profile) => profiles.includes(profile));
  return { ...split(project, isActive), profiles };
}

/** Returns the project with the profiles of services that are named, which are meant although they are disabled. */
export function withEnabled(project: Project, names: readonly string[]): Project {
  const profiles = names.flatMap((name) =>
    Object.hasOwn(project.services, name) ? [] : (project.disabled[name]?.profiles ?? []),
  );
  return profiles.length === 0 ? project : withProfiles(project, [...project.profiles, ...profiles]);
}

/** Returns the project with the named services and their company only; all when none is named. Throws for unknown names. */
export function withSelected(project: Project, names: readonly string[], company: Company): Project {
  if (names.length === 0) return project;
  const selected = new Set<string>();
  const visit = (name: string, isRequired: boolean): void => {
    const service = project.services[name];
    if (service === undefined) {
      if (isRequired) throw noSuchService(project, name);
      return;
    }
    if (selected.has(name)) return;
    selected.add(name);
    if (company === "dependencies")
      for (const [next, dependency] of Object.entries(service.depends_on ?? {}))
        visit(next, dependency.required !== false);
    if (company === "dependents") for (const next of dependentsOf(project.services, name)) visit(next, false);
  };
  for (const name of names) visit(name, true);
  const chosen = split(project, ({ name }) => selected.has(name));
  const services = Object.fromEntries(
    Object.entries(chosen.services).map(([name, service]) => [name, withoutOthers(service, selected)]),
  );
  return { ...chosen, services };
}

/** A service does not wait for what does not take part. */
function withoutOthers(service: Service, selected: ReadonlySet<string>): Service {
  const dependencies = Object.entries(service.depends_on ?? {});
  if (dependencies.every(([name]) => selected.has(name))) return service;
  return { ...service, depends_on: Object.fromEntries(dependencies.filter(([name]) => selected.has(name))) };
}

function split(project: Project, isIn: (service: Service) => boolean): Project {
  const services: Record<string, Service> = {};
  const disabled: Record<string, Service> = {};
  for (const [name, service] of Object.entries({ ...project.disabled, ...project.services })) {
    (isIn(service) ? services : disabled)[name] = service;
  }
  return { ...project, services, disabled };
}

/** The failure of a name that no service has. */
export function noSuchService(project: Project, name: string): Fault {
  const known = [...Object.keys(project.services), ...Object.keys(project.disabled)];
  return new Fault("notFound", `no such service: ${name}${didYouMean(name, known)}`, {
    code: "compose.no-service",
  });
}

/** Returns the project without the networks, volumes, … that none of its services uses. */
export function withoutUnused(project: Project): Project {
  const services = Object.values(project.services);
  const built = withContextServices(project, services);
  const only = <T>(
    specs: Readonly<Record<string, T>>,
    used: readonly (string | undefined)[],
  ): Record<string, T> => Object.fromEntries(Object.entries(specs).filter(([name]) => used.includes(name)));
  return {
    ...project,
    networks: only(
      project.networks,
      services.flatMap((service) => Object.keys(service.networks ?? {})),
    ),
    volumes: only(
      project.volumes,
      services.flatMap((service) =>
        (service.volumes ?? []).filter(({ type }) => type === "volume").map(({ source }) => source),
      ),
    ),
    secrets: only(
      project.secrets,
      [
        ...services.flatMap((service) => service.secrets ?? []),
        ...built.flatMap((service) => service.build?.secrets ?? []),
      ].map(({ source }) => source),
    ),
    configs: only(
      project.configs,
      services.flatMap((service) => (service.configs ?? []).map(({ source }) => source)),
    ),
    models: only(
      project.models,
      services.flatMap((service) => Object.keys(service.models ?? {})),
    ),
  };
}

/** Returns the project with the named services and those that are restarted together with them. */
export function withRestarting(project: Project, names: readonly string[]): Project {
  const along = Object.values(project.services)
    .filter(({ depends_on: needs = {} }) => names.some((name) => needs[name]?.restart === true))
    .map(({ name }) => name);
  return withSelected(project, [...names, ...along], "none");
}
