// The addresses of all networks: a pool per subnet, rebuilt from the records at start-up; who holds an address is an
// endpoint's id. Invariant: an address has a holder exactly as long as an endpoint has it.
import { Fault } from "../../lib/errors.ts";
import { AddressPool } from "../../net/ipam/address-pool.ts";
import { nextHopOf, type NetworkRecord, type NetworkSubnetRecord } from "./record.ts";

/** An address that an endpoint got. */
export interface GrantedAddress {
  ip: string;
  prefixLength: number;
  /** "" where the subnet has none. */
  gateway: string;
}

/** What an endpoint asks for in one family. */
export interface AddressWish {
  family: "ipv4" | "ipv6";
  /** Address that must be given, "" for any. */
  ip: string;
  /** Address to be given when it is free. */
  preferred?: string;
  /** Id of the endpoint. */
  holder: string;
}

interface Subnet {
  record: NetworkSubnetRecord;
  /** The containers' next hop. */
  nextHop: string;
  pool: AddressPool;
}

interface NetworkPools {
  subnets: Subnet[];
}

export class NetworkAddresses {
  readonly #networks = new Map<string, NetworkPools>();

  /** Takes a network in; its gateways and reserved addresses are taken. Fails with invalidParameter on impossible ones. */
  add(network: NetworkRecord): void {
    const subnets = network.subnets.map((record) => {
      const pool = new AddressPool({
        subnet: record.subnet,
        gateway: record.gateway,
        name: `${network.name} (${network.id})`,
        ...(record.range === "" ? {} : { range: record.range }),
      });
      for (const [name, ip] of Object.entries(record.reserved)) pool.reserve(ip, `auxiliary address ${name}`);
      return { record, nextHop: nextHopOf(network, record), pool };
    });
    this.#networks.set(network.id, { subnets });
  }

  remove(networkId: string): void {
    this.#networks.delete(networkId);
  }

  #of(networkId: string, family: "ipv4" | "ipv6"): NetworkPools["subnets"] {
    const all = this.#networks.get(networkId)?.subnets ?? [];
    return all.filter((s) => s.record.subnet.includes(":") === (family === "ipv6"));
  }

  /**
   * Gives an address; undefined where the network has none of the family. Fails with invalidParameter when the wanted one
   * lies in no subnet, forbidden when it is taken, system when none is free.
   */
  grant(networkId: string, wish: AddressWish): GrantedAddress | undefined {
    const subnets = this.#of(networkId, wish.family);
    if (wish.ip !== "") return this.#reserve(subnets, wish.ip, wish.holder);
    if (subnets.length === 0) return undefined;
    const preferred = wish.preferred ?? "";
    const home = preferred === "" ? undefined : subnets.find((s) => s.pool.canGive(preferred));
    if (home !== undefined) return this.#reserve([home], preferred, wish.holder);
    let problem: unknown;
    for (const subnet of subnets) {
      try {
        return granted(subnet.pool.allocate(wish.holder), subnet);
      } catch (error) {
        problem = error;
      }
    }
    throw problem;
  }

  #reserve(subnets: NetworkPools["subnets"], ip: string, holder: string): GrantedAddress {
    const home = subnets.find((s) => s.pool.contains(ip));
    if (home === undefined)
      // compat: docker's text (daemon/container_operations.go)
      throw new Fault(
        "invalidParameter",
        `invalid endpoint settings:\nno configured subnet contains IP address ${ip}`,
        { code: "address.out-of-range", detail: { ip } },
      );
    home.pool.reserve(ip, holder);
    return granted(ip, home);
  }

  /** Takes an address for an endpoint that has it already. */
  restore(networkId: string, ip: string, holder: string): void {
    for (const { pool } of this.#networks.get(networkId)?.subnets ?? [])
      if (pool.contains(ip)) pool.reserve(ip, holder);
  }

  /** Takes addresses back; "" and unknown ones are fine. */
  release(networkId: string, ips: readonly string[]): void {
    for (const { pool } of this.#networks.get(networkId)?.subnets ?? [])
      for (const ip of ips) if (ip !== "" && pool.contains(ip)) pool.release(ip);
  }

  /** Returns numbers of addresses for inspect, by subnet. */
  usage(networkId: string): { subnet: string; inUse: bigint; free: bigint }[] {
    return (this.#networks.get(networkId)?.subnets ?? []).map(({ record, pool }) => ({
      subnet: record.subnet,
      ...pool.usage(),
    }));
  }
}

const granted = (ip: string, { record, nextHop }: Subnet): GrantedAddress => ({
  ip,
  prefixLength: Number(record.subnet.split("/")[1]),
  gateway: nextHop,
});
