// Who is called what in which network: the name service's view of the containers (net/dns/ports.ts). An index that follows
// the records, so that a question costs the same with one container or with thousands. Invariant: it holds the names of
// exactly the endpoints that are attached.
import type { Forwarding, NameSource } from "../../../net/dns/ports.ts";
import { type DnsOverrides, ndotsOf } from "../../../net/dns/resolv-conf.ts";
import { isPredefined, type NetworkRecord } from "../../network/record.ts";
import type { ContainerRecord, NetworkEndpoint } from "../record.ts";
import { parseLink } from "./endpoints.ts";
import { dnsNames } from "./view.ts";

/** What names are made of: a container's record, or what stands for one that has none (a build step). */
export type NamedContainer = Pick<ContainerRecord, "id" | "name" | "endpoints"> & {
  config: Pick<ContainerRecord["config"], "Hostname">;
  hostConfig: Pick<ContainerRecord["hostConfig"], "Dns" | "DnsSearch" | "DnsOptions">;
};

/** A container's place in a network, as far as names go. */
interface Membership {
  networkId: string;
  /** In lower case. */
  networkName: string;
  addresses: readonly string[];
  /** In lower case. */
  names: readonly string[];
  /** What an address of it is called. */
  fullName: string;
  /** Names that only this container knows, and whom they stand for. */
  links: ReadonlyMap<string, string>;
}

interface Names {
  /** Per name the containers that have it. */
  byName: Map<string, Map<string, readonly string[]>>;
  byAddress: Map<string, string>;
  /** Containers that are in the network. */
  members: Set<string>;
}

export interface ContainerNamesOptions {
  findNetwork: (id: string) => NetworkRecord | undefined;
  findContainer: (id: string) => ContainerRecord | undefined;
  /** The daemon's `--dns`, `--dns-search` and `--dns-opt`. */
  defaults: DnsOverrides;
}

/** Names of all attached endpoints in user-defined networks. */
export class ContainerNames implements NameSource {
  readonly #options: ContainerNamesOptions;
  readonly #networks = new Map<string, Names>();
  readonly #members = new Map<string, { of: NamedContainer; memberships: readonly Membership[] }>();
  readonly #observers: ((containerIds: Iterable<string>) => void)[] = [];

  constructor(options: ContainerNamesOptions) {
    this.#options = options;
  }

  /** Takes over what a record says now. */
  update(record: NamedContainer): void {
    const known = this.#members.get(record.id);
    if (known?.of.endpoints === record.endpoints && known.of.name === record.name) return;
    this.remove(record.id);
    const memberships = record.endpoints.flatMap((e) => membershipOf(e, record));
    if (memberships.length === 0) return;
    this.#members.set(record.id, { of: record, memberships });
    for (const m of memberships) this.#enter(record.id, m);
    this.#tell(memberships);
  }

  /** Forgets a container. */
  remove(containerId: string): void {
    const known = this.#members.get(containerId);
    this.#members.delete(containerId);
    if (known === undefined) return;
    this.#tell(known.memberships);
    for (const m of known.memberships) this.#leave(containerId, m);
  }

  observe(changed: (containerIds: Iterable<string>) => void): void {
    this.#observers.push(changed);
  }

  /** Names are what the networks of a container hold: all of their members see the change. */
  #tell(memberships: readonly Membership[]): void {
    for (const { networkId } of memberships)
      for (const changed of this.#observers) changed(this.#networks.get(networkId)?.members ?? []);
  }

