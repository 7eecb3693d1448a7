// Devices of the macvlan and ipvlan drivers: which parent a network's endpoints stand on, and the plan of one endpoint. The device is
// made in the host's namespace with the container's as its home, so that nothing has to be moved. Pure.

import { Fault } from "../../lib/errors.ts";
import {
  type Link,
  type IpvlanFlag,
  type IpvlanMode,
  type MacvlanMode,
  delLink,
  newIpvlan,
  newMacvlan,
  newVeth,
  setLink,
} from "../../linux/netlink/link.ts";
import { NETLINK_ROUTE, netlinkOp } from "../../linux/netlink/message.ts";
import { HOST_NS, type Op, host } from "../../linux/ops.ts";
import { type InsidePlan, interfaceIndex, planInside } from "../sandbox/endpoint.ts";
import type { DeviceOwner } from "../bridge/device.ts";

export type { IpvlanFlag, IpvlanMode, MacvlanMode } from "../../linux/netlink/link.ts";

/** What devices a network's containers have: with hardware addresses of their own, or with the parent's. */
export type ChildKind =
  | { kind: "macvlan"; mode: MacvlanMode }
  | { kind: "ipvlan"; mode: IpvlanMode; flag: IpvlanFlag };

/** A macvlan or ipvlan network. */
export interface MacvlanNetwork {
  id: string;
  /** Device of the host, "" for a private segment without a way out. */
  parent: string;
  child: ChildKind;
  /** 0: the parent's. */
  mtu: number;
  subnets: readonly { subnet: string; gateway: string }[];
  internal: boolean;
}

/** Alias of both ends of the pair that stands for a missing parent. */
const segmentAlias = (o: DeviceOwner): string => `berth:${o.owner}/segment/${o.networkId}`;

/** The network whose missing parent a device stands for, undefined for other devices and other daemons'. */
export function networkOfSegment(link: Link, owner: string): string | undefined {
  const front = `berth:${owner}/segment/`;
  return link.alias.startsWith(front) ? link.alias.slice(front.length) : undefined;
}

/** Name of the device that stands for a missing parent. compat: docker's form. */
export const segmentName = (networkId: string): string => `dm-${networkId.slice(0, 12)}`;

/**
 * Returns the parent's index, undefined when the segment's own device has to be made. Throws Fault invalidParameter
 * `network.parent` when the named one is not there.
 */
export function parentOf(
  links: readonly Link[],
  network: MacvlanNetwork,
  owner: DeviceOwner,
): number | undefined {
  if (network.parent === "")
    return links.find((l) => l.name === segmentName(network.id) && l.alias === segmentAlias(owner))?.index;
  const parent = links.find((l) => l.name === network.parent);
  if (parent?.name === "lo")
    throw new Fault(
      "invalidParameter",
      `loopback interface is not a valid ${network.child.kind} parent link`,
      { code: "network.parent", detail: { parent: "lo" } },
    );
  if (parent !== undefined) return parent.index;
  const isVlan = /^.+\.\d+$/.test(network.parent);
  throw new Fault(
    "invalidParameter",
    isVlan
      ? `the parent interface ${network.parent} was not found; make the VLAN device first (ip link add link ${network.parent.replace(/\.\d+$/, "")} name ${network.parent} type vlan id ${network.parent.split(".").at(-1)})`
      : `the parent interface was not found on the host: ${network.parent}`,
    { code: "network.parent", detail: { parent: network.parent } },
  );
}

/** Makes the device that stands for a missing parent: one end of a pair whose other end nobody uses, so that it has a carrier. */
export function planSegment(owner: DeviceOwner): Op[] {
  const name = segmentName(owner.networkId);
  const far = `dn-${owner.networkId.slice(0, 12)}`;
  return [
    netlinkOp(NETLINK_ROUTE, HOST_NS, [
      newVeth({ name }, { name: far }),
      setLink({ name: far }, { isUp: true, alias: segmentAlias(owner) }),
      setLink({ name }, { isUp: true, alias: segmentAlias(owner) }),
    ]),
    host.onFailure(netlinkOp(NETLINK_ROUTE, HOST_NS, [delLink({ name })])),
  ];
}

/** Removes that device; ENODEV when there is none. */
export const planRemoveSegment = (networkId: string): Op[] => [
  netlinkOp(NETLINK_ROUTE, HOST_NS, [delLink({ name: segmentName(networkId) })]),
];

/** Everything a macvlan endpoint is made of. */
export interface MacvlanEndpoint extends InsidePlan {
  parentIndex: number;
  child: ChildKind;
  /** Not of ipvlan devices. */
  mac: string;
  mtu: number;
}

/** Operations that make the endpoint; the kernel removes it with the namespace. */
export function planMacvlan(p: MacvlanEndpoint): Op[] {
  const index = interfaceIndex(p.ifName);
  const device = {
    name: p.ifName,
    index,
    netns: p.netnsReg,
    parent: p.parentIndex,
    ...(p.mtu === 0 ? {} : { mtu: p.mtu }),
  };
  return [
    netlinkOp(NETLINK_ROUTE, HOST_NS, [
      p.child.kind === "macvlan"
        ? newMacvlan({ ...device, mode: p.child.mode, mac: p.mac })
        : newIpvlan({ ...device, mode: p.child.mode, flag: p.child.flag }),
    ]),
    host.onFailure(netlinkOp(NETLINK_ROUTE, p.netnsReg, [delLink({ index })])),
    ...planInside(p),
  ];
}

/** Makes an ipvlan device in a namespace that goes with the request: EOPNOTSUPP tells a kernel without, EBUSY a parent in other use. */
export const planTryIpvlan = (parentIndex: number, child: ChildKind & { kind: "ipvlan" }): Op[] => [
  host.netnsNew(0),
  netlinkOp(NETLINK_ROUTE, HOST_NS, [
    newIpvlan({ ...child, name: "try0", index: interfaceIndex("try0"), netns: 0, parent: parentIndex }),
  ]),
];
