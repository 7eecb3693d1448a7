// --network: a name, or `name=…,alias=…,ip=…` for one endpoint; together with the older flags (--network-alias, --link,
// --ip, …), which belong to the first network.

import type { EndpointSettingsRequest } from "../../api/schemas/endpoint.ts";
import { Fault } from "../../lib/errors.ts";
import { custom, type FlagSpec, invalidValue, parseCsv } from "../../lib/flags/spec.ts";

export interface NetworkAttachment {
  target: string;
  aliases: string[];
  driverOpts: Record<string, string>;
  links: string[];
  ip: string;
  ip6: string;
  linkLocalIps: string[];
  mac: string;
  gwPriority: number;
}

/** A repeated --network. */
export function networkFlag(
  usage: string,
  traits: { readonly hidden?: boolean } = {},
): FlagSpec<NetworkAttachment[]> {
  const parse = (text: string, previous: NetworkAttachment[] | undefined) => [
    ...(previous ?? []),
    parseNetwork(text),
  ];
  return custom<NetworkAttachment[]>("network", usage, [], parse, traits);
}

/** An attachment with nothing asked for. */
export function plainAttachment(target: string): NetworkAttachment {
  return {
    target,
    aliases: [],
    driverOpts: {},
    links: [],
    ip: "",
    ip6: "",
    linkLocalIps: [],
    mac: "",
    gwPriority: 0,
  };
}

function parseNetwork(text: string): NetworkAttachment {
  const attachment = plainAttachment(text);
  if (!/\w+=\w+(,\w+=\w+)*/.test(text)) return attachment;
  attachment.target = "";
  for (const field of parseCsv(text)) applyField(attachment, field);
  if (attachment.target === "") throw invalidValue("network name/id is not specified");
  return attachment;
}

function applyField(attachment: NetworkAttachment, field: string): void {
  const [key, value] = pair(field, `invalid field ${field}`);
  switch (key) {
    case "name":
      attachment.target = value;
      return;
    case "alias":
      attachment.aliases.push(value);
      return;
    case "ip":
      attachment.ip = value;
      return;
    case "ip6":
      attachment.ip6 = value;
      return;
    case "mac-address":
      attachment.mac = value;
      return;
    case "link-local-ip":
      attachment.linkLocalIps.push(value);
      return;
    case "driver-opt": {
      const [name, option] = pair(value, "invalid key value pair format in driver options");
      attachment.driverOpts[name] = option;
      return;
    }
    case "gw-priority":
      if (!/^[+-]?\d+$/.test(value)) throw invalidValue(`invalid gw-priority (${value}): invalid syntax`);
      attachment.gwPriority = Number(value);
      return;
    default:
      throw invalidValue(`invalid field key ${key}`);
  }
}

/** compat: the whole field is lowered, values included, as Docker does. */
function pair(text: string, complaint: string): [string, string] {
  const lower = text.toLowerCase();
  const equals = lower.indexOf("=");
  if (equals <= 0) throw invalidValue(complaint);
  return [lower.slice(0, equals).trim(), lower.slice(equals + 1).trim()];
}

/** The flags that speak of the first network. */
export interface FirstNetwork {
  readonly aliases: readonly string[];
  readonly links: readonly string[];
  readonly ip: string;
  readonly ip6: string;
  readonly mac: string;
  readonly linkLocalIps: readonly string[];
}

export interface Networking {
  /** HostConfig.NetworkMode. */
  readonly mode: string;
  readonly endpoints: Record<string, EndpointSettingsRequest>;
}

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "cli.network" });
}

function isUserDefined(name: string): boolean {
  return !["default", "bridge", "host", "none", "nat"].includes(name) && !name.startsWith("container:");
}

