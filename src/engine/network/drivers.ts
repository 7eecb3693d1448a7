// The network drivers by name, each fed with its own form of a network's record. The wiring gives the drivers in; nothing
// else in the engine knows which there are.
import { parsePrefix } from "../../linux/netlink/address.ts";
import type { HostPrefixes } from "../../net/host-state.ts";
import type { MacvlanNetwork } from "../../net/macvlan/device.ts";
import type { BridgeNetwork, EndpointRecord, NetworkDriver } from "../../net/model.ts";
import { type BridgeDefaults, bridgeSpec, macvlanSpec, OPTION } from "./options.ts";
import type { NetworkRecord } from "./record.ts";
import type { TakenSubnets } from "./subnets.ts";

/** The bridge driver also reads what others on the host have. */
export type BridgePort = NetworkDriver<BridgeNetwork> & { hostPrefixes(): Promise<HostPrefixes> };

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
    return record.driver === "macvlan" ? this.#macvlan : undefined;
  }

  /** Refuses options that cannot be, with invalidParameter, before anything is chosen or made. */
  check(record: NetworkRecord): void {
    if (record.driver === "bridge") bridgeSpec(record, this.#defaults);
    if (record.driver === "macvlan") macvlanSpec(record);
  }

  /** Returns the name that the device of a user's network has. */
  deviceName(record: NetworkRecord): string {
    if (record.driver === "bridge")
      return record.options[OPTION.bridgeName] || `br-${record.id.slice(0, 12)}`;
    return record.driver === "macvlan" ? (record.options[OPTION.parent] ?? "") : "";
  }

  /** Makes, repairs or adopts the network's device; returns its name, "" where there is none. */
  async ensure(record: NetworkRecord): Promise<string> {
    if (record.driver === "bridge") {
      const spec = bridgeSpec(record, this.#defaults);
      const { bridgeName: _, ...anyName } = spec;
      return (await this.#bridge.ensureNetwork(record.deviceName === "" ? anyName : spec)).deviceName;
    }
    if (record.driver === "macvlan")
      return (await this.#macvlan.ensureNetwork(macvlanSpec(record))).deviceName;
    return "";
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
    const ofDriver = (name: string): EndpointRecord[] =>
      endpoints.filter((e) => {
        const driver = find(e.networkId)?.driver;
        return driver === name || (name === "bridge" && driver === undefined);
      });
    return [
      ...(await this.#bridge.restore(ofDriver("bridge"))),
      ...(await this.#macvlan.restore(ofDriver("macvlan"))),
    ];
  }

  async close(options: { remove: boolean }): Promise<void> {
    await this.#macvlan.close(options);
    await this.#bridge.close(options);
  }
}
