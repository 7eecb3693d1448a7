// The daemon's settings of networks: flags and keys of daemon.json as dockerd's.
import { isIP } from "node:net";
import {
  type DefaultBlockSettings,
  type DefaultBridgeSettings,
  NO_DEVICE,
} from "../engine/network/default-bridge.ts";
import { checkDeviceName } from "../engine/network/options.ts";
import { Fault } from "../lib/errors.ts";
import { bool, list, string } from "../lib/flags/spec.ts";
import { AF_INET, parsePrefix, prefixText } from "../linux/netlink/address.ts";
import type { SubnetPool } from "../net/ipam/subnet.ts";

/** What networks are made of when nobody says otherwise. */
export interface NetworkConfig {
  readonly defaultBridge: DefaultBridgeSettings;
  /** By family, undefined for the built-in pools. */
  readonly addressPools: { readonly ipv4: SubnetPool[] | undefined; readonly ipv6: SubnetPool[] | undefined };
  /** Options by driver for new networks. */
  readonly defaultOptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Not Docker's: who outside of the host may reach published ports, CIDRs; undefined for everybody. */
  readonly publishAllow: readonly string[] | undefined;
  /** Published ports may be reached by the containers' own addresses. */
  readonly allowsDirectRouting: boolean;
}

export const NETWORK_FLAGS = {
  bridge: string('Attach containers to this bridge of the host; "none" for no default bridge', {
    short: "b",
  }),
  bip: string("IPv4 address for the default bridge"),
  bip6: string("IPv6 address for the default bridge"),
  "default-gateway": string(
    "IPv4 address of the containers' gateway on the default bridge, if not the bridge",
  ),
  "default-gateway-v6": string(
    "IPv6 address of the containers' gateway on the default bridge, if not the bridge",
  ),
  "fixed-cidr": string("IPv4 subnet for the addresses of containers on the default bridge"),
  "fixed-cidr-v6": string("IPv6 subnet of the default bridge"),
  ip: string("Host IP for port publishing from the default bridge network"),
  ipv6: bool("Enable IPv6 on the default bridge network"),
  icc: bool("Enable communication between the containers of the default bridge network", { initial: true }),
  "ip-masq": bool("Enable IP masquerading for the default bridge network", { initial: true }),
  "allow-direct-routing": bool("Allow remote access to published ports on container IP addresses"),
  "publish-allow": list(
    "CIDR block that may reach published ports; everybody when none is given (not Docker's)",
  ),
  "default-address-pool": list("Address pool for networks without a subnet, as in base=10.10.0.0/16,size=24"),
  "default-network-opt": list(
    "Default option of new networks, as in bridge=com.docker.network.driver.mtu=1400",
  ),
} as const;

/** daemon.json keys and the flag that each has. */
export const NETWORK_KEYS = {
  bridge: "bridge",
  bip: "bip",
  bip6: "bip6",
  "default-gateway": "default-gateway",
  "default-gateway-v6": "default-gateway-v6",
  "fixed-cidr": "fixed-cidr",
  "fixed-cidr-v6": "fixed-cidr-v6",
  ip: "ip",
  ipv6: "ipv6",
  icc: "icc",
  "ip-masq": "ip-masq",
  "allow-direct-routing": "allow-direct-routing",
  "publish-allow": "publish-allow",
  "default-address-pools": "default-address-pool",
  "default-network-opts": "default-network-opt",
} as const;

/** Values of the flags. */
export interface NetworkFlagValues {
  readonly bridge: string;
  readonly bip: string;
  readonly bip6: string;
  readonly "default-gateway": string;
  readonly "default-gateway-v6": string;
  readonly "fixed-cidr": string;
  readonly "fixed-cidr-v6": string;
  readonly ip: string;
  readonly ipv6: boolean;
  readonly icc: boolean;
  readonly "ip-masq": boolean;
  readonly "allow-direct-routing": boolean;
  readonly "publish-allow": readonly string[];
  readonly "default-address-pool": readonly string[];
  readonly "default-network-opt": readonly string[];
}

type ConfigFile = Readonly<Record<string, unknown>>;

const invalid = (message: string): Fault => new Fault("invalidParameter", message, { code: "daemon.config" });

