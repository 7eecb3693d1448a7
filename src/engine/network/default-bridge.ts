// The record of the default network `bridge`, from the daemon's settings, what it was before, and what the device that was
// named for it has. Pure.
import { Fault } from "../../lib/errors.ts";
import { newId } from "../../lib/id.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import { parsePrefix, prefixContains, prefixesOverlap } from "../../linux/netlink/address.ts";
import { chooseSubnet } from "../../net/ipam/subnet.ts";
import { OPTION } from "./options.ts";
import { emptyRecord, NEXT_HOP, type NetworkRecord, type NetworkSubnetRecord, subnetOf } from "./record.ts";
import type { SubnetContext } from "./subnets.ts";

/** The device of `--bridge none`. */
export const NO_DEVICE = "none";

/** What the daemon's configuration says of the default bridge. */
export interface DefaultBridgeSettings {
  /** Name of the host's device to be used (`--bridge`), NO_DEVICE for no default bridge at all, "" for one of our own. */
  device: string;
  ipv4: DefaultBlockSettings;
  ipv6: DefaultBlockSettings;
  mtu: number;
  hasIcc: boolean;
  hasMasquerade: boolean;
  hasIpv6: boolean;
  /** Host address for published ports that name none (`--ip`). */
  hostBindingIp: string;
}

/** What the configuration says of the addresses of one family, "" where it says nothing. */
export interface DefaultBlockSettings {
  /** CIDR (`--bip`, `--bip6`), its host part is the bridge's own address. */
  bip: string;
  /** Part of the subnet that containers get addresses of (`--fixed-cidr`, `--fixed-cidr-v6`); the whole where nothing else says one. */
  fixedCidr: string;
  /** The containers' next hop, where it is not the bridge (`--default-gateway`, `--default-gateway-v6`). */
  nextHop: string;
}

/** What there is. */
export interface DefaultBridgeContext extends SubnetContext {
  /** Addresses of the device that `--bridge` names, "10.0.0.1/24"; [] without one. */
  deviceAddresses: readonly string[];
}

type Family = "ipv4" | "ipv6";

/** Returns the record, a device of our own still unnamed where it is new. The stored subnets stay, so that addresses do. */
export function defaultBridge(
  stored: NetworkRecord | undefined,
  settings: DefaultBridgeSettings,
  context: DefaultBridgeContext,
): NetworkRecord {
  const base =
    stored ??
    emptyRecord({ id: newId(), name: "bridge", driver: "bridge", createdAt: formatNano(nowNano()) });
  const { device } = settings;
  const families: readonly Family[] = settings.hasIpv6 ? ["ipv4", "ipv6"] : ["ipv4"];
  return {
    ...base,
    ...(device === "" ? {} : { givenDevice: device, deviceName: device }),
    hasIpv6: settings.hasIpv6,
    subnets: families.map((family) => block(family, stored, settings, context)),
    options: {
      [OPTION.defaultBridge]: "true",
      [OPTION.icc]: String(settings.hasIcc),
      [OPTION.masquerade]: String(settings.hasMasquerade),
      [OPTION.hostBinding]: settings.hostBindingIp || "0.0.0.0",
      [OPTION.bridgeName]: device || base.deviceName,
      [OPTION.mtu]: String(settings.mtu),
    },
  };
}

function block(
  family: Family,
  stored: NetworkRecord | undefined,
  settings: DefaultBridgeSettings,
  { pools, taken, deviceAddresses }: DefaultBridgeContext,
): NetworkSubnetRecord {
  const { bip, fixedCidr, nextHop } = settings[family];
  const isOwn = (holder: string): boolean =>
    holder === "network bridge" || holder === `device ${settings.device}`;
  const others = { ...taken, networks: taken.networks.filter((t) => !isOwn(t.holder)) };
  const known = stored === undefined ? undefined : subnetOf(stored, family);
  const isKept = known !== undefined && (fixedCidr === "" || isWithin(fixedCidr, known.subnet));
  const wanted = bip || addressFor(deviceAddresses, family, fixedCidr) || (isKept ? "" : fixedCidr);
  const choice =
    wanted !== ""
      ? chooseSubnet({ wanted, ...others })
      : isKept
        ? known
        : chooseSubnet({ pools: pools[family], ...others });
  const isOutside = fixedCidr !== "" && !isWithin(fixedCidr, choice.subnet);
  // compat: dockerd goes on without an IPv4 range that the given device has no address for.
  if (isOutside && (family === "ipv6" || settings.device === ""))
    throw invalid(`${RANGE_FLAG[family]}=${fixedCidr} is outside of the subnet ${choice.subnet}`);
  if (nextHop !== "" && !prefixContains(parsePrefix(choice.subnet), nextHop))
    throw invalid(
      `auxiliary address: (${NEXT_HOP[family]}:${nextHop}) must belong to the master pool: ${choice.subnet}`,
    );
  return {
    subnet: choice.subnet,
    gateway: choice.gateway,
    range: isOutside ? "" : fixedCidr,
    reserved: nextHop === "" ? {} : { [NEXT_HOP[family]]: nextHop },
  };
}

const RANGE_FLAG = { ipv4: "fixed-cidr", ipv6: "fixed-cidr-v6" } as const;

/** compat: of several addresses the one whose subnet has the range, else the first; "" without one. */
function addressFor(addresses: readonly string[], family: Family, fixedCidr: string): string {
  const own = addresses.filter((a) => a.includes(":") === (family === "ipv6"));
  const home = fixedCidr === "" ? undefined : own.find((a) => isWithin(fixedCidr, a));
  return home ?? own[0] ?? "";
}

/** Whether the whole of one block is in another. */
function isWithin(inner: string, outer: string): boolean {
  const [a, b] = [parsePrefix(inner), parsePrefix(outer)];
  return a.length >= b.length && prefixesOverlap(a, b);
}

const invalid = (message: string): Fault =>
  new Fault("invalidParameter", message, { code: "network.default-bridge" });
