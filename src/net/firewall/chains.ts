// The chains and rules of the daemon's nftables table, always the same; ruleset.ts says what they are for.

import {
  type Expr,
  type PacketFamily,
  compare,
  counter,
  ctOriginalLoad,
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
  payloadLoad,
  regAt,
  reject,
  toLocalAddress,
  verdict,
} from "../../linux/nft/expression.ts";
import { IP_PROTO } from "../../linux/nft/datatype.ts";
import type { Chain, NftSet } from "../../linux/nft/ruleset.ts";
import { SETS } from "./sets.ts";

/** A rule with the words that `nft list` shows behind it. */
export interface Rule {
  comment: string;
  expressions: readonly Expr[];
}

const rule = (comment: string, ...parts: (Expr | Expr[])[]): Rule => ({ comment, expressions: parts.flat() });

/** Whom one kind of egress policies judges, and what they allow. */
interface EgressWords {
  /** Puts where a packet comes from into the first registers, of which it takes `regs`. */
  source: Expr;
  regs: number;
  judged: NftSet;
  allowed: NftSet;
  named: NftSet;
  namedPorts: NftSet;
}

/** What differs between the two families in rules that are otherwise alike. */
interface FamilyWords {
  family: PacketFamily;
  source: "ipSource" | "ip6Source";
  destination: "ipDestination" | "ip6Destination";
  /** Registers of 4 bytes that an address takes. */
  addressRegs: number;
  /** ICMP's protocol number. */
  icmp: number;
  published: NftSet;
  publishedAny: NftSet;
  publishedRanges: NftSet;
  publishedAnyRanges: NftSet;
  opened: NftSet;
  openedRanges: NftSet;
  routed: NftSet;
  unprotected: NftSet;
  masqueraded: NftSet;
  subnets: NftSet;
  admitted: NftSet;
  networkEgress: EgressWords;
  containerEgress: EgressWords;
}

const IPV4: FamilyWords = {
  family: "ipv4",
  source: "ipSource",
  destination: "ipDestination",
  addressRegs: 1,
  icmp: 1,
  published: SETS.published,
  publishedAny: SETS.publishedAny,
  publishedRanges: SETS.publishedRanges,
  publishedAnyRanges: SETS.publishedAnyRanges,
  opened: SETS.opened,
  openedRanges: SETS.openedRanges,
  routed: SETS.routed,
  unprotected: SETS.unprotected,
  masqueraded: SETS.masqueraded,
  subnets: SETS.subnets,
  admitted: SETS.admitted,
  networkEgress: {
    source: metaLoad("iifname"),
    regs: 4,
    judged: SETS.egressNetworks,
    allowed: SETS.egressNetworkAllowed,
    named: SETS.egressNetworkNamed,
    namedPorts: SETS.egressNetworkNamedPorts,
  },
  containerEgress: {
    source: fieldLoad("ipSource"),
    regs: 1,
    judged: SETS.egressContainers,
    allowed: SETS.egressContainerAllowed,
    named: SETS.egressContainerNamed,
    namedPorts: SETS.egressContainerNamedPorts,
  },
};

const IPV6: FamilyWords = {
  family: "ipv6",
  source: "ip6Source",
  destination: "ip6Destination",
  addressRegs: 4,
  icmp: 58,
  published: SETS.published6,
  publishedAny: SETS.publishedAny6,
  publishedRanges: SETS.publishedRanges6,
  publishedAnyRanges: SETS.publishedAnyRanges6,
  opened: SETS.opened6,
  openedRanges: SETS.openedRanges6,
  routed: SETS.routed6,
  unprotected: SETS.unprotected6,
  masqueraded: SETS.masqueraded6,
  subnets: SETS.subnets6,
  admitted: SETS.admitted6,
  networkEgress: {
    source: metaLoad("iifname"),
    regs: 4,
    judged: SETS.egressNetworks,
    allowed: SETS.egressNetworkAllowed6,
    named: SETS.egressNetworkNamed6,
    namedPorts: SETS.egressNetworkNamedPorts6,
  },
  containerEgress: {
    source: fieldLoad("ip6Source"),
    regs: 4,
    judged: SETS.egressContainers6,
    allowed: SETS.egressContainerAllowed6,
    named: SETS.egressContainerNamed6,
    namedPorts: SETS.egressContainerNamedPorts6,
  },
};

// The key (protocol, destination address, port) in consecutive registers, see linux/nft/expression.ts.
const specificKey = (f: FamilyWords): Expr[] => [
  metaLoad("l4proto", regAt(0)),
  fieldLoad(f.destination, regAt(1)),
  fieldLoad("destinationPort", regAt(1 + f.addressRegs)),
];
const anyKey = [metaLoad("l4proto", regAt(0)), fieldLoad("destinationPort", regAt(1))];
const toContainer = (map: NftSet, f: FamilyWords): Expr[] => [
  lookupMap(map.name, regAt(0)),
  nat("dnat", f.family, regAt(0), regAt(f.addressRegs)),
];
const toContainerSamePort = (map: NftSet, f: FamilyWords): Expr[] => [
  lookupMap(map.name, regAt(0)),
  nat("dnat", f.family, regAt(0)),
];
const devicePair = [metaLoad("iifname", regAt(0)), metaLoad("oifname", regAt(4))];
const fromLoopback = fieldIn("ipSource", "ipv4_addr", "127.0.0.0", 8);
const LOOPBACK_ONLY_INSIDE = "127.0.0.0/8 never comes by wire";
const notLoopbackDevice = deviceIs("iifname", "lo", "neq");
const loopbackDestination = fieldIn("ipDestination", "ipv4_addr", "127.0.0.0", 8);

