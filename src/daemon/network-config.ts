// The daemon's settings of networks: flags and keys of daemon.json as dockerd's.
import { isIP } from "node:net";
import type { DefaultBridgeSettings } from "../engine/network/default-bridge.ts";
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
}

export const NETWORK_FLAGS = {
  "fixed-cidr": string("IPv4 subnet for the addresses of containers on the default bridge"),
  "fixed-cidr-v6": string("IPv6 subnet of the default bridge"),
  ip: string("Host IP for port publishing from the default bridge network"),
  ipv6: bool("Enable IPv6 on the default bridge network"),
  icc: bool("Enable communication between the containers of the default bridge network", { initial: true }),
  "ip-masq": bool("Enable IP masquerading for the default bridge network", { initial: true }),
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
  "fixed-cidr": "fixed-cidr",
  "fixed-cidr-v6": "fixed-cidr-v6",
  ip: "ip",
  ipv6: "ipv6",
  icc: "icc",
  "ip-masq": "ip-masq",
  "publish-allow": "publish-allow",
  "default-address-pools": "default-address-pool",
  "default-network-opts": "default-network-opt",
} as const;

/** Values of the flags. */
export interface NetworkFlagValues {
  readonly "fixed-cidr": string;
  readonly "fixed-cidr-v6": string;
  readonly ip: string;
  readonly ipv6: boolean;
  readonly icc: boolean;
  readonly "ip-masq": boolean;
  readonly "publish-allow": readonly string[];
  readonly "default-address-pool": readonly string[];
  readonly "default-network-opt": readonly string[];
}

type ConfigFile = Readonly<Record<string, unknown>>;

const invalid = (message: string): Fault => new Fault("invalidParameter", message, { code: "daemon.config" });

/** Returns the settings. Fails with invalidParameter. */
export function networkConfigOf(
  flags: NetworkFlagValues,
  file: ConfigFile,
  bridge: { bip: string; mtu: number },
): NetworkConfig {
  const text = (key: "fixed-cidr" | "fixed-cidr-v6" | "ip"): string => {
    const value = file[key] ?? flags[key];
    if (typeof value !== "string") throw invalid(`"${key}" in the configuration file must be a string`);
    return value;
  };
  const flag = (key: "ipv6" | "icc" | "ip-masq"): boolean => {
    const value = file[key] ?? flags[key];
    if (typeof value !== "boolean") throw invalid(`"${key}" in the configuration file must be true or false`);
    return value;
  };
  const subnet = (key: "fixed-cidr" | "fixed-cidr-v6"): string => {
    const value = text(key);
    if (value !== "") parsePrefix(value);
    return value;
  };
  const ip = text("ip");
  if (ip !== "" && isIP(ip) === 0) throw invalid(`invalid host address "${ip}" of --ip`);
  const pools = file["default-address-pools"] ?? flags["default-address-pool"];
  if (!Array.isArray(pools))
    throw invalid('"default-address-pools" in the configuration file must be a list');
  return {
    defaultBridge: {
      ...(bridge.bip === "" ? {} : { bip: bridge.bip }),
      fixedCidr: subnet("fixed-cidr"),
      fixedCidrV6: subnet("fixed-cidr-v6"),
      mtu: bridge.mtu,
      hasIcc: flag("icc"),
      hasMasquerade: flag("ip-masq"),
      hasIpv6: flag("ipv6"),
      hostBindingIp: ip === "0.0.0.0" ? "" : ip,
    },
    addressPools: poolsByFamily(pools.map(poolOf)),
    publishAllow: publishAllowOf(file["publish-allow"] ?? flags["publish-allow"]),
    defaultOptions: defaultOptionsOf(file["default-network-opts"], flags["default-network-opt"]),
  };
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
