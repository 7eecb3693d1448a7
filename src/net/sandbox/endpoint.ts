// Plan of one endpoint: a veth pair whose far end is made inside the container's network namespace, its host end joined
// to the bridge. One request together with the shim; a failure of any later operation takes the pair away again.
// Nothing here looks at the kernel: what must be known (the bridge's index, names, addresses) comes in.

import { createHash } from "node:crypto";
import { ipBytes, macText } from "../../linux/netlink/address.ts";
import { delLink, newVeth, setBridgePort, setLink } from "../../linux/netlink/link.ts";
import { type Message, NETLINK_ROUTE, netlinkOp } from "../../linux/netlink/message.ts";
import { defaultRoute, delDefaultRoute, newAddress } from "../../linux/netlink/route.ts";
import { HOST_NS, type Op, type Register, host } from "../../linux/ops.ts";

/** Register of a request with endpoints that holds the host's own namespace. */
const HOST_NS_REGISTER: Register = 31;

/** Comes once in a request, before the operations of its endpoints. */
export const openHostNamespace = (): Op => host.netnsOpen(HOST_NS_REGISTER, "/proc/self/ns/net");

/** What an endpoint's device has inside the container, whatever driver made it. */
export interface InsidePlan {
  /** Register that holds the container's namespace. */
  netnsReg: Register;
  /** Name inside the container, "eth0". */
  ifName: string;
  /** Interface addresses, "172.17.0.2/16", "fd00::2/64". */
  addresses: readonly string[];
  /** Next hops of the default routes, at most one of each family. */
  gateways: readonly string[];
  /** The kernel has IPv6: it is switched off on devices without an IPv6 address, so that no neighbour can configure them by advertisements. */
  hasIpv6: boolean;
  /** Further sysctls of the device, "net/ipv4/conf/eth0/forwarding" → "1". */
  sysctls?: Readonly<Record<string, string>>;
}

/** Everything a veth endpoint is made of. */
export interface EndpointPlan extends InsidePlan {
  /** Index of the bridge device. */
  bridgeIndex: number;
  mtu: number;
  /** Ports of the bridge do not reach each other (`com.docker.network.bridge.enable_icc=false`). */
  isIsolated: boolean;
  hostIfName: string;
  /** Alias of the host's end, by which an orphan is known. */
  alias: string;
  mac: string;
}

/** Docker's hardware address for an IPv4 address: 02:42 and the address. */
export function macForIp(ip: string): string {
  const bytes = ipBytes(ip);
  return macText(Uint8Array.of(0x02, 0x42, ...bytes.subarray(bytes.length - 4)));
}

/** A hardware address for what has no address to derive it from: 02:42 and the first digits of an id. */
export const macForName = (id: string): string =>
  macText(Uint8Array.of(0x02, 0x42, ...createHash("sha256").update(id).digest().subarray(0, 4)));

/**
 * Index that a device gets in a container's namespace, chosen by us so that the address can be set in the same request.
 * Above what the kernel hands out in a new namespace (1 is lo, tunnels' fallback devices follow).
 */
export function interfaceIndex(ifName: string): number {
  const number = /^eth(\d{1,4})$/.exec(ifName)?.[1];
  if (number !== undefined) return 100 + Number(number);
  let hash = 0;
  for (const byte of Buffer.from(ifName, "utf8")) hash = (hash * 31 + byte) % 60_000;
  return 20_000 + hash;
}

/** Operations that configure a device that is in the container's namespace under its final name and index. */
export function planInside(p: InsidePlan): Op[] {
  const index = interfaceIndex(p.ifName);
  return [
    ...ipv6Sysctls(p).map(([name, value]) => host.sysctlHost(p.netnsReg, name, value)),
    ...Object.entries(p.sysctls ?? {}).map(([name, value]) => host.sysctlHost(p.netnsReg, name, value)),
    netlinkOp(NETLINK_ROUTE, p.netnsReg, [
      ...p.addresses.map((address) => newAddress(index, address)),
      setLink({ index }, { isUp: true }),
      ...p.gateways.map((gateway) => defaultRoute(gateway, index)),
    ]),
  ];
}

