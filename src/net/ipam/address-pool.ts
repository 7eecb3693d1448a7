// The addresses of one subnet: who holds which, and the lowest free one. Pure memory: what is stored is stored by the
// owners of the addresses, and a pool is rebuilt from them with `reserve` after a restart.
// Invariant: an address has at most one holder; network, broadcast and gateway are never given out.

import { Fault } from "../../lib/errors.ts";
import {
  AF_INET,
  type Prefix,
  ipFromNumber,
  ipNumber,
  parsePrefix,
  prefixContains,
  prefixSize,
  prefixText,
} from "../../linux/netlink/address.ts";

/** Settings of a pool. */
export interface PoolOptions {
  /** CIDR of the network. */
  subnet: string;
  /** Reserved for the bridge; defaults to the first address, "" reserves none. */
  gateway?: string;
  /** CIDR inside the subnet that `allocate` is limited to, `--ip-range`; `reserve` is not. */
  range?: string;
  /** Name of the network for messages. */
  name?: string;
}

/** First usable address of a subnet: Docker's choice of a gateway. */
export function firstAddress(subnet: string): string {
  const p = parsePrefix(subnet);
  return ipFromNumber(hasEdges(p) ? p.base + 1n : p.base, p.family);
}

/** Whether the lowest and the highest address are not a host's (RFC 3021: /31 has none such; IPv6 keeps the lowest free). */
const hasEdges = (p: Prefix): boolean => prefixSize(p) > 2n;

/** Allocator of one subnet. */
export class AddressPool {
  readonly subnet: string;
  readonly gateway: string;
  readonly #prefix: Prefix;
  readonly #name: string;
  readonly #first: bigint;
  readonly #last: bigint;
  readonly #holders = new Map<bigint, string>();
  /** No address below this one is free. */
  #next: bigint;

  /** Throws Fault invalidParameter `subnet.invalid`, `address.out-of-range`. */
  constructor(options: PoolOptions) {
    this.#prefix = parsePrefix(options.subnet);
    this.subnet = prefixText(this.#prefix);
    this.gateway = options.gateway ?? firstAddress(this.subnet);
    this.#name = options.name ?? this.subnet;
    const edge = hasEdges(this.#prefix) ? 1n : 0n;
    const lowest = this.#prefix.base + edge;
    const highest =
      this.#prefix.base + prefixSize(this.#prefix) - 1n - (this.#prefix.family === AF_INET ? edge : 0n);
    const range = options.range === undefined ? this.#prefix : this.#checkedRange(options.range);
    this.#first = max(lowest, range.base);
    this.#last = min(highest, range.base + prefixSize(range) - 1n);
    this.#next = this.#first;
    if (this.gateway !== "") this.reserve(this.gateway, "gateway");
  }

  /** Whether the address lies in the subnet. */
  contains(ip: string): boolean {
    return prefixContains(this.#prefix, ip);
  }

  /** Whether `allocate` might give the address now. */
  canGive(ip: string): boolean {
    if (!this.contains(ip)) return false;
    const n = ipNumber(ip);
    return n >= this.#first && n <= this.#last && !this.#holders.has(n);
  }

  /** Returns how many addresses are held, edges of the subnet included, and how many `allocate` can still give. */
  usage(): { inUse: bigint; free: bigint } {
    const edges = hasEdges(this.#prefix) ? (this.#prefix.family === AF_INET ? 2n : 1n) : 0n;
    let taken = 0n;
    for (const n of this.#holders.keys()) if (n >= this.#first && n <= this.#last) taken++;
    const range = this.#last >= this.#first ? this.#last - this.#first + 1n : 0n;
    return { inUse: BigInt(this.#holders.size) + edges, free: range - taken };
  }

  #checkedRange(range: string): Prefix {
    const p = parsePrefix(range);
    if (
      p.family !== this.#prefix.family ||
      !prefixContains(this.#prefix, ipFromNumber(p.base, p.family)) ||
      p.length < this.#prefix.length
    )
      throw new Fault("invalidParameter", `ip range ${range} is not inside subnet ${this.subnet}`, {
        code: "address.out-of-range",
      });
    return p;
  }

  /** Gives the lowest free address to `holder`. Throws Fault unavailable `address.exhausted`. */
  allocate(holder: string): string {
    for (let n = this.#next; n <= this.#last; n++) {
      if (this.#holders.has(n)) continue;
      this.#holders.set(n, holder);
      this.#next = n + 1n;
      return ipFromNumber(n, this.#prefix.family);
    }
    this.#next = this.#last + 1n;
    // compat: docker's text (libnetwork ErrNoAvailableIPs)
    throw new Fault(
      "system",
      `no available IPv${this.#prefix.family === AF_INET ? 4 : 6} addresses on this network's address pools: ${this.#name}`,
      {
        code: "address.exhausted",
        detail: { subnet: this.subnet },
      },
    );
  }

  /**
   * Gives a particular address to `holder`; again to the same holder is fine.
   * Throws Fault forbidden `address.in-use` (403 in Docker), invalidParameter `address.out-of-range`.
   */
  reserve(ip: string, holder: string): void {
    const n = ipNumber(ip);
    if (!prefixContains(this.#prefix, ip))
      throw new Fault(
        "invalidParameter",
        `invalid address ${ip}: it does not belong to subnet ${this.subnet}`,
        {
          code: "address.out-of-range",
          detail: { ip, subnet: this.subnet },
        },
      );
    const current = this.#holders.get(n);
    const isEdge = hasEdges(this.#prefix) && (n === this.#prefix.base || n > this.#highest());
    if (isEdge || (current !== undefined && current !== holder))
      // compat: docker's text begins so (libnetwork ErrIPAlreadyAllocated)
      throw new Fault(
        "forbidden",
        `Address already in use: ${ip} ${isEdge ? "is reserved" : `is held by ${current}`}`,
        {
          code: "address.in-use",
          detail: { ip, holder: current ?? "network" },
        },
      );
    this.#holders.set(n, holder);
  }

  #highest(): bigint {
    const last = this.#prefix.base + prefixSize(this.#prefix) - 1n;
    return this.#prefix.family === AF_INET ? last - 1n : last;
  }

  /** Takes an address back; unknown ones and the gateway are left alone. */
  release(ip: string): void {
    if (!prefixContains(this.#prefix, ip)) return;
    const n = ipNumber(ip);
    if (this.gateway !== "" && n === ipNumber(this.gateway)) return;
    if (!this.#holders.delete(n)) return;
    if (n >= this.#first && n < this.#next) this.#next = n;
  }

  /** Who holds an address, undefined when it is free. */
  holderOf(ip: string): string | undefined {
    return this.#holders.get(ipNumber(ip));
  }
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
