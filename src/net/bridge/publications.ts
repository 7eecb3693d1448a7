// What an endpoint's published ports are for the firewall, and in what form a network's gateway mode lets ports be
// published at all. Pure.

import type { FirewallNetwork, FirewallSubnet } from "../firewall/ruleset.ts";
import type { Publication } from "../firewall/runs.ts";
import type {
  BridgeNetwork,
  EndpointRecord,
  Families,
  NetworkSubnet,
  PortRequest,
  PublishedPort,
} from "../model.ts";

const ANY_IPV4 = "0.0.0.0";
const ANY_IPV6 = "::";

/** Published wishes of an endpoint: those that take a port of the host, and those that only open the container's own. */
export interface PublishPlan {
  /** Wishes for the allocator. `anyAddresses` is what an empty host address stands for, [] for none. */
  wishes: readonly PortRequest[];
  anyAddresses: readonly string[];
  /** Ports opened on the container's own address, by gateway mode routed; hostPort 0. */
  opened: readonly PublishedPort[];
}

const isTranslated = (s: NetworkSubnet | undefined): boolean =>
  s !== undefined && (s.gatewayMode === "nat" || s.gatewayMode === "nat-unprotected");

/** The container's side of a publication. */
export interface PublishPlace {
  ip: string;
  ip6: string;
  /** See EndpointRequest. */
  publishes?: Families | undefined;
}

/**
 * Returns how the wishes are granted. compat: ports of internal networks are not published; where the container has no
 * IPv6, its IPv4 address stands behind the host's IPv6 ones.
 */
export function planPublish(
  network: BridgeNetwork,
  wishes: readonly PortRequest[],
  ips: PublishPlace,
): PublishPlan {
  if (network.internal) return { wishes: [], anyAddresses: [], opened: [] };
  const isRouted4 = ips.ip !== "" && network.ipv4?.gatewayMode === "routed";
  const isRouted6 = ips.ip6 !== "" && network.ipv6?.gatewayMode === "routed";
  const { ipv4: takes4, ipv6: takes6 } = ips.publishes ?? { ipv4: true, ipv6: true };
  const anyAddresses = [
    ...(ips.ip !== "" && isTranslated(network.ipv4) ? [ANY_IPV4] : []),
    ...(ips.ip6 === ""
      ? isTranslated(network.ipv4)
        ? [ANY_IPV6]
        : []
      : isTranslated(network.ipv6)
        ? [ANY_IPV6]
        : []),
  ].filter((address) => (address === ANY_IPV4 ? takes4 : takes6));
  const bound = wishes.map((w) => (w.hostIp === "" ? { ...w, hostIp: network.hostBindingIp ?? "" } : w));
  const fits = (w: PortRequest): boolean =>
    w.hostIp === ""
      ? anyAddresses.length > 0
      : w.hostIp.includes(":")
        ? takes6 && !isRouted6
        : takes4 && !isRouted4;
  const opened = bound.flatMap((w) => [
    ...(isRouted4 && !w.hostIp.includes(":") ? [openedPort(w, ANY_IPV4)] : []),
    ...(isRouted6 && (w.hostIp === "" || w.hostIp.includes(":")) ? [openedPort(w, ANY_IPV6)] : []),
  ]);
  return { wishes: bound.filter(fits), anyAddresses, opened };
}

const openedPort = (w: PortRequest, hostIp: string): PublishedPort => ({
  proto: w.proto,
  containerPort: w.containerPort,
  hostIp,
  hostPort: 0,
});

/**
 * The ports of an endpoint that the kernel translates or opens. IPv6 addresses of the host in front of a container without
 * IPv6 are not among them: the sockets of ../port/ carry those.
 */
export function publicationsOf(record: EndpointRecord, network: BridgeNetwork | undefined): Publication[] {
  const isTrusted = network?.isDirect === true || (network?.trustedInterfaces?.length ?? 0) > 0;
  return record.ports.flatMap((p) => {
    const containerIp = (p.hostIp.includes(":") ? record.ip6 : record.ip) ?? "";
    if (containerIp === "") return [];
    const { proto, hostPort, containerPort } = p;
    const hostIp = hostPort === 0 ? "" : p.hostIp;
    return [{ proto, hostIp, hostPort, containerIp, containerPort, isDirect: isTrusted || hostPort === 0 }];
  });
}

/** The wishes that grant the same ports again; those that take no port of the host are left out. */
export const sameAgain = (ports: readonly PublishedPort[]): PortRequest[] =>
  ports.filter((p) => p.hostPort !== 0).map((p) => ({ ...p }));

/** Whether two published ports are the same one. */
export const isSamePort = (a: PublishedPort, b: PublishedPort): boolean =>
  a.proto === b.proto &&
  a.containerPort === b.containerPort &&
  a.hostIp === b.hostIp &&
  a.hostPort === b.hostPort;

/** A network in the firewall's words. */
export function firewallNetwork(spec: BridgeNetwork, bridgeName: string): FirewallNetwork {
  const subnet = (s: NetworkSubnet): FirewallSubnet => ({ subnet: s.subnet, gatewayMode: s.gatewayMode });
  return {
    bridgeName,
    ...(spec.ipv4 === undefined ? {} : { ipv4: subnet(spec.ipv4) }),
    ...(spec.ipv6 === undefined ? {} : { ipv6: subnet(spec.ipv6) }),
    internal: spec.internal,
    masquerade: spec.masquerade,
    icc: spec.icc,
    trustedInterfaces: spec.trustedInterfaces ?? [],
    ...(spec.isDirect ? { isDirect: true } : {}),
    ...(spec.publishAllow === undefined ? {} : { admitted: spec.publishAllow }),
  };
}
