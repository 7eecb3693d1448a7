// Addresses, routes and neighbours over rtnetlink: message builders and the decoders of address and route dumps.
// Messages are data; ../ops.ts host.netlink sends them. Devices are named by index: the kernel offers nothing else here.
// Source: rtnetlink(7), include/uapi/linux/{rtnetlink,if_addr,neighbour}.h.

import {
  AF_INET,
  AF_INET6,
  type Family,
  type Prefix,
  familyOf,
  ipBytes,
  ipFromNumber,
  ipNumber,
  ipText,
  macBytes,
  parseInterface,
  prefixText,
  prefixSize,
  widthOf,
} from "./address.ts";
import { type Attr, type Message, NLM_F, decodeAttrs, decodeMessages, raw, readU32, u32 } from "./message.ts";

const RTM = {
  newAddr: 20,
  delAddr: 21,
  getAddr: 22,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
  newNeigh: 28,
  delNeigh: 29,
};
const IFA = { address: 1, local: 2, broadcast: 4, flags: 8 } as const;
const IFA_F_NODAD = 0x02;
const IFA_F_PERMANENT = 0x80;
const RTA = { dst: 1, oif: 4, gateway: 5, priority: 6, prefsrc: 7, table: 15 } as const;
const NDA = { dst: 1, lladdr: 2 } as const;
const NUD_PERMANENT = 0x80;
const RT_TABLE_MAIN = 254;
const RTPROT = { kernel: 2, boot: 3 } as const;
/** Of the routes that the kernel makes of IPv6 addresses (IP6_RT_PRIO_ADDRCONF). */
const IPV6_PREFIX_METRIC = 256;
const RT_SCOPE = { universe: 0, link: 253 } as const;
const RTN_UNICAST = 1;

const ADD = NLM_F.request | NLM_F.ack | NLM_F.create | NLM_F.excl;
const REPLACE = NLM_F.request | NLM_F.ack | NLM_F.create | NLM_F.replace;
const CHANGE = NLM_F.request | NLM_F.ack;

function addressMessage(type: number, flags: number, index: number, cidr: string): Message {
  const { ip, prefix } = parseInterface(cidr);
  const header = new Uint8Array(8);
  header[0] = prefix.family;
  header[1] = prefix.length;
  new DataView(header.buffer).setUint32(4, index, true);
  const local = ipBytes(ip);
  const attrs: Attr[] = [raw(IFA.local, local), raw(IFA.address, local)];
  if (prefix.family === AF_INET6) attrs.push(u32(IFA.flags, IFA_F_NODAD));
  else if (prefix.length < 31) attrs.push(raw(IFA.broadcast, ipBytes(lastAddress(prefix))));
  return { type, flags, header, attrs };
}

const lastAddress = (p: Prefix): string => ipFromNumber(p.base + prefixSize(p) - 1n, p.family);

/** Gives a device the interface address "172.17.0.2/16"; the same address again is fine. IPv6 without duplicate detection. */
export const newAddress = (index: number, cidr: string): Message =>
  addressMessage(RTM.newAddr, REPLACE, index, cidr);

/** Takes an address away; EADDRNOTAVAIL when it is not there. */
export const delAddress = (index: number, cidr: string): Message =>
  addressMessage(RTM.delAddr, CHANGE, index, cidr);

/** Asks for all addresses of a family; decodeAddresses reads the answer. */
export function dumpAddresses(family: Family | 0 = 0): Message {
  const header = new Uint8Array(8);
  header[0] = family;
  return { type: RTM.getAddr, flags: NLM_F.request | NLM_F.dump, header, attrs: [] };
}

/** An interface address. */
export interface InterfaceAddress {
  /** Index of the device. */
  index: number;
  family: Family;
  ip: string;
  prefixLength: number;
  /** Somebody gave it for good: neither the kernel's own for a while nor one that is still being looked for elsewhere. */
  isPermanent: boolean;
  /** Valid beyond the link and the host. */
  isGlobal: boolean;
}

/** Decodes the answer to dumpAddresses. */
export function decodeAddresses(bytes: Uint8Array): InterfaceAddress[] {
  return decodeMessages(bytes).flatMap(({ type, body }) => {
    if (type !== RTM.newAddr || body.length < 8 || !isInternet(body[0])) return [];
    const attrs = decodeAttrs(body, 8);
    const ip = attrs.get(IFA.local) ?? attrs.get(IFA.address);
    if (ip === undefined) return [];
    return [
      {
        index: readU32(body.subarray(4)),
        family: body[0],
        ip: ipText(ip),
        prefixLength: body[1] as number,
        isPermanent: ((body[2] as number) & IFA_F_PERMANENT) !== 0,
        isGlobal: body[3] === RT_SCOPE.universe,
      },
    ];
  });
}

const isInternet = (family: number | undefined): family is Family =>
  family === AF_INET || family === AF_INET6;

/** A unicast route of the main table. */
export interface Route {
  family: Family;
  /** CIDR; "0.0.0.0/0" or "::/0" is the default route. */
  destination: string;
  /** Next hop; absent for directly connected networks. */
  gateway?: string;
  /** Index of the outgoing device; 0 lets the kernel find it by the gateway. */
  index: number;
  /** Preferred source address. */
  source?: string;
  metric?: number;
}

