// Services whose images are contexts of other services' builds (`additional_contexts: {base: "service:base"}`): they are built
// first, whether or not they were named, and also where their profile is not active.

import { Fault } from "../../lib/errors.ts";
import type { Project, Service } from "./project.ts";

const SERVICE = "service:";

/** Returns the name of the service that a context stands for; undefined for another context. */
export function contextService(context: string): string | undefined {
  return context.startsWith(SERVICE) ? context.slice(SERVICE.length) : undefined;
}

/** Returns the names of the services that a service's build takes as contexts. */
export function contextServicesOf({ build }: Service): string[] {
  const contexts = Object.values(build?.additional_contexts ?? {});
  return [...new Set(contexts.flatMap((context) => contextService(context) ?? []))].sort();
}

/** Returns a project's service whether or not it takes part. */
export function anyService(
  project: Pick<Project, "services" | "disabled">,
  name: string,
): Service | undefined {
  return project.services[name] ?? project.disabled[name];
}

/**
 * Returns the services and all those that their builds need, each after what it needs. Throws a Fault for builds that need
 * each other.
 */
export function withContextServices(
  project: Pick<Project, "services" | "disabled">,
  services: readonly Service[],
): Service[] {
  const ordered = new Map<string, Service>();
  const visit = (service: Service, above: readonly string[]): void => {
    const { name } = service;
    if (above.includes(name))
      throw new Fault(
        "invalidParameter",
        `builds need each other: ${[...above.slice(above.indexOf(name)), name].join(" -> ")}`,
        { code: "compose.cycle" },
      );
    if (ordered.has(name)) return;
    for (const context of contextServicesOf(service)) {
      const needed = anyService(project, context);
      if (needed !== undefined) visit(needed, [...above, name]);
    }
    ordered.set(name, service);
  };
  for (const service of services) visit(service, []);
  return [...ordered.values()];
}
