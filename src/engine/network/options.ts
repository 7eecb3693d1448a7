// The options of network drivers (`docker network create --opt`), read and checked. Names and texts of errors are
// Docker's (libnetwork netlabel, drivers/bridge/labels.go); keys of other programs are kept and not looked at, as there.
import { isIP } from "node:net";
import { Fault } from "../../lib/errors.ts";
import { parsePrefix, prefixText } from "../../linux/netlink/address.ts";
import { parseEgressPolicy } from "../../net/egress/policy.ts";
import { MIN_IPV6_MTU } from "../../net/bridge/device.ts";
import type { BridgeNetwork, GatewayMode, NetworkSubnet } from "../../net/model.ts";
import type {
  ChildKind,
  IpvlanFlag,
  IpvlanMode,
  MacvlanMode,
  MacvlanNetwork,
} from "../../net/macvlan/device.ts";
import { nextHopOf, type NetworkRecord, subnetOf } from "./record.ts";

export const OPTION = {
  bridgeName: "com.docker.network.bridge.name",
  masquerade: "com.docker.network.bridge.enable_ip_masquerade",
  icc: "com.docker.network.bridge.enable_icc",
  hostBinding: "com.docker.network.bridge.host_binding_ipv4",
  defaultBridge: "com.docker.network.bridge.default_bridge",
  inhibitIpv4: "com.docker.network.bridge.inhibit_ipv4",
  gatewayMode4: "com.docker.network.bridge.gateway_mode_ipv4",
  gatewayMode6: "com.docker.network.bridge.gateway_mode_ipv6",
  trusted: "com.docker.network.bridge.trusted_host_interfaces",
  hostIpv4: "com.docker.network.host_ipv4",
  hostIpv6: "com.docker.network.host_ipv6",
  mtu: "com.docker.network.driver.mtu",
  interfacePrefix: "com.docker.network.container_iface_prefix",
  enableIpv4: "com.docker.network.enable_ipv4",
  enableIpv6: "com.docker.network.enable_ipv6",
  /** Not Docker's: who outside of the host may reach the containers' ports, CIDRs between blanks or commas. */
  publishAllow: "berth.publish-allow",
  /** Not Docker's: what may leave the network (net/egress/policy.ts). */
  egress: "berth.egress",
  parent: "parent",
  macvlanMode: "macvlan_mode",
  ipvlanMode: "ipvlan_mode",
  ipvlanFlag: "ipvlan_flag",
} as const;

/** Label of a container with the same as OPTION.egress, for it alone. */
export const EGRESS_LABEL = OPTION.egress;

/** Options of one endpoint (`--driver-opt`). */
export const ENDPOINT_OPTION = {
  ifName: "com.docker.network.endpoint.ifname",
  sysctls: "com.docker.network.endpoint.sysctls",
} as const;

const DEFAULT_MTU = 1500;
const MAX_MTU = 65_535;
const GATEWAY_MODES: readonly string[] = ["nat", "nat-unprotected", "routed", "isolated"];
const MACVLAN_MODES: readonly string[] = ["private", "vepa", "bridge", "passthru"];
const IPVLAN_MODES: readonly string[] = ["l2", "l3", "l3s"];
const IPVLAN_FLAGS: readonly string[] = ["bridge", "private", "vepa"];
/** Longest device name of the kernel, without the closing NUL. */
const MAX_DEVICE_NAME = 15;

export type Options = Readonly<Record<string, string>>;

const invalid = (message: string): Fault =>
  new Fault("invalidParameter", message, { code: "network.option" });

/** Reads a Go boolean; fails with invalidParameter in Go's words. */
export function boolOption(options: Options, key: string, otherwise: boolean): boolean {
  const text = options[key];
  if (text === undefined) return otherwise;
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw invalid(
    `failed to parse ${key} value: ${text} (strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax)`,
  );
}

function mtuOption(options: Options): number {
  const text = options[OPTION.mtu] ?? "";
  if (text === "") return DEFAULT_MTU;
  if (!/^[+-]?\d+$/.test(text))
    throw invalid(
      `failed to parse ${OPTION.mtu} value: ${text} (strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax)`,
    );
  const mtu = Number(text);
  if (mtu < 0 || mtu > MAX_MTU || (mtu > 0 && mtu < 68)) throw invalid(`invalid MTU number: ${text}`);
  return mtu === 0 ? DEFAULT_MTU : mtu;
}

function gatewayMode(options: Options, key: string): GatewayMode {
  const text = options[key] ?? "";
  if (text === "") return "nat";
  if (!GATEWAY_MODES.includes(text))
    throw invalid(`failed to parse ${key} value: ${text} (unknown gateway mode ${text})`);
  return text as GatewayMode;
}

/** Refuses a name that no device of the kernel can have. */
export function checkDeviceName(name: string): string {
  if (name === "" || name.length > MAX_DEVICE_NAME || /[\s/:%]/.test(name) || name === "." || name === "..")
    throw invalid(
      `invalid interface name ${JSON.stringify(name)}: up to ${MAX_DEVICE_NAME} letters without blanks, "/" and ":"`,
    );
  return name;
}

function bindingOption(options: Options): string {
  const ip = options[OPTION.hostBinding] ?? "";
  if (ip !== "" && isIP(ip) === 0)
    throw invalid(`failed to parse ${OPTION.hostBinding} value: ${ip} (invalid ip)`);
  return ip === "0.0.0.0" ? "" : ip;
}

/** Settings that the daemon gives to a bridge network that does not say otherwise. */
export interface BridgeDefaults {
  /** Host address for ports that name none, "" for all (`--ip`). */
  hostBindingIp: string;
  /** Who may reach published ports (`publish-allow`), undefined for everybody. */
  publishAllow?: readonly string[] | undefined;
  /** Published ports are reached by the containers' own addresses, too (`--allow-direct-routing`). */
  isDirect?: boolean;
}

