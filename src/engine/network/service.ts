// The daemon's networks: their records, their addresses, and the endpoints of running containers in them. The kernel's side
// is the drivers'; this module decides names and addresses and keeps the records. Invariant: an address is allocated
// exactly as long as an endpoint holds it; after a restart the allocations are rebuilt from the containers' records.
//
//   create → (device, firewall entries) ⇄ endpoints come and go → delete, refused while an endpoint is there
import type { Filters, InputOf } from "../../api/contract.ts";
import type * as operations from "../../api/operations/network.ts";
import type {
  NetworkCreateResponse,
  NetworkInspect,
  NetworksPrune,
  NetworkSummary,
} from "../../api/schemas/network.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import { newId, shortId } from "../../lib/id.ts";
import { Lane } from "../../lib/lanes.ts";
import { formatNano, nowNano, parseNano } from "../../lib/time.ts";
import type { Op } from "../../linux/ops.ts";
import type { RemakeDevice } from "../../net/bridge/lost-devices.ts";
import type { EndpointRecord, PortChange } from "../../net/model.ts";
import type { RecordStore, Table } from "../../storage/meta/types.ts";
import type { EventBus } from "../event/bus.ts";
import { pruneMatcher } from "../prune-filter.ts";
import { NetworkAddresses } from "./addresses.ts";
import { type AttachWish, type PlannedEndpoint, planEndpoint } from "./attach.ts";
import { draftNetwork } from "./create.ts";
import { defaultBridge, type DefaultBridgeSettings, NO_DEVICE } from "./default-bridge.ts";
import type { NetworkDrivers } from "./drivers.ts";
import { selectNetworks } from "./filter.ts";
import { emptyRecord, isPredefined, type NetworkRecord, subnetOf, upgraded } from "./record.ts";
import { chooseSubnets, type SubnetPools } from "./subnets.ts";
import { inspectOf, type NetworkMember, summaryOf } from "./view.ts";

export type { AttachWish, PlannedEndpoint } from "./attach.ts";

/** The containers' side, filled in by the wiring: who is in a network, and how a container enters and leaves one. */
export interface NetworkMembers {
  list(networkId: string): NetworkMember[];
  connect(input: InputOf<typeof operations.networkConnect>): Promise<void>;
  disconnect(input: InputOf<typeof operations.networkDisconnect>): Promise<void>;
  /** Makes the device of a running container again that somebody else has removed. */
  remakeDevice: RemakeDevice;
}

export interface NetworkServiceOptions {
  store: RecordStore;
  drivers: NetworkDrivers;
  events: EventBus;
  pools: SubnetPools;
  defaultBridge: DefaultBridgeSettings;
  /** Options by driver for networks that do not say otherwise. */
  defaultOptions?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  log(level: "info" | "warn", message: string): void;
}

/** Endpoints that exist or are about to, by their id: why a network cannot go. */
interface Holder {
  networkId: string;
  containerName: string;
}

/** What containers that ask for the default bridge are in where there is none: known to nobody else. */
const NO_BRIDGE = emptyRecord({ id: "", name: "bridge", driver: "null", createdAt: "" });

export class NetworkService {
  readonly #options: NetworkServiceOptions;
  readonly #drivers: NetworkDrivers;
  readonly #records: Table<NetworkRecord>;
  readonly #addresses = new NetworkAddresses();
  readonly #holders = new Map<string, Holder>();
  /** Networks that are being removed: nobody joins them any more. */
  readonly #leaving = new Set<string>();
  /** Creation and removal, one at a time: names and subnets are chosen among what is there. */
  readonly #lane = new Lane();
  #members: NetworkMembers | undefined;
  #hasBridge = true;

  private constructor(options: NetworkServiceOptions) {
    this.#options = options;
    this.#drivers = options.drivers;
    this.#records = options.store.table<NetworkRecord>("networks");
  }

