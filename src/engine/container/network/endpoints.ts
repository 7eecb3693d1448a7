// The networks that a create or connect request asks for, judged as Docker judges them. What does not depend on running
// containers is refused here, before anything is started.
import { isIP, isIPv4, isIPv6 } from "node:net";
import type { EndpointSettingsRequest } from "../../../api/schemas/endpoint.ts";
import type { ContainerCreateRequest } from "../../../api/schemas/container.ts";
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import { isAtLeast } from "../../../lib/version-order.ts";
import { macBytes } from "../../../linux/netlink/address.ts";
import { checkAddress } from "../../network/attach.ts";
import { checkDeviceName, ENDPOINT_OPTION } from "../../network/options.ts";
import { isPredefined, type NetworkRecord } from "../../network/record.ts";
import type { NetworkService } from "../../network/service.ts";
import type { NetworkEndpoint } from "../record.ts";

const invalid = (message: string, code = "network.invalid-endpoint"): Fault =>
  new Fault("invalidParameter", message, { code });

/** Finds networks; the service, or a test. */
export type NetworkFinder = Pick<NetworkService, "findPlace">;

/** Clients take "not found" as the image's and pull it: an unknown network is a wrong parameter of a create request. */
function findForCreate(networks: NetworkFinder, reference: string): NetworkRecord {
  try {
    return networks.findPlace(reference);
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== "notFound") throw error;
    throw new Fault("invalidParameter", error.message, { code: error.code, cause: error });
  }
}

/**
 * Returns the endpoints of a new container, its main network first; `version` is the client's. compat: whoever lists networks
 * is in these only, even where the network mode (or none, for the default bridge) names another. Fails with invalidParameter.
 */
export function endpointsOf(
  networks: NetworkFinder,
  body: ContainerCreateRequest,
  h: HostConfig,
  version: string,
): NetworkEndpoint[] {
  const wishes = Object.entries(body.NetworkingConfig?.EndpointsConfig ?? {});
  if (wishes.length > 1 && !isAtLeast(version, "1.44"))
    throw invalid(
      `Container cannot be created with multiple network endpoints: ${wishes.map(([n]) => n).join(", ")}`,
      "network.several",
    );
  for (const [name, wish] of wishes)
    if (wish === null) throw invalid(`no EndpointSettings for ${name}`, "network.no-settings");
  if (h.NetworkMode.startsWith("container:")) {
    if (wishes.length > 0) throw mixed();
    return [];
  }
  if (body.NetworkDisabled) return [];
  const main = findForCreate(networks, h.NetworkMode);
  const found = wishes.map(([key, wish]) => ({
    network: findForCreate(networks, key === "default" ? h.NetworkMode : key),
    wish: wish ?? {},
  }));
  const others = found.filter((f) => f.network.id !== main.id);
  if (others.length > 0 && isPredefined(main.name) && main.name !== "bridge") throw mixed();
  if (others.some((o) => o.network.driver === "host" || o.network.driver === "null")) throw mixed();
  const own = found.find((f) => f.network.id === main.id);
  if (own === undefined && others.length > 0) return others.map((o) => endpointOf(o.network, o.wish));
  const wish = own?.wish ?? {};
  const links = isPredefined(main.name) ? [] : (h.Links ?? []);
  return [
    endpointOf(main, { ...wish, Links: [...(wish.Links ?? []), ...links] }),
    ...others.map((o) => endpointOf(o.network, o.wish)),
  ];
}

const mixed = (): Fault =>
  invalid(
    "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
    "network.conflict",
  );

