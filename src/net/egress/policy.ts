// Egress policies: what leaves a network, or one container, is denied but for what rules allow. Text to rules and questions
// about them; pure. What the rules are in the firewall is decided in elements.ts, whose policies there are in book.ts.
//
//   deny                             nothing: only needed where there is no other rule
//   10.0.0.0/8   10.1.2.3:443/tcp    addresses, with a port or range of ports, with a protocol; every one of what is left out
//   [2001:db8::/32]:443   *:123/udp  IPv6 with a port stands in brackets, * is every address
//   example.com:443   *.example.com  the addresses that the name service gives for a name, as long as the answer lives
//   dns                              every name may be asked for; without it only those that rules name

import { isIP } from "node:net";
import { Fault } from "../../lib/errors.ts";
import { table } from "../../lib/table.ts";
import { parsePrefix, type Prefix, widthOf, familyOf } from "../../linux/netlink/address.ts";
import { IP_PROTO } from "../../linux/nft/datatype.ts";

/** Numbers of IP protocols, both ends included. */
export interface Range {
  first: number;
  last: number;
}

/** What of a destination is allowed. */
export interface Allowed {
  /** undefined: every protocol, with ports those that have them. */
  proto?: number;
  /** undefined: every port. */
  ports?: Range;
}

export interface AddressRule extends Allowed {
  /** undefined: every address of both families. */
  prefix?: Prefix;
}

export interface NameRule extends Allowed {
  /** "example.com", or "*.example.com" for all names below it. */
  pattern: string;
}

/** What may leave; everything else is refused. */
export interface EgressPolicy {
  addresses: readonly AddressRule[];
  names: readonly NameRule[];
  /** Every name may be asked for. */
  asksAnyName: boolean;
}

const PROTOCOLS = table({ ...IP_PROTO, icmp: 1, icmpv6: 58 });
const NAME =
  /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** A name's ports are elements one by one: the kernel's sets with ranges cannot forget addresses fast. */
const MAX_NAME_PORTS = 16;

/** Reads a policy, rules between commas or blanks; fails with invalidParameter `network.egress`. */
export function parseEgressPolicy(text: string): EgressPolicy {
  const words = text.split(/[\s,]+/).filter((w) => w !== "");
  if (words.length === 0) throw refuse(text, 'a policy without rules; "deny" allows nothing');
  if (words.includes("deny") && words.length > 1)
    throw refuse(text, '"deny" stands alone: what rules do not allow is denied anyhow');
  const policy = {
    addresses: [] as AddressRule[],
    names: [] as NameRule[],
    asksAnyName: words.includes("dns"),
  };
  for (const word of words.filter((w) => w !== "dns" && w !== "deny")) {
    const rule = parseRule(word);
    if ("pattern" in rule) policy.names.push(rule);
    else policy.addresses.push(rule);
  }
  return policy;
}

function parseRule(word: string): AddressRule | NameRule {
  const { target, allowed } = splitRule(word);
  if (target === "*") return allowed;
  const bare = /^\[(.*)\]$/.exec(target)?.[1] ?? target;
  const [address = ""] = bare.split("/");
  if (isIP(address) !== 0) return { ...allowed, prefix: prefixOf(word, bare) };
  const pattern = target.toLowerCase().replace(/\.$/, "");
  if (!NAME.test(pattern) || pattern.length > 253 || /^[\d.]+$/.test(pattern))
    throw refuse(word, "neither an address nor a domain name");
  if (allowed.proto !== undefined && allowed.ports === undefined)
    throw refuse(word, "a protocol of a name needs a port");
  if (allowed.ports !== undefined && allowed.ports.last - allowed.ports.first >= MAX_NAME_PORTS)
    throw refuse(word, `a name has at most ${MAX_NAME_PORTS} ports in one rule`);
  return { ...allowed, pattern };
}

/** Takes protocol and ports off the end. */
function splitRule(word: string): { target: string; allowed: Allowed } {
  const [, beforeProto = word, proto] = /^(.*)\/([a-z][a-z0-9]*)$/.exec(word) ?? [];
  const hasPorts = /^(\[.*\]|[^:[\]]*):[^:]*$/.test(beforeProto);
  const colon = hasPorts ? beforeProto.lastIndexOf(":") : beforeProto.length;
  const ports = hasPorts ? portsOf(word, beforeProto.slice(colon + 1)) : undefined;
  const number = proto === undefined ? undefined : PROTOCOLS[proto];
  if (proto !== undefined && number === undefined)
    throw refuse(word, `unknown protocol ${JSON.stringify(proto)}: ${Object.keys(PROTOCOLS).join(", ")}`);
  if (ports !== undefined && proto?.startsWith("icmp")) throw refuse(word, `${proto} has no ports`);
  return {
    target: beforeProto.slice(0, colon),
    allowed: {
      ...(number === undefined ? {} : { proto: number }),
      ...(ports === undefined ? {} : { ports }),
    },
  };
}

function portsOf(word: string, text: string): Range {
  const m = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const [first, last] = [Number(m?.[1]), Number(m?.[2] ?? m?.[1])];
  if (m === null || first < 1 || last > 65_535 || last < first)
    throw refuse(word, `invalid port ${JSON.stringify(text)}`);
  return { first, last };
}

function prefixOf(word: string, text: string): Prefix {
  try {
    return parsePrefix(text.includes("/") ? text : `${text}/${widthOf(familyOf(text))}`);
  } catch {
    throw refuse(word, `invalid address ${JSON.stringify(text)}`); // ignored: the rule says it better
  }
}

function refuse(rule: string, why: string): Fault {
  return new Fault("invalidParameter", `invalid egress rule ${JSON.stringify(rule)}: ${why}`, {
    code: "network.egress",
    detail: { rule },
  });
}

/** Returns the rules that name a name; `name` is in lower case without a last dot. */
export const rulesFor = (policy: EgressPolicy, name: string): NameRule[] =>
  policy.names.filter(({ pattern }) =>
    pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) : name === pattern,
  );

/** Whether a name may be asked for outside. */
export const mayAsk = (policy: EgressPolicy, name: string): boolean =>
  policy.asksAnyName || rulesFor(policy, name).length > 0;