function ipv6Sysctls(p: InsidePlan): [string, string][] {
  if (!p.hasIpv6) return [];
  const conf = `net/ipv6/conf/${p.ifName}`;
  if (!p.addresses.some((a) => a.includes(":"))) return [[`${conf}/disable_ipv6`, "1"]];
  // Addresses are ours to give: they are known to be free, and no neighbour may announce others or a route.
  return [
    [`${conf}/disable_ipv6`, "0"],
    [`${conf}/accept_dad`, "0"],
    [`${conf}/accept_ra`, "0"],
  ];
}

const asBridgePort = (hostIfName: string, isIsolated: boolean): Message =>
  setBridgePort({ name: hostIfName }, { hairpin: true, isolated: isIsolated, isUp: true });

/** Operation that joins the host end of an existing pair to a bridge; ENODEV when the pair has gone. */
export const planPlugIn = (hostIfName: string, to: { bridgeIndex: number; isIsolated: boolean }): Op[] => [
  netlinkOp(NETLINK_ROUTE, HOST_NS, [
    setLink({ name: hostIfName }, { master: to.bridgeIndex }),
    asBridgePort(hostIfName, to.isIsolated),
  ]),
];

/** Operations that make the endpoint. Errno of the operations: EEXIST for a taken host name, ENODEV without the bridge. */
export function planEndpoint(p: EndpointPlan): Op[] {
  const index = interfaceIndex(p.ifName);
  return [
    netlinkOp(NETLINK_ROUTE, p.netnsReg, [
      newVeth(
        { name: p.ifName, index, mac: p.mac, mtu: p.mtu },
        { name: p.hostIfName, netns: HOST_NS_REGISTER, mtu: p.mtu },
      ),
    ]),
    host.onFailure(netlinkOp(NETLINK_ROUTE, HOST_NS, [delLink({ name: p.hostIfName })])),
    netlinkOp(NETLINK_ROUTE, HOST_NS, [
      setLink(
        { name: p.hostIfName },
        { master: p.bridgeIndex, alias: p.alias, ...(p.hasIpv6 ? { hasLinkLocal: false } : {}) },
      ),
      asBridgePort(p.hostIfName, p.isIsolated),
    ]),
    ...planInside(p),
  ];
}

/**
 * Operations that move a running container's default routes: the old ones go, and come back when a later operation of the
 * request fails; the new ones come. Routes of a device that is gone went with it.
 */
export function planRouteChange(netnsReg: Register, change: RouteChange): Op[] {
  const send = (messages: Message[]): Op => netlinkOp(NETLINK_ROUTE, netnsReg, messages);
  const add = (r: DefaultRoute): Message => defaultRoute(r.gateway, interfaceIndex(r.ifName));
  return [
    ...change.remove.flatMap((r) => [
      send([delDefaultRoute(r.gateway, interfaceIndex(r.ifName))]),
      host.onFailure(send([add(r)])),
    ]),
    ...change.add.map((r) => send([add(r)])),
  ];
}

/** A default route: by which device of the container to which next hop. */
export interface DefaultRoute {
  ifName: string;
  gateway: string;
}

/** Default routes to be taken away and set. */
export interface RouteChange {
  remove: readonly DefaultRoute[];
  add: readonly DefaultRoute[];
}

/** Operation that takes an endpoint's pair away; ENODEV when the container's namespace, and with it the pair, has gone. */
export const planDetach = (hostIfName: string): Op[] => [
  netlinkOp(NETLINK_ROUTE, HOST_NS, [delLink({ name: hostIfName })]),
];

/**
 * Operation that silences an endpoint whose namespace is dying, at once and without waiting for the kernel, which
 * removes the pair with the namespace. Without it the dying namespace would still answer for an address that may
 * already be the next container's. ENODEV when the pair has gone.
 */
export const planCut = (hostIfName: string): Op[] => [
  netlinkOp(NETLINK_ROUTE, HOST_NS, [setBridgePort({ name: hostIfName }, { isCut: true })]),
];

/** "172.17.0.2/16" of an address in a subnet. */
export function interfaceAddress(ip: string, subnet: string): string {
  return `${ip}/${subnet.slice(subnet.indexOf("/") + 1)}`;
}