const publishRules = (f: FamilyWords): Rule[] => [
  rule("ports published on one address", family(f.family), specificKey(f), toContainer(f.published, f)),
  rule("ports published on every address", family(f.family), anyKey, toContainer(f.publishedAny, f)),
  rule(
    "ranges published on one address",
    family(f.family),
    specificKey(f),
    toContainerSamePort(f.publishedRanges, f),
  ),
  rule(
    "ranges published on every address",
    family(f.family),
    anyKey,
    toContainerSamePort(f.publishedAnyRanges, f),
  ),
];

const directRules = (f: FamilyWords): Rule[] => [
  rule(
    "networks without protection, except from other networks",
    family(f.family),
    deviceIn("oifname", f.unprotected.name),
    deviceIn("iifname", SETS.bridges.name, { inverted: true }),
    verdict("accept"),
  ),
  ...[f.opened, f.openedRanges].map((opened) =>
    rule(
      "published ports of routed networks",
      family(f.family),
      deviceIn("oifname", f.routed.name),
      specificKey(f),
      lookup(opened.name),
      verdict("accept"),
    ),
  ),
  ...[f.opened, f.openedRanges].map((opened) =>
    rule(
      "published ports of networks with direct routing",
      family(f.family),
      deviceIn("oifname", SETS.direct.name),
      specificKey(f),
      lookup(opened.name),
      verdict("accept"),
    ),
  ),
  rule(
    "routed networks answer pings",
    family(f.family),
    deviceIn("oifname", f.routed.name),
    metaLoad("l4proto"),
    compare("eq", Uint8Array.of(f.icmp)),
    verdict("accept"),
  ),
  ...[f.opened, f.openedRanges].map((opened) =>
    rule(
      "published ports for trusted devices",
      family(f.family),
      devicePair,
      lookup(SETS.trusted.name),
      specificKey(f),
      lookup(opened.name),
      verdict("accept"),
    ),
  ),
];

const masqueradeRules = (f: FamilyWords): Rule[] => [
  rule(
    "containers on their way out",
    family(f.family),
    deviceIn("oifname", SETS.bridges.name, { inverted: true }),
    fieldLoad(f.source),
    lookup(f.masqueraded.name),
    masquerade(),
  ),
  rule(
    "containers that use a published port",
    family(f.family),
    ctStatus("dnat"),
    deviceIn("oifname", SETS.bridges.name),
    fieldLoad(f.source),
    lookup(f.subnets.name),
    masquerade(),
  ),
];

/**
 * What policies of one kind allow: judged by where the sender meant to go, before a published port's translation.
 */
const allowRules = (f: FamilyWords, e: EgressWords, next: Expr): Rule[] => {
  const front = [...family(f.family), e.source];
  const wholeKey = [
    metaLoad("l4proto", regAt(e.regs)),
    ctOriginalLoad(f.destination, regAt(e.regs + 1)),
    ctOriginalLoad("destinationPort", regAt(e.regs + 1 + f.addressRegs)),
  ];
  return [
    rule("addresses that are allowed", front, wholeKey, lookup(e.allowed.name), next),
    rule("ports of names that are allowed", front, wholeKey, lookup(e.namedPorts.name), next),
    rule(
      "names that are allowed",
      front,
      ctOriginalLoad(f.destination, regAt(e.regs)),
      lookup(e.named.name),
      next,
    ),
  ];
};
const toContainerPolicy = verdict({ goto: "egress_container" });
const NEIGHBOUR_DISCOVERY = [135, 136];
/** TCP is reset: programs take that for an answer at once, which they do not of ICMPv6. */
const refusalRules = (comment: string, ...front: (Expr | Expr[])[]): Rule[] => [
  rule(
    comment,
    metaLoad("l4proto"),
    compare("eq", Uint8Array.of(IP_PROTO.tcp)),
    ...front,
    counter(),
    reject("tcpReset"),
  ),
  rule(comment, ...front, counter(), reject("prohibited")),
];

