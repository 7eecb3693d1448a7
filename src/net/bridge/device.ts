// The bridge device of a network: which name it takes, what makes it, what is wrong with an existing one.
// Devices that we made carry an alias `berth:<owner>/network/<id>`; by that a restarted daemon finds and adopts its own,
// and leaves everybody else's alone. Pure: reads dumps, returns operations.

import { Fault } from "../../lib/errors.ts";
import { AF_INET6, parsePrefix, prefixText } from "../../linux/netlink/address.ts";
import { type Link, delLink, newBridge, setLink } from "../../linux/netlink/link.ts";
import { NETLINK_ROUTE, netlinkOp } from "../../linux/netlink/message.ts";
import {
  type InterfaceAddress,
  type Route,
  delAddress,
  newAddress,
  prefixRoute,
} from "../../linux/netlink/route.ts";
import { HOST_NS, type Op, host } from "../../linux/ops.ts";
import type { BridgeNetwork, NetworkSubnet } from "../model.ts";
import { interfaceAddress, macForIp, macForName } from "../sandbox/endpoint.ts";

const MAX_NAMES = 1000;

/** The kernel has no IPv6 on a device below (RFC 8200). */
export const MIN_IPV6_MTU = 1280;

/** Whose device and what it is for. */
export interface DeviceOwner {
  /** Name of the daemon among others on the host. */
  owner: string;
  networkId: string;
}

/** Alias of a network's bridge. */
export const bridgeAlias = (o: DeviceOwner): string => `berth:${o.owner}/network/${o.networkId}`;

/** Alias of an endpoint's host end. */
export const endpointAlias = (owner: string, endpointId: string): string =>
  `berth:${owner}/endpoint/${endpointId}`;

/** The endpoint whose host end this is, undefined when the device is not an endpoint of the owner. */
export function endpointOfLink(link: Link, owner: string): string | undefined {
  const front = `berth:${owner}/endpoint/`;
  return link.alias.startsWith(front) ? link.alias.slice(front.length) : undefined;
}

/** Whether the device is a bridge of the owner. */
export const isOwnBridge = (link: Link, owner: string): boolean =>
  link.alias.startsWith(`berth:${owner}/network/`);

/** The device of a network: its name, the device where it exists, and whether somebody else made that. */
export interface BridgeChoice {
  name: string;
  existing?: Link;
  isForeign: boolean;
}

/**
 * Returns the name of the network's bridge and, when it exists, the device. Without a wanted name: "docker0" when that
 * is free (programs look for it), else the first free of berth0, berth1…. compat: a bridge that is there under the
 * wanted name is used. Throws Fault conflict `network.device-exists` when that name is another kind of device's, or
 * belongs to another network of ours or of another daemon.
 */
export function chooseBridge(links: readonly Link[], owner: DeviceOwner, wantedName?: string): BridgeChoice {
  const existing = links.find((l) => l.alias === bridgeAlias(owner) && l.kind === "bridge");
  if (existing !== undefined && (wantedName === undefined || wantedName === existing.name))
    return { name: existing.name, existing, isForeign: false };
  const taken = new Map(links.map((l) => [l.name, l]));
  if (wantedName !== undefined) return wantedBridge(taken.get(wantedName), wantedName);
  if (!taken.has("docker0")) return { name: "docker0", isForeign: false };
  for (let i = 0; i < MAX_NAMES; i++)
    if (!taken.has(`berth${i}`)) return { name: `berth${i}`, isForeign: false };
  throw new Fault("conflict", "no free name for a network device: berth0 and all after it exist", {
    code: "network.device-exists",
  });
}

function wantedBridge(device: Link | undefined, name: string): BridgeChoice {
  if (device === undefined) return { name, isForeign: false };
  if (device.kind === "bridge" && !device.alias.startsWith("berth:"))
    return { name, existing: device, isForeign: true };
  const what = device.kind === "bridge" ? "belongs to another network" : "is not a bridge";
  throw new Fault("conflict", `network device "${name}" exists and ${what}`, {
    code: "network.device-exists",
    detail: { device: name },
  });
}

/** How the device of a network should be. */
export interface BridgeSettings {
  name: string;
  alias: string;
  mac: string;
  mtu: number;
  /** Interface addresses of the gateways, "172.17.0.1/16", "fd00::1/64". */
  addresses: readonly string[];
  /** The network has IPv6. */
  wantsIpv6: boolean;
  /** The kernel has IPv6. */
  hasIpv6: boolean;
}

