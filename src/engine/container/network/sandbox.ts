// The networks of a container that is about to start: its namespace, an endpoint in each network, the default routes, the
// ports. Plans only; run/start.ts sends the operations together with the shim.
import { Fault } from "../../../lib/errors.ts";
import { host, type Op, type Register } from "../../../linux/ops.ts";
import type { Families, PortRequest } from "../../../net/model.ts";
import { openHostNamespace } from "../../../net/sandbox/endpoint.ts";
import { chooseGateways, type GatewayChoice } from "../../network/gateway.ts";
import { ENDPOINT_OPTION, interfacePrefix } from "../../network/options.ts";
import { isPredefined, type NetworkRecord, subnetOf } from "../../network/record.ts";
import type { AttachWish, NetworkService, PlannedEndpoint } from "../../network/service.ts";
import type { ContainerContext } from "../context.ts";
import { portRequests } from "../ports.ts";
import { type AttachedEndpoint, type ContainerRecord, type NetworkEndpoint } from "../record.ts";
import { egressOf } from "./egress.ts";
import { networkOwner } from "../run/join.ts";
import { ownerOfNamespaces } from "../run/userns.ts";
import { interfaceSysctls } from "./endpoints.ts";

/** Register of the request that holds the container's network namespace. */
export const NETNS: Register = 0;

/** What a start needs of the networks. */
export interface NetworkPlan {
  ops: readonly Op[];
  /** The register or namespace file that the container joins, undefined for the one its specification names. */
  netns: Register | string | undefined;
  /** In the order of the record's endpoints. */
  planned: readonly PlannedEndpoint[];
  /** Gives everything back; `cause` is why the start failed. */
  undo(cause?: unknown): Promise<void>;
}

/** Plans the networks of a start. What was reserved is given back when one of them fails. */
export async function planNetworks(context: ContainerContext, record: ContainerRecord): Promise<NetworkPlan> {
  const mode = record.hostConfig.NetworkMode;
  if (mode.startsWith("container:"))
    return { ...noEndpoints, netns: `/proc/${networkOwner(context, mode.slice(10))}/ns/net` };
  const planned: PlannedEndpoint[] = [];
  const undo = async (cause?: unknown): Promise<void> => {
    for (const p of planned.splice(0).reverse()) await p.undo(cause);
  };
  try {
    for (const wish of attachWishes(context.networks, record))
      planned.push(await context.networks.planAttach(wish, NETNS));
  } catch (error) {
    await undo();
    throw inSetup(withHolderName(context, error));
  }
  const endpointOps = planned.flatMap((p) => p.ops);
  if (endpointOps.length > 0) endpointOps.unshift(openHostNamespace());
  return mode === "host"
    ? { ops: endpointOps, netns: undefined, planned, undo }
    : { ops: [host.netnsNew(NETNS, ownerOfNamespaces(record)), ...endpointOps], netns: NETNS, planned, undo };
}

/** Says of a start that its networks are what it failed at. */
function inSetup(error: unknown): unknown {
  if (!(error instanceof Fault)) return error;
  const { kind, code, detail } = error;
  return new Fault(kind, `failed to set up container networking: ${error.message}`, {
    code,
    detail,
    cause: error,
  });
}

const noEndpoints = { ops: [], planned: [], undo: async (): Promise<void> => undefined };

/** Returns the network of an endpoint: by id once it was joined, by name before. Fails with notFound. */
export function networkOf(networks: Pick<NetworkService, "findPlace">, e: NetworkEndpoint): NetworkRecord {
  return networks.findPlace(e.networkId === "" || isPredefined(e.networkName) ? e.networkName : e.networkId);
}

function attachWishes(networks: NetworkService, record: ContainerRecord): AttachWish[] {
  const found = placesOf(networks, record.endpoints);
  const gateways = gatewaysOf(found);
  const names = interfaceNames(found);
  return found.map((place, i) =>
    wishOf(record, place, { ifName: names[i] as string, gateways, ports: wantedPorts(record) }),
  );
}

/** An endpoint with its network. */
export interface Place {
  endpoint: NetworkEndpoint;
  network: NetworkRecord;
}

/** Returns the places of a container. Fails with notFound. */
export const placesOf = (
  networks: Pick<NetworkService, "findPlace">,
  endpoints: readonly NetworkEndpoint[],
): Place[] => endpoints.map((endpoint) => ({ endpoint, network: networkOf(networks, endpoint) }));

/** The operation that opens the network namespace of a running container, into `NETNS`. */
export const enterNamespace = (record: ContainerRecord): Op =>
  host.netnsOpen(NETNS, `/proc/${record.state.pid}/ns/net`);

/** Whether an endpoint's own sysctls switch IPv6 off on its device. */
const isIpv4Only = ({ driverOpts = {} }: NetworkEndpoint): boolean =>
  Object.entries(interfaceSysctls(driverOpts, "x")).some(
    ([name, value]) => name === "net/ipv6/conf/x/disable_ipv6" && value === "1",
  );

/** Returns which of a container's networks give the default routes. */
export function gatewaysOf(places: readonly Place[]): GatewayChoice<Place> {
  const candidates = places.map((place) => {
    const { network, endpoint } = place;
    const offers = (family: "ipv4" | "ipv6"): boolean => (subnetOf(network, family)?.gateway ?? "") !== "";
    return {
      place,
      networkName: network.name,
      priority: endpoint.gwPriority ?? 0,
      isInternal: network.isInternal,
      hasIpv4: offers("ipv4"),
      hasIpv6: offers("ipv6") && !isIpv4Only(endpoint),
    };
  });
  const { ipv4, ipv6 } = chooseGateways(candidates);
  return { ipv4: ipv4?.place, ipv6: ipv6?.place };
}

