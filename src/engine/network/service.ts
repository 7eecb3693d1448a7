// The daemon's networks: the three that every Docker has (bridge, host, none), their addresses, and the endpoints of
// running containers in them. The kernel's side is the network driver's; this module decides names and addresses and
// keeps the records. Invariant: an address is allocated exactly as long as an endpoint holds it; after a restart the
// allocations are rebuilt from the containers' records.
import type { InputOf } from "../../api/contract.ts";
import type * as operations from "../../api/operations/network.ts";
import type {
  EndpointResource,
  NetworkInspect,
  NetworksPrune,
  NetworkSummary,
} from "../../api/schemas/network.ts";
import { Fault } from "../../lib/errors.ts";
import { newId } from "../../lib/id.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import { AddressPool } from "../../net/ipam/address-pool.ts";
import type {
  AttachPlan,
  BridgeNetwork,
  EndpointRecord,
  NetworkDriver,
  PortRequest,
} from "../../net/model.ts";
import { macForIp } from "../../net/sandbox/endpoint.ts";
import type { RecordStore, Table } from "../../storage/meta/types.ts";
import { hasLabel } from "../labels.ts";
import type { NetworkRecord } from "./record.ts";

/** One container's wish for a place in a network. */
export interface AttachWish {
  networkName: string;
  containerId: string;
  /** Address and hardware address asked for, "" for any. */
  ip: string;
  mac: string;
  ports: readonly PortRequest[];
}

/** A planned place: operations for the start request, and what the network gives when they succeed. */
export interface PlannedEndpoint extends AttachPlan {
  network: NetworkRecord;
  gateway: string;
  prefixLength: number;
}

/** Who is in a network, for inspect; the containers' side knows. */
export type EndpointLister = (
  networkId: string,
) => { containerId: string; name: string; endpoint: EndpointRecord; prefixLength: number }[];

export interface NetworkServiceOptions {
  store: RecordStore;
  driver: NetworkDriver;
  /** CIDR of the default bridge (`--bip`), its host part is the bridge's own address. */
  bip?: string;
  mtu?: number;
}

export class NetworkService {
  readonly #store: RecordStore;
  readonly #driver: NetworkDriver;
  readonly #records: Table<NetworkRecord>;
  readonly #pools = new Map<string, AddressPool>();
  #listEndpoints: EndpointLister = () => [];

  private constructor(options: NetworkServiceOptions) {
    this.#store = options.store;
    this.#driver = options.driver;
    this.#records = options.store.table<NetworkRecord>("networks");
  }

  /** Makes sure that the default networks exist, in the store and on the host. */
  static async open(options: NetworkServiceOptions): Promise<NetworkService> {
    const service = new NetworkService(options);
    for (const name of ["host", "none"])
      if (service.#byName(name) === undefined)
        await service.#add(plainRecord(name, name === "none" ? "null" : "host"));
    await service.#openDefaultBridge(options);
    return service;
  }

  async #openDefaultBridge(options: NetworkServiceOptions): Promise<void> {
    const stored = this.#byName("bridge");
    const subnet = await this.#defaultSubnet(stored, options.bip);
    const record: NetworkRecord = {
      ...(stored ?? plainRecord("bridge", "bridge")),
      ...subnet,
      mtu: options.mtu ?? 1500,
      hasMasquerade: true,
      hasIcc: true,
    };
    // Without a name the driver finds its own device again, or takes a free name when somebody else has it now.
    const { bridgeName } = await this.#driver.ensureNetwork(bridgeOf({ ...record, bridgeName: "" }));
    await this.#add({ ...record, bridgeName, options: defaultBridgeOptions(bridgeName, record.mtu) });
  }