/** Returns the endpoint of one network for a container that does not run yet. Fails with invalidParameter. */
export function endpointOf(network: NetworkRecord, wish: EndpointSettingsRequest): NetworkEndpoint {
  const ip = wish.IPAMConfig?.IPv4Address ?? "";
  const ip6 = wish.IPAMConfig?.IPv6Address ?? "";
  const linkLocalIps = wish.IPAMConfig?.LinkLocalIPs ?? [];
  checkWish(network, wish, { ip, ip6, linkLocalIps });
  const links = wish.Links ?? [];
  const { DriverOpts: driverOpts } = wish;
  return {
    networkName: network.name,
    networkId: "",
    aliases: wish.Aliases ?? [],
    wantedIp: ip,
    wantedIp6: ip6,
    wantedMac: (wish.MacAddress ?? "").toLowerCase().replaceAll("-", ":"),
    ...(linkLocalIps.length === 0 ? {} : { linkLocalIps }),
    ...(links.length === 0 ? {} : { links }),
    ...(driverOpts ? { driverOpts } : {}),
    ...(wish.GwPriority ? { gwPriority: wish.GwPriority } : {}),
  };
}

interface Addresses {
  ip: string;
  ip6: string;
  linkLocalIps: readonly string[];
}

function checkWish(network: NetworkRecord, wish: EndpointSettingsRequest, a: Addresses): void {
  if (isPredefined(network.name)) {
    if (a.ip !== "" || a.ip6 !== "")
      throw invalid(
        "user specified IP address is supported on user defined networks only",
        "network.static-ip",
      );
    if ((wish.Aliases?.length ?? 0) > 0)
      throw invalid("network-scoped aliases are only supported for user-defined networks", "network.alias");
  }
  if (a.ip !== "" && !isIPv4(a.ip))
    throw invalid(`invalid endpoint settings:\ninvalid IPv4 address: ${a.ip}`);
  if (a.ip6 !== "" && !isIPv6(a.ip6))
    throw invalid(`invalid endpoint settings:\ninvalid IPv6 address: ${a.ip6}`);
  for (const ip of a.linkLocalIps)
    if (isIP(ip) === 0) throw invalid(`invalid endpoint settings:\ninvalid link-local IP address: ${ip}`);
  checkAddress(network, a.ip);
  checkAddress(network, a.ip6);
  if (wish.MacAddress) macBytes(wish.MacAddress);
  if (wish.MacAddress && network.driver === "ipvlan")
    throw invalid("ipvlan interfaces do not support custom mac address assignment", "network.mac");
  const name = wish.DriverOpts?.[ENDPOINT_OPTION.ifName];
  if (name !== undefined) checkDeviceName(name);
  interfaceSysctls(wish.DriverOpts ?? {}, "eth0");
  for (const link of wish.Links ?? []) parseLink(link);
}

/** Returns container and alias of a link, "db" or "db:alias". Fails with invalidParameter. */
export function parseLink(text: string): { container: string; alias: string } {
  if (text === "") throw invalid("empty string specified for links", "container.link");
  const [container = "", alias = container, ...rest] = text.split(":");
  if (container === "" || alias === "" || rest.length > 0)
    throw invalid(`bad format for links: ${text}`, "container.link");
  return { container, alias: alias.slice(alias.lastIndexOf("/") + 1) };
}

/**
 * Returns the sysctls of an endpoint's device, "net/ipv4/conf/eth0/forwarding" → "1", from the option in which IFNAME
 * stands for the device. Fails with invalidParameter on others, so that no option reaches a sysctl of the host.
 */
export function interfaceSysctls(
  driverOpts: Readonly<Record<string, string>>,
  ifName: string,
): Record<string, string> {
  const sysctls: Record<string, string> = {};
  for (const text of (driverOpts[ENDPOINT_OPTION.sysctls] ?? "").split(",").filter((t) => t !== "")) {
    const m = /^net\.(ipv4|ipv6|mpls)\.(\w+)\.(?:IFNAME|ifname)\.(\w+)=(.*)$/.exec(text);
    if (m === null)
      throw invalid(
        `invalid endpoint settings:\nunrecognised network interface sysctl '${text}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
      );
    sysctls[`net/${m[1]}/${m[2]}/${ifName}/${m[3]}`] = m[4] as string;
  }
  return sysctls;
}