/** What leaves a bridge, to the host as well: the policies of the network and of the container must both allow it. */
const EGRESS_CHAINS: readonly { chain: Chain; rules: readonly Rule[] }[] = [
  {
    chain: { name: "egress_container" },
    rules: [
      ...[IPV4, IPV6].flatMap((f) => [
        ...allowRules(f, f.containerEgress, verdict("return")),
        ...refusalRules(
          "not by the container's policy",
          family(f.family),
          f.containerEgress.source,
          lookup(f.containerEgress.judged.name),
        ),
      ]),
    ],
  },
  {
    chain: { name: "egress_network" },
    rules: [
      ...[IPV4, IPV6].flatMap((f) => allowRules(f, f.networkEgress, toContainerPolicy)),
      ...refusalRules("not by the network's policy"),
    ],
  },
  {
    chain: { name: "egress" },
    rules: [
      rule("what was allowed, and answers", ctState("established", "related"), verdict("return")),
      ...NEIGHBOUR_DISCOVERY.map((type) =>
        rule(
          "neighbours find each other",
          family("ipv6"),
          metaLoad("l4proto"),
          compare("eq", Uint8Array.of(IPV6.icmp)),
          payloadLoad("transport", 0, 1),
          compare("eq", Uint8Array.of(type)),
          verdict("return"),
        ),
      ),
      rule("", deviceIn("iifname", SETS.egressNetworks.name), verdict({ goto: "egress_network" })),
      rule("", toContainerPolicy),
    ],
  },
];

/** All chains, in the order in which they are made: a chain that is jumped to comes before the jump. */
export const CHAINS: readonly { chain: Chain; rules: readonly Rule[] }[] = [
  ...EGRESS_CHAINS,
  {
    chain: { name: "publish" },
    rules: [
      ...publishRules(IPV4),
      // The kernel does not let the host's ::1 out to a container; the daemon's sockets carry that.
      rule(
        "::1 stays on the host",
        family("ipv6"),
        fieldIn("ip6Destination", "ipv6_addr", "::1", 128),
        verdict("return"),
      ),
      ...publishRules(IPV6),
    ],
  },
  {
    chain: { name: "admission" },
    rules: [
      ...[IPV4, IPV6].map((f) =>
        rule(
          "sources that are admitted",
          family(f.family),
          metaLoad("oifname", regAt(0)),
          fieldLoad(f.source, regAt(4)),
          lookup(f.admitted.name),
          verdict("return"),
        ),
      ),
      rule("others are not", counter(), verdict("drop")),
    ],
  },
  {
    chain: { name: "into_bridge" },
    rules: [
      rule("", deviceIn("oifname", SETS.guarded.name), verdict({ jump: "admission" })),
      rule("published ports", ctStatus("dnat"), verdict("accept")),
      ...directRules(IPV4),
      ...directRules(IPV6),
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
    rules: [
      // Where bridges pass packets through the firewall (br_netfilter), a translated one would not leave its bridge any more,
      // whose ports do not reach each other: the daemon's sockets carry what comes from there.
      rule(
        "translated by no bridge that keeps its ports apart",
        deviceIn("iifname", SETS.apart.name),
        verdict("return"),
      ),
      rule("", toLocalAddress(), verdict({ jump: "publish" })),
    ],
  },
  {
    chain: { name: "output", hook: { type: "nat", hook: "output", priority: -100 } },
    rules: [rule("", toLocalAddress(), verdict({ jump: "publish" }))],
  },
  {
    chain: { name: "forward", hook: { type: "filter", hook: "forward", priority: 0 } },
    rules: [
      // Before what was allowed: what has begun while somebody had flushed the rules must not go on.
      ...(["iifname", "oifname"] as const).map((device) =>
        rule(
          "internal networks",
          deviceIn(device, SETS.internal.name),
          devicePair,
          lookup(SETS.neighbours.name, { inverted: true }),
          counter(),
          verdict("drop"),
        ),
      ),
      rule("what was allowed, and answers", ctState("established", "related"), verdict("accept")),
      rule("containers of one network", devicePair, lookup(SETS.neighbours.name), verdict("accept")),
      rule("", deviceIn("iifname", SETS.bridges.name), verdict({ jump: "egress" })),
      rule("", deviceIn("oifname", SETS.bridges.name), verdict({ goto: "into_bridge" })),
    ],
  },
  {
    chain: { name: "input", hook: { type: "filter", hook: "input", priority: 0 } },
    rules: [
      // A source of this kind does not tell the daemon's sockets which network it is of.
      ...[IP_PROTO.tcp, IP_PROTO.udp].map((proto) =>
        rule(
          "internal networks reach the host by their own addresses",
          family("ipv6"),
          deviceIn("iifname", SETS.internal.name),
          fieldIn("ip6Source", "ipv6_addr", "fe80::", 10),
          metaLoad("l4proto"),
          compare("eq", Uint8Array.of(proto)),
          counter(),
          verdict("drop"),
        ),
      ),
      rule("", deviceIn("iifname", SETS.bridges.name), verdict({ jump: "egress" })),
    ],
  },
  {
    chain: { name: "postrouting", hook: { type: "nat", hook: "postrouting", priority: 100 } },
    rules: [
      rule(
        "the host's loopback to a published port",
        family("ipv4"),
        fromLoopback,
        deviceIn("oifname", SETS.bridges.name),
        masquerade(),
      ),
      ...masqueradeRules(IPV4),
      ...masqueradeRules(IPV6),
    ],
  },
];
