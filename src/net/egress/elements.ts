// What egress policies are in the firewall's sets: who has one, what its rules allow, and which addresses names stand for. Pure.

import type { Element } from "../../linux/nft/ruleset.ts";
import { IP_PROTO } from "../../linux/nft/datatype.ts";
import {
  AF_INET,
  AF_INET6,
  familyOf,
  type Family,
  ipFromNumber,
  type Prefix,
  prefixSize,
} from "../../linux/netlink/address.ts";
import type { SetElements } from "../firewall/ruleset.ts";
import type { SetKey } from "../firewall/sets.ts";
import { type Box, disjoint } from "./boxes.ts";
import type { AddressRule, Allowed, EgressPolicy } from "./policy.ts";

/** Whose packets a policy judges: all from a bridge, or all from a container's addresses in one network, "" for none. */
export type EgressSource = { bridgeName: string } | { ip: string; ip6: string };

const ALL_PROTOCOLS = [0n, 255n] as const;
const ALL_PORTS = [0n, 65_535n] as const;
const FAMILIES = [
  { family: AF_INET, suffix: "", own: "ip" },
  { family: AF_INET6, suffix: "6", own: "ip6" },
] as const;

/** What a packet of a family carries of the source, and how sets of its kind are called; undefined where there is none. */
function placeOf(
  source: EgressSource,
  family: Family,
): { from: string; kind: string; suffix: string } | undefined {
  const { suffix, own } = family === AF_INET ? FAMILIES[0] : FAMILIES[1];
  if ("bridgeName" in source) return { from: source.bridgeName, kind: "egressNetwork", suffix };
  return source[own] === "" ? undefined : { from: source[own], kind: "egressContainer", suffix };
}

/** Returns the elements that a source and the address rules of its policy stand for. */
export function sourceElements(source: EgressSource, policy: EgressPolicy): SetElements {
  const elements: SetElements =
    "bridgeName" in source ? { egressNetworks: [{ key: [source.bridgeName] }] } : {};
  for (const { family } of FAMILIES) {
    const place = placeOf(source, family);
    if (place === undefined) continue;
    const { from, kind, suffix } = place;
    if (kind === "egressContainer") elements[`egressContainers${suffix}` as SetKey] = [{ key: [from] }];
    const allowed = allowedElements(from, policy.addresses, family);
    if (allowed.length > 0) elements[`${kind}Allowed${suffix}` as SetKey] = allowed;
  }
  return elements;
}

function allowedElements(from: string, rules: readonly AddressRule[], family: Family): Element[] {
  const all: Prefix = { base: 0n, length: 0, family };
  const boxes = rules
    .map((rule) => ({ ...rule, prefix: rule.prefix ?? all }))
    .filter(({ prefix }) => prefix.family === family)
    .flatMap((rule) => boxesOf(rule, rule.prefix));
  return disjoint(boxes).map(([protos, addresses, ports]) => {
    const corner = (i: 0 | 1) => [
      from,
      Number(protos[i]),
      ipFromNumber(addresses[i], family),
      Number(ports[i]),
    ];
    return { key: corner(0), keyEnd: corner(1) };
  });
}

function boxesOf(rule: Allowed, prefix: Prefix): Box[] {
  const addresses = [prefix.base, prefix.base + prefixSize(prefix) - 1n] as const;
  const ports =
    rule.ports === undefined ? ALL_PORTS : ([BigInt(rule.ports.first), BigInt(rule.ports.last)] as const);
  return protocolsOf(rule).map((protos) => [protos, addresses, ports]);
}

function protocolsOf({ proto, ports }: Allowed): (readonly [bigint, bigint])[] {
  if (proto !== undefined) return [[BigInt(proto), BigInt(proto)]];
  if (ports === undefined) return [ALL_PROTOCOLS];
  return Object.values(IP_PROTO).map((n) => [BigInt(n), BigInt(n)]);
}

/** Returns the elements that a name's address is for one rule, good for some time. */
export function namedElements(
  source: EgressSource,
  rule: Allowed,
  ip: string,
  timeoutMs: number,
): SetElements {
  const place = placeOf(source, familyOf(ip));
  if (place === undefined) return {};
  const { from, kind, suffix } = place;
  const { ports } = rule;
  if (ports === undefined) return { [`${kind}Named${suffix}`]: [{ key: [from, ip], timeoutMs }] };
  const numbers = Array.from({ length: ports.last - ports.first + 1 }, (_, i) => ports.first + i);
  return {
    [`${kind}NamedPorts${suffix}`]: protocolsOf(rule).flatMap(([proto]) =>
      numbers.map((port) => ({ key: [from, Number(proto), ip, port], timeoutMs })),
    ),
  };
}

/** Whether a name may open an address: never the host's loopback or what is on its wire only, whoever answers so. */
export function isOpenable(ip: string): boolean {
  return familyOf(ip) === AF_INET
    ? !/^(0|127|169\.254|22[4-9]|2[3-5]\d)\./.test(ip)
    : !/^(::$|::1$|::ffff:|fe[89ab]|ff)/i.test(ip);
}
