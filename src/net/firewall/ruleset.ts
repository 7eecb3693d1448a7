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
//                                  forwarded out of a bridge is judged by the same rules. From internal bridges nothing with a
//                                  link-local source
//   postrouting  srcnat            hide containers on their way out; make answers to rewritten packets come back to us
//
// A port published on 127.0.0.1 can be reached only from the host: packets from elsewhere to 127.0.0.0/8 end in `guard`,
// and packets sent straight to a container's address were not rewritten, so `forward` drops them
// (CVE-2025-54388 was a hole of this class).

import { type FieldValue, IP_PROTO } from "../../linux/nft/datatype.ts";
import type { Element, NftSet } from "../../linux/nft/ruleset.ts";
import { type Publication, type PublicationRun, runsOf } from "./runs.ts";
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
import type { GatewayMode } from "../model.ts";
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
  /** Published ports are reached by the containers' own addresses, too. */
  isDirect?: boolean;
  /** Sources that may reach the containers' ports from outside, CIDRs; everybody without. */
  admitted?: readonly string[];
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
    ...(n.icc || n.internal ? {} : { apart: [device] }),
    ...(n.isDirect && !n.internal ? { direct: [device] } : {}),
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

/** Elements that published ports stand for: a run of ports that keep their numbers is one, a translated port is one. */
export function publicationElements(publications: readonly Publication[]): SetElements {
  const elements: SetElements = {};
  const add = (key: SetKey, element: Element): void => {
    (elements[key] ??= []).push(element);
  };
  for (const run of runsOf(publications)) {
    const { hostPort, containerIp, containerPort, count } = run;
    const hostKey = hostKeyOf(run);
    if (hostKey === undefined) continue;
    const { set, front } = hostKey;
    if (count === 1)
      add(`${set}${suffixOf(run)}`, { key: [...front, hostPort], data: [containerIp, containerPort] });
    else add(`${set}Ranges${suffixOf(run)}`, { ...portRange(front, hostPort, count), data: [containerIp] });
  }
  for (const run of openedRuns(publications)) {
    const front = [IP_PROTO[run.proto], run.containerIp];
    if (run.count === 1) add(`opened${suffixOf(run)}`, { key: [...front, run.containerPort] });
    else add(`openedRanges${suffixOf(run)}`, portRange(front, run.containerPort, run.count));
  }
  return elements;
}

const suffixOf = ({ containerIp }: Publication): "" | "6" => (containerIp.includes(":") ? "6" : "");

/** In which map a published port is, and what its key begins with; undefined where nothing is translated. */
function hostKeyOf(p: Publication): { set: "published" | "publishedAny"; front: FieldValue[] } | undefined {
  const proto = IP_PROTO[p.proto];
  if (p.hostIp === "") return undefined;
  return p.hostIp === "0.0.0.0" || p.hostIp === "::"
    ? { set: "publishedAny", front: [proto] }
    : { set: "published", front: [proto, p.hostIp] };
}

const portRange = (front: readonly FieldValue[], first: number, count: number): Element => ({
  key: [...front, first],
  keyEnd: [...front, first + count - 1],
});

/** What is open by the containers' own addresses, each port once whatever host ports lead to it. */
const openedRuns = (publications: readonly Publication[]): PublicationRun[] =>
  runsOf(
    publications.filter((p) => p.isDirect).map((p) => ({ ...p, hostIp: "", hostPort: p.containerPort })),
  );

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
