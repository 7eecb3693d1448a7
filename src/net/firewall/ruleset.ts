// What the daemon's own nftables table contains for a given state: chains, rules, sets and their elements, as data.
// One `inet` table per daemon. The rules never change while the daemon runs: networks and published ports are elements
// of sets and maps, so that a change costs the same with one container or with thousands, and a packet one hash look-up.
//
// What a packet meets (a verdict `accept` ends only our chain, never those of other tables):
//
//   guard        prerouting, raw   nothing may claim to come from or go to 127.0.0.0/8: our bridges have route_localnet,
//                                  and hosts exist that set it everywhere
//   prerouting   dstnat            from outside and from containers to an address of the host: published?
//   output       dstnat            from the host itself to an address of the host, loopback included: published?
//   forward      filter            the only ways into a bridge: answers, published ports, neighbours on the same bridge,
//                                  and what the network's gateway mode opens
//   input        filter            from a bridge to the host: only what egress policies allow, where there are any; what is
//                                  forwarded out of a bridge is judged by the same rules
//   postrouting  srcnat            hide containers on their way out; make answers to rewritten packets come back to us
//
// A port published on 127.0.0.1 can be reached only from the host: packets from elsewhere to 127.0.0.0/8 end in `guard`,
// and packets sent straight to a container's address were not rewritten, so `forward` drops them
// (CVE-2025-54388 was a hole of this class).

import { IP_PROTO } from "../../linux/nft/datatype.ts";
import type { Element, NftSet } from "../../linux/nft/ruleset.ts";
import {
  AF_INET,
  AF_INET6,
  type Family,
  ipFromNumber,
  parsePrefix,
  prefixSize,
  prefixesOverlap,
  prefixText,
} from "../../linux/netlink/address.ts";
import type { GatewayMode, PortProto } from "../model.ts";
import { CHAINS, type Rule } from "./chains.ts";
import { SETS, type SetKey } from "./sets.ts";
import type { Chain } from "../../linux/nft/ruleset.ts";

/** One family of a network as the firewall sees it. */
export interface FirewallSubnet {
  /** CIDR. */
  subnet: string;
  gatewayMode: GatewayMode;
}

/** A network as the firewall sees it. */
export interface FirewallNetwork {
  bridgeName: string;
  ipv4?: FirewallSubnet;
  ipv6?: FirewallSubnet;
  internal: boolean;
  masquerade: boolean;
  icc: boolean;
  /** Devices of the host that may reach published ports by the containers' own addresses. */
  trustedInterfaces: readonly string[];
  /** Sources that may reach the containers' ports from outside, CIDRs; everybody without. */
  admitted?: readonly string[];
}

/** A published port: translated by the kernel, or opened on the container's own address. */
export interface Publication {
  proto: PortProto;
  /** "0.0.0.0" or "::" for every address of the family; "" where the port is not translated (gateway mode routed). */
  hostIp: string;
  hostPort: number;
  /** Of the same family as hostIp. */
  containerIp: string;
  containerPort: number;
  /** Reachable by the container's own address, from outside (routed) or from trusted devices. */
  isDirect: boolean;
}

/** Everything that decides the content of the table. */
export interface FirewallState {
  networks: readonly FirewallNetwork[];
  publications: readonly Publication[];
  /** Elements of egress policies (../egress/elements.ts). */
  egress?: readonly SetElements[];
}

/** Elements to be added to or deleted from the sets. */
export type SetElements = Partial<Record<SetKey, Element[]>>;

function rangeOf(subnet: string): Element {
  const prefix = parsePrefix(subnet);
  return {
    key: [ipFromNumber(prefix.base, prefix.family)],
    keyEnd: [ipFromNumber(prefix.base + prefixSize(prefix) - 1n, prefix.family)],
  };
}

