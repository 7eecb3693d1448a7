// The bridge device of a network: which name it takes, what makes it, what is wrong with an existing one.
// Devices that we made carry an alias `berth:<owner>/network/<id>`; by that a restarted daemon finds and adopts its own,
// and leaves everybody else's alone. Pure: reads dumps, returns operations.

import { Fault } from "../../lib/errors.ts";
import { type Link, delLink, newBridge, setLink } from "../../linux/netlink/link.ts";
import { NETLINK_ROUTE, netlinkOp } from "../../linux/netlink/message.ts";
import { type InterfaceAddress, delAddress, newAddress } from "../../linux/netlink/route.ts";
import { HOST_NS, type Op, host } from "../../linux/ops.ts";

const MAX_NAMES = 1000;

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

/**
 * Returns the name of the network's bridge and, when it exists, the device. Without a wanted name: "docker0" when that
 * is free (programs look for it), else the first free of berth0, berth1…
 * Throws Fault conflict `network.device-exists` when the wanted name belongs to somebody else.
 */
export function chooseBridge(
  links: readonly Link[],
  owner: DeviceOwner,
  wantedName?: string,
): { name: string; existing?: Link } {
  const existing = links.find((l) => l.alias === bridgeAlias(owner) && l.kind === "bridge");
  if (existing !== undefined && (wantedName === undefined || wantedName === existing.name))
    return { name: existing.name, existing };
  const names = new Set(links.map((l) => l.name));
  if (wantedName !== undefined) {
    if (names.has(wantedName))
      throw new Fault("conflict", `network device "${wantedName}" exists and is not ours`, {
        code: "network.device-exists",
        detail: { device: wantedName },
      });
    return { name: wantedName };
  }
  if (!names.has("docker0")) return { name: "docker0" };
  for (let i = 0; i < MAX_NAMES; i++) if (!names.has(`berth${i}`)) return { name: `berth${i}` };
  throw new Fault("conflict", "no free name for a network device: berth0 and all after it exist", {
    code: "network.device-exists",
  });
}

/** How the device of a network should be. */
export interface BridgeSettings {
  name: string;
  alias: string;
  mac: string;
  mtu: number;
  /** Interface address of the gateway, "172.17.0.1/16". */
  address: string;
  hasIpv6: boolean;
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

/**
 * Brings an existing device to its settings: sysctls first, so that it is never up without them. `addresses` are the
 * IPv4 addresses it has; others than the gateway are removed.
 */
export function planConfigureBridge(
  index: number,
  addresses: readonly InterfaceAddress[],
  s: BridgeSettings,
): Op[] {
  const has = addresses.filter((a) => a.index === index).map((a) => `${a.ip}/${a.prefixLength}`);
  return [
    host.sysctlHost(HOST_NS, "net/ipv4/ip_forward", "1"),
    // Lets packets that the host sends to its own 127.0.0.1 go out to a container; ../firewall keeps containers from it.
    host.sysctlHost(HOST_NS, `net/ipv4/conf/${s.name}/route_localnet`, "1"),
    // No IPv6 on an IPv4 network: a container could configure the host by router advertisements (CVE-2020-13401).
    ...(s.hasIpv6 ? [host.sysctlHost(HOST_NS, `net/ipv6/conf/${s.name}/disable_ipv6`, "1")] : []),
    netlinkOp(NETLINK_ROUTE, HOST_NS, [
      ...has.filter((a) => a !== s.address).map((a) => delAddress(index, a)),
      ...(has.includes(s.address) ? [] : [newAddress(index, s.address)]),
      setLink({ index }, { mac: s.mac, mtu: s.mtu, isUp: true }),
    ]),
  ];
}

/** Removes the device; ENODEV when there is none. */
export const planRemoveBridge = (name: string): Op[] => [
  netlinkOp(NETLINK_ROUTE, HOST_NS, [delLink({ name })]),
];
