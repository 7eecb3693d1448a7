// Who reaches whom: the networks with their members, what leads into and out of them, and from where each published port is
// reached and by which part of the firewall. Pure over what the API says of networks and running containers.
import { ownName } from "../../api/container-name.ts";
import type { ContainerSummary, PortSummary } from "../../api/schemas/container.ts";
import type { NetworkInspect } from "../../api/schemas/network.ts";

export interface GraphNetwork {
  name: string;
  driver: string;
  subnets: string[];
  /** `egress`: what may leave the container, where it has a policy of its own. */
  members: { container: string; addresses: string[]; egress?: string }[];
  /** Whether the members reach each other. */
  reachEachOther: boolean;
  /** Where the members get to, and who gets to them from outside of the network, in words. */
  outward: string;
  inward: string;
  /** What may leave the network, where it has a policy. */
  egress?: string;
}

export interface GraphPort {
  container: string;
  /** "80/tcp" */
  port: string;
  /** Address and port on the host. */
  host: string;
  /** Who reaches it. */
  from: string;
  /** The map of the daemon's nftables table that translates it, or "socket" where the daemon carries it. */
  rule: string;
}

export interface NetworkGraph {
  networks: GraphNetwork[];
  ports: GraphPort[];
}

const OPTION = "com.docker.network.bridge";
const EGRESS = "berth.egress";
const PUBLISH_ALLOW = "berth.publish-allow";

/** Returns the graph; networks without members are left out. */
export function networkGraph(
  networks: readonly NetworkInspect[],
  containers: readonly ContainerSummary[],
): NetworkGraph {
  return {
    networks: networks
      .filter((n) => Object.keys(n.Containers).length > 0)
      .map((n) => graphNetwork(n, new Map(containers.map((c) => [c.Id, c.Labels[EGRESS]])))),
    ports: containers.flatMap(portsOf),
  };
}

function graphNetwork(n: NetworkInspect, policies: ReadonlyMap<string, string | undefined>): GraphNetwork {
  const modes = [
    n.Options[`${OPTION}.gateway_mode_ipv4`] ?? "nat",
    n.Options[`${OPTION}.gateway_mode_ipv6`] ?? "nat",
  ];
  return {
    name: n.Name,
    driver: n.Driver,
    subnets: (n.IPAM.Config ?? []).flatMap((c) => c.Subnet ?? []),
    members: Object.entries(n.Containers).map(([id, c]) => ({
      container: c.Name,
      addresses: [c.IPv4Address, c.IPv6Address].filter((a) => a !== "").map((a) => a.split("/")[0] as string),
      ...egressOf(policies.get(id)),
    })),
    reachEachOther: n.Options[`${OPTION}.enable_icc`] !== "false" && n.Driver !== "null",
    ...waysOf(n, modes),
    ...egressOf(n.Options[EGRESS]),
  };
}

const egressOf = (policy: string | undefined): { egress?: string } =>
  policy === undefined ? {} : { egress: policy };

/** A list of sources behind what it restricts. */
const admittedOf = (sources: string | undefined): string =>
  sources === undefined || sources === "*" ? "" : `, for ${sources} only`;

/** A policy behind what it restricts. */
const only = ({ egress }: { egress?: string }): string =>
  egress === undefined ? "" : egress === "deny" ? ", but nothing is let out" : `, but only to ${egress}`;

function waysOf(n: NetworkInspect, modes: readonly string[]): Pick<GraphNetwork, "outward" | "inward"> {
  if (n.Driver === "host") return { outward: "as the host", inward: "as the host" };
  if (n.Driver === "null" || n.Internal) return { outward: "nowhere", inward: "nobody" };
  if (n.Driver === "macvlan" || n.Driver === "ipvlan") {
    const wire =
      n.Options["parent"] === undefined ? "their own segment" : `the wire of ${n.Options["parent"]}`;
    return { outward: wire, inward: `everybody on ${wire}` };
  }
  const isHidden = n.Options[`${OPTION}.enable_ip_masquerade`] !== "false" && !modes.includes("routed");
  return {
    outward: isHidden ? "everywhere, as the host" : "everywhere, by their own addresses",
    inward: inwardOf(modes) + admittedOf(n.Options[PUBLISH_ALLOW]),
  };
}

function inwardOf(modes: readonly string[]): string {
  if (modes.includes("nat-unprotected")) return "everybody, by their own addresses";
  if (modes.includes("routed")) return "everybody, published ports by their own addresses";
  return "published ports";
}

function portsOf(c: ContainerSummary): GraphPort[] {
  const container = ownName(c.Names) || c.Id;
  const hasIpv6 = Object.values(c.NetworkSettings?.Networks ?? {}).some((e) => e.GlobalIPv6Address !== "");
  return rangesOf(c.Ports).map(({ ip, first, count, target, type }) => {
    const isIpv6 = ip.includes(":");
    const isAny = ip === "0.0.0.0" || ip === "::";
    const map = `${isAny ? "published_any" : "published"}${count > 1 ? "_ranges" : ""}${isIpv6 ? "6" : ""}`;
    const numbers = (from: number): string => (count > 1 ? `${from}-${from + count - 1}` : String(from));
    return {
      container,
      port: `${numbers(target)}/${type}`,
      host: isIpv6 ? `[${ip}]:${numbers(first)}` : `${ip}:${numbers(first)}`,
      from: isAny ? "everywhere" : isLoopback(ip) ? "this host" : `whoever reaches ${ip}`,
      rule: isIpv6 && (!hasIpv6 || isLoopback(ip)) ? "socket" : map,
    };
  });
}

/** Published ports; those in a row that keep their numbers are one element of the firewall, and one line. */
interface PortRange {
  ip: string;
  first: number;
  count: number;
  target: number;
  type: string;
}

function rangesOf(ports: readonly PortSummary[]): PortRange[] {
  const ranges: PortRange[] = [];
  for (const { IP: ip = "", PrivatePort: target, PublicPort: first, Type: type } of ports) {
    if (first === undefined) continue;
    const before = ranges.find(
      (r) => r.ip === ip && r.type === type && r.first === r.target && r.first + r.count === first,
    );
    if (before !== undefined && first === target) before.count++;
    else ranges.push({ ip, first, count: 1, target, type });
  }
  return ranges;
}

const isLoopback = (ip: string): boolean => ip.startsWith("127.") || ip === "::1";

/** Returns the graph as lines of text. */
export function graphText(graph: NetworkGraph): string {
  const lines = graph.networks.flatMap((n) => [
    `${n.name} (${[n.driver, ...n.subnets].join(", ")})`,
    ...n.members.map((m) => `  ${[m.container, ...m.addresses].join(" ")}${only(m)}`),
    `  among themselves: ${n.reachEachOther ? "yes" : "no"}; out: ${n.outward}${only(n)}; in: ${n.inward}`,
  ]);
  const ports = graph.ports.map(
    (p) =>
      `${p.host} -> ${p.container} ${p.port}, from ${p.from} (${p.rule === "socket" ? "socket" : `map ${p.rule}`})`,
  );
  return [...lines, ...ports].map((line) => `${line}\n`).join("");
}
