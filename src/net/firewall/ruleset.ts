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
//   forward      filter            the only ways into a bridge: answers, published ports, neighbours on the same bridge
//   postrouting  srcnat            hide containers on their way out; make answers to rewritten packets come back to us
//
// A port published on 127.0.0.1 can be reached only from the host: packets from elsewhere to 127.0.0.0/8 end in `guard`,
// and packets sent straight to a container's address were not rewritten, so `forward` drops them
// (CVE-2025-54388 was a hole of this class).

import { IP_PROTO } from "../../linux/nft/datatype.ts";
import {
  type Expr,
  counter,
  ctState,
  ctStatus,
  deviceIn,
  deviceIs,
  family,
  fieldIn,
  fieldLoad,
  lookup,
  lookupMap,
  masquerade,
  metaLoad,
  nat,
  regAt,
  toLocalAddress,
  verdict,
} from "../../linux/nft/expression.ts";
import type { Chain, Element, NftSet } from "../../linux/nft/ruleset.ts";
import { ipFromNumber, parsePrefix, prefixSize } from "../../linux/netlink/address.ts";
import type { PortProto } from "../model.ts";

/** A network as the firewall sees it. */
export interface FirewallNetwork {
  bridgeName: string;
  /** IPv4 CIDR. */
  subnet: string;
  internal: boolean;
  masquerade: boolean;
  icc: boolean;
}

/** A published IPv4 port that the kernel translates. */
export interface Publication {
  proto: PortProto;
  /** "0.0.0.0" for every address. */
  hostIp: string;
  hostPort: number;
  containerIp: string;
  containerPort: number;
}

/** Everything that decides the content of the table. */
export interface FirewallState {
  networks: readonly FirewallNetwork[];
  publications: readonly Publication[];
}

/** The sets and maps of the table. */
export const SETS = {
  bridges: { name: "bridges", key: ["ifname"] },
  internal: { name: "internal", key: ["ifname"] },
  neighbours: { name: "neighbours", key: ["ifname", "ifname"] },
  subnets: { name: "subnets", key: ["ipv4_addr"], isInterval: true },
  masqueraded: { name: "masqueraded", key: ["ipv4_addr"], isInterval: true },
  published: {
    name: "published",
    key: ["inet_proto", "ipv4_addr", "inet_service"],
    data: ["ipv4_addr", "inet_service"],
  },
  publishedAny: {
    name: "published_any",
    key: ["inet_proto", "inet_service"],
    data: ["ipv4_addr", "inet_service"],
  },
} as const satisfies Record<string, NftSet>;

/** Key of a set of the table. */
export type SetKey = keyof typeof SETS;

/** Elements to be added to or deleted from the sets. */
export type SetElements = Partial<Record<SetKey, Element[]>>;

/** Elements that a network stands for. */
export function networkElements(n: FirewallNetwork): SetElements {
  const prefix = parsePrefix(n.subnet);
  const range: Element = {
    key: [ipFromNumber(prefix.base, prefix.family)],
    keyEnd: [ipFromNumber(prefix.base + prefixSize(prefix) - 1n, prefix.family)],
  };
  const device: Element = { key: [n.bridgeName] };
  return {
    bridges: [device],
    subnets: [range],
    ...(n.internal ? { internal: [device] } : {}),
    ...(n.icc ? { neighbours: [{ key: [n.bridgeName, n.bridgeName] }] } : {}),
    ...(n.masquerade && !n.internal ? { masqueraded: [range] } : {}),
  };
}

/** Elements that published ports stand for. */
export function publicationElements(publications: readonly Publication[]): SetElements {
  const published: Element[] = [];
  const publishedAny: Element[] = [];
  for (const p of publications) {
    const data = [p.containerIp, p.containerPort];
    if (p.hostIp === "0.0.0.0") publishedAny.push({ key: [IP_PROTO[p.proto], p.hostPort], data });
    else published.push({ key: [IP_PROTO[p.proto], p.hostIp, p.hostPort], data });
  }
  return {
    ...(published.length > 0 ? { published } : {}),
    ...(publishedAny.length > 0 ? { publishedAny } : {}),
  };
}

/** A rule with the words that `nft list` shows behind it. */
export interface Rule {
  comment: string;
  expressions: readonly Expr[];
}

/** The content of a table. */
export interface Ruleset {
  chains: readonly { chain: Chain; rules: readonly Rule[] }[];
  sets: readonly { set: NftSet; elements: readonly Element[] }[];
}

const rule = (comment: string, ...parts: (Expr | Expr[])[]): Rule => ({ comment, expressions: parts.flat() });