/** Elements that a network stands for. */
export function networkElements(n: FirewallNetwork): SetElements {
  const device: Element = { key: [n.bridgeName] };
  const { trustedInterfaces } = n;
  return {
    bridges: [device],
    ...(n.internal ? { internal: [device] } : {}),
    ...(n.icc ? { neighbours: [{ key: [n.bridgeName, n.bridgeName] }] } : {}),
    ...(trustedInterfaces.length === 0
      ? {}
      : { trusted: trustedInterfaces.map((name) => ({ key: [name, n.bridgeName] })) }),
    ...(n.admitted === undefined ? {} : admissionElements(n.bridgeName, n.admitted)),
    ...(n.ipv4 === undefined ? {} : subnetElements(n, n.ipv4, "")),
    ...(n.ipv6 === undefined ? {} : subnetElements(n, n.ipv6, "6")),
  };
}

function admissionElements(bridgeName: string, sources: readonly string[]): SetElements {
  const prefixes = sources.map(parsePrefix);
  // Ranges of a set must not overlap; of prefixes that do, one contains the other.
  const outer = prefixes.filter(
    (p, i) =>
      !prefixes.some(
        (q, j) => prefixesOverlap(p, q) && (q.length < p.length || (q.length === p.length && j < i)),
      ),
  );
  const of = (family: Family): Element[] =>
    outer
      .filter((p) => p.family === family)
      .map((p) => rangeOf(prefixText(p)))
      .map(({ key, keyEnd = key }) => ({ key: [bridgeName, ...key], keyEnd: [bridgeName, ...keyEnd] }));
  return { guarded: [{ key: [bridgeName] }], admitted: of(AF_INET), admitted6: of(AF_INET6) };
}

function subnetElements(n: FirewallNetwork, s: FirewallSubnet, suffix: "" | "6"): SetElements {
  const range = rangeOf(s.subnet);
  const device: Element = { key: [n.bridgeName] };
  const isTranslated = s.gatewayMode === "nat" || s.gatewayMode === "nat-unprotected";
  return {
    [`subnets${suffix}`]: [range],
    ...(n.masquerade && !n.internal && isTranslated ? { [`masqueraded${suffix}`]: [range] } : {}),
    ...(s.gatewayMode === "routed" ? { [`routed${suffix}`]: [device] } : {}),
    ...(s.gatewayMode === "nat-unprotected" ? { [`unprotected${suffix}`]: [device] } : {}),
  };
}

/** Elements that published ports stand for. */
export function publicationElements(publications: readonly Publication[]): SetElements {
  const elements: SetElements = {};
  const add = (key: SetKey, element: Element): void => {
    (elements[key] ??= []).push(element);
  };
  const opened = new Set<string>();
  for (const p of publications) {
    const suffix = p.containerIp.includes(":") ? "6" : "";
    const data = [p.containerIp, p.containerPort];
    const proto = IP_PROTO[p.proto];
    if (p.hostIp === "0.0.0.0" || p.hostIp === "::")
      add(`publishedAny${suffix}`, { key: [proto, p.hostPort], data });
    else if (p.hostIp !== "") add(`published${suffix}`, { key: [proto, p.hostIp, p.hostPort], data });
    const target = `${proto} ${p.containerIp} ${p.containerPort}`;
    if (!p.isDirect || opened.has(target)) continue;
    opened.add(target);
    add(`opened${suffix}`, { key: [proto, p.containerIp, p.containerPort] });
  }
  return elements;
}

/** The content of a table. */
export interface Ruleset {
  chains: readonly { chain: Chain; rules: readonly Rule[] }[];
  sets: readonly { set: NftSet; elements: readonly Element[] }[];
}

/** Returns what the table must contain for the state. Pure. */
export function desiredRuleset(state: FirewallState): Ruleset {
  const elements = mergeElements([
    ...state.networks.map(networkElements),
    publicationElements(state.publications),
    ...(state.egress ?? []),
  ]);
  return {
    sets: (Object.keys(SETS) as SetKey[]).map((key) => ({ set: SETS[key], elements: elements[key] ?? [] })),
    chains: CHAINS,
  };
}

export function mergeElements(parts: readonly SetElements[]): SetElements {
  const all: SetElements = {};
  for (const part of parts)
    for (const key of Object.keys(part) as SetKey[]) (all[key] ??= []).push(...(part[key] ?? []));
  return all;
}