/** Returns the settings. Fails with invalidParameter. */
export function networkConfigOf(flags: NetworkFlagValues, file: ConfigFile, mtu: number): NetworkConfig {
  const text = (key: TextKey): string => {
    const value = file[key] ?? flags[key];
    if (typeof value !== "string") throw invalid(`"${key}" in the configuration file must be a string`);
    return value;
  };
  const flag = (key: "ipv6" | "icc" | "ip-masq" | "allow-direct-routing"): boolean => {
    const value = file[key] ?? flags[key];
    if (typeof value !== "boolean") throw invalid(`"${key}" in the configuration file must be true or false`);
    return value;
  };
  const block = (
    family: 4 | 6,
    keys: Readonly<Record<keyof DefaultBlockSettings, TextKey>>,
  ): DefaultBlockSettings => ({
    bip: cidrOf(keys.bip, text(keys.bip), family),
    fixedCidr: cidrOf(keys.fixedCidr, text(keys.fixedCidr), family),
    nextHop: addressOf(keys.nextHop, text(keys.nextHop), family),
  });
  const ipv4 = block(4, { bip: "bip", fixedCidr: "fixed-cidr", nextHop: "default-gateway" });
  const ipv6 = block(6, { bip: "bip6", fixedCidr: "fixed-cidr-v6", nextHop: "default-gateway-v6" });
  const device = text("bridge");
  for (const [flagName, { bip }] of [
    ["bip", ipv4],
    ["bip6", ipv6],
  ] as const)
    if (device !== "" && bip !== "")
      // compat: dockerd's text
      throw invalid(`You specified -b & --${flagName}, mutually exclusive options. Please specify only one`);
  const ip = text("ip");
  if (ip !== "" && isIP(ip) === 0) throw invalid(`invalid host address "${ip}" of --ip`);
  const pools = file["default-address-pools"] ?? flags["default-address-pool"];
  if (!Array.isArray(pools))
    throw invalid('"default-address-pools" in the configuration file must be a list');
  return {
    defaultBridge: {
      device: device === "" || device === NO_DEVICE ? device : checkDeviceName(device),
      ipv4,
      ipv6,
      mtu,
      hasIcc: flag("icc"),
      hasMasquerade: flag("ip-masq"),
      hasIpv6: flag("ipv6"),
      hostBindingIp: ip === "0.0.0.0" ? "" : ip,
    },
    addressPools: poolsByFamily(pools.map(poolOf)),
    allowsDirectRouting: flag("allow-direct-routing"),
    publishAllow: publishAllowOf(file["publish-allow"] ?? flags["publish-allow"]),
    defaultOptions: defaultOptionsOf(file["default-network-opts"], flags["default-network-opt"]),
  };
}

type TextKey =
  | "bridge"
  | "bip"
  | "bip6"
  | "fixed-cidr"
  | "fixed-cidr-v6"
  | "default-gateway"
  | "default-gateway-v6"
  | "ip";

function cidrOf(key: TextKey, value: string, family: 4 | 6): string {
  const isOther = value !== "" && (parsePrefix(value).family === AF_INET) !== (family === 4);
  if (isOther) throw invalid(`invalid ${key} "${value}": an IPv${family} block is needed`);
  return value;
}

function addressOf(key: TextKey, value: string, family: 4 | 6): string {
  if (value !== "" && isIP(value) !== family)
    throw invalid(`invalid ${key} "${value}": an IPv${family} address is needed`);
  return value;
}

function publishAllowOf(blocks: unknown): readonly string[] | undefined {
  if (!Array.isArray(blocks) || blocks.some((b) => typeof b !== "string"))
    throw invalid('"publish-allow" in the configuration file must be a list of CIDR blocks');
  return blocks.length === 0 ? undefined : (blocks as string[]).map((b) => prefixText(parsePrefix(b)));
}

function poolsByFamily(pools: readonly SubnetPool[]): NetworkConfig["addressPools"] {
  const of = (isIpv4: boolean): SubnetPool[] | undefined => {
    const family = pools.filter((p) => (parsePrefix(p.base).family === AF_INET) === isIpv4);
    return family.length === 0 ? undefined : family;
  };
  return { ipv4: of(true), ipv6: of(false) };
}

/** Reads `base=10.10.0.0/16,size=24`, or the object of daemon.json. */
function poolOf(value: unknown): SubnetPool {
  const fields: Record<string, unknown> =
    typeof value === "string"
      ? Object.fromEntries(value.split(",").map((part) => part.split("=", 2)))
      : typeof value === "object" && value !== null
        ? { ...value }
        : {};
  const base = fields["base"];
  const size = Number(fields["size"]);
  const prefix = typeof base === "string" ? parsePrefix(base) : undefined;
  const width = prefix?.family === AF_INET ? 30 : 126;
  if (
    typeof base !== "string" ||
    prefix === undefined ||
    !Number.isInteger(size) ||
    size < prefix.length ||
    size > width
  )
    throw invalid(
      `invalid address pool ${JSON.stringify(value)}: a base such as 10.10.0.0/16 and a size between its length and ${width} are needed`,
    );
  return { base, size };
}

function defaultOptionsOf(fromFile: unknown, fromFlags: readonly string[]): NetworkConfig["defaultOptions"] {
  const options: Record<string, Record<string, string>> = {};
  const set = (driver: string, key: string, value: unknown): void => {
    if (typeof value !== "string" || driver === "" || key === "")
      throw invalid("default-network-opts must name drivers, and options and values as text");
    (options[driver] ??= {})[key] = value;
  };
  for (const [driver, own] of Object.entries((fromFile ?? {}) as Record<string, unknown>))
    for (const [key, value] of Object.entries((own ?? {}) as Record<string, unknown>))
      set(driver, key, value);
  for (const text of fromFlags) {
    const [driver = "", key = "", ...value] = text.split("=");
    set(driver, key, value.join("="));
  }
  return options;
}
