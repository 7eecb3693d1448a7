// The kernel's notifications of what was taken from devices: themselves, their state, addresses, routes, ports of bridges, and
// forwarding.
// Source: rtnetlink(7), linux/rtnetlink.h, linux/netconf.h.

import { AF_INET, AF_INET6, type Family } from "./address.ts";
import { decodeAttrs, decodeMessages, readText, readU32 } from "./message.ts";

const RTM = { newLink: 16, delLink: 17, delAddr: 21, delRoute: 25, newNetconf: 80 } as const;
const GROUP = {
  link: 1,
  ipv4Address: 5,
  ipv4Route: 7,
  ipv6Address: 9,
  ipv6Route: 11,
  ipv4Netconf: 24,
  ipv6Netconf: 25,
} as const;
const AF_UNSPEC = 0;
const AF_BRIDGE = 7;
const IFF_UP = 1;
const IFLA_IFNAME = 3;
const RTA_OIF = 4;
const NETCONFA = { ifIndex: 1, forwarding: 2 } as const;
/** Stands for all devices in netconf messages. */
const ALL_DEVICES = 0xffff_ffff;

/** Multicast groups and message types of what `readRemovals` understands. */
export const LINK_REMOVALS = {
  groups: Object.values(GROUP) as readonly number[],
  types: Object.values(RTM) as readonly number[],
} as const;

/**
 * What was taken away: a device, or an address or a route of it; a port from its bridge; forwarding of a family from the host. Whenever
 * something of a device changes it is told whether it is up.
 */
export type Removal =
  | { kind: "device"; index: number }
  | { kind: "state"; index: number; isUp: boolean }
  | { kind: "port"; name: string }
  | { kind: "forwarding"; family: Family };

/** Returns what was taken away, in order. A port leaves its bridge before it is removed itself. */
export function readRemovals(bytes: Uint8Array): Removal[] {
  return decodeMessages(bytes).flatMap(({ type, body }): Removal[] => {
    if (type === RTM.newNetconf)
      return isForwardingOff(body)
        ? [{ kind: "forwarding", family: body[0] === AF_INET6 ? AF_INET6 : AF_INET }]
        : [];
    if (body.length < 8) return [];
    if (type === RTM.delRoute) {
      const device = decodeAttrs(body, 12).get(RTA_OIF);
      return device === undefined ? [] : [{ kind: "device", index: readU32(device) }];
    }
    if (type === RTM.delLink && body[0] === AF_BRIDGE)
      return [{ kind: "port", name: readText(decodeAttrs(body, 16).get(IFLA_IFNAME)) }];
    if (type === RTM.newLink) {
      if (body.length < 16 || body[0] !== AF_UNSPEC) return [];
      const isUp = (readU32(body.subarray(8)) & IFF_UP) !== 0;
      return [{ kind: "state", index: readU32(body.subarray(4)), isUp }];
    }
    const isGone = type === RTM.delAddr || (type === RTM.delLink && body[0] === AF_UNSPEC);
    // ifinfomsg and ifaddrmsg both have the index at offset 4.
    return isGone ? [{ kind: "device", index: readU32(body.subarray(4)) }] : [];
  });
}

function isForwardingOff(body: Uint8Array): boolean {
  const attrs = decodeAttrs(body, 4);
  const forwarding = attrs.get(NETCONFA.forwarding);
  return (
    readU32(attrs.get(NETCONFA.ifIndex)) === ALL_DEVICES &&
    forwarding !== undefined &&
    readU32(forwarding) === 0
  );
}