  /** The stored subnet, so that addresses stay what they were; `--bip` overrides it. */
  async #defaultSubnet(
    stored: NetworkRecord | undefined,
    bip: string | undefined,
  ): Promise<{ subnet: string; gateway: string }> {
    if (bip !== undefined || stored === undefined) return this.#driver.chooseSubnet(bip);
    return { subnet: stored.subnet, gateway: stored.gateway };
  }

  async #add(record: NetworkRecord): Promise<void> {
    await this.#store.commit([this.#records.put(record.id, record)]);
    if (record.subnet !== "")
      this.#pools.set(
        record.id,
        new AddressPool({ subnet: record.subnet, gateway: record.gateway, name: record.name }),
      );
  }

  /** Says how to find out who is attached; set once by the wiring. */
  setEndpointLister(list: EndpointLister): void {
    this.#listEndpoints = list;
  }

  #byName(name: string): NetworkRecord | undefined {
    for (const r of this.#records.values()) if (r.name === name) return r;
    return undefined;
  }

  /** Returns the network that a name, id or unambiguous prefix of an id names; fails with notFound or invalidParameter. */
  find(reference: string): NetworkRecord {
    const exact = this.#byName(reference) ?? this.#records.get(reference);
    if (exact !== undefined) return exact;
    const matches = [...this.#records.values()].filter(
      (r) => /^[0-9a-f]+$/.test(reference) && r.id.startsWith(reference),
    );
    if (matches.length > 1)
      throw new Fault(
        "invalidParameter",
        `network ${reference} is ambiguous (${matches.length} matches found on name)`,
        { code: "network.ambiguous" },
      );
    if (matches[0] === undefined)
      throw new Fault("notFound", `network ${reference} not found`, { code: "network.not-found" });
    return matches[0];
  }

  /** Allocates an address and plans the operations that plug a container in through register `reg`. */
  async planAttach(wish: AttachWish, reg: number): Promise<PlannedEndpoint> {
    const network = this.find(wish.networkName);
    const pool = this.#pools.get(network.id);
    if (pool === undefined)
      throw new Fault("invalidParameter", `network ${network.name} has no addresses to give`, {
        code: "network.not-attachable",
      });
    const endpointId = newId();
    const ip = wish.ip === "" ? pool.allocate(endpointId) : wish.ip;
    if (wish.ip !== "") pool.reserve(ip, endpointId);
    try {
      const plan = await this.#driver.planAttach(
        {
          endpointId,
          networkId: network.id,
          containerId: wish.containerId,
          ifName: "eth0",
          ip,
          mac: wish.mac || macForIp(ip),
          hasDefaultRoute: true,
          ports: wish.ports,
        },
        reg,
      );
      return {
        ...plan,
        network,
        gateway: network.gateway,
        prefixLength: Number(network.subnet.split("/")[1]),
        undo: async (cause) => {
          await plan.undo(cause);
          pool.release(ip);
        },
      };
    } catch (error) {
      pool.release(ip);
      throw error;
    }
  }

  /** Unplugs the endpoint of a container that is gone, and gives its address back. */
  async detach(endpoint: EndpointRecord): Promise<void> {
    await this.#driver.detach(endpoint.endpointId, { isContainerGone: true });
    this.#pools.get(endpoint.networkId)?.release(endpoint.ip);
  }

  /** After a restart: takes the addresses and ports of running containers again; returns warnings. */
  async restore(endpoints: readonly EndpointRecord[]): Promise<string[]> {
    for (const e of endpoints) this.#pools.get(e.networkId)?.reserve(e.ip, e.endpointId);
    return this.#driver.restore(endpoints);
  }

  /** Ends the driver; with `remove` nothing of the networks stays on the host. */
  close(options: { remove: boolean }): Promise<void> {
    return this.#driver.close(options);
  }

  async list(input: InputOf<typeof operations.networkList>): Promise<NetworkSummary[]> {
    const known = ["name", "id", "driver", "type", "label", "scope", "dangling"];
    for (const key of Object.keys(input.filters))
      if (!known.includes(key))
        throw new Fault("invalidParameter", `invalid filter '${key}'`, { code: "filter.unknown" });
    const any = (key: string, test: (value: string) => boolean): boolean =>
      input.filters[key]?.some(test) ?? true;
    return [...this.#records.values()]
      .filter(
        (r) =>
          any("name", (v) => r.name.includes(v)) &&
          any("id", (v) => r.id.startsWith(v)) &&
          any("driver", (v) => r.driver === v) &&
          any("scope", (v) => v === "local") &&
          any("type", (v) => (v === "builtin") === isBuiltin(r)) &&
          (input.filters["label"] ?? []).every((v) => hasLabel(r.labels, v)),
      )
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(summaryOf);
  }

  /** The default networks always stay, and there are no others. */
  async prune(): Promise<NetworksPrune> {
    return { NetworksDeleted: null };
  }

  async inspect(input: InputOf<typeof operations.networkInspect>): Promise<NetworkInspect> {
    const record = this.find(input.id);
    const containers: Record<string, EndpointResource> = {};
    for (const e of this.#listEndpoints(record.id))
      containers[e.containerId] = {
        Name: e.name,
        EndpointID: e.endpoint.endpointId,
        MacAddress: e.endpoint.mac,
        IPv4Address: `${e.endpoint.ip}/${e.prefixLength}`,
        IPv6Address: "",
      };
    return { ...summaryOf(record), Containers: containers };
  }
}

const isBuiltin = (r: NetworkRecord): boolean => ["bridge", "host", "none"].includes(r.name);

function plainRecord(name: string, driver: NetworkRecord["driver"]): NetworkRecord {
  return {
    version: 1,
    id: newId(),
    name,
    driver,
    createdAt: formatNano(nowNano()),
    subnet: "",
    gateway: "",
    bridgeName: "",
    mtu: 0,
    isInternal: false,
    hasMasquerade: false,
    hasIcc: false,
    options: {},
    labels: {},
  };
}

function defaultBridgeOptions(bridgeName: string, mtu: number): Record<string, string> {
  return {
    "com.docker.network.bridge.default_bridge": "true",
    "com.docker.network.bridge.enable_icc": "true",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
    "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
    "com.docker.network.bridge.name": bridgeName,
    "com.docker.network.driver.mtu": String(mtu),
  };
}

function bridgeOf(r: NetworkRecord): BridgeNetwork {
  return {
    id: r.id,
    ...(r.bridgeName === "" ? {} : { bridgeName: r.bridgeName }),
    subnet: r.subnet,
    gateway: r.gateway,
    mtu: r.mtu,
    internal: r.isInternal,
    masquerade: r.hasMasquerade,
    icc: r.hasIcc,
  };
}

function summaryOf(r: NetworkRecord): NetworkSummary {
  return {
    Name: r.name,
    Id: r.id,
    Created: r.createdAt,
    Scope: "local",
    Driver: r.driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {
      Driver: "default",
      Options: null,
      Config: r.subnet === "" ? null : [{ Subnet: r.subnet, Gateway: r.gateway }],
    },
    Internal: r.isInternal,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Options: { ...r.options },
    Labels: { ...r.labels },
  };
}
