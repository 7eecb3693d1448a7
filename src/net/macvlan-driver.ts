// Docker's `macvlan` and `ipvlan` drivers: containers with devices of their own on a device of the host, beside it on the same wire. No
// firewall, no published ports: what reaches them is up to the network outside.
// Owns the daemon's bookkeeping of these networks in memory; the contract of each method is NetworkDriver's (model.ts).

import { Fault, SysError, messageOf } from "../lib/errors.ts";
import type { Keel } from "../linux/keel.ts";
import { delLink } from "../linux/netlink/link.ts";
import { NETLINK_ROUTE, netlinkOp } from "../linux/netlink/message.ts";
import { type Register, host } from "../linux/ops.ts";
import { MIN_IPV6_MTU } from "./bridge/device.ts";
import { type HostFacts, readHostFacts, readHostState } from "./host-state.ts";
import {
  type ChildKind,
  type MacvlanNetwork,
  networkOfSegment,
  parentOf,
  planMacvlan,
  planRemoveSegment,
  planSegment,
  planTryIpvlan,
  segmentName,
} from "./macvlan/device.ts";
import type { AttachPlan, EndpointRecord, EndpointRequest, NetworkDriver } from "./model.ts";
import { interfaceAddress, interfaceIndex } from "./sandbox/endpoint.ts";

const ENODEV = 19;
const EOPNOTSUPP = 95;
const NETNS: Register = 0;

/** Ports of the driver. */
export interface MacvlanDriverOptions {
  keel: Keel;
  /** Names this daemon among others on the host, in aliases of devices. */
  owner: string;
}

export class MacvlanDriver implements NetworkDriver<MacvlanNetwork> {
  readonly #keel: Keel;
  readonly #owner: string;
  readonly #facts: HostFacts;
  readonly #networks = new Map<string, { spec: MacvlanNetwork; parentIndex: number }>();
  readonly #endpoints = new Map<string, EndpointRecord>();

  private constructor(options: MacvlanDriverOptions, facts: HostFacts) {
    this.#keel = options.keel;
    this.#owner = options.owner;
    this.#facts = facts;
  }

  static async open(options: MacvlanDriverOptions): Promise<MacvlanDriver> {
    return new MacvlanDriver(options, await readHostFacts());
  }

  async ensureNetwork(spec: MacvlanNetwork): Promise<{ deviceName: string }> {
    const parentIndex = await this.#ensureParent(spec);
    if (spec.child.kind === "ipvlan") await this.#tryIpvlan(parentIndex, spec.child);
    this.#networks.set(spec.id, { spec, parentIndex });
    return { deviceName: spec.parent === "" ? segmentName(spec.id) : spec.parent };
  }

