// The address ranges of a new network: subnets with the ranges, gateways and reserved addresses that lie in them.

import { BlockList, isIP } from "node:net";
import { complain } from "../failure.ts";

export interface IpamFlags {
  readonly subnets: readonly string[];
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
  readonly reserved: Readonly<Record<string, string>>;
}

export interface IpamConfig {
  Subnet: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

/** Puts each range, gateway and address into the subnet it lies in. Throws a Fault with Docker's text. */
export function resolveIpam({ subnets, ranges, gateways, reserved }: IpamFlags): IpamConfig[] {
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw complain("every ip-range or gateway must have a corresponding subnet");
  }
  const configs: IpamConfig[] = [];
  for (const Subnet of subnets) {
    if (configs.some((other) => contains(Subnet, other.Subnet) || contains(other.Subnet, Subnet))) {
      throw complain("multiple overlapping subnet configuration is not supported");
    }
    configs.push({ Subnet });
  }
  const home = (address: string, what: string): IpamConfig => {
    const config = configs.find(({ Subnet }) => contains(Subnet, address));
    if (config === undefined) throw complain(`no matching subnet for ${what} ${address}`);
    return config;
  };
  for (const range of ranges) {
    const config = home(range, "range");
    if (config.IPRange !== undefined) {
      throw complain(
        `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet})`,
      );
    }
    config.IPRange = range;
  }
  for (const gateway of gateways) {
    const config = home(gateway, "gateway");
    if (config.Gateway !== undefined) {
      throw complain(
        `cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet})`,
      );
    }
    config.Gateway = gateway;
  }
  for (const [name, address] of Object.entries(reserved)) {
    const config = home(address, "aux-address");
    config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address };
  }
  return configs;
}

/** Tells whether an address, or the first of a subnet, lies in the subnet. */
function contains(subnet: string, address: string): boolean {
  const [network = "", bits = ""] = subnet.split("/");
  const family = isIP(network);
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) {
    throw complain(`invalid subnet: invalid CIDR address: ${subnet}`);
  }
  const [host = ""] = address.split("/");
  const hostFamily = isIP(host);
  if (address.includes("/") && hostFamily === 0) throw complain(`invalid CIDR address: ${address}`);
  if (hostFamily !== family) return false;
  const list = new BlockList();
  const type = family === 4 ? "ipv4" : "ipv6";
  list.addSubnet(network, Number(bits), type);
  return list.check(host, type);
}
