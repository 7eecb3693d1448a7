// References of a service to containers of other services (`network_mode: service:db`, `volumes_from: [db]`) become
// references to a container, for the daemon knows no services.

import { Fault } from "../../lib/errors.ts";
import { defined, type Service } from "../model/project.ts";

/** Returns the id of a container of a service, undefined when there is none. */
export type ContainerOf = (service: string) => string | undefined;

/** Returns the service with containers in the place of services. Throws a Fault when one has no container. */
export function withReferences(service: Service, containerOf: ContainerOf): Service {
  const find = (name: string, what: string): string => {
    const id = containerOf(name);
    if (id !== undefined) return id;
    throw new Fault("notFound", `cannot share ${what} with service ${name}: container missing`, {
      code: "compose.no-container",
    });
  };
  const namespace = (mode: string | undefined, what: string): string | undefined =>
    mode?.startsWith("service:") === true
      ? `container:${find(mode.slice("service:".length), `${what} namespace`)}`
      : mode;
  return defined<Service>({
    ...service,
    network_mode: namespace(service.network_mode, "network"),
    ipc: namespace(service.ipc, "IPC"),
    pid: namespace(service.pid, "PID"),
    volumes_from: service.volumes_from?.map((source) => {
      const [name = "", ...rest] = source.split(":");
      if (name === "container") return rest.join(":");
      const id = find(name, "volume");
      return rest.length === 0 ? id : `${id}:${rest.join(":")}`;
    }),
  });
}

/** Returns the services whose containers a service shares something with. */
export function sharedServices(service: Service): string[] {
  const modes = [service.network_mode, service.ipc, service.pid]
    .filter((mode) => mode?.startsWith("service:") === true)
    .map((mode) => (mode as string).slice("service:".length));
  const volumes = (service.volumes_from ?? [])
    .filter((source) => !source.startsWith("container:"))
    .map((source) => source.split(":", 1)[0] as string);
  return [...new Set([...modes, ...volumes])];
}