/** To whose networks the host's ports lead, by the family of the host's address: those of the default routes; one alone has both. */
const publishersOf = ({ ipv4, ipv6 }: GatewayChoice<Place>): GatewayChoice<Place> => ({
  ipv4: ipv4 ?? ipv6,
  ipv6: ipv6 ?? ipv4,
});

/** Returns the families of the host's addresses whose ports lead to a network. */
export function publishedIn(gateways: GatewayChoice<Place>, networkName: string): Families {
  const { ipv4, ipv6 } = publishersOf(gateways);
  const leads = (place: Place | undefined): boolean => place?.network.name === networkName;
  return { ipv4: leads(ipv4), ipv6: leads(ipv6) };
}

/** Whether ports of a host's address, "" for all of them, are among those of some families. */
export const isOfFamily = (hostIp: string, { ipv4, ipv6 }: Families): boolean =>
  hostIp === "" ? ipv4 || ipv6 : hostIp.includes(":") ? ipv6 : ipv4;

/** Returns what a container publishes. */
export const wantedPorts = (record: ContainerRecord): PortRequest[] =>
  portRequests(record.hostConfig, Object.keys(record.config.ExposedPorts ?? {}));

/**
 * Returns the names of a new container's devices, "" where a network has none: those that the user has chosen are taken before
 * others are numbered.
 */
export function interfaceNames(places: readonly Place[]): string[] {
  const names = new Map<Place, string>();
  const own = places.filter((p) => p.endpoint.driverOpts?.[ENDPOINT_OPTION.ifName] !== undefined);
  const devices = places.filter(({ network }) => network.driver !== "null");
  for (const place of new Set([...own, ...devices]))
    names.set(place, interfaceName(place.network, place.endpoint, [...names.values()]));
  return places.map((place) => names.get(place) ?? "");
}

/** Returns the device name for one more endpoint: the user's, else the first number that no other has. */
export function interfaceName(
  network: NetworkRecord,
  endpoint: NetworkEndpoint,
  taken: readonly string[],
): string {
  const wanted = endpoint.driverOpts?.[ENDPOINT_OPTION.ifName];
  if (wanted !== undefined) {
    if (taken.includes(wanted))
      throw new Fault("conflict", `network interface name ${wanted} is used twice by one container`, {
        code: "network.interface-taken",
      });
    return wanted;
  }
  const prefix = interfacePrefix(network);
  for (let number = 0; ; number++) if (!taken.includes(`${prefix}${number}`)) return `${prefix}${number}`;
}

/** Returns the wish for one endpoint. */
export function wishOf(
  record: ContainerRecord,
  place: Place,
  given: { ifName: string; gateways: GatewayChoice<Place>; ports: readonly PortRequest[] },
): AttachWish {
  const { endpoint: e, network } = place;
  const isSame = (other: Place | undefined): boolean => other?.network.id === network.id;
  const sysctls = interfaceSysctls(e.driverOpts ?? {}, given.ifName);
  const hasIpv6 = !isIpv4Only(e) && record.hostConfig.Sysctls?.["net.ipv6.conf.all.disable_ipv6"] !== "1";
  return {
    network: network.id,
    containerId: record.id,
    containerName: record.name,
    ifName: given.ifName,
    ip: e.wantedIp,
    ip6: e.wantedIp6 ?? "",
    mac: e.wantedMac,
    defaultRoutes: { ipv4: isSame(given.gateways.ipv4), ipv6: hasIpv6 && isSame(given.gateways.ipv6) },
    ...(hasIpv6 ? {} : { isIpv4Only: true }),
    ports: given.ports,
    publishes: publishedIn(given.gateways, network.name),
    ...egressOf(record),
    ...(e.lastIp === undefined ? {} : { lastIp: e.lastIp }),
    ...(e.lastIp6 === undefined ? {} : { lastIp6: e.lastIp6 }),
    ...(e.linkLocalIps === undefined ? {} : { linkLocalIps: e.linkLocalIps }),
    ...(Object.keys(sysctls).length === 0 ? {} : { sysctls }),
  };
}

/** Returns the endpoint as it is while the container runs. */
export function attachedTo(e: NetworkEndpoint, planned: PlannedEndpoint): NetworkEndpoint {
  const attached: AttachedEndpoint = {
    ...planned.record,
    gateway: planned.gateway,
    prefixLength: planned.prefixLength,
    ...(planned.network.isInternal ? { isInternal: true } : {}),
    gateway6: planned.gateway6,
    prefixLength6: planned.prefixLength6,
  };
  return {
    ...e,
    networkId: planned.network.id,
    lastIp: planned.record.ip,
    lastIp6: planned.record.ip6 ?? "",
    attached,
  };
}

/** Says by name which container has the port that was wanted; the network floor knows it by id. */
export function withHolderName(context: Pick<ContainerContext, "table">, error: unknown): unknown {
  if (!(error instanceof Fault) || typeof error.detail["containerId"] !== "string") return error;
  const holder = context.table.get(error.detail["containerId"]);
  if (error.code !== "port.in-use" || holder === undefined) return error;
  return new Fault(error.kind, `${error.message} (by container "${holder.name}")`, {
    code: error.code,
    detail: error.detail,
    cause: error,
  });
}