  async #ensureParent(spec: MacvlanNetwork): Promise<number> {
    const owner = { owner: this.#owner, networkId: spec.id };
    const find = async (): Promise<number | undefined> =>
      parentOf((await readHostState(this.#keel)).links, spec, owner);
    const index = await find();
    if (index !== undefined) return index;
    try {
      await this.#keel.run(planSegment(owner));
    } catch (error) {
      throw new Fault("system", `cannot make device ${segmentName(spec.id)}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    return (await find()) as number;
  }

  /** What the kernel will say at a container's start is said when its network is made. */
  async #tryIpvlan(parentIndex: number, child: ChildKind & { kind: "ipvlan" }): Promise<void> {
    try {
      await this.#keel.run(planTryIpvlan(parentIndex, child));
    } catch (error) {
      if (error instanceof SysError && error.errno === EOPNOTSUPP)
        throw new Fault("notImplemented", "this kernel has no ipvlan devices (module ipvlan); macvlan has", {
          code: "network.driver",
          cause: error,
        });
      throw new Fault("invalidParameter", `cannot make ipvlan devices on the parent: ${messageOf(error)}`, {
        code: "network.parent",
        cause: error,
      });
    }
  }

  async removeNetwork(networkId: string): Promise<void> {
    const network = this.#networks.get(networkId);
    this.#networks.delete(networkId);
    if (network?.spec.parent === "") await this.#runTolerant(planRemoveSegment(networkId));
  }

  async planAttach(request: EndpointRequest, reg: Register): Promise<AttachPlan> {
    const known = this.#networks.get(request.networkId);
    if (known === undefined)
      throw new Fault("notFound", `network ${request.networkId} is not known to the macvlan driver`, {
        code: "network.unknown",
      });
    const { spec } = known;
    // The parent may have gone and come again with another index.
    const parentIndex = await this.#ensureParent(spec);
    const { endpointId, networkId, containerId, ifName, ip, ip6 } = request;
    const mac = spec.child.kind === "macvlan" ? request.mac : "";
    const record = { endpointId, networkId, containerId, ifName, ip, ip6, mac, hostIfName: "", ports: [] };
    this.#endpoints.set(endpointId, record);
    const own = [ip, ip6].filter((a) => a !== "");
    const home = (a: string) => spec.subnets.find((s) => s.subnet.includes(":") === a.includes(":"));
    const ops = planMacvlan({
      parentIndex,
      child: spec.child,
      mac,
      mtu: spec.mtu,
      netnsReg: reg,
      ifName,
      addresses: [
        ...own.map((a) => interfaceAddress(a, home(a)?.subnet ?? "")),
        ...(request.linkLocalIps ?? []).map((a) => `${a}/${a.includes(":") ? 64 : 16}`),
      ],
      gateways: own.flatMap((a) => {
        const isWanted = a.includes(":") ? request.defaultRoutes.ipv6 : request.defaultRoutes.ipv4;
        const gateway = home(a)?.gateway ?? "";
        return isWanted && gateway !== "" ? [gateway] : [];
      }),
      hasIpv6: this.#facts.hasIpv6 && (spec.mtu === 0 || spec.mtu >= MIN_IPV6_MTU),
      ...(request.sysctls === undefined ? {} : { sysctls: request.sysctls }),
    });
    return {
      ops,
      record,
      undo: async () => {
        this.#endpoints.delete(endpointId);
      },
    };
  }

  async detach(
    endpointId: string,
    options: { isContainerGone?: boolean; netns?: string } = {},
  ): Promise<void> {
    const record = this.#endpoints.get(endpointId);
    this.#endpoints.delete(endpointId);
    if (record === undefined || options.isContainerGone || options.netns === undefined) return;
    const index = interfaceIndex(record.ifName ?? "eth0");
    await this.#runTolerant([
      host.netnsOpen(NETNS, options.netns),
      netlinkOp(NETLINK_ROUTE, NETNS, [delLink({ index })]),
    ]);
  }

  /** Ports are not published here: containers are on the wire themselves. */
  async changePorts(endpointId: string): Promise<EndpointRecord> {
    const record = this.#endpoints.get(endpointId);
    if (record === undefined)
      throw new Fault("notFound", `endpoint ${endpointId} is not known to the macvlan driver`, {
        code: "network.unknown",
      });
    return record;
  }

  async movePorts(fromId: string, toId: string): Promise<{ from: EndpointRecord; to: EndpointRecord }> {
    return { from: await this.changePorts(fromId), to: await this.changePorts(toId) };
  }

  async restore(endpoints: readonly EndpointRecord[]): Promise<string[]> {
    for (const record of endpoints) this.#endpoints.set(record.endpointId, record);
    // Segments that a crash has left behind.
    for (const link of (await readHostState(this.#keel)).links) {
      const networkId = networkOfSegment(link, this.#owner);
      if (networkId !== undefined && !this.#networks.has(networkId))
        await this.#runTolerant(planRemoveSegment(networkId));
    }
    return [];
  }

  async close(options: { remove: boolean }): Promise<void> {
    const ids = [...this.#networks.keys()];
    if (options.remove) for (const id of ids) await this.removeNetwork(id);
    this.#networks.clear();
    this.#endpoints.clear();
  }

  async #runTolerant(ops: Parameters<Keel["run"]>[0]): Promise<void> {
    try {
      await this.#keel.run(ops);
    } catch (error) {
      if (!(error instanceof SysError) || error.errno !== ENODEV) throw error;
    }
  }
}