/** Returns the settings of a network's device. */
export function bridgeSettings(
  spec: BridgeNetwork,
  name: string,
  alias: string,
  hasIpv6: boolean,
): BridgeSettings {
  const own = (s: NetworkSubnet | undefined): string[] =>
    s === undefined || s.gateway === "" || s.gatewayMode === "isolated"
      ? []
      : [interfaceAddress(s.gateway, s.subnet)];
  const gateway = spec.ipv4?.gateway || spec.ipv6?.gateway;
  return {
    name,
    alias,
    mac: gateway ? macForIp(gateway) : macForName(spec.id),
    mtu: spec.mtu,
    addresses: [...(spec.inhibitIpv4 ? [] : own(spec.ipv4)), ...own(spec.ipv6)],
    wantsIpv6: spec.ipv6 !== undefined,
    hasIpv6,
  };
}

/** Makes the device, still down and without an address; taken away when a later operation fails. */
export function planCreateBridge(s: BridgeSettings): Op[] {
  return [
    netlinkOp(NETLINK_ROUTE, HOST_NS, [
      newBridge({ name: s.name, mac: s.mac, mtu: s.mtu }),
      setLink({ name: s.name }, { alias: s.alias }),
    ]),
    host.onFailure(netlinkOp(NETLINK_ROUTE, HOST_NS, [delLink({ name: s.name })])),
  ];
}

/** What the host has: addresses, routes, and whether the device is up. */
export interface BridgeState {
  addresses: readonly InterfaceAddress[];
  routes: readonly Route[];
  isUp: boolean;
}

/**
 * Brings an existing device to its settings: sysctls first, so that it is never up without them. Of its addresses others
 * than the gateways are removed, but for link-local ones; one that has lost the route that the kernel had made of it
 * gets it again. Somebody else's device keeps its own addresses, hardware address and MTU.
 */
export function planConfigureBridge(
  index: number,
  state: BridgeState,
  s: BridgeSettings & { isForeign: boolean },
): Op[] {
  const has = state.addresses
    .filter((a) => a.index === index && !(a.family === AF_INET6 && a.ip.startsWith("fe80:")))
    .map((a) => `${a.ip}/${a.prefixLength}`);
  const surplus = s.isForeign ? [] : has.filter((a) => !s.addresses.includes(a));
  const isRouted = (a: string): boolean =>
    state.routes.some((r) => r.index === index && r.destination === networkOf(a));
  const routeless = state.isUp ? has.filter((a) => s.addresses.includes(a) && !isRouted(a)) : [];
  return [
    host.sysctlHost(HOST_NS, "net/ipv4/ip_forward", "1"),
    ...deviceSysctls(s).map(({ path, value }) => host.sysctlHost(HOST_NS, path, value)),
    netlinkOp(NETLINK_ROUTE, HOST_NS, [
      ...surplus.map((a) => delAddress(index, a)),
      ...s.addresses.filter((a) => !has.includes(a)).map((a) => newAddress(index, a)),
      ...routeless.map((a) => prefixRoute(index, a)),
      setLink({ index }, { ...(s.isForeign ? {} : { mac: s.mac, mtu: s.mtu }), isUp: true }),
    ]),
  ];
}

/** "172.17.0.0/16" of "172.17.0.1/16". */
const networkOf = (address: string): string => prefixText(parsePrefix(address));

/** A sysctl, "net/ipv4/conf/docker0/route_localnet". */
export interface Sysctl {
  readonly path: string;
  readonly value: string;
}

/** Returns the sysctls of a network's device, in the order in which they are set. */
export function deviceSysctls(s: BridgeSettings & { isForeign: boolean }): Sysctl[] {
  return [
    // Lets packets that the host sends to its own 127.0.0.1 go out to a container; ../firewall keeps containers from it.
    { path: `net/ipv4/conf/${s.name}/route_localnet`, value: "1" },
    ...ipv6Sysctls(s),
  ];
}

function ipv6Sysctls(s: BridgeSettings & { isForeign: boolean }): Sysctl[] {
  if (!s.hasIpv6 || s.mtu < MIN_IPV6_MTU) return [];
  const set = (name: string, value: string): Sysctl => ({ path: `net/ipv6/conf/${s.name}/${name}`, value });
  // A container could configure the host by router advertisements (CVE-2020-13401): none are taken, and without IPv6 in
  // the network there is none on the device.
  if (s.wantsIpv6) return [set("disable_ipv6", "0"), set("accept_ra", "0"), set("accept_dad", "0")];
  return s.isForeign ? [] : [set("disable_ipv6", "1")];
}

/** Removes the device; ENODEV when there is none. */
export const planRemoveBridge = (name: string): Op[] => [
  netlinkOp(NETLINK_ROUTE, HOST_NS, [delLink({ name })]),
];