function routeMessage(
  type: number,
  flags: number,
  route: Omit<Route, "family">,
  protocol: number = RTPROT.boot,
): Message {
  const { ip, prefix } = parseInterface(route.destination);
  const header = new Uint8Array(12);
  header[0] = prefix.family;
  header[1] = prefix.length;
  header[4] = RT_TABLE_MAIN;
  header[5] = protocol;
  header[6] = route.gateway === undefined && prefix.family === AF_INET ? RT_SCOPE.link : RT_SCOPE.universe;
  header[7] = RTN_UNICAST;
  const attrs: Attr[] = [];
  if (prefix.length > 0) attrs.push(raw(RTA.dst, ipBytes(ip)));
  if (route.gateway !== undefined) attrs.push(raw(RTA.gateway, ipBytes(route.gateway)));
  if (route.index !== 0) attrs.push(u32(RTA.oif, route.index));
  if (route.source !== undefined) attrs.push(raw(RTA.prefsrc, ipBytes(route.source)));
  if (route.metric !== undefined) attrs.push(u32(RTA.priority, route.metric));
  return { type, flags, header, attrs };
}

/** Adds a route; EEXIST when it is there, ENETUNREACH when the gateway cannot be reached. */
export const newRoute = (route: Omit<Route, "family">): Message => routeMessage(RTM.newRoute, ADD, route);

/** Adds the route that the kernel makes of a device's address ("10.1.0.1/16"), as the kernel does: it goes with the address. */
export function prefixRoute(index: number, address: string): Message {
  const { ip, prefix } = parseInterface(address);
  const family = prefix.family === AF_INET ? { source: ip } : { metric: IPV6_PREFIX_METRIC };
  return routeMessage(
    RTM.newRoute,
    ADD,
    { destination: prefixText(prefix), index, ...family },
    RTPROT.kernel,
  );
}

/** Removes a route; ESRCH when it is not there. */
export const delRoute = (route: Omit<Route, "family">): Message => routeMessage(RTM.delRoute, CHANGE, route);

/** The default route by a gateway. */
export const defaultRoute = (gateway: string, index = 0): Message =>
  newRoute({ destination: familyOf(gateway) === AF_INET ? "0.0.0.0/0" : "::/0", gateway, index });

/** Removes the default route by a gateway; ESRCH when it is not there. */
export const delDefaultRoute = (gateway: string, index = 0): Message =>
  delRoute({ destination: familyOf(gateway) === AF_INET ? "0.0.0.0/0" : "::/0", gateway, index });

/**
 * Asks for all routes of a family; decodeRoutes reads the answer. Unicast routes only, where the kernel heeds that (Linux 4.20): every device
 * that is up has one for IPv6 multicast.
 */
export function dumpRoutes(family: Family): Message {
  const header = new Uint8Array(12);
  header[0] = family;
  header[7] = RTN_UNICAST;
  return { type: RTM.getRoute, flags: NLM_F.request | NLM_F.dump, header, attrs: [] };
}

/** Decodes the answer to dumpRoutes: the unicast routes of the main table. */
export function decodeRoutes(bytes: Uint8Array): Route[] {
  return decodeMessages(bytes).flatMap(({ type, body }) => {
    const family = body[0];
    if (type !== RTM.newRoute || body.length < 12 || !isInternet(family) || body[7] !== RTN_UNICAST)
      return [];
    const attrs = decodeAttrs(body, 12);
    if ((attrs.has(RTA.table) ? readU32(attrs.get(RTA.table)) : body[4]) !== RT_TABLE_MAIN) return [];
    return [routeOf(family, body[1] as number, attrs)];
  });
}

function routeOf(family: Family, length: number, attrs: ReadonlyMap<number, Uint8Array>): Route {
  const destination = ipText(attrs.get(RTA.dst) ?? new Uint8Array(widthOf(family) / 8));
  const gateway = attrs.get(RTA.gateway);
  const source = attrs.get(RTA.prefsrc);
  return {
    family,
    destination: `${destination}/${length}`,
    index: readU32(attrs.get(RTA.oif)),
    ...(gateway === undefined ? {} : { gateway: ipText(gateway) }),
    ...(source === undefined ? {} : { source: ipText(source) }),
    ...(attrs.has(RTA.priority) ? { metric: readU32(attrs.get(RTA.priority)) } : {}),
  };
}

function neighbourMessage(
  type: number,
  flags: number,
  index: number,
  ip: string,
  mac: string | undefined,
): Message {
  const header = new Uint8Array(12);
  const view = new DataView(header.buffer);
  header[0] = familyOf(ip);
  view.setInt32(4, index, true);
  view.setUint16(8, NUD_PERMANENT, true);
  const attrs = [raw(NDA.dst, ipBytes(ip))];
  if (mac !== undefined) attrs.push(raw(NDA.lladdr, macBytes(mac)));
  return { type, flags, header, attrs };
}

/** Adds or replaces a permanent neighbour entry. */
export const newNeighbour = (index: number, ip: string, mac: string): Message =>
  neighbourMessage(RTM.newNeigh, REPLACE, index, ip, mac);

/** Removes a neighbour entry; ENOENT when it is not there. */
export const delNeighbour = (index: number, ip: string): Message =>
  neighbourMessage(RTM.delNeigh, CHANGE, index, ip, undefined);

/** Reads a prefix out of a route, for conflict checks. */
export const routePrefix = (route: Route): Prefix => parseInterface(route.destination).prefix;

/** Reads the network an interface address belongs to, for conflict checks. */
export const addressPrefix = (a: InterfaceAddress): Prefix => {
  const hostBits = BigInt(widthOf(a.family) - a.prefixLength);
  return { family: a.family, base: (ipNumber(a.ip) >> hostBits) << hostBits, length: a.prefixLength };
};