  /** Makes sure that all networks exist, in the store and on the host. One that cannot be set up is reported and left alone. */
  static async open(options: NetworkServiceOptions): Promise<NetworkService> {
    const service = new NetworkService(options);
    await service.#upgrade();
    for (const [name, driver] of [
      ["host", "host"],
      ["none", "null"],
    ] as const)
      if (service.#byName(name) === undefined)
        await service.#put(emptyRecord({ id: newId(), name, driver, createdAt: formatNano(nowNano()) }));
    await service.#openDefaultBridge().catch((error: unknown) => {
      throw error instanceof Fault ? inDefaultBridge(error) : error;
    });
    for (const record of [...service.#records.values()]) {
      if (record.name === "bridge" || record.isConfigOnly) continue;
      service.#addresses.add(record);
      await service.#drivers.ensure(record).catch((error: unknown) => {
        options.log("warn", `network ${record.name}: ${messageOf(error)}`);
      });
    }
    return service;
  }

  async #upgrade(): Promise<void> {
    for (const record of [...this.#records.values()])
      if (upgraded(record) !== record) await this.#put(upgraded(record));
  }

  async #openDefaultBridge(): Promise<void> {
    const settings = await this.#settleDevice(this.#options.defaultBridge);
    this.#hasBridge = settings.device !== NO_DEVICE;
    if (!this.#hasBridge) return;
    const { pools } = this.#options;
    const warn = (message: string): void => this.#options.log("warn", message);
    if (!settings.hasIpv6 && Object.values(settings.ipv6).some((text) => text !== ""))
      warn("the default bridge has no IPv6 without ipv6: its settings for that are ignored");
    const [taken, deviceAddresses] = [await this.#taken(), await this.#addressesOf(settings.device)];
    const record = defaultBridge(this.#byName("bridge"), settings, { pools, taken, deviceAddresses });
    const { fixedCidr } = settings.ipv4;
    if (fixedCidr !== "" && subnetOf(record, "ipv4")?.range === "")
      warn(`${settings.device} has no address for fixed-cidr=${fixedCidr}, which is ignored`);
    // Without a name the driver finds its own device again, or takes a free name when somebody else has it now.
    const deviceName = await this.#drivers.ensure({ ...record, deviceName: settings.device });
    const named = {
      ...record,
      deviceName,
      options: { ...record.options, "com.docker.network.bridge.name": deviceName },
    };
    await this.#put(named);
    this.#addresses.add(named);
  }

  /**
   * Another device is another network: the one that there was goes, and with it its own device, as an orphan. compat: not
   * while there are containers on it.
   */
  async #settleDevice(settings: DefaultBridgeSettings): Promise<DefaultBridgeSettings> {
    const stored = this.#byName("bridge");
    const device = stored?.givenDevice ?? "";
    if (stored === undefined || device === settings.device) return settings;
    const now = await this.#drivers.readBridge(stored.deviceName);
    if (now?.isInUse === true) {
      const message = `containers run on the default bridge ${stored.deviceName}: --bridge ${settings.device} takes effect at a start without them`;
      this.#options.log("warn", message);
      return { ...settings, device };
    }
    await this.#options.store.commit([this.#records.remove(stored.id)]);
    return settings;
  }

  async #addressesOf(device: string): Promise<readonly string[]> {
    if (device === "") return [];
    const bridge = await this.#drivers.readBridge(device);
    if (bridge !== undefined) return bridge.addresses;
    if (device === "docker0") return []; // compat: the one that is made where it is not there
    throw new Fault(
      "invalidParameter",
      `bridge device with non default name ${device} must be created manually`,
      { code: "network.no-device" },
    );
  }

  /** What is in use on the host and by networks. */
  async #taken() {
    const known = [...this.#records.values()].filter((r) => !r.isConfigOnly);
    return this.#drivers.taken(known);
  }

  #put(record: NetworkRecord): Promise<void> {
    return this.#options.store.commit([this.#records.put(record.id, record)]);
  }

  /** Says who the containers are; set once by the wiring. */
  setMembers(members: NetworkMembers): void {
    this.#members = members;
  }

  #byName(name: string): NetworkRecord | undefined {
    for (const r of this.#records.values()) if (r.name === name) return r;
    return undefined;
  }

  /** Returns the network of an id, undefined when there is none. */
  get(id: string): NetworkRecord | undefined {
    return this.#records.get(id);
  }

  /** Returns the network that a name, id or unambiguous prefix of an id names; fails with notFound or invalidParameter. */
  find(reference: string): NetworkRecord {
    const exact = this.#records.get(reference) ?? this.#byName(reference);
    if (exact !== undefined) return exact;
    const matches = [...this.#records.values()].filter(
      (r) => /^[0-9a-f]+$/.test(reference) && r.id.startsWith(reference),
    );
    if (matches.length > 1)
      throw new Fault(
        "invalidParameter",
        `network ${reference} is ambiguous (${matches.length} matches found based on ID prefix)`,
        { code: "network.ambiguous" },
      );
    if (matches[0] === undefined) throw notFound(reference);
    return matches[0];
  }

  /** As find, for a place that a container asks for: where there is no default bridge, that has nothing in it. */
  findPlace(reference: string): NetworkRecord {
    return reference === "bridge" && !this.#hasBridge ? NO_BRIDGE : this.find(reference);
  }

  /** Allocates addresses and plans the operations that plug a container in through register `reg`. */
  async planAttach(wish: AttachWish, reg: number): Promise<PlannedEndpoint> {
    const network = wish.network === NO_BRIDGE.id ? NO_BRIDGE : this.find(wish.network);
    if (this.#leaving.has(network.id)) throw notFound(wish.network);
    const endpointId = newId();
    // From here on the network cannot go.
    this.#holders.set(endpointId, { networkId: network.id, containerName: wish.containerName });
    try {
      const planned = await planEndpoint(
        { addresses: this.#addresses, drivers: this.#drivers },
        { ...wish, record: network, endpointId },
        reg,
      );
      const undo = async (cause?: unknown): Promise<void> => {
        await planned.undo(cause);
        this.#holders.delete(endpointId);
      };
      return { ...planned, undo };
    } catch (error) {
      this.#holders.delete(endpointId);
      throw portFault(error, `${wish.containerName} (${endpointId})`);
    }
  }

  /** Plans to make the device of a running container's endpoint again; no operations when it is there. */
  async planRemake(endpoint: EndpointRecord, wish: AttachWish, reg: number): Promise<Op[]> {
    const network = this.find(endpoint.networkId);
    const { ip6 = "", ifName = "eth0", ...rest } = endpoint;
    return this.#drivers.planRemake(network, { ...wish, ...rest, ip6, ifName, ports: [] }, reg);
  }

  /** The device of an endpoint has been removed by somebody else: who has the container makes it again. */
  async remakeDevice(endpoint: EndpointRecord): Promise<boolean> {
    return (await this.#members?.remakeDevice(endpoint)) ?? false;
  }

  /** Unplugs an endpoint and gives its addresses back. `netns` is the namespace of a container that runs on. */
  async detach(endpoint: EndpointRecord, options: { netns?: string } = {}): Promise<void> {
    const { endpointId, networkId, ip, ip6 = "" } = endpoint;
    const network = this.#records.get(networkId);
    try {
      if (network !== undefined)
        await this.#drivers
          .of(network)
          ?.detach(endpointId, options.netns === undefined ? { isContainerGone: true } : options);
    } finally {
      // Once: a container may end while it is being disconnected, and a second time the addresses may be another's.
      if (this.#holders.delete(endpointId)) this.#addresses.release(networkId, [ip, ip6]);
    }
  }

  /** Changes the published ports of a running endpoint; yields it as it is then. */
  async changePorts<E extends EndpointRecord>(endpoint: E, change: PortChange): Promise<E> {
    const network = this.#records.get(endpoint.networkId);
    const driver = network === undefined ? undefined : this.#drivers.of(network);
    if (driver === undefined) return endpoint;
    try {
      return { ...endpoint, ports: (await driver.changePorts(endpoint.endpointId, change)).ports };
    } catch (error) {
      throw portFault(error, endpoint.endpointId);
    }
  }

  /** Moves the published ports of one endpoint to another; yields both as they are then. */
  async movePorts<E extends EndpointRecord>(from: E, to: E): Promise<{ from: E; to: E }> {
    const network = this.#records.get(from.networkId);
    const driver = network === undefined ? undefined : this.#drivers.of(network);
    if (driver === undefined || this.#records.get(to.networkId)?.driver !== network?.driver)
      throw new Fault("invalidParameter", "ports can only be moved between networks of one driver", {
        code: "network.drivers-differ",
      });
    const moved = await driver.movePorts(from.endpointId, to.endpointId);
    return { from: { ...from, ports: moved.from.ports }, to: { ...to, ports: moved.to.ports } };
  }

  /** After a restart: takes the addresses and ports of running containers again; returns warnings. */
  async restore(
    endpoints: readonly { endpoint: EndpointRecord; containerName: string }[],
  ): Promise<string[]> {
    for (const { endpoint: e, containerName } of endpoints) {
      this.#holders.set(e.endpointId, { networkId: e.networkId, containerName });
      for (const ip of [e.ip, e.ip6 ?? ""])
        if (ip !== "") this.#addresses.restore(e.networkId, ip, e.endpointId);
    }
    return this.#drivers.restore(
      endpoints.map((e) => e.endpoint),
      (networkId) => this.#records.get(networkId),
    );
  }

  /** Ends the drivers; with `remove` nothing of the networks stays on the host. */
  close(options: { remove: boolean }): Promise<void> {
    return this.#drivers.close(options);
  }

  #isUsed = (record: NetworkRecord): boolean => this.#holdersOf(record.id).length > 0;

  #holdersOf(networkId: string): (Holder & { endpointId: string })[] {
    return [...this.#holders].flatMap(([endpointId, h]) =>
      h.networkId === networkId ? [{ endpointId, ...h }] : [],
    );
  }

  async list(input: InputOf<typeof operations.networkList>): Promise<NetworkSummary[]> {
    return selectNetworks(this.#records.values(), input.filters, this.#isUsed)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(summaryOf);
  }

  async inspect(input: InputOf<typeof operations.networkInspect>): Promise<NetworkInspect> {
    const record = this.find(input.id);
    if (input.scope !== undefined && input.scope !== "local") throw notFound(input.id);
    return inspectOf(record, this.#members?.list(record.id) ?? [], this.#addresses.usage(record.id));
  }

  create(input: InputOf<typeof operations.networkCreate>): Promise<NetworkCreateResponse> {
    return this.#lane.run(async () => {
      const draft = draftNetwork(input.body, {
        byName: (name) => this.#byName(name),
        defaultOptions: (driver) => this.#options.defaultOptions?.[driver] ?? {},
      });
      if (draft.isConfigOnly) await this.#put(draft);
      else await this.#make(draft);
      this.#publish(draft, "create");
      return { Id: draft.id, Warning: "" };
    });
  }

  async #make(draft: NetworkRecord): Promise<void> {
    this.#drivers.check(draft);
    const addressed = chooseSubnets(draft, { pools: this.#options.pools, taken: await this.#taken() });
    const record = { ...addressed, deviceName: this.#drivers.deviceName(addressed) };
    this.#addresses.add(record);
    try {
      await this.#drivers.ensure(record);
      // A crash before this line leaves a device that the next start removes as an orphan.
      await this.#put(record);
    } catch (error) {
      this.#addresses.remove(record.id);
      await this.#drivers.remove(record).catch(() => undefined); // ignored: the first failure counts
      throw error;
    }
  }

  delete(input: InputOf<typeof operations.networkDelete>): Promise<void> {
    return this.#lane.run(() => this.#remove(this.find(input.id)));
  }

  async #remove(record: NetworkRecord): Promise<void> {
    if (isPredefined(record.name))
      throw new Fault("forbidden", `${record.name} is a pre-defined network and cannot be removed`, {
        code: "network.predefined",
      });
    const names = new Map(this.#members?.list(record.id).map((m) => [m.endpoint.endpointId, m.name]));
    const holders = this.#holdersOf(record.id).map(
      (h) => `name:"${names.get(h.endpointId) ?? h.containerName}" id:"${shortId(h.endpointId)}"`,
    );
    if (holders.length > 0)
      throw new Fault(
        "forbidden",
        `error while removing network: network ${record.name} has active endpoints (${holders.join(", ")})`,
        { code: "network.in-use" },
      );
    const isSource = [...this.#records.values()].some(
      (r) => record.isConfigOnly && r.configFrom === record.name,
    );
    if (isSource)
      throw new Fault(
        "forbidden",
        `error while removing network: configuration network "${record.name}" is in use`,
        {
          code: "network.in-use",
        },
      );
    this.#leaving.add(record.id);
    try {
      await this.#options.store.commit([this.#records.remove(record.id)]);
    } finally {
      this.#leaving.delete(record.id);
    }
    this.#addresses.remove(record.id);
    await this.#drivers.remove(record);
    if (!record.isConfigOnly) this.#publish(record, "destroy");
  }

  /** What a prune with these filters takes. Fails with invalidParameter for wrong filters. */
  prunable(filters: Filters): NetworkRecord[] {
    const fits = pruneMatcher(filters);
    return [...this.#records.values()].filter(
      (r) =>
        !isPredefined(r.name) &&
        !r.isConfigOnly &&
        fits({ createdNano: parseNano(r.createdAt) ?? 0n, labels: r.labels }) &&
        !this.#isUsed(r),
    );
  }

  async prune(input: InputOf<typeof operations.networkPrune>): Promise<NetworksPrune> {
    const NetworksDeleted: string[] = [];
    await this.#lane.run(async () => {
      for (const record of this.prunable(input.filters)) {
        if (this.#isUsed(record)) continue;
        await this.#remove(record);
        NetworksDeleted.push(record.name);
      }
    });
    this.#options.events.publish({
      type: "network",
      action: "prune",
      actorId: "",
      attributes: { reclaimed: "0" },
    });
    return { NetworksDeleted: NetworksDeleted.length === 0 ? null : NetworksDeleted };
  }

  async connect(input: InputOf<typeof operations.networkConnect>): Promise<void> {
    await this.#members?.connect(input);
  }

  async disconnect(input: InputOf<typeof operations.networkDisconnect>): Promise<void> {
    await this.#members?.disconnect(input);
  }

  /** Publishes what happened to a network; `containerId` says who came or went. */
  publish(networkId: string, action: "connect" | "disconnect", containerId: string): void {
    const record = this.#records.get(networkId);
    if (record !== undefined) this.#publish(record, action, { container: containerId });
  }

  #publish(record: NetworkRecord, action: string, more: Readonly<Record<string, string>> = {}): void {
    this.#options.events.publish({
      type: "network",
      action,
      actorId: record.id,
      attributes: { ...more, name: record.name, type: record.driver },
    });
  }
}

/** compat: why the daemon does not start, in dockerd's words. */
const inDefaultBridge = (fault: Fault): Fault =>
  new Fault(fault.kind, `error creating default "bridge" network: ${fault.message}`, {
    code: fault.code,
    detail: fault.detail,
    cause: fault,
  });

const notFound = (reference: string): Fault =>
  new Fault("notFound", `network ${reference} not found`, { code: "network.not-found" });

/** compat: what is wrong with a port is told in these words, as an error of the server's. */
function portFault(error: unknown, endpoint: string): unknown {
  if (!(error instanceof Fault) || !error.code.startsWith("port.") || error.kind === "invalidParameter")
    return error;
  return new Fault(
    "system",
    `driver failed programming external connectivity on endpoint ${endpoint}: ${error.message}`,
    { code: error.code, detail: error.detail, cause: error },
  );
}
