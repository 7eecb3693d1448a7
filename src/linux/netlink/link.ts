// Network devices over rtnetlink: builders for RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK and RTM_GETLINK messages and
// the decoder of link dumps. Messages are data; ../ops.ts host.netlink sends them.
// Source: rtnetlink(7), include/uapi/linux/if_link.h, drivers/net/veth.c for the peer.

import type { Register } from "../ops.ts";
import { AF_INET6, macBytes, macText } from "./address.ts";
import {
  type Attr,
  type Message,
  NLM_F,
  decodeAttrs,
  decodeMessages,
  descriptor,
  flag,
  nest,
  nestAfter,
  raw,
  readText,
  readU32,
  text,
  u8,
  u16,
  u32,
} from "./message.ts";

const RTM = { newLink: 16, delLink: 17, getLink: 18, setLink: 19 } as const;
const IFLA = {
  address: 1,
  ifname: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkinfo: 18,
  netNsFd: 28,
  ifalias: 20,
  afSpec: 26,
} as const;
const IFLA_INFO = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
const VETH_INFO_PEER = 1;
const IFLA_MACVLAN_MODE = 1;
const IFLA_IPVLAN = { mode: 1, flags: 2 } as const;
const IPVLAN_MODE = { l2: 0, l3: 1, l3s: 2 } as const;
const IPVLAN_FLAG = { bridge: 0, private: 1, vepa: 2 } as const;
const MACVLAN_MODE = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
const IFLA_BRPORT = {
  mode: 4,
  learning: 8,
  unicastFlood: 9,
  flush: 24,
  multicastFlood: 27,
  broadcastFlood: 30,
  isolated: 33,
} as const;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;

/** Device flags (ifi_flags), netdevice(7). */
export const IFF_UP = 0x1;
export const IFF_LOOPBACK = 0x8;

/** How a message names a device that exists: by index or, in set and delete requests, by name. */
export type LinkRef = { index: number } | { name: string };

/** What can be given to a new device or changed on an existing one. */
export interface LinkSettings {
  /** New name (an existing device is renamed). */
  name?: string;
  /** "02:42:ac:11:00:02" */
  mac?: string;
  mtu?: number;
  /** Index of the bridge to join; 0 leaves it. */
  master?: number;
  /** Free text shown by `ip link`, at most 255 bytes. The kernel takes it only for existing devices. */
  alias?: string;
  isUp?: boolean;
  /** False keeps the kernel from giving the device an IPv6 link-local address. Only for existing devices. */
  hasLinkLocal?: boolean;
}

function ifinfomsg(index: number, isUp: boolean | undefined): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, index, true);
  view.setUint32(8, isUp ? IFF_UP : 0, true);
  view.setUint32(12, isUp === undefined ? 0 : IFF_UP, true);
  return bytes;
}

function settingAttrs(s: LinkSettings): Attr[] {
  const attrs: Attr[] = [];
  if (s.name !== undefined) attrs.push(text(IFLA.ifname, s.name));
  if (s.mac !== undefined) attrs.push(raw(IFLA.address, macBytes(s.mac)));
  if (s.mtu !== undefined) attrs.push(u32(IFLA.mtu, s.mtu));
  if (s.alias !== undefined) attrs.push(text(IFLA.ifalias, s.alias));
  if (s.master !== undefined) attrs.push(u32(IFLA.master, s.master));
  if (s.hasLinkLocal === false)
    attrs.push(nest(IFLA.afSpec, [nest(AF_INET6, [u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE)])]));
  return attrs;
}

const CREATE = NLM_F.request | NLM_F.ack | NLM_F.create | NLM_F.excl;
const CHANGE = NLM_F.request | NLM_F.ack;

/** Creates a bridge device; EEXIST when the name is taken. */
export function newBridge(settings: LinkSettings & { name: string }): Message {
  return {
    type: RTM.newLink,
    flags: CREATE,
    header: ifinfomsg(0, settings.isUp),
    attrs: [...settingAttrs(settings), nest(IFLA.linkinfo, [text(IFLA_INFO.kind, "bridge")])],
  };
}

/** One end of a veth pair. */
export interface VethEnd extends LinkSettings {
  name: string;
  /** Register of the namespace that the end is made in; absent: where the message is sent. */
  netns?: Register;
  /** Index to be taken; EBUSY when it is not free. The kernel heeds it only on the near end or with one there. */
  index?: number;
}