/** Reads a list of CIDRs and addresses; fails with invalidParameter. "*" is everybody, undefined. */
function publishAllow(
  options: Options,
  otherwise: readonly string[] | undefined,
): { publishAllow?: readonly string[] } {
  const text = options[OPTION.publishAllow];
  const words = text?.split(/[\s,]+/).filter((w) => w !== "");
  if (words?.join() === "*") return {};
  const list = words?.map((word) => {
    if (!/^[^/]+\/\d+$/.test(word) && isIP(word) === 0)
      throw invalid(
        `failed to parse ${OPTION.publishAllow} value: ${word} (neither an address nor a CIDR block)`,
      );
    return prefixText(parsePrefix(word.includes("/") ? word : `${word}/${isIP(word) === 4 ? 32 : 128}`));
  });
  const allowed = list ?? otherwise;
  return allowed === undefined ? {} : { publishAllow: allowed };
}

/** Returns the bridge driver's form of a network. Fails with invalidParameter on options that cannot be. */
export function bridgeSpec(record: NetworkRecord, defaults: BridgeDefaults): BridgeNetwork {
  const { options } = record;
  const mode4 = gatewayMode(options, OPTION.gatewayMode4);
  const mode6 = gatewayMode(options, OPTION.gatewayMode6);
  if ((mode4 === "isolated" || mode6 === "isolated") && !record.isInternal)
    throw invalid("gateway mode 'isolated' can only be used for an internal network");
  for (const key of [OPTION.hostIpv4, OPTION.hostIpv6])
    if (options[key] !== undefined)
      throw new Fault("notImplemented", `network option ${key} is not supported by this version`, {
        code: "network.option",
      });
  const egress = options[OPTION.egress];
  if (egress !== undefined) parseEgressPolicy(egress);
  const mtu = mtuOption(options);
  if (record.hasIpv6 && mtu < MIN_IPV6_MTU)
    throw invalid(`IPv6 needs an MTU of at least ${MIN_IPV6_MTU}, not ${mtu}`);
  const name = options[OPTION.bridgeName] || record.deviceName;
  return {
    id: record.id,
    ...(name === "" ? {} : { bridgeName: checkDeviceName(name) }),
    ...familyOf(record, "ipv4", mode4),
    ...familyOf(record, "ipv6", mode6),
    mtu,
    internal: record.isInternal,
    masquerade: boolOption(options, OPTION.masquerade, true),
    icc: boolOption(options, OPTION.icc, true),
    inhibitIpv4: boolOption(options, OPTION.inhibitIpv4, false),
    hostBindingIp: bindingOption(options) || defaults.hostBindingIp,
    trustedInterfaces: (options[OPTION.trusted] ?? "")
      .split(":")
      .filter((n) => n !== "")
      .map(checkDeviceName),
    ...(defaults.isDirect ? { isDirect: true } : {}),
    ...publishAllow(options, defaults.publishAllow),
    ...(egress === undefined ? {} : { egress }),
  };
}

function familyOf(
  record: NetworkRecord,
  family: "ipv4" | "ipv6",
  gatewayMode: GatewayMode,
): { [F in "ipv4" | "ipv6"]?: NetworkSubnet } {
  const s = subnetOf(record, family);
  if (s === undefined) return {};
  const { subnet, gateway } = s;
  return { [family]: { subnet, gateway, nextHop: nextHopOf(record, s), gatewayMode } };
}

/** Returns the macvlan driver's form of a macvlan or ipvlan network. Fails with invalidParameter on options that cannot be. */
export function macvlanSpec(record: NetworkRecord): MacvlanNetwork {
  const { options } = record;
  if (options[OPTION.egress] !== undefined)
    throw invalid(
      `${OPTION.egress} needs a bridge network: the packets of ${record.driver} networks do not pass the host`,
    );
  const parent = options[OPTION.parent] ?? "";
  return {
    id: record.id,
    parent: parent === "" ? "" : checkDeviceName(parent),
    child: record.driver === "ipvlan" ? ipvlanChild(options) : macvlanChild(options),
    mtu: options[OPTION.mtu] === undefined ? 0 : mtuOption(options),
    subnets: record.subnets.map((s) => ({ subnet: s.subnet, gateway: s.gateway })),
    internal: record.isInternal,
  };
}

function macvlanChild(options: Options): ChildKind {
  const mode = options[OPTION.macvlanMode] || "bridge";
  if (!MACVLAN_MODES.includes(mode))
    throw invalid(
      `requested macvlan mode '${mode}' is not valid, 'bridge' mode is the macvlan driver default`,
    );
  return { kind: "macvlan", mode: mode as MacvlanMode };
}

function ipvlanChild(options: Options): ChildKind {
  const mode = options[OPTION.ipvlanMode] || "l2";
  const flag = options[OPTION.ipvlanFlag] || "bridge";
  if (!IPVLAN_MODES.includes(mode))
    throw invalid(`requested ipvlan mode '${mode}' is not valid, 'l2' mode is the ipvlan driver default`);
  if (!IPVLAN_FLAGS.includes(flag))
    throw invalid(`requested ipvlan flag '${flag}' is not valid, 'bridge' is the ipvlan driver default`);
  return { kind: "ipvlan", mode: mode as IpvlanMode, flag: flag as IpvlanFlag };
}

/** Returns the front of device names in the network's containers, "eth". */
export const interfacePrefix = (record: NetworkRecord): string =>
  record.options[OPTION.interfacePrefix] || "eth";
