// What the network floor reads of the host: devices, addresses and routes through keel, and a few facts from procfs.
// Reading only. One home for it, so that planners stay pure.

import { readFile, readdir } from "node:fs/promises";
import { SysError } from "../lib/errors.ts";
import { AF_INET, AF_INET6, type Prefix, widthOf } from "../linux/netlink/address.ts";
import { type Link, decodeLinks, dumpLinks, getLink } from "../linux/netlink/link.ts";
import { type Message, NETLINK_ROUTE, netlinkOp } from "../linux/netlink/message.ts";
import {
  type InterfaceAddress,
  type Route,
  addressPrefix,
  decodeAddresses,
  decodeRoutes,
  dumpAddresses,
  dumpRoutes,
  routePrefix,
} from "../linux/netlink/route.ts";
import { HOST_NS, type Op, host } from "../linux/ops.ts";
import type { Keel } from "../linux/keel.ts";
import type { TakenPrefix } from "./ipam/subnet.ts";

const ENODEV = 19;
/** More devices than this are not asked for one by one. */
const MAX_ASKED = 100;

/** A moment's view of the host's network. */
export interface HostState {
  links: Link[];
  addresses: InterfaceAddress[];
  routes: Route[];
}

/** Reads devices, addresses and routes. */
export function readHostState(keel: Keel): Promise<HostState> {
  return readState(keel, [dumpLinks()]);
}

/** Runs nothing after a message of `ofLinks` that fails. */
async function readState(keel: Keel, ofLinks: readonly Message[]): Promise<HostState> {
  const messages = [...ofLinks, dumpAddresses(), dumpRoutes(AF_INET), dumpRoutes(AF_INET6)];
  const { results } = await keel.run(messages.map((m) => netlinkOp(NETLINK_ROUTE, HOST_NS, [m])));
  const [routes6, routes4, addresses, ...links] = results.toReversed() as Uint8Array[];
  return {
    links: links.flatMap(decodeLinks),
    addresses: decodeAddresses(addresses as Uint8Array),
    routes: [routes4, routes6].flatMap((bytes) => decodeRoutes(bytes as Uint8Array)),
  };
}

/** Reads one device, with addresses and routes; nothing at all where it is not there. */
export async function readDeviceState(keel: Keel, name: string): Promise<HostState> {
  return (await ifThere(readState(keel, [getLink({ name })]))) ?? { links: [], addresses: [], routes: [] };
}

/** Reads one device; undefined where it is not there. */
export async function readLink(keel: Keel, name: string): Promise<Link | undefined> {
  return (await ifThere(readLinks(keel, [getLink({ name })])))?.[0];
}

async function readLinks(keel: Keel, messages: readonly Message[]): Promise<Link[]> {
  const { results } = await keel.run([netlinkOp(NETLINK_ROUTE, HOST_NS, messages)]);
  return decodeLinks(results[0] as Uint8Array);
}

/** Yields undefined where a device that was asked for is not there. */
async function ifThere<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof SysError && error.errno === ENODEV) return undefined;
    throw error;
  }
}

/** Prefixes that are in use on the host, by devices and by routes. */
export interface HostPrefixes {
  addresses: readonly TakenPrefix[];
  routes: readonly TakenPrefix[];
}

/**
 * Reads the prefixes that devices and routes of others occupy. Only devices that have any are asked for: those of containers have none, and
 * all of them together are a megabyte and a half of answers with a thousand. `known` are indexes of our own.
 */
export async function readTakenPrefixes(
  keel: Keel,
  known: ReadonlySet<number>,
  isOwn: (link: Link) => boolean,
): Promise<HostPrefixes> {
  const { addresses, routes } = await readState(keel, []);
  const indexes = new Set([...addresses, ...routes].map(({ index }) => index));
  const asked = [...indexes].filter((index) => index !== 0 && !known.has(index));
  const links = asked.length > MAX_ASKED ? undefined : await ifThere(readEach(keel, asked));
  // Where one has just gone all are read: it is none of them.
  return takenPrefixes({ links: links ?? (await readLinks(keel, [dumpLinks()])), addresses, routes }, isOwn);
}

const readEach = async (keel: Keel, indexes: readonly number[]): Promise<Link[]> =>
  indexes.length === 0
    ? []
    : readLinks(
        keel,
        indexes.map((index) => getLink({ index })),
      );

/**
 * Lists the prefixes that devices and routes of others occupy. `isOwn` tells devices that are ours, whose prefixes do
 * not count. Default routes and loopback are no conflict.
 */
export function takenPrefixes(state: HostState, isOwn: (link: Link) => boolean): HostPrefixes {
  const others = new Map(state.links.filter((l) => !isOwn(l) && !l.isLoopback).map((l) => [l.index, l.name]));
  const entry = (index: number, prefix: Prefix, what: string): TakenPrefix[] => {
    const device = others.get(index);
    return device === undefined || prefix.length === 0 ? [] : [{ prefix, holder: `${what} ${device}` }];
  };
  return {
    addresses: state.addresses
      .filter((a) => a.prefixLength < widthOf(a.family) && !isLinkLocal(a.ip))
      .flatMap((a) => entry(a.index, addressPrefix(a), "device")),
    routes: state.routes
      .filter((r) => !isLinkLocal(r.destination))
      .flatMap((r) => entry(r.index, routePrefix(r), "a route by")),
  };
}

/** Every device has these prefixes, and nobody's subnet is among them. */
const isLinkLocal = (ip: string): boolean => ip.startsWith("fe80:") || ip.startsWith("ff");

/** Facts that do not change while the daemon runs. */
export interface HostFacts {
  /** The kernel has IPv6 at all (it may be switched off per device). */
  hasIpv6: boolean;
  /** Sockets can be bound to IPv6 addresses: loopback has ::1. */
  canListenIpv6: boolean;
  /** net.ipv4.ip_local_port_range */
  ephemeral: readonly [first: number, last: number];
}

/** Reads the facts; what is missing gets the kernel's default. */
export async function readHostFacts(): Promise<HostFacts> {
  const [addresses, range] = await Promise.all([
    readFile("/proc/net/if_inet6", "utf8").catch(() => undefined), // ignored: the kernel has no IPv6
    readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8").catch(() => ""), // ignored: a default follows
  ]);
  const [first, last] = range.trim().split(/\s+/).map(Number);
  return {
    hasIpv6: addresses !== undefined,
    canListenIpv6: addresses?.includes("00000000000000000000000000000001 ") === true,
    ephemeral: first !== undefined && last !== undefined && first <= last ? [first, last] : [32768, 60999],
  };
}

/**
 * Operations that let the host forward IPv6. Forwarding makes the kernel ignore router advertisements unless told twice
 * (accept_ra 2), which would cost a host its own route: devices that listen to them go on doing so. None when it forwards already.
 */
export async function planIpv6Forwarding(): Promise<Op[]> {
  const conf = "/proc/sys/net/ipv6/conf";
  if ((await readFile(`${conf}/all/forwarding`, "utf8").catch(() => "1")).trim() !== "0") return []; // ignored: no IPv6
  const listening: Op[] = [];
  for (const name of await readdir(conf)) {
    const value = await readFile(`${conf}/${name}/accept_ra`, "utf8").catch(() => ""); // ignored: the device has gone
    if (value.trim() === "1" && name !== "all")
      listening.push(host.sysctlHost(HOST_NS, `net/ipv6/conf/${name}/accept_ra`, "2"));
  }
  return [...listening, host.sysctlHost(HOST_NS, "net/ipv6/conf/all/forwarding", "1")];
}