/**
 * Creates a veth pair: `near` where the message is sent (or in its netns), `far` in its own `netns`. Both ends are made
 * in place: moving a device between namespaces would cost several RCU grace periods.
 */
export function newVeth(near: VethEnd, far: VethEnd): Message {
  const netns = (end: VethEnd): Attr[] =>
    end.netns === undefined ? [] : [descriptor(IFLA.netNsFd, end.netns)];
  const peer = settingAttrs(far).concat(netns(far));
  return {
    type: RTM.newLink,
    flags: CREATE,
    header: ifinfomsg(near.index ?? 0, near.isUp),
    attrs: [
      ...settingAttrs(near),
      ...netns(near),
      nest(IFLA.linkinfo, [
        text(IFLA_INFO.kind, "veth"),
        nest(IFLA_INFO.data, [nestAfter(VETH_INFO_PEER, ifinfomsg(far.index ?? 0, far.isUp), peer)]),
      ]),
    ],
  };
}

/** How macvlan devices of one parent reach each other: not at all, by an outside switch, directly, or there is only one. */
export type MacvlanMode = keyof typeof MACVLAN_MODE;

/** Layer at which ipvlan devices of one parent take part, and how they reach each other. */
export type IpvlanMode = keyof typeof IPVLAN_MODE;
export type IpvlanFlag = keyof typeof IPVLAN_FLAG;

/** A device on another one. */
interface ChildDevice extends LinkSettings {
  name: string;
  index: number;
  /** Register of the namespace that it is made in. */
  netns: Register;
  /** Index of the device that it stands on, where the message is sent. */
  parent: number;
}

/** A macvlan device. */
export interface Macvlan extends ChildDevice {
  mode: MacvlanMode;
}

/** An ipvlan device: it has its parent's hardware address. */
export interface Ipvlan extends ChildDevice {
  mode: IpvlanMode;
  flag: IpvlanFlag;
}

/** Creates a macvlan device in another namespace; ENODEV without the parent, EBUSY or EINVAL when the parent cannot have one. */
export const newMacvlan = (d: Macvlan): Message =>
  newChild(d, "macvlan", [u32(IFLA_MACVLAN_MODE, MACVLAN_MODE[d.mode])]);

/** Creates an ipvlan device; EOPNOTSUPP on a kernel without, else as newMacvlan. */
export const newIpvlan = (d: Ipvlan): Message =>
  newChild(d, "ipvlan", [
    u16(IFLA_IPVLAN.mode, IPVLAN_MODE[d.mode]),
    u16(IFLA_IPVLAN.flags, IPVLAN_FLAG[d.flag]),
  ]);

const newChild = (d: ChildDevice, kind: string, data: readonly Attr[]): Message => ({
  type: RTM.newLink,
  flags: CREATE,
  header: ifinfomsg(d.index, d.isUp),
  attrs: [
    ...settingAttrs(d),
    u32(IFLA.link, d.parent),
    descriptor(IFLA.netNsFd, d.netns),
    nest(IFLA.linkinfo, [text(IFLA_INFO.kind, kind), nest(IFLA_INFO.data, data)]),
  ],
});

/** Changes an existing device. ENODEV when there is none. */
export function setLink(ref: LinkRef, settings: LinkSettings): Message {
  const byName = "name" in ref;
  return {
    type: RTM.setLink,
    flags: CHANGE,
    header: ifinfomsg(byName ? 0 : ref.index, settings.isUp),
    attrs: [...(byName ? [text(IFLA.ifname, ref.name)] : []), ...settingAttrs(settings)],
  };
}

/**
 * Moves a device into the namespace that `netns` holds, where it is called `name`: what its own name means there is in nobody's way.
 * The kernel takes the device down and its addresses away. EEXIST when the name is taken; the device has moved by then, under its
 * own name, if that is another one and free.
 */
export function moveLink(index: number, name: string, netns: Register): Message {
  const attrs = [text(IFLA.ifname, name), descriptor(IFLA.netNsFd, netns)];
  return { type: RTM.setLink, flags: CHANGE, header: ifinfomsg(index, undefined), attrs };
}

