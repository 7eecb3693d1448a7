// Judges a request for a network and makes the record of it, still without addresses of our choosing. Order and texts of
// the refusals are Docker's (daemon/network.go, libnetwork/controller.go, network.go). Pure.
import { isIP } from "node:net";
import type { NetworkCreateRequest } from "../../api/schemas/network.ts";
import { Fault } from "../../lib/errors.ts";
import { newId } from "../../lib/id.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import {
  AF_INET,
  type Prefix,
  familyOf,
  ipNumber,
  parseInterface,
  prefixContains,
  prefixText,
  prefixesOverlap,
} from "../../linux/netlink/address.ts";
import { boolOption, OPTION, type Options } from "./options.ts";
import {
  emptyRecord,
  isOnWire,
  isPredefined,
  type NetworkDriverName,
  type NetworkRecord,
  type NetworkSubnetRecord,
} from "./record.ts";

const invalid = (message: string): Fault =>
  new Fault("invalidParameter", message, { code: "network.invalid" });
const forbidden = (message: string): Fault => new Fault("forbidden", message, { code: "network.forbidden" });

/** What a new network is judged against. */
export interface CreateContext {
  byName(name: string): NetworkRecord | undefined;
  /** Options that networks of a driver get when they do not say otherwise (`default-network-opts`). */
  defaultOptions(driver: string): Options;
}

