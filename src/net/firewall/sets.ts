// The sets and maps of the daemon's nftables table: names, keys, data. What is in them is decided in ruleset.ts, what is
// asked of them in chains.ts. A 6 at the end means the same for IPv6.

import type { FieldType } from "../../linux/nft/datatype.ts";
import type { NftSet } from "../../linux/nft/ruleset.ts";

type EgressKind = "Network" | "Container";
type EgressSets<K extends EgressKind> = Record<
  `egress${K}${"Allowed" | "Named" | "NamedPorts"}${"" | "6"}`,
  NftSet
>;

/**
 * What one kind of policies allows, by where a packet comes from: destinations of rules with addresses, and addresses of
 * names for the life of the answers, with every port or with some.
 */
function egressSets<K extends EgressKind>(kind: K, from: FieldType, from6: FieldType): EgressSets<K> {
  const sets = (suffix: "" | "6", source: FieldType, ip: FieldType): [string, NftSet][] => {
    const name = (what: string): string => `egress_${kind.toLowerCase()}_${what}${suffix}`;
    const whole: FieldType[] = [source, "inet_proto", ip, "inet_service"];
    return [
      [`egress${kind}Allowed${suffix}`, { name: name("allowed"), key: whole, isInterval: true }],
      [`egress${kind}Named${suffix}`, { name: name("named"), key: [source, ip], hasTimeouts: true }],
      [`egress${kind}NamedPorts${suffix}`, { name: name("named_ports"), key: whole, hasTimeouts: true }],
    ];
  };
  return Object.fromEntries([
    ...sets("", from, "ipv4_addr"),
    ...sets("6", from6, "ipv6_addr"),
  ]) as EgressSets<K>;
}

/** The sets and maps of the table. */
export const SETS = {
  /** The bridges of all networks. */
  bridges: { name: "bridges", key: ["ifname"] },
  /** Bridges without a way in or out. */
  internal: { name: "internal", key: ["ifname"] },
  /** From which bridge into which: each into itself, unless icc is off. */
  neighbours: { name: "neighbours", key: ["ifname", "ifname"] },
  /** Bridges with a way out whose ports do not reach each other. */
  apart: { name: "apart", key: ["ifname"] },
  /** Devices of the host and the bridges whose published ports they reach by the containers' own addresses. */
  trusted: { name: "trusted", key: ["ifname", "ifname"] },
  /** Bridges whose published ports everybody reaches by the containers' own addresses, though they are translated. */
  direct: { name: "direct", key: ["ifname"] },
  /** Bridges by gateway mode. */
  routed: { name: "routed", key: ["ifname"] },
  routed6: { name: "routed6", key: ["ifname"] },
  unprotected: { name: "unprotected", key: ["ifname"] },
  unprotected6: { name: "unprotected6", key: ["ifname"] },
  subnets: { name: "subnets", key: ["ipv4_addr"], isInterval: true },
  subnets6: { name: "subnets6", key: ["ipv6_addr"], isInterval: true },
  masqueraded: { name: "masqueraded", key: ["ipv4_addr"], isInterval: true },
  masqueraded6: { name: "masqueraded6", key: ["ipv6_addr"], isInterval: true },
  /** Ports published on one address, and on every address. */
  published: {
    name: "published",
    key: ["inet_proto", "ipv4_addr", "inet_service"],
    data: ["ipv4_addr", "inet_service"],
  },
  published6: {
    name: "published6",
    key: ["inet_proto", "ipv6_addr", "inet_service"],
    data: ["ipv6_addr", "inet_service"],
  },
  publishedAny: {
    name: "published_any",
    key: ["inet_proto", "inet_service"],
    data: ["ipv4_addr", "inet_service"],
  },
  publishedAny6: {
    name: "published_any6",
    key: ["inet_proto", "inet_service"],
    data: ["ipv6_addr", "inet_service"],
  },
  /**
   * Runs of ports that the container has under the same numbers, one element each. The others stay in maps of their own:
   * an element of those costs the same however many there are, one of these a little more with each that is there.
   */
  publishedRanges: {
    name: "published_ranges",
    key: ["inet_proto", "ipv4_addr", "inet_service"],
    data: ["ipv4_addr"],
    isInterval: true,
  },
  publishedRanges6: {
    name: "published_ranges6",
    key: ["inet_proto", "ipv6_addr", "inet_service"],
    data: ["ipv6_addr"],
    isInterval: true,
  },
  publishedAnyRanges: {
    name: "published_any_ranges",
    key: ["inet_proto", "inet_service"],
    data: ["ipv4_addr"],
    isInterval: true,
  },
  publishedAnyRanges6: {
    name: "published_any_ranges6",
    key: ["inet_proto", "inet_service"],
    data: ["ipv6_addr"],
    isInterval: true,
  },
  /** Published ports by the containers' own addresses: open in routed networks and to trusted devices. */
  opened: { name: "opened", key: ["inet_proto", "ipv4_addr", "inet_service"] },
  opened6: { name: "opened6", key: ["inet_proto", "ipv6_addr", "inet_service"] },
  openedRanges: {
    name: "opened_ranges",
    key: ["inet_proto", "ipv4_addr", "inet_service"],
    isInterval: true,
  },
  openedRanges6: {
    name: "opened_ranges6",
    key: ["inet_proto", "ipv6_addr", "inet_service"],
    isInterval: true,
  },
  /** Bridges that only some sources may enter, and these sources. */
  guarded: { name: "guarded", key: ["ifname"] },
  admitted: { name: "admitted", key: ["ifname", "ipv4_addr"], isInterval: true },
  admitted6: { name: "admitted6", key: ["ifname", "ipv6_addr"], isInterval: true },
  /** Who has an egress policy: bridges of networks, addresses of containers. */
  egressNetworks: { name: "egress_networks", key: ["ifname"] },
  egressContainers: { name: "egress_containers", key: ["ipv4_addr"] },
  egressContainers6: { name: "egress_containers6", key: ["ipv6_addr"] },
  ...egressSets("Network", "ifname", "ifname"),
  ...egressSets("Container", "ipv4_addr", "ipv6_addr"),
} as const satisfies Record<string, NftSet>;

/** Key of a set of the table. */
export type SetKey = keyof typeof SETS;