/** Returns what the table must contain for the state. Pure. */
export function desiredRuleset(state: FirewallState): Ruleset {
  const elements = mergeElements([
    ...state.networks.map(networkElements),
    publicationElements(state.publications),
  ]);
  return {
    sets: (Object.keys(SETS) as SetKey[]).map((key) => ({ set: SETS[key], elements: elements[key] ?? [] })),
    chains: CHAINS,
  };
}

function mergeElements(parts: readonly SetElements[]): SetElements {
  const all: SetElements = {};
  for (const part of parts)
    for (const key of Object.keys(part) as SetKey[]) (all[key] ??= []).push(...(part[key] ?? []));
  return all;
}

// The key (protocol, destination address, port) in consecutive registers, see linux/nft/expression.ts.
const specificKey = [
  metaLoad("l4proto", regAt(0)),
  fieldLoad("ipDestination", regAt(1)),
  fieldLoad("destinationPort", regAt(2)),
];
const anyKey = [metaLoad("l4proto", regAt(0)), fieldLoad("destinationPort", regAt(1))];
const toContainer = (map: NftSet): Expr[] => [
  lookupMap(map.name, regAt(0)),
  nat("dnat", "ipv4", regAt(0), regAt(1)),
];
const fromLoopback = fieldIn("ipSource", "ipv4_addr", "127.0.0.0", 8);
const LOOPBACK_ONLY_INSIDE = "127.0.0.0/8 never comes by wire";
const notLoopbackDevice = deviceIs("iifname", "lo", "neq");
const loopbackDestination = fieldIn("ipDestination", "ipv4_addr", "127.0.0.0", 8);

const CHAINS: Ruleset["chains"] = [
  {
    chain: { name: "publish" },
    rules: [
      rule("ports published on one address", family("ipv4"), specificKey, toContainer(SETS.published)),
      rule("ports published on every address", family("ipv4"), anyKey, toContainer(SETS.publishedAny)),
    ],
  },
  {
    chain: { name: "into_bridge" },
    rules: [
      rule("answers", ctState("established", "related"), verdict("accept")),
      rule("published ports", ctStatus("dnat"), verdict("accept")),
      rule("everything else", counter(), verdict("drop")),
    ],
  },
  {
    chain: { name: "guard", hook: { type: "filter", hook: "prerouting", priority: -300 } },
    rules: [
      rule(
        LOOPBACK_ONLY_INSIDE,
        notLoopbackDevice,
        family("ipv4"),
        loopbackDestination,
        counter(),
        verdict("drop"),
      ),
      rule(LOOPBACK_ONLY_INSIDE, notLoopbackDevice, family("ipv4"), fromLoopback, counter(), verdict("drop")),
    ],
  },
  {
    chain: { name: "prerouting", hook: { type: "nat", hook: "prerouting", priority: -100 } },
    rules: [rule("", toLocalAddress(), verdict({ jump: "publish" }))],
  },
  {
    chain: { name: "output", hook: { type: "nat", hook: "output", priority: -100 } },
    rules: [rule("", toLocalAddress(), verdict({ jump: "publish" }))],
  },
  {
    chain: { name: "forward", hook: { type: "filter", hook: "forward", priority: 0 } },
    rules: [
      rule(
        "containers of one network",
        metaLoad("iifname", regAt(0)),
        metaLoad("oifname", regAt(4)),
        lookup(SETS.neighbours.name),
        verdict("accept"),
      ),
      rule("internal networks", deviceIn("iifname", SETS.internal.name), counter(), verdict("drop")),
      rule("internal networks", deviceIn("oifname", SETS.internal.name), counter(), verdict("drop")),
      rule("", deviceIn("oifname", SETS.bridges.name), verdict({ goto: "into_bridge" })),
    ],
  },
  {
    chain: { name: "postrouting", hook: { type: "nat", hook: "postrouting", priority: 100 } },
    rules: [
      rule(
        "containers on their way out",
        deviceIn("oifname", SETS.bridges.name, { inverted: true }),
        family("ipv4"),
        fieldLoad("ipSource"),
        lookup(SETS.masqueraded.name),
        masquerade(),
      ),
      rule(
        "containers that use a published port",
        deviceIn("oifname", SETS.bridges.name),
        family("ipv4"),
        fieldLoad("ipSource"),
        lookup(SETS.subnets.name),
        ctStatus("dnat"),
        masquerade(),
      ),
      rule(
        "the host's loopback to a published port",
        deviceIn("oifname", SETS.bridges.name),
        family("ipv4"),
        fromLoopback,
        masquerade(),
      ),
    ],
  },
];