/** Returns the record; `subnets` are those asked for, their gateways "" where the request names none. */
export function draftNetwork(request: NetworkCreateRequest, context: CreateContext): NetworkRecord {
  const name = request.Name ?? "";
  if (isPredefined(name)) throw forbidden(`operation is not permitted on predefined ${name} network`);
  const driver = request.Driver || "bridge";
  if (driver === "overlay")
    throw forbidden(
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  const isFrom = (request.ConfigFrom?.Network ?? "") !== "";
  const options: Record<string, string> = {
    ...(isFrom ? {} : context.defaultOptions(driver)),
    ...request.Options,
  };
  const hasIpv4 = request.EnableIPv4 ?? boolOption(options, OPTION.enableIpv4, true);
  const hasIpv6 = request.EnableIPv6 ?? boolOption(options, OPTION.enableIpv6, false);
  // compat: an option that the request's own field overrides is not kept.
  if (typeof request.EnableIPv4 === "boolean") delete options[OPTION.enableIpv4];
  if (typeof request.EnableIPv6 === "boolean") delete options[OPTION.enableIpv6];
  const subnets = requestedSubnets(request, { hasIpv4, hasIpv6 });
  if (name.trim() === "") throw invalid("invalid name: name is empty");
  if (context.byName(name) !== undefined)
    throw new Fault("conflict", `network with name ${name} already exists`, { code: "network.name-taken" });
  const record: NetworkRecord = {
    ...emptyRecord({ id: newId(), name, driver: "null", createdAt: formatNano(nowNano()) }),
    hasIpv4,
    hasIpv6,
    ipamDriver: request.IPAM?.Driver || "default",
    ipamOptions: request.IPAM?.Options ?? null,
    subnets,
    isInternal: request.Internal ?? false,
    isAttachable: request.Attachable ?? false,
    isConfigOnly: request.ConfigOnly ?? false,
    configFrom: request.ConfigFrom?.Network ?? "",
    options,
    labels: request.Labels ?? {},
  };
  checkOperator(request, record);
  // compat: a configuration is shown with the driver "null".
  if (record.isConfigOnly) return record;
  const known = knownDriver(driver);
  checkScope(request);
  const complete = isFrom ? configured(record, context.byName(record.configFrom)) : record;
  if (!complete.hasIpv4 && !complete.hasIpv6) throw invalid("IPv4 or IPv6 must be enabled");
  const result = { ...complete, driver: known };
  checkIpam(result);
  return result;
}

function knownDriver(driver: string): NetworkDriverName {
  if (driver === "bridge" || driver === "macvlan" || driver === "ipvlan") return driver;
  if (driver === "host" || driver === "null")
    throw forbidden(`only one instance of "${driver}" network is allowed`);
  throw new Fault("notFound", `plugin "${driver}" not found`, { code: "network.driver" });
}

function checkScope(request: NetworkCreateRequest): void {
  if (request.Ingress) throw forbidden("Ingress network can only be global scope network");
  if (request.Scope === "swarm" || request.Scope === "global")
    throw forbidden("cannot create a swarm scoped network when swarm is not active");
  if (request.Scope && request.Scope !== "local") throw invalid(`invalid scope: ${request.Scope}`);
}

function checkOperator(request: NetworkCreateRequest, r: NetworkRecord): void {
  if (r.isConfigOnly && (request.Ingress || r.isInternal || r.isAttachable || request.Scope))
    throw forbidden(
      "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
    );
  if (r.configFrom === "") return;
  if (r.isConfigOnly)
    throw forbidden("a configuration network cannot depend on another configuration network");
  const isOwn =
    r.ipamDriver !== "default" ||
    !r.hasIpv4 ||
    r.hasIpv6 ||
    [r.labels, r.ipamOptions ?? {}].some((o) => Object.keys(o).length > 0) ||
    r.subnets.length > 0;
  if (isOwn)
    throw forbidden(
      "user-specified configurations are not supported if the network depends on a configuration network",
    );
  if (Object.keys(r.options).length > 0)
    throw forbidden(
      "network driver options are not supported if the network depends on a configuration network",
    );
}

/** Takes over what a configuration-only network keeps. */
function configured(record: NetworkRecord, source: NetworkRecord | undefined): NetworkRecord {
  if (source === undefined || !source.isConfigOnly)
    throw new Fault("notFound", `configuration network "${record.configFrom}" does not exist`, {
      code: "network.config-missing",
    });
  const { hasIpv4, hasIpv6, ipamDriver, ipamOptions, subnets, options, labels } = source;
  return { ...record, hasIpv4, hasIpv6, ipamDriver, ipamOptions, subnets, options, labels };
}

function checkIpam(r: NetworkRecord): void {
  if (!["default", "null"].includes(r.ipamDriver))
    throw new Fault("notFound", `plugin "${r.ipamDriver}" not found`, { code: "network.ipam-driver" });
  if (r.ipamDriver !== "null") return;
  if (r.subnets.length > 0) throw invalid("null ipam driver does not handle specific address pool requests");
  // Who is on a wire may get his address there; a bridge and a router of layer 3 have to know it.
  const mode = r.options[OPTION.ipvlanMode] || "l2";
  if (!isOnWire(r) || (r.driver === "ipvlan" && mode !== "l2")) throw invalid("ipv4 pool is empty");
}

interface Families {
  hasIpv4: boolean;
  hasIpv6: boolean;
}

/** Returns the checked blocks of a request; those of a family that is off are left out, as Docker does. */
function requestedSubnets(request: NetworkCreateRequest, families: Families): NetworkSubnetRecord[] {
  const problems: string[] = [];
  const subnets = (request.IPAM?.Config ?? []).flatMap((c) => {
    const isBare = !c.Gateway && !c.IPRange && Object.keys(c.AuxiliaryAddresses ?? {}).length === 0;
    // compat: an entry that says nothing is none.
    if (!c.Subnet && isBare) return [];
    if (!c.Subnet) throw invalid("invalid network config:\nno subnet for a gateway or an ip range");
    const { ip, prefix } = parseInterface(c.Subnet);
    if (prefix.base === 0n && !isBare)
      throw invalid(
        `invalid network config:\nsubnet ${c.Subnet} is any of its size: gateway, ip range and auxiliary addresses need one with an address`,
      );
    const isIpv4 = prefix.family === AF_INET;
    if (isIpv4 ? !families.hasIpv4 : !families.hasIpv6) return [];
    const subnet = prefixText(prefix);
    if (hasHostBits(ip, prefix)) problems.push(`invalid subnet ${c.Subnet}: it should be ${subnet}`);
    problems.push(...rangeProblems(c.IPRange ?? "", prefix));
    problems.push(...addressProblems("gateway", c.Gateway ?? "", c.Gateway ?? "", prefix));
    const reserved = c.AuxiliaryAddresses ?? {};
    for (const [name, address] of Object.entries(reserved))
      problems.push(...addressProblems("auxiliary address", name, address, prefix));
    return [{ subnet, gateway: c.Gateway ?? "", range: c.IPRange ?? "", reserved }];
  });
  if (problems.length > 0) throw invalid(`invalid network config:\n${problems.join("\n")}`);
  return subnets;
}

/** Compared as numbers: an IPv6 address has many forms. */
const hasHostBits = (ip: string, prefix: Prefix): boolean => ipNumber(ip) !== prefix.base;

const versionOf = (p: Prefix): number => (p.family === AF_INET ? 4 : 6);

function rangeProblems(range: string, subnet: Prefix): string[] {
  if (range === "") return [];
  const { ip, prefix } = parseInterface(range);
  if (prefix.family !== subnet.family)
    return [`invalid ip-range ${range}: parent subnet is an IPv${versionOf(subnet)} block`];
  const problems: string[] = [];
  if (prefix.length < subnet.length)
    problems.push(
      `invalid ip-range ${range}: CIDR block is bigger than its parent subnet ${prefixText(subnet)}`,
    );
  if (hasHostBits(ip, prefix)) problems.push(`invalid ip-range ${range}: it should be ${prefixText(prefix)}`);
  if (!prefixesOverlap(subnet, prefix))
    problems.push(`invalid ip-range ${range}: parent subnet ${prefixText(subnet)} doesn't contain ip-range`);
  return problems;
}

function addressProblems(what: string, name: string, address: string, subnet: Prefix): string[] {
  if (address === "") return [];
  if (isIP(address) === 0) return [`invalid ${what} ${name}: not an IP address: ${address}`];
  if (familyOf(address) !== subnet.family)
    return [`invalid ${what} ${name}: parent subnet is an IPv${versionOf(subnet)} block`];
  return prefixContains(subnet, address)
    ? []
    : [`invalid ${what} ${name}: parent subnet ${prefixText(subnet)} doesn't contain this address`];
}
