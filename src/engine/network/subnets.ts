// Chooses the subnets and gateways of a new network: what the user wants, checked against everybody else, and free ones of
// the pools for the rest. Pure.
import { Fault } from "../../lib/errors.ts";
import { familyOf, ipFromNumber, ipNumber, parsePrefix } from "../../linux/netlink/address.ts";
import { firstAddress } from "../../net/ipam/address-pool.ts";
import { chooseSubnet, type SubnetPool, type TakenPrefix } from "../../net/ipam/subnet.ts";
import { OPTION } from "./options.ts";
import { isAnyBlock, isOnWire, type NetworkRecord, type NetworkSubnetRecord } from "./record.ts";

/** Where subnets that nobody asked for come from. */
export interface SubnetPools {
  ipv4: readonly SubnetPool[];
  ipv6: readonly SubnetPool[];
}

/** What is in use. */
export interface TakenSubnets {
  /** By networks of this daemon and by devices of the host: even wanted subnets must not overlap them. */
  networks: readonly TakenPrefix[];
  /** By routes of the host: only subnets of our choosing must not overlap them. */
  routes: readonly TakenPrefix[];
}

/** What a choice is made from. */
export interface SubnetContext {
  pools: SubnetPools;
  taken: TakenSubnets;
}

/** Returns the network with its addresses. Fails with forbidden (overlap), unavailable (no pool left), invalidParameter. */
export function chooseSubnets(draft: NetworkRecord, context: SubnetContext): NetworkRecord {
  if (draft.ipamDriver === "null") return { ...draft, subnets: [] };
  const blocks = (family: "ipv4" | "ipv6"): NetworkSubnetRecord[] => {
    const wanted = draft.subnets.filter((s) => s.subnet.includes(":") === (family === "ipv6"));
    if (!(family === "ipv4" ? draft.hasIpv4 : draft.hasIpv6)) return [];
    if (draft.driver === "bridge" && wanted.length > 1)
      throw new Fault("forbidden", "bridge driver doesn't support multiple subnets", {
        code: "network.several-subnets",
      });
    if (wanted.length === 0) return [withGateway(draft, freeBlock(family, context), context)];
    return wanted.map((s) =>
      withGateway(
        draft,
        isAnyBlock(s) ? freeBlock(family, context, parsePrefix(s.subnet).length) : s,
        context,
      ),
    );
  };
  return { ...draft, subnets: [...blocks("ipv4"), ...blocks("ipv6")] };
}

/** A free block of the pools, `length` bits of it fixed; of the pools' own sizes with 0. */
function freeBlock(
  family: "ipv4" | "ipv6",
  { pools, taken }: SubnetContext,
  length = 0,
): NetworkSubnetRecord {
  const { subnet } = chooseSubnet({
    pools: length === 0 ? pools[family] : cut(pools[family], length),
    ...taken,
  });
  return { subnet, gateway: "", range: "", reserved: {} };
}

/** The pools that have blocks of the length; fails with invalidParameter when none has. */
function cut(pools: readonly SubnetPool[], length: number): SubnetPool[] {
  const wide = pools.filter((p) => parsePrefix(p.base).length <= length);
  if (wide.length === 0)
    throw new Fault(
      "invalidParameter",
      `invalid address pool: no default address pool has blocks of /${length}`,
      {
        code: "subnet.invalid",
      },
    );
  return wide.map((p) => ({ base: p.base, size: length }));
}

function withGateway(
  draft: NetworkRecord,
  s: NetworkSubnetRecord,
  { taken }: SubnetContext,
): NetworkSubnetRecord {
  // Macvlan and ipvlan networks share the wire's subnet: what the host has there is no conflict.
  const networks = isOnWire(draft) ? [] : taken.networks;
  chooseSubnet({ wanted: s.subnet, networks, routes: [] });
  return { ...s, gateway: s.gateway || defaultGateway(draft, s) };
}

/** The first address of the range or subnet that is not reserved; none where the network is isolated. */
function defaultGateway(draft: NetworkRecord, s: NetworkSubnetRecord): string {
  const isIpv6 = s.subnet.includes(":");
  const mode = draft.options[isIpv6 ? OPTION.gatewayMode6 : OPTION.gatewayMode4];
  if (mode === "isolated" || (isOnWire(draft) && draft.isInternal)) return "";
  const reserved = Object.values(s.reserved);
  const first = firstAddress(s.subnet);
  const family = familyOf(first);
  const lowest = ipNumber(first);
  const { base } = parsePrefix(s.range || s.subnet);
  for (let n = base > lowest ? base : lowest; ; n++) {
    const gateway = ipFromNumber(n, family);
    if (!reserved.includes(gateway)) return gateway;
  }
}
