// Plans one endpoint: addresses from the network's pools, then the driver's operations. What was taken is given back when
// the plan fails or is undone.
import { Fault } from "../../lib/errors.ts";
import { parsePrefix, prefixContains } from "../../linux/netlink/address.ts";
import type { AttachPlan, Families, PortRequest } from "../../net/model.ts";
import { macForIp, macForName } from "../../net/sandbox/endpoint.ts";
import type { GrantedAddress, NetworkAddresses } from "./addresses.ts";
import type { NetworkDrivers } from "./drivers.ts";
import type { NetworkRecord } from "./record.ts";

/** One container's wish for a place in a network. */
export interface AttachWish {
  /** Name or id of the network. */
  network: string;
  containerId: string;
  containerName: string;
  /** Device name in the container. */
  ifName: string;
  /** Addresses and hardware address asked for, "" for any. */
  ip: string;
  ip6: string;
  mac: string;
  /** Addresses that the endpoint had before; given again when they are free. */
  lastIp?: string;
  lastIp6?: string;
  /** The container has no IPv6 there, whatever the network has. */
  isIpv4Only?: boolean;
  linkLocalIps?: readonly string[];
  /** Sysctls of the device, "net/ipv4/conf/eth0/forwarding" → "1". */
  sysctls?: Readonly<Record<string, string>>;
  /** The families in which the network gives the default route. */
  defaultRoutes: Families;
  ports: readonly PortRequest[];
  /** See EndpointRequest. */
  publishes?: Families;
  /** The container's egress policy. */
  egress?: string;
}

/** A planned place: operations for the start request, and what the network gives when they succeed. */
export interface PlannedEndpoint extends AttachPlan {
  network: NetworkRecord;
  gateway: string;
  prefixLength: number;
  gateway6: string;
  prefixLength6: number;
}

export const configOnly = (): Fault =>
  new Fault("forbidden", "cannot create endpoint on configuration-only network", {
    code: "network.config-only",
  });

interface AttachContext {
  addresses: NetworkAddresses;
  drivers: NetworkDrivers;
}

/** Plans the endpoint; see NetworkService.planAttach. */
export async function planEndpoint(
  context: AttachContext,
  wish: AttachWish & { record: NetworkRecord; endpointId: string },
  reg: number,
): Promise<PlannedEndpoint> {
  const { record: network, endpointId } = wish;
  if (network.isConfigOnly) throw configOnly();
  const driver = context.drivers.of(network);
  if (driver === undefined) return plainEndpoint(wish);
  const { ip, ip6 } = grantAddresses(context.addresses, wish);
  const ips = [ip?.ip ?? "", ip6?.ip ?? ""] as const;
  const giveBack = (): void => context.addresses.release(network.id, ips);
  try {
    const plan = await driver.planAttach(
      {
        endpointId,
        networkId: network.id,
        containerId: wish.containerId,
        ifName: wish.ifName,
        ip: ips[0],
        ip6: ips[1],
        mac: wish.mac || macFor(ips, endpointId),
        defaultRoutes: wish.defaultRoutes,
        ports: wish.ports,
        ...(wish.publishes === undefined ? {} : { publishes: wish.publishes }),
        ...(wish.linkLocalIps === undefined ? {} : { linkLocalIps: wish.linkLocalIps }),
        ...(wish.egress === undefined ? {} : { egress: wish.egress }),
        ...(wish.sysctls === undefined ? {} : { sysctls: wish.sysctls }),
      },
      reg,
    );
    return {
      ...plan,
      network,
      gateway: ip?.gateway ?? "",
      prefixLength: ip?.prefixLength ?? 0,
      gateway6: ip6?.gateway ?? "",
      prefixLength6: ip6?.prefixLength ?? 0,
      undo: async (cause) => {
        await plan.undo(cause);
        giveBack();
      },
    };
  } catch (error) {
    giveBack();
    throw error;
  }
}

/** `host` and `none`: a place to be named, without a device. */
function plainEndpoint(wish: AttachWish & { record: NetworkRecord; endpointId: string }): PlannedEndpoint {
  const { record: network, endpointId, containerId } = wish;
  return {
    ops: [],
    record: { endpointId, networkId: network.id, containerId, ip: "", mac: "", hostIfName: "", ports: [] },
    network,
    gateway: "",
    prefixLength: 0,
    gateway6: "",
    prefixLength6: 0,
    undo: async () => undefined,
  };
}

function macFor(ips: readonly [string, string], endpointId: string): string {
  const ip = ips[0] || ips[1];
  return ip === "" ? macForName(endpointId) : macForIp(ip);
}

function grantAddresses(
  addresses: NetworkAddresses,
  wish: AttachWish & { record: NetworkRecord; endpointId: string },
): { ip: GrantedAddress | undefined; ip6: GrantedAddress | undefined } {
  const { record: network, endpointId: holder } = wish;
  const ip = addresses.grant(network.id, {
    family: "ipv4",
    ip: wish.ip,
    holder,
    ...(wish.lastIp === undefined ? {} : { preferred: wish.lastIp }),
  });
  if (wish.isIpv4Only) return { ip, ip6: undefined };
  try {
    const ip6 = addresses.grant(network.id, {
      family: "ipv6",
      ip: wish.ip6,
      holder,
      ...(wish.lastIp6 === undefined ? {} : { preferred: wish.lastIp6 }),
    });
    return { ip, ip6 };
  } catch (error) {
    addresses.release(network.id, [ip?.ip ?? ""]);
    throw error;
  }
}

/** Refuses an address that no subnet of the network has, with invalidParameter, before a start is tried. */
export function checkAddress(network: NetworkRecord, ip: string): void {
  if (ip === "" || network.subnets.some((s) => prefixContains(parsePrefix(s.subnet), ip))) return;
  throw new Fault(
    "invalidParameter",
    `invalid endpoint settings:\nno configured subnet contains IP address ${ip}`,
    {
      code: "address.out-of-range",
      detail: { ip },
    },
  );
}
