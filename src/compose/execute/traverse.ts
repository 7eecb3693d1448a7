// Visits services in the order of their dependencies, those that do not depend on each other at the same time.

import { dependenciesOf, dependentsOf } from "../model/graph.ts";
import type { Service } from "../model/project.ts";
import { allDone } from "./work.ts";

type Services = Readonly<Record<string, Service>>;

/** Visits each service when those that it depends on are done. After a failure no further one is begun. */
export function inOrder(services: Services, visit: (service: Service) => Promise<void>): Promise<void> {
  return traverse(services, (service) => dependenciesOf(services, service), visit);
}

/** Visits each service when those that depend on it are done. */
export function inReverseOrder(
  services: Services,
  visit: (service: Service) => Promise<void>,
): Promise<void> {
  return traverse(services, ({ name }) => dependentsOf(services, name), visit);
}

async function traverse(
  services: Services,
  before: (service: Service) => readonly string[],
  visit: (service: Service) => Promise<void>,
): Promise<void> {
  const visits = new Map<string, Promise<void>>();
  const start = (service: Service): Promise<void> => {
    const known = visits.get(service.name);
    if (known !== undefined) return known;
    const first = before(service).map((name) => start(services[name] as Service));
    const own = Promise.all(first).then(() => visit(service));
    visits.set(service.name, own);
    return own;
  };
  await allDone(Object.values(services).map(start));
}
