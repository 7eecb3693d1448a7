// The network drivers and the networks.
import { NetworkDrivers } from "../../engine/network/drivers.ts";
import { NetworkService } from "../../engine/network/service.ts";
import { BridgeDriver } from "../../net/bridge-driver.ts";
import { DEFAULT_POOLS, uniqueLocalPools } from "../../net/ipam/subnet.ts";
import { MacvlanDriver } from "../../net/macvlan-driver.ts";
import type { Log } from "../log.ts";
import { holdOutside } from "../rootless/ports.ts";
import type { OpenConfig } from "../wiring.ts";
import type { Floor } from "./floor.ts";

export interface Networks {
  readonly networks: NetworkService;
  readonly bridge: BridgeDriver;
  /** The name of this daemon's nftables table. */
  readonly firewallTable: string;
}

export async function openNetworks(
  { keel, meta, events, owner }: Floor,
  { network, rootless }: OpenConfig,
  log: Log,
): Promise<Networks> {
  const firewallTable = `berth-${owner}`;
  const bridge = await BridgeDriver.open({
    keel,
    owner,
    tableName: firewallTable,
    holdPort: rootless === undefined ? undefined : holdOutside(rootless.ports),
    remakeDevice: (endpoint) => networks.remakeDevice(endpoint),
    log: (line) => log("info", line),
  });
  const macvlan = await MacvlanDriver.open({ keel, owner });
  const networks: NetworkService = await NetworkService.open({
    store: meta,
    drivers: new NetworkDrivers(
      { bridge, macvlan },
      {
        hostBindingIp: network.defaultBridge.hostBindingIp,
        publishAllow: network.publishAllow,
        isDirect: network.allowsDirectRouting,
      },
    ),
    events,
    pools: {
      ipv4: network.addressPools.ipv4 ?? DEFAULT_POOLS,
      ipv6: network.addressPools.ipv6 ?? uniqueLocalPools(owner),
    },
    defaultBridge: network.defaultBridge,
    defaultOptions: network.defaultOptions,
    log,
  });
  return { networks, bridge, firewallTable };
}
