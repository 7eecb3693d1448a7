// The order that dependencies give to services.

import type { Service } from "./project.ts";

type Services = Readonly<Record<string, Service>>;

/** Returns the services that a service waits for, as far as they are among these. */
export function dependenciesOf(services: Services, service: Service): string[] {
  return Object.keys(service.depends_on ?? {})
    .filter((name) => Object.hasOwn(services, name))
    .sort();
}

/** Returns the services that wait for a service. */
export function dependentsOf(services: Services, name: string): string[] {
  return Object.values(services)
    .filter((service) => Object.hasOwn(service.depends_on ?? {}, name))
    .map((service) => service.name)
    .sort();
}

/** Returns a cycle of dependencies as its names, the first one again at the end; undefined when there is none. */
export function findCycle(services: Services): string[] | undefined {
  const done = new Set<string>();
  const walk = (name: string, above: readonly string[]): string[] | undefined => {
    const start = above.indexOf(name);
    if (start >= 0) return [...above.slice(start), name];
    const service = services[name];
    if (service === undefined || done.has(name)) return undefined;
    for (const next of dependenciesOf(services, service)) {
      const cycle = walk(next, [...above, name]);
      if (cycle !== undefined) return cycle;
    }
    done.add(name);
    return undefined;
  };
  for (const name of Object.keys(services).sort()) {
    const cycle = walk(name, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** Returns the services so that each comes after those that it depends on. The services have no cycle. */
export function inDependencyOrder(services: Services): Service[] {
  const ordered = new Map<string, Service>();
  const visit = (name: string): void => {
    const service = services[name];
    if (service === undefined || ordered.has(name)) return;
    for (const dependency of dependenciesOf(services, service)) visit(dependency);
    ordered.set(name, service);
  };
  for (const name of Object.keys(services).sort()) visit(name);
  return [...ordered.values()];
}
