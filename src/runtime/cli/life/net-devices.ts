// linux.netDevices: devices of the host's that become the container's (runtime-spec config-linux.md "Network Devices"). What a move takes
// from a device (its addresses) is noted before and given back behind it; what fails puts it back as it was. In a namespace that the
// container makes they go with it in the end, the physical ones back to the host: that is the kernel's.

import { Fault, SysError } from "../../../lib/errors.ts";
import {
  decodeLinks,
  dumpLinks,
  getLink,
  type Link,
  moveLink,
  setLink,
} from "../../../linux/netlink/link.ts";
import { aboutDevice, type Message, NETLINK_ROUTE, netlinkOp } from "../../../linux/netlink/message.ts";
import { decodeAddresses, dumpAddresses, newAddress } from "../../../linux/netlink/route.ts";
import { HOST_NS, host, type Op, type Register } from "../../../linux/ops.ts";
import { asBytes } from "../../../linux/wire.ts";
import { USERNS } from "../../plan/userns.ts";
import type { OciNamespaceType, OciSpec } from "../../spec/oci.ts";
import { runOps } from "./keel-run.ts";

/** A device of the host's that the specification names. */
export interface HostDevice {
  link: Link;
  /** "10.0.0.2/24": those that outlive the move. */
  addresses: string[];
  /** What it is called in the container. */
  inside: string;
  /** Nothing there has its present name. */
  isNameFree: boolean;
}

export interface NetDevicePlan {
  /** To be run before the launch. */
  ops: readonly Op[];
  /** The container's namespace, where an operation makes it. */
  netns?: Register;
  /** What is being done with which device, for each operation that may fail. */
  labels: ReadonlyMap<Op, string>;
}

/** Registers of the request, beside USERNS. */
const NETNS: Register = 27;
const HOME: Register = 28;
const JOINED_USERNS: Register = 29;

/** Looks for the devices on the host. `dir` is for a temporary file. Throws Fault notFound or invalidParameter. */
export function findNetDevices(
  spec: OciSpec,
  { dir, isRootless }: { dir: string; isRootless: boolean },
): HostDevice[] {
  const wanted = Object.entries(spec.linux?.netDevices ?? {});
  if (wanted.length === 0) return [];
  if (isRootless) throw refused("network devices are not supported for rootless containers");
  const path = pathOf(spec, "network");
  const links = wanted.map(([name]) => netlinkOp(NETLINK_ROUTE, HOST_NS, [getLink({ name })]));
  const there = path ? [host.netnsOpen(NETNS, path), netlinkOp(NETLINK_ROUTE, NETNS, [dumpLinks()])] : [];
  const ops = [...links, netlinkOp(NETLINK_ROUTE, HOST_NS, [dumpAddresses()]), ...there];
  const { results } = ask(ops, wanted, dir);
  const addresses = decodeAddresses(asBytes(results[wanted.length]));
  const taken = new Set(path ? decodeLinks(asBytes(results.at(-1))).map((link) => link.name) : []);
  return wanted.map(([name, { name: asked }], i) => {
    const inside = asked || name;
    const link = decodeLinks(asBytes(results[i]))[0];
    if (link === undefined) throw missing(name, undefined);
    if (link.isLoopback) throw refused(`network device ${name} is the loopback, which cannot be moved`);
    if (taken.has(inside))
      throw refused(`network device ${name}: the container's namespace has a device ${inside} already`);
    const own = addresses.filter((a) => a.index === link.index && a.isPermanent && a.isGlobal);
    return {
      link,
      inside,
      isNameFree: !taken.has(name),
      addresses: own.map((a) => `${a.ip}/${a.prefixLength}`),
    };
  });
}

function ask(ops: readonly Op[], wanted: readonly [string, unknown][], dir: string) {
  try {
    return runOps(ops, dir);
  } catch (error) {
    const name = error instanceof SysError && error.op === "netlink" ? wanted[error.index]?.[0] : undefined;
    throw name === undefined ? error : missing(name, error);
  }
}

const refused = (message: string): Fault =>
  new Fault("invalidParameter", message, { code: "container.net-device" });

function missing(name: string, cause: unknown): Fault {
  return new Fault("notFound", `network device ${name} is not in the runtime's namespace`, {
    code: "container.net-device",
    cause,
  });
}

/** Plans the moves. They come behind the making of the container's user namespace, to which a new network namespace belongs. */
export function planNetDevices(spec: OciSpec, devices: readonly HostDevice[]): NetDevicePlan {
  if (devices.length === 0) return { ops: [], labels: new Map() };
  const path = pathOf(spec, "network");
  const moves = devices.map((device) => ({ device, ops: planMove(device) }));
  const labels = new Map(
    moves.flatMap(({ device, ops }) =>
      ops.map((op) => [op, `move network device ${device.link.name} into the container`] as const),
    ),
  );
  return {
    ops: [
      host.netnsOpen(HOME, "/proc/self/ns/net"),
      ...(path ? [host.netnsOpen(NETNS, path)] : planNamespace(spec)),
      ...moves.flatMap(({ ops }) => ops),
    ],
    ...(path ? {} : { netns: NETNS }),
    labels,
  };
}

const pathOf = (spec: OciSpec, wanted: OciNamespaceType): string | undefined =>
  spec.linux?.namespaces?.find(({ type }) => type === wanted)?.path;

function planNamespace(spec: OciSpec): Op[] {
  if (!spec.linux?.namespaces?.some(({ type }) => type === "user")) return [host.netnsNew(NETNS)];
  const path = pathOf(spec, "user");
  if (!path) return [host.netnsNew(NETNS, USERNS)];
  return [host.usernsOpen(JOINED_USERNS, path), host.netnsNew(NETNS, JOINED_USERNS)];
}

function planMove({ link, inside, addresses, isNameFree }: HostDevice): Op[] {
  const send = (reg: Register, messages: readonly Message[]) => netlinkOp(NETLINK_ROUTE, reg, messages);
  const give = (name: string, reg: Register) =>
    addresses.map((address) => aboutDevice(newAddress(0, address), name, reg));
  const moveBack = (name: string) =>
    host.onFailure(send(NETNS, [aboutDevice(moveLink(0, link.name, HOME), name, NETNS)]));
  const state = { isUp: link.isUp, ...(link.master === 0 ? {} : { master: link.master }) };
  return [
    host.onFailure(send(HOST_NS, [...give(link.name, HOST_NS), setLink({ name: link.name }, state)])),
    // down first: whoever watches it on the host sees it go before it changes
    send(HOST_NS, [setLink({ name: link.name }, { isUp: false })]),
    // it may be there under its old name when the new one turns out to be taken
    ...(isNameFree && inside !== link.name ? [moveBack(link.name)] : []),
    send(HOST_NS, [moveLink(link.index, inside, NETNS)]),
    moveBack(inside),
    send(NETNS, [...give(inside, NETNS), setLink({ name: inside }, { isUp: true })]),
  ];
}
