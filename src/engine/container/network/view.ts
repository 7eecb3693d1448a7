// How a container's networks look from outside: NetworkSettings of inspect, and the short form of lists. Pure over the record.
import type { NetworkSettings } from "../../../api/schemas/container.ts";
import type { EndpointIpamConfig, EndpointSettings } from "../../../api/schemas/endpoint.ts";
import type { PortMap } from "../../../api/schemas/host-config.ts";
import { isPredefined } from "../../network/record.ts";
import { portMapOf } from "../ports.ts";
import { type ContainerRecord, isRunning, type NetworkEndpoint } from "../record.ts";

const exposedOf = (record: ContainerRecord): string[] => Object.keys(record.config.ExposedPorts ?? {});

/** Returns NetworkSettings of inspect. */
export function networkSettings(record: ContainerRecord): NetworkSettings {
  const isJoined = isRunning(record) && record.endpoints.some((e) => e.attached !== undefined);
  return {
    // compat: the namespace has no path of its own; the id says that there is one.
    SandboxID: isJoined ? record.id : "",
    SandboxKey: isJoined ? `/proc/${record.state.pid}/ns/net` : "",
    Ports: isJoined ? shownPorts(record) : {},
    Networks: networksOf(record),
  };
}

/**
 * Returns the published and the exposed ports of a container. compat: none where nothing can be published, in internal
 * networks, in the host's and in none.
 */
export function shownPorts(record: ContainerRecord): PortMap {
  const published = record.endpoints.flatMap((e) => e.attached?.ports ?? []);
  const publishes = ({ attached: a }: NetworkEndpoint): boolean =>
    a !== undefined && a.hostIfName !== "" && a.isInternal !== true;
  return record.endpoints.some(publishes) ? portMapOf(published, exposedOf(record)) : {};
}

/** The hardware address asked for in the main network, as the container-wide one of older clients. */
export function wantedMac({ hostConfig, endpoints }: ContainerRecord): { MacAddress?: string } {
  const mac = endpoints.find((e) => e.networkName === hostConfig.NetworkMode)?.wantedMac ?? "";
  return mac === "" ? {} : { MacAddress: mac };
}

/** Returns the endpoints by network name. */
const networksOf = (record: ContainerRecord): Record<string, EndpointSettings> =>
  Object.fromEntries(record.endpoints.map((e) => [e.networkName, endpointSettings(e, record)]));

/** Returns the endpoints by network name as lists show them. compat: without names, links and options. */
export const listedNetworks = (record: ContainerRecord): Record<string, EndpointSettings> =>
  Object.fromEntries(
    record.endpoints.map((e) => [
      e.networkName,
      { ...endpointSettings(e, record), Links: null, Aliases: null, DriverOpts: null, DNSNames: null },
    ]),
  );

function endpointSettings(e: NetworkEndpoint, record: ContainerRecord): EndpointSettings {
  const a = e.attached;
  const names = dnsNames(e, record);
  return {
    IPAMConfig: ipamConfigOf(e),
    Links: e.links === undefined ? null : [...e.links],
    Aliases: e.aliases.length === 0 ? null : [...e.aliases],
    // compat: what was asked for is shown until the first start.
    MacAddress: a?.mac ?? (record.state.status === "created" ? e.wantedMac : ""),
    DriverOpts: e.driverOpts === undefined ? null : { ...e.driverOpts },
    GwPriority: e.gwPriority ?? 0,
    NetworkID: e.networkId,
    // compat: where there is no default bridge nothing is attached to it.
    EndpointID: a === undefined || a.networkId === "" ? "" : a.endpointId,
    // compat: what has no way out shows no gateway, though the host has the address.
    Gateway: a?.isInternal ? "" : (a?.gateway ?? ""),
    IPAddress: a?.ip ?? "",
    IPPrefixLen: a?.prefixLength ?? 0,
    IPv6Gateway: a?.isInternal ? "" : (a?.gateway6 ?? ""),
    GlobalIPv6Address: a?.ip6 ?? "",
    GlobalIPv6PrefixLen: a?.prefixLength6 ?? 0,
    DNSNames: names.length === 0 ? null : names,
  };
}

function ipamConfigOf(e: NetworkEndpoint): EndpointIpamConfig | null {
  const config: EndpointIpamConfig = {
    ...(e.wantedIp === "" ? {} : { IPv4Address: e.wantedIp }),
    ...(e.wantedIp6 ? { IPv6Address: e.wantedIp6 } : {}),
    ...(e.linkLocalIps === undefined ? {} : { LinkLocalIPs: [...e.linkLocalIps] }),
  };
  return Object.keys(config).length === 0 ? null : config;
}

/**
 * Returns the names that a container has in one of its networks, its own first; none in the predefined ones. Order as
 * Docker's: name, aliases, short id, host name.
 */
export function dnsNames(
  e: NetworkEndpoint,
  record: Pick<ContainerRecord, "id" | "name"> & { config: { Hostname: string } },
): string[] {
  if (isPredefined(e.networkName)) return [];
  const { Hostname } = record.config;
  const names = [record.name, ...e.aliases, record.id.slice(0, 12), ...(Hostname === "" ? [] : [Hostname])];
  return [...new Set(names)];
}