/** Settings of a bridge port. */
export interface PortSettings {
  /** A frame may leave through the port it came from: a container that talks to its own published port. */
  hairpin?: boolean;
  /** Isolated ports do not reach each other, only the bridge and ports that are not isolated. */
  isolated?: boolean;
  isUp?: boolean;
  /**
   * The bridge forgets the addresses behind the port, learns no new ones and sends nothing there any more. Unlike taking
   * the device down or off the bridge this waits for no RCU grace period (and a disabled port would enable itself again).
   */
  isCut?: boolean;
}

/**
 * Changes a device that is a bridge's port already, and with `isUp` brings it up. RTM_NEWLINK without NLM_F_CREATE,
 * because RTM_SETLINK ignores a port's settings, and the AF_BRIDGE form knows devices by index only.
 */
export function setBridgePort(ref: LinkRef, settings: PortSettings): Message {
  const byName = "name" in ref;
  const data: Attr[] = [];
  if (settings.hairpin !== undefined) data.push(u8(IFLA_BRPORT.mode, settings.hairpin ? 1 : 0));
  if (settings.isolated !== undefined) data.push(u8(IFLA_BRPORT.isolated, settings.isolated ? 1 : 0));
  if (settings.isCut) {
    const { learning, unicastFlood, multicastFlood, broadcastFlood } = IFLA_BRPORT;
    data.push(
      ...[learning, unicastFlood, multicastFlood, broadcastFlood].map((a) => u8(a, 0)),
      flag(IFLA_BRPORT.flush),
    );
  }
  return {
    type: RTM.newLink,
    flags: CHANGE,
    header: ifinfomsg(byName ? 0 : ref.index, settings.isUp),
    attrs: [
      ...(byName ? [text(IFLA.ifname, ref.name)] : []),
      nest(IFLA.linkinfo, [text(IFLA_INFO.slaveKind, "bridge"), nest(IFLA_INFO.slaveData, data)]),
    ],
  };
}

/** Deletes a device (for a veth also its peer). ENODEV when there is none. */
export function delLink(ref: LinkRef): Message {
  const byName = "name" in ref;
  return {
    type: RTM.delLink,
    flags: CHANGE,
    header: ifinfomsg(byName ? 0 : ref.index, undefined),
    attrs: byName ? [text(IFLA.ifname, ref.name)] : [],
  };
}

/** Asks for all devices; decodeLinks reads the answer. */
export function dumpLinks(): Message {
  return { type: RTM.getLink, flags: NLM_F.request | NLM_F.dump, header: ifinfomsg(0, undefined), attrs: [] };
}

/** Asks for one device; ENODEV when there is none. */
export function getLink(ref: LinkRef): Message {
  const byName = "name" in ref;
  return {
    type: RTM.getLink,
    flags: CHANGE, // with an ack, which tells keel that the answer is complete
    header: ifinfomsg(byName ? 0 : ref.index, undefined),
    attrs: byName ? [text(IFLA.ifname, ref.name)] : [],
  };
}

/** A network device as the kernel describes it. */
export interface Link {
  index: number;
  name: string;
  /** "bridge", "veth", "vxlan"…; "" for physical devices. */
  kind: string;
  mac: string;
  mtu: number;
  alias: string;
  /** Index of the bridge it belongs to, 0 for none. */
  master: number;
  isUp: boolean;
  isLoopback: boolean;
}

/** Decodes the answers to getLink and dumpLinks. */
export function decodeLinks(bytes: Uint8Array): Link[] {
  return decodeMessages(bytes)
    .filter((m) => m.type === RTM.newLink && m.body.length >= 16)
    .map(({ body }) => {
      const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
      const flags = view.getUint32(8, true);
      const attrs = decodeAttrs(body, 16);
      const info = attrs.get(IFLA.linkinfo);
      return {
        index: view.getInt32(4, true),
        name: readText(attrs.get(IFLA.ifname)),
        kind: info === undefined ? "" : readText(decodeAttrs(info).get(IFLA_INFO.kind)),
        mac: macText(attrs.get(IFLA.address) ?? new Uint8Array(0)),
        mtu: readU32(attrs.get(IFLA.mtu)),
        alias: readText(attrs.get(IFLA.ifalias)),
        master: readU32(attrs.get(IFLA.master)),
        isUp: (flags & IFF_UP) !== 0,
        isLoopback: (flags & IFF_LOOPBACK) !== 0,
      };
    });
}
