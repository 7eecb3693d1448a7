// How a network looks from outside: the items of NetworkList and the answer of NetworkInspect. Pure over the record.
import type {
  EndpointResource,
  IpamConfig,
  NetworkInspect,
  NetworkSummary,
  SubnetStatus,
} from "../../api/schemas/network.ts";
import type { EndpointRecord } from "../../net/model.ts";
import { isOnWire, type NetworkRecord, type NetworkSubnetRecord } from "./record.ts";

/** A container in a network. */
export interface NetworkMember {
  containerId: string;
  name: string;
  endpoint: EndpointRecord;
  prefixLength: number;
  prefixLength6: number;
}

/** Numbers of addresses of one subnet. */
export interface SubnetUsage {
  subnet: string;
  inUse: bigint;
  free: bigint;
}

export function summaryOf(r: NetworkRecord): NetworkSummary {
  const hasIpam = r.driver === "bridge" || isOnWire(r) || r.isConfigOnly;
  // compat: the null driver of addresses is shown with a pool of all.
  const isNull = r.ipamDriver === "null" && !r.isConfigOnly;
  return {
    Name: r.name,
    Id: r.id,
    Created: r.createdAt,
    Scope: "local",
    Driver: r.driver,
    EnableIPv4: r.hasIpv4,
    EnableIPv6: r.hasIpv6,
    IPAM: {
      Driver: r.ipamDriver,
      Options: hasIpam ? r.ipamOptions : null,
      Config: isNull ? [{ Subnet: "0.0.0.0/0" }] : nullIfEmpty(r.subnets.map(ipamConfigOf)),
    },
    Internal: r.isInternal,
    Attachable: r.isAttachable,
    Ingress: false,
    ConfigFrom: { Network: r.configFrom },
    ConfigOnly: r.isConfigOnly,
    Options: { ...r.options },
    Labels: { ...r.labels },
  };
}

const nullIfEmpty = <T>(list: T[]): T[] | null => (list.length === 0 ? null : list);

const usageOf = (u: SubnetUsage): [string, SubnetStatus] => [
  u.subnet,
  { IPsInUse: capped(u.inUse), DynamicIPsAvailable: capped(u.free) },
];

function ipamConfigOf(s: NetworkSubnetRecord): IpamConfig {
  return {
    Subnet: s.subnet,
    ...(s.range === "" ? {} : { IPRange: s.range }),
    ...(s.gateway === "" ? {} : { Gateway: s.gateway }),
    ...(Object.keys(s.reserved).length === 0 ? {} : { AuxiliaryAddresses: { ...s.reserved } }),
  };
}

/** Returns the answer of NetworkInspect; `isVerbose` adds what only swarm networks have. */
export function inspectOf(
  r: NetworkRecord,
  members: readonly NetworkMember[],
  usage: readonly SubnetUsage[],
): NetworkInspect {
  return {
    ...summaryOf(r),
    Containers: Object.fromEntries(members.map((m) => [m.containerId, resourceOf(m)])),
    Status: {
      IPAM: usage.length === 0 ? {} : { Subnets: Object.fromEntries(usage.map(usageOf)) },
    },
  };
}

function resourceOf(m: NetworkMember): EndpointResource {
  const { endpointId, mac, ip, ip6 = "" } = m.endpoint;
  return {
    Name: m.name,
    EndpointID: endpointId,
    MacAddress: mac,
    IPv4Address: ip === "" ? "" : `${ip}/${m.prefixLength}`,
    IPv6Address: ip6 === "" ? "" : `${ip6}/${m.prefixLength6}`,
  };
}

/** compat: numbers that no uint64 can hold are shown as the highest one. */
const capped = (n: bigint): bigint => (n < 1n << 64n ? n : (1n << 64n) - 1n);