/** Merges --network with the older flags. Throws a Fault with Docker's text for contradictions. */
export function resolveNetworking(networks: readonly NetworkAttachment[], first: FirstNetwork): Networking {
  const all = networks.length === 0 ? [plainAttachment("default")] : networks;
  const endpoints: Record<string, EndpointSettingsRequest> = {};
  for (const [index, given] of all.entries()) {
    const merged = index === 0 ? mergeFirst(given, first) : given;
    const endpoint = toEndpoint(merged);
    if (Object.hasOwn(endpoints, merged.target)) {
      throw refuse(`network ${JSON.stringify(merged.target)} is specified multiple times`);
    }
    // A single network without options needs no endpoint of its own; older daemons refuse one.
    const isBare = Object.keys(endpoint).length === 0;
    if (networks.length === 1 && isBare) continue;
    endpoints[merged.target] = endpoint;
  }
  const kinds = new Set(networks.map((network) => isUserDefined(network.target)));
  if (kinds.size > 1) {
    throw refuse("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
  }
  return { mode: all[0]?.target ?? "default", endpoints };
}

function mergeFirst(given: NetworkAttachment, first: FirstNetwork): NetworkAttachment {
  const clash = (what: string): Fault => refuse(`conflicting options: cannot specify both ${what}`);
  if (given.aliases.length > 0 && first.aliases.length > 0)
    throw clash("--network-alias and per-network alias");
  if (given.links.length > 0 && first.links.length > 0) throw clash("--link and per-network links");
  if (given.ip !== "" && first.ip !== "") throw clash("--ip and per-network IPv4 address");
  if (given.ip6 !== "" && first.ip6 !== "") throw clash("--ip6 and per-network IPv6 address");
  if (given.mac !== "" && first.mac !== "") throw clash("--mac-address and per-network MAC address");
  if (given.linkLocalIps.length > 0 && first.linkLocalIps.length > 0) {
    throw clash("--link-local-ip and per-network link-local IP addresses");
  }
  return {
    ...given,
    aliases: first.aliases.length > 0 ? [...first.aliases] : given.aliases,
    // On the default bridge --link is HostConfig's business.
    links: isUserDefined(given.target) && first.links.length > 0 ? [...first.links] : given.links,
    ip: first.ip || given.ip,
    ip6: first.ip6 || given.ip6,
    mac: first.mac || given.mac,
    linkLocalIps: first.linkLocalIps.length > 0 ? [...first.linkLocalIps] : given.linkLocalIps,
  };
}

function toEndpoint(network: NetworkAttachment): EndpointSettingsRequest {
  if (network.target.trim() === "") throw refuse("no name set for network");
  if (!isUserDefined(network.target)) {
    if (network.aliases.length > 0)
      throw refuse("network-scoped aliases are only supported for user-defined networks");
    if (network.links.length > 0) throw refuse("links are only supported for user-defined networks");
  }
  const ipam = {
    ...(network.ip === "" ? {} : { IPv4Address: network.ip }),
    ...(network.ip6 === "" ? {} : { IPv6Address: network.ip6 }),
    ...(network.linkLocalIps.length === 0 ? {} : { LinkLocalIPs: network.linkLocalIps }),
  };
  return {
    ...(Object.keys(ipam).length === 0 ? {} : { IPAMConfig: ipam }),
    ...(network.links.length === 0 ? {} : { Links: network.links }),
    ...(network.aliases.length === 0 ? {} : { Aliases: network.aliases }),
    ...(network.mac === "" ? {} : { MacAddress: checkMac(network.mac) }),
    ...(Object.keys(network.driverOpts).length === 0 ? {} : { DriverOpts: network.driverOpts }),
    ...(network.gwPriority === 0 ? {} : { GwPriority: network.gwPriority }),
  };
}

/** Checks a MAC address. Throws a Fault with Docker's text. */
export function checkMac(text: string): string {
  if (/^[0-9a-fA-F]{2}([:-])[0-9a-fA-F]{2}(?:\1[0-9a-fA-F]{2}){4}$/.test(text)) return text;
  throw refuse(`${text} is not a valid mac address`);
}

/** The network option of egress policies, which the daemon reads; a container has its own in a label of that name. */
const EGRESS = "berth.egress";

/** Returns the option of a network that --egress stands for; none without. */
export const egressPolicy = (rules: readonly string[]): Record<string, string> =>
  rules.length === 0 ? {} : { [EGRESS]: rules.join(" ") };
