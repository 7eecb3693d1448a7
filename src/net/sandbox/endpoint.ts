// Plan of one endpoint: a veth pair whose far end is made inside the container's network namespace, its host end joined
// to the bridge. One request together with the shim; a failure of any later operation takes the pair away again.
// Nothing here looks at the kernel: what must be known (the bridge's index, names, addresses) comes in.

import { ipBytes, macText } from "../../linux/netlink/address.ts";
import { delLink, newVeth, setBridgePort, setLink } from "../../linux/netlink/link.ts";
import { NETLINK_ROUTE, netlinkOp } from "../../linux/netlink/message.ts";
import { defaultRoute, newAddress } from "../../linux/netlink/route.ts";
import { HOST_NS, type Op, type Register, host } from "../../linux/ops.ts";

/** Register of the start request that the plan fills with the host's own namespace. */
export const HOST_NS_REGISTER: Register = 31;

/** Everything an endpoint is made of. */
export interface EndpointPlan {
  /** Index of the bridge device. */
  bridgeIndex: number;
  mtu: number;
  /** Ports of the bridge do not reach each other (`com.docker.network.bridge.enable_icc=false`). */
  isIsolated: boolean;
  /** Register that holds the container's namespace. */
  netnsReg: Register;
  hostIfName: string;
  /** Alias of the host's end, by which an orphan is known. */
  alias: string;
  /** Name inside the container, "eth0". */
  ifName: string;
  /** Interface address, "172.17.0.2/16". */
  address: string;
  mac: string;
  /** Next hop of the default route; absent on internal networks and further networks of a container. */
  gateway?: string;
  /** The kernel has IPv6: it is switched off on the new device, so that no neighbour can configure it by advertisements. */
  hasIpv6: boolean;
}

/** Docker's hardware address for an IPv4 address: 02:42 and the address. */
export function macForIp(ip: string): string {
  const bytes = ipBytes(ip);
  return macText(Uint8Array.of(0x02, 0x42, ...bytes.subarray(bytes.length - 4)));
}

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

/** Operations that make the endpoint. Errno of the operations: EEXIST for a taken host name, ENODEV without the bridge. */
export function planEndpoint(p: EndpointPlan): Op[] {
  const index = interfaceIndex(p.ifName);
  const inside = [newAddress(index, p.address), setLink({ index }, { isUp: true })];
  if (p.gateway !== undefined) inside.push(defaultRoute(p.gateway, index));
  return [
    host.netnsOpen(HOST_NS_REGISTER, "/proc/self/ns/net"),
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
      setBridgePort({ name: p.hostIfName }, { hairpin: true, isolated: p.isIsolated, isUp: true }),
    ]),
    ...(p.hasIpv6 ? [host.sysctlHost(p.netnsReg, `net/ipv6/conf/${p.ifName}/disable_ipv6`, "1")] : []),
    netlinkOp(NETLINK_ROUTE, p.netnsReg, inside),
  ];
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
