// The record of the default network `bridge`, from the daemon's settings and what it was before. Pure.
import { newId } from "../../lib/id.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import { chooseSubnet } from "../../net/ipam/subnet.ts";
import { OPTION } from "./options.ts";
import { emptyRecord, type NetworkRecord, type NetworkSubnetRecord, subnetOf } from "./record.ts";
import type { SubnetContext } from "./subnets.ts";

/** What the daemon's configuration says of the default bridge. */
export interface DefaultBridgeSettings {
  /** CIDR (`--bip`), its host part is the bridge's own address. */
  bip?: string;
  /** Part of the subnet that containers get addresses of (`--fixed-cidr`). */
  fixedCidr?: string;
  mtu: number;
  hasIcc: boolean;
  hasMasquerade: boolean;
  hasIpv6: boolean;
  /** CIDR (`--fixed-cidr-v6`), "" for one of the pools. */
  fixedCidrV6?: string;
  /** Host address for published ports that name none (`--ip`). */
  hostBindingIp: string;
}

/** Returns the record, its device still unnamed where it is new. The stored subnets stay, so that addresses do. */
export function defaultBridge(
  stored: NetworkRecord | undefined,
  settings: DefaultBridgeSettings,
  context: SubnetContext,
): NetworkRecord {
  const base =
    stored ??
    emptyRecord({ id: newId(), name: "bridge", driver: "bridge", createdAt: formatNano(nowNano()) });
  return {
    ...base,
    hasIpv6: settings.hasIpv6,
    subnets: [
      ipv4Block(stored, settings, context),
      ...(settings.hasIpv6 ? [ipv6Block(stored, settings, context)] : []),
    ],
    options: {
      [OPTION.defaultBridge]: "true",
      [OPTION.icc]: String(settings.hasIcc),
      [OPTION.masquerade]: String(settings.hasMasquerade),
      [OPTION.hostBinding]: settings.hostBindingIp || "0.0.0.0",
      [OPTION.bridgeName]: base.deviceName,
      [OPTION.mtu]: String(settings.mtu),
    },
  };
}

function ipv4Block(
  stored: NetworkRecord | undefined,
  { bip, fixedCidr = "" }: DefaultBridgeSettings,
  { pools, taken }: SubnetContext,
): NetworkSubnetRecord {
  const known = stored === undefined ? undefined : subnetOf(stored, "ipv4");
  if (known !== undefined && bip === undefined) return { ...known, range: fixedCidr };
  const others = {
    ...taken,
    networks: taken.networks.filter((t) => t.holder !== "network bridge"),
  };
  const choice = chooseSubnet({
    ...(bip === undefined ? {} : { wanted: bip }),
    pools: pools.ipv4,
    ...others,
  });
  return { ...choice, range: fixedCidr, reserved: {} };
}

function ipv6Block(
  stored: NetworkRecord | undefined,
  { fixedCidrV6 = "" }: DefaultBridgeSettings,
  { pools, taken }: SubnetContext,
): NetworkSubnetRecord {
  const known = stored === undefined ? undefined : subnetOf(stored, "ipv6");
  if (known !== undefined && (fixedCidrV6 === "" || known.subnet === fixedCidrV6)) return known;
  const networks = taken.networks.filter((t) => t.holder !== "network bridge");
  const choice = chooseSubnet({
    ...(fixedCidrV6 === "" ? {} : { wanted: fixedCidrV6 }),
    pools: pools.ipv6,
    networks,
    routes: taken.routes,
  });
  return { ...choice, range: "", reserved: {} };
}