  #enter(containerId: string, m: Membership): void {
    const names = this.#networks.get(m.networkId) ?? {
      byName: new Map(),
      byAddress: new Map(),
      members: new Set<string>(),
    };
    this.#networks.set(m.networkId, names);
    names.members.add(containerId);
    for (const name of m.names) {
      const holders = names.byName.get(name) ?? new Map<string, readonly string[]>();
      names.byName.set(name, holders.set(containerId, m.addresses));
    }
    for (const address of m.addresses) names.byAddress.set(address, m.fullName);
  }

  #leave(containerId: string, m: Membership): void {
    const names = this.#networks.get(m.networkId);
    if (names === undefined) return;
    names.members.delete(containerId);
    for (const name of m.names) {
      const holders = names.byName.get(name);
      holders?.delete(containerId);
      if (holders?.size === 0) names.byName.delete(name);
    }
    // An address that is another's by now keeps its name.
    for (const address of m.addresses)
      if (names.byAddress.get(address) === m.fullName) names.byAddress.delete(address);
    if (names.members.size === 0) this.#networks.delete(m.networkId);
  }

  addressesOf(containerId: string, name: string): readonly string[] | undefined {
    const memberships = this.#members.get(containerId)?.memberships ?? [];
    for (const m of memberships) {
      const found = this.#holders(m.networkId, m.links.get(name) ?? name);
      if (found !== undefined) return found;
    }
    const dot = name.lastIndexOf(".");
    if (dot < 0) return undefined;
    const network = memberships.find((m) => m.networkName === name.slice(dot + 1));
    return network === undefined ? undefined : this.#holders(network.networkId, name.slice(0, dot));
  }

  #holders(networkId: string, name: string): readonly string[] | undefined {
    const holders = this.#networks.get(networkId)?.byName.get(name);
    return holders === undefined ? undefined : [...new Set([...holders.values()].flat())];
  }

  nameOf(containerId: string, address: string): string | undefined {
    for (const m of this.#members.get(containerId)?.memberships ?? []) {
      const name = this.#networks.get(m.networkId)?.byAddress.get(address);
      if (name !== undefined) return name;
    }
    return undefined;
  }

  forwardingOf(containerId: string): Forwarding {
    const record = this.#options.findContainer(containerId) ?? this.#members.get(containerId)?.of;
    if (record === undefined) return { usesHost: false, servers: [], hasNdots: false };
    const { servers, options } = dnsWishes(record, this.#options.defaults);
    return {
      usesHost: record.endpoints.some((e) => this.#leadsOut(e)),
      servers,
      hasNdots: (ndotsOf(options) ?? 0) > 0,
    };
  }

  #leadsOut(e: NetworkEndpoint): boolean {
    const network = this.#options.findNetwork(e.networkId);
    return network !== undefined && !network.isInternal;
  }
}

/** Whether the container is in a network in which containers have names. */
export const hasNameService = (record: Pick<ContainerRecord, "endpoints">): boolean =>
  record.endpoints.some((e) => !isPredefined(e.networkName));

/** What a container asks for of the name service, part by part, else what the daemon does. */
export function dnsWishes(
  record: Pick<NamedContainer, "hostConfig">,
  defaults: DnsOverrides,
): Required<DnsOverrides> {
  const { Dns, DnsSearch, DnsOptions } = record.hostConfig;
  const or = (own: readonly string[] | null, other: readonly string[] | undefined): readonly string[] =>
    own !== null && own.length > 0 ? own : (other ?? []);
  return {
    servers: or(Dns, defaults.servers),
    search: or(DnsSearch, defaults.search),
    options: or(DnsOptions, defaults.options),
  };
}

/** None for predefined networks, where containers have no names, and for endpoints that are not attached. */
function membershipOf(e: NetworkEndpoint, record: NamedContainer): Membership[] {
  if (e.attached === undefined || isPredefined(e.networkName)) return [];
  return [
    {
      networkId: e.networkId,
      networkName: e.networkName.toLowerCase(),
      addresses: [e.attached.ip, e.attached.ip6 ?? ""].filter((ip) => ip !== ""),
      names: dnsNames(e, record).map((name) => name.toLowerCase()),
      fullName: `${record.name}.${e.networkName}`,
      links: new Map(
        (e.links ?? []).map(parseLink).map((l) => [l.alias.toLowerCase(), l.container.toLowerCase()]),
      ),
    },
  ];
}
