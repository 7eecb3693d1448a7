// The network drivers by name, each fed with its own form of a network's record. The wiring gives the drivers in; nothing
// else in the engine knows which there are.
import { parsePrefix } from "../../linux/netlink/address.ts";
import type { Op, Register } from "../../linux/ops.ts";
import type { BridgeOnHost } from "../../net/bridge-driver.ts";
import type { HostPrefixes } from "../../net/host-state.ts";
import type { MacvlanNetwork } from "../../net/macvlan/device.ts";
import type { BridgeNetwork, EndpointRecord, EndpointRequest, NetworkDriver } from "../../net/model.ts";
import { type BridgeDefaults, bridgeSpec, macvlanSpec, OPTION } from "./options.ts";
import { isOnWire, type NetworkRecord } from "./record.ts";
import type { TakenSubnets } from "./subnets.ts";

/** The bridge driver also reads what others on the host have, and makes devices again that others have removed. */
export type BridgePort = NetworkDriver<BridgeNetwork> & {
  readBridge(name: string): Promise<BridgeOnHost | undefined>;
  hostPrefixes(): Promise<HostPrefixes>;
  planRemake(request: EndpointRequest, reg: Register): Promise<Op[]>;
};

export class NetworkDrivers {
  readonly #bridge: BridgePort;
  readonly #macvlan: NetworkDriver<MacvlanNetwork>;
  readonly #defaults: BridgeDefaults;

  constructor(
    ports: { bridge: BridgePort; macvlan: NetworkDriver<MacvlanNetwork> },
    defaults: BridgeDefaults,
  ) {
    this.#bridge = ports.bridge;
    this.#macvlan = ports.macvlan;
    this.#defaults = defaults;
  }

  /** Returns the driver of a network, undefined where it has no devices. */
  of(record: NetworkRecord): Omit<NetworkDriver<never>, "ensureNetwork"> | undefined {
    if (record.isConfigOnly) return undefined;
    if (record.driver === "bridge") return this.#bridge;
    return isOnWire(record) ? this.#macvlan : undefined;
  }

  /** Refuses options that cannot be, with invalidParameter, before anything is chosen or made. */
  check(record: NetworkRecord): void {
    if (record.driver === "bridge") bridgeSpec(record, this.#defaults);
    if (isOnWire(record)) macvlanSpec(record);
  }

  /** Returns the name that the device of a user's network has. */
  deviceName(record: NetworkRecord): string {
    if (record.driver === "bridge")
      return record.options[OPTION.bridgeName] || `br-${record.id.slice(0, 12)}`;
    return isOnWire(record) ? (record.options[OPTION.parent] ?? "") : "";
  }

  /** Makes, repairs or adopts the network's device; returns its name, "" where there is none. */
  async ensure(record: NetworkRecord): Promise<string> {
    if (record.driver === "bridge") {
      const spec = bridgeSpec(record, this.#defaults);
      const { bridgeName: _, ...anyName } = spec;
      return (await this.#bridge.ensureNetwork(record.deviceName === "" ? anyName : spec)).deviceName;
    }
    if (isOnWire(record)) return (await this.#macvlan.ensureNetwork(macvlanSpec(record))).deviceName;
    return "";
  }

  /** Reads what a bridge of the host has; undefined without one. */
  readBridge(name: string): Promise<BridgeOnHost | undefined> {
    return this.#bridge.readBridge(name);
  }

  /** Plans to make the device of an endpoint again; no operations when it is there. */
  async planRemake(record: NetworkRecord, request: EndpointRequest, reg: Register): Promise<Op[]> {
    return record.driver === "bridge" ? this.#bridge.planRemake(request, reg) : [];
  }

  async remove(record: NetworkRecord): Promise<void> {
    await this.of(record)?.removeNetwork(record.id);
  }

  /** Returns which prefixes are in use, by networks and by the host. */
  async taken(records: readonly NetworkRecord[]): Promise<TakenSubnets> {
    const host = await this.#bridge.hostPrefixes();
    const own = records.flatMap((r) =>
      r.subnets.map((s) => ({ prefix: parsePrefix(s.subnet), holder: `network ${r.name}` })),
    );
    return { networks: [...own, ...host.addresses], routes: host.routes };
  }

  async restore(
    endpoints: readonly EndpointRecord[],
    find: (networkId: string) => NetworkRecord | undefined,
  ): Promise<string[]> {
    const isOf = (e: EndpointRecord, fits: (record: NetworkRecord) => boolean): boolean => {
      const record = find(e.networkId);
      return record !== undefined && fits(record);
    };
    const isBridged = (e: EndpointRecord): boolean =>
      find(e.networkId) === undefined || isOf(e, (r) => r.driver === "bridge");
    return [
      ...(await this.#bridge.restore(endpoints.filter(isBridged))),
      ...(await this.#macvlan.restore(endpoints.filter((e) => isOf(e, isOnWire)))),
    ];
  }

  async close(options: { remove: boolean }): Promise<void> {
    await this.#macvlan.close(options);
    await this.#bridge.close(options);
  }
}
