// What the store keeps of a network (table `networks`, key = id).
import { parsePrefix } from "../../linux/netlink/address.ts";

/** Networks of the first three have devices and addresses; `host` and `null` only exist to be named. */
export type NetworkDriverName = "bridge" | "macvlan" | "ipvlan" | "host" | "null";

/** Whether a network's containers are on the wire of a device of the host. */
export const isOnWire = ({ driver }: Pick<NetworkRecord, "driver">): boolean =>
  driver === "macvlan" || driver === "ipvlan";

/** A block of addresses of a network. */
export interface NetworkSubnetRecord {
  /** CIDR, host bits zero. In a draft also one without an address (isAnyBlock). */
  readonly subnet: string;
  /** "" where the network has no gateway in this family. */
  readonly gateway: string;
  /** `--ip-range`, "" for the whole subnet. */
  readonly range: string;
  /** `--aux-address`: addresses that containers must not get, by name. */
  readonly reserved: Readonly<Record<string, string>>;
}

export interface NetworkRecord {
  readonly version: 2;
  readonly id: string;
  readonly name: string;
  readonly driver: NetworkDriverName;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly hasIpv4: boolean;
  readonly hasIpv6: boolean;
  readonly ipamDriver: string;
  /** As asked for: null for who said nothing. */
  readonly ipamOptions: Readonly<Record<string, string>> | null;
  /** What the user asked for in a configuration-only network, which has no addresses of its own; else what there is. */
  readonly subnets: readonly NetworkSubnetRecord[];
  /** Name of the network's device on the host; "" where there is none. */
  readonly deviceName: string;
  /** Of the default bridge: the host's device that the configuration names for it (`--bridge`). */
  readonly givenDevice?: string;
  readonly isInternal: boolean;
  readonly isAttachable: boolean;
  /** Only keeps settings for other networks (`--config-only`). */
  readonly isConfigOnly: boolean;
  /** Name of the network whose settings this one has taken, "" for none. */
  readonly configFrom: string;
  /** Options of the driver as they were given; options.ts reads them. */
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** The networks that every daemon has. */
export const PREDEFINED: readonly string[] = ["bridge", "host", "none"];

/** compat: "default" is another name of the default bridge in network modes, and nobody else may have it. */
export const isPredefined = (name: string): boolean => PREDEFINED.includes(name) || name === "default";

/** The settings that a network's first version kept; only the predefined networks existed then. */
interface FirstRecord {
  readonly version: 1;
  readonly id: string;
  readonly name: string;
  readonly driver: "bridge" | "host" | "null";
  readonly createdAt: string;
  readonly subnet: string;
  readonly gateway: string;
  readonly bridgeName: string;
  readonly options: Readonly<Record<string, string>>;
}

/** Returns a record in today's form. */
export function upgraded(record: NetworkRecord | FirstRecord): NetworkRecord {
  if (record.version === 2) return record;
  const { id, name, driver, createdAt, options } = record;
  const subnet = { subnet: record.subnet, gateway: record.gateway, range: "", reserved: {} };
  return {
    ...emptyRecord({ id, name, driver, createdAt }),
    subnets: record.subnet === "" ? [] : [subnet],
    deviceName: record.bridgeName,
    options,
  };
}

/** Returns a record without addresses and options. */
export function emptyRecord(r: Pick<NetworkRecord, "id" | "name" | "driver" | "createdAt">): NetworkRecord {
  return {
    version: 2,
    ...r,
    hasIpv4: true,
    hasIpv6: false,
    ipamDriver: "default",
    ipamOptions: null,
    subnets: [],
    deviceName: "",
    isInternal: false,
    isAttachable: false,
    isConfigOnly: false,
    configFrom: "",
    options: {},
    labels: {},
  };
}

/** compat: these of a bridge network's reserved addresses are the containers' next hop, instead of the bridge. */
export const NEXT_HOP = { ipv4: "DefaultGatewayIPv4", ipv6: "DefaultGatewayIPv6" } as const;

/** Returns the containers' next hop in a subnet, "" where it has none. */
export function nextHopOf(r: Pick<NetworkRecord, "driver">, s: NetworkSubnetRecord): string {
  const name = s.subnet.includes(":") ? NEXT_HOP.ipv6 : NEXT_HOP.ipv4;
  return (r.driver === "bridge" ? s.reserved[name] : undefined) || s.gateway;
}

/** Whether a block asks for any one of its size, "0.0.0.0/24" or "::/64" (compat: as Docker 28 reads it). */
export const isAnyBlock = (s: Pick<NetworkSubnetRecord, "subnet">): boolean =>
  parsePrefix(s.subnet).base === 0n;

/** Returns the first subnet of a family. */
export const subnetOf = (r: NetworkRecord, family: "ipv4" | "ipv6"): NetworkSubnetRecord | undefined =>
  r.subnets.find((s) => s.subnet.includes(":") === (family === "ipv6"));
