// Networks, ports and names of a service's container in the daemon's terms.

import type { EndpointSettingsRequest } from "../../api/schemas/endpoint.ts";
import type { NetworkAttachment, Port, Project, Service } from "../model/project.ts";
import { containerName } from "./names.ts";

export interface Networking {
  readonly mode: string;
  /** By network name; the first is the one of the mode. */
  readonly endpoints: Readonly<Record<string, EndpointSettingsRequest>>;
}

export interface NetworkingOptions {
  readonly number: number;
  readonly links: readonly string[];
  /** false: only the container's own name leads to it (a container of `run`). */
  readonly usesAliases: boolean;
}

/** Returns how a container is attached. */
export function networkingOf(project: Project, service: Service, options: NetworkingOptions): Networking {
  if (service.network_mode !== undefined) return { mode: service.network_mode, endpoints: {} };
  const keys = networksByPriority(service);
  const [main] = keys;
  if (main === undefined) return { mode: "none", endpoints: {} };
  const nameOf = (key: string): string => project.networks[key]?.name ?? key;
  const endpoints = keys.map((key) => {
    const settings = endpoint(project, service, service.networks?.[key] ?? {}, options);
    const mac = service.mac_address;
    return [
      nameOf(key),
      key === main && mac !== undefined ? { MacAddress: mac, ...settings } : settings,
    ] as const;
  });
  return { mode: nameOf(main), endpoints: Object.fromEntries(endpoints) };
}

/** Returns the keys of a service's networks, highest priority first, then by name. */
export function networksByPriority({ networks = {} }: Service): string[] {
  const priority = (key: string): number => networks[key]?.priority ?? 0;
  return Object.keys(networks).sort((a, b) => priority(b) - priority(a) || (a < b ? -1 : 1));
}

function endpoint(
  project: Project,
  service: Service,
  spec: NetworkAttachment,
  { number, links, usesAliases }: NetworkingOptions,
): EndpointSettingsRequest {
  const own = number > 0 ? containerName(project, service, number) : (service.container_name ?? service.name);
  const aliases = [own, ...(usesAliases ? [service.name, ...(spec.aliases ?? [])] : [])];
  const ipam = {
    ...(spec.ipv4_address === undefined ? {} : { IPv4Address: spec.ipv4_address }),
    ...(spec.ipv6_address === undefined ? {} : { IPv6Address: spec.ipv6_address }),
    ...(spec.link_local_ips === undefined ? {} : { LinkLocalIPs: [...spec.link_local_ips] }),
  };
  const driverOptions = {
    ...spec.driver_opts,
    ...(spec.interface_name === undefined
      ? {}
      : { "com.docker.network.endpoint.ifname": spec.interface_name }),
  };
  return {
    Aliases: [...new Set(aliases)],
    ...(links.length === 0 ? {} : { Links: [...links] }),
    ...(Object.keys(ipam).length === 0 ? {} : { IPAMConfig: ipam }),
    ...(spec.mac_address === undefined ? {} : { MacAddress: spec.mac_address }),
    ...(Object.keys(driverOptions).length === 0 ? {} : { DriverOpts: driverOptions }),
    ...(spec.gw_priority === undefined ? {} : { GwPriority: spec.gw_priority }),
  };
}

type Bindings = Record<string, { HostIp: string; HostPort: string }[]>;

/** Returns the ports of the container that are published, and where. */
export function portBindingsOf(ports: readonly Port[] = []): Bindings {
  const bindings: Bindings = {};
  for (const { target = 0, protocol = "tcp", host_ip: HostIp = "", published: HostPort = "" } of ports)
    (bindings[`${target}/${protocol}`] ??= []).push({ HostIp, HostPort });
  return bindings;
}

/** Returns the ports of the container that others of its networks may use, published ones included. */
export function exposedPortsOf({ ports = [], expose = [] }: Service): Record<string, Record<string, never>> {
  const exposed: Record<string, Record<string, never>> = {};
  for (const { target = 0, protocol = "tcp" } of ports) exposed[`${target}/${protocol}`] = {};
  for (const spec of expose) {
    const [range = "", protocol = "tcp"] = spec.split("/");
    const [first = 0, last = first] = range.split("-").map(Number);
    for (let port = first; port <= last; port++) exposed[`${port}/${protocol}`] = {};
  }
  return exposed;
}
