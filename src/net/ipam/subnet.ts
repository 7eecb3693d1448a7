// Choice of a network's subnet: what the user wants, checked, or the first of the default pools that collides with
// nothing on this host. Pure: the host's routes and addresses come in as data.
// Order and size of the default pools are Docker's, so that documentation and habits hold.

import { createHash } from "node:crypto";
import { Fault } from "../../lib/errors.ts";
import {
  type Prefix,
  familyOf,
  ipFromNumber,
  parseInterface,
  parsePrefix,
  prefixContains,
  prefixSize,
  prefixText,
  prefixesOverlap,
} from "../../linux/netlink/address.ts";
import type { SubnetChoice } from "../model.ts";
import { firstAddress } from "./address-pool.ts";

/** A range that is cut into subnets of `size` bits. */
export interface SubnetPool {
  base: string;
  size: number;
}

/** Docker's local address pools, 172.17.0.0/16 … 172.31.0.0/16, then 192.168.0.0/20 …; and, when these 31 are used up, small ones by the thousand. */
export const DEFAULT_POOLS: readonly SubnetPool[] = [
  { base: "172.17.0.0/16", size: 16 },
  { base: "172.18.0.0/16", size: 16 },
  { base: "172.19.0.0/16", size: 16 },
  { base: "172.20.0.0/14", size: 16 },
  { base: "172.24.0.0/14", size: 16 },
  { base: "172.28.0.0/14", size: 16 },
  { base: "192.168.0.0/16", size: 20 },
  { base: "10.208.0.0/12", size: 24 },
];

/** Pools of IPv6 subnets of one daemon: unique local addresses (RFC 4193), their global id derived from a hash of the daemon's. */
export function uniqueLocalPools(daemonId: string): SubnetPool[] {
  const digits = createHash("sha256").update(daemonId).digest("hex");
  return [{ base: `fd${digits.slice(0, 2)}:${digits.slice(2, 6)}:${digits.slice(6, 10)}::/48`, size: 64 }];
}

/** A prefix that is in use and by whom ("network web", "device eth0", "route via eth0"). */
export interface TakenPrefix {
  prefix: Prefix;
  holder: string;
}

/** What a choice is made from. */
export interface SubnetSearch {
  /** CIDR asked for; a host part that is not zero is the gateway, as with `--bip`. */
  wanted?: string;
  gateway?: string;
  pools?: readonly SubnetPool[];
  /** Networks of this daemon and addresses of the host's devices: even a wanted subnet must not overlap them. */
  networks: readonly TakenPrefix[];
  /** The host's routes, without the default route: a subnet chosen by us must not overlap them. */
  routes: readonly TakenPrefix[];
}

/**
 * Returns the subnet and gateway of a new network. Throws Fault invalidParameter `subnet.invalid`, forbidden
 * `subnet.overlap` (403 in Docker), unavailable `subnet.exhausted`.
 */
export function chooseSubnet(search: SubnetSearch): SubnetChoice {
  if (search.wanted !== undefined) return wantedSubnet(search, search.wanted);
  const taken = [...search.networks, ...search.routes];
  const pools = search.pools ?? DEFAULT_POOLS;
  const free = firstFree(pools, taken);
  if (free !== undefined) {
    const subnet = prefixText(free);
    return { subnet, gateway: checkedGateway(free, search.gateway ?? firstAddress(subnet)) };
  }
  // compat: docker's text begins so (libnetwork ipamapi.ErrNoMoreSubnets)
  throw new Fault(
    "unavailable",
    `all predefined address pools have been fully subnetted${blockers(taken, pools)}; name a free one with --subnet, or set default-address-pools in daemon.json`,
    { code: "subnet.exhausted" },
  );
}

/** Names who is in the way, as far as it is not the networks themselves. */
function blockers(taken: readonly TakenPrefix[], pools: readonly SubnetPool[]): string {
  const bases = pools.map((p) => parsePrefix(p.base));
  const holders = taken
    .filter((t) => !t.holder.startsWith("network ") && bases.some((b) => prefixesOverlap(b, t.prefix)))
    .map((t) => `${t.holder} (${prefixText(t.prefix)})`);
  return holders.length === 0 ? "" : `, also by ${[...new Set(holders)].slice(0, 4).join(", ")}`;
}

/** Walks through pools and what is taken side by side, so that hundreds of networks cost no more than one look at each. */
function firstFree(pools: readonly SubnetPool[], taken: readonly TakenPrefix[]): Prefix | undefined {
  for (const pool of pools) {
    const whole = parsePrefix(pool.base);
    const end = whole.base + prefixSize(whole);
    const step = prefixSize({ ...whole, length: pool.size });
    const inTheWay = taken
      .filter((t) => prefixesOverlap(t.prefix, whole))
      .map(({ prefix }) => ({ from: prefix.base, to: prefix.base + prefixSize(prefix) }))
      .sort((a, b) => (a.from < b.from ? -1 : 1));
    let base = whole.base;
    for (const { from, to } of inTheWay) {
      if (from >= base + step) break;
      // Up to the next block that begins where this one has ended.
      if (to > base) base += ((to - base + step - 1n) / step) * step;
    }
    if (base < end) return { family: whole.family, base, length: pool.size };
  }
  return undefined;
}

function wantedSubnet(search: SubnetSearch, wanted: string): SubnetChoice {
  const { ip, prefix } = parseInterface(wanted);
  const subnet = prefixText(prefix);
  const clash = search.networks.find((t) => prefixesOverlap(t.prefix, prefix));
  if (clash !== undefined)
    throw new Fault(
      "forbidden",
      // compat: docker's text begins so (libnetwork ErrPoolOverlap)
      `Pool overlaps with other one on this address space: ${subnet} with ${prefixText(clash.prefix)} of ${clash.holder}; choose another --subnet or leave it out`,
      { code: "subnet.overlap", detail: { subnet, holder: clash.holder } },
    );
  const isNetworkAddress = ip === ipFromNumber(prefix.base, prefix.family);
  return {
    subnet,
    gateway: checkedGateway(prefix, search.gateway ?? (isNetworkAddress ? firstAddress(subnet) : ip)),
  };
}

function checkedGateway(prefix: Prefix, gateway: string): string {
  if (familyOf(gateway) !== prefix.family || !prefixContains(prefix, gateway))
    throw new Fault("invalidParameter", `gateway ${gateway} is not inside subnet ${prefixText(prefix)}`, {
      code: "subnet.invalid",
    });
  return gateway;
}
