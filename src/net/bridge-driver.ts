// Docker's `bridge` driver: networks made of a bridge device, veth pairs, an nftables table and held host ports.
// Owns the daemon's bookkeeping of them (in memory; the engine stores EndpointRecords) and turns requests into
// operations of the folders beside it. Not here: address allocation (ipam/ is used by the engine), texts of files.
//
//   open → ensureNetwork for every known network → restore(endpoints) → planAttach / detach … → close
//
// Invariant: the kernel's table is always the image of `#networks` and `#endpoints`, or is made so by one transaction
// (`#reconcile`). Until restore nothing in the table is touched: published ports of running containers keep working
// while a daemon restarts.

import { randomBytes } from "node:crypto";
import { Fault, SysError, messageOf } from "../lib/errors.ts";
import type { Keel } from "../linux/keel.ts";
import { AF_INET, parsePrefix, prefixContains } from "../linux/netlink/address.ts";
import { decodeLinks, getLink, type Link } from "../linux/netlink/link.ts";
import { NETLINK_ROUTE, netlinkOp } from "../linux/netlink/message.ts";
import { HOST_NS, type Op, type Register } from "../linux/ops.ts";
import { forgetConnections } from "./bridge/connections.ts";
import {
  bridgeAlias,
  bridgeSettings,
  chooseBridge,
  deviceSysctls,
  endpointOfLink,
  isOwnBridge,
  planConfigureBridge,
  planCreateBridge,
  planRemoveBridge,
} from "./bridge/device.ts";
import { EndpointBook } from "./bridge/endpoint-book.ts";
import { endpointPlan } from "./bridge/endpoint-plan.ts";
import { LostDevices, type RemakeDevice } from "./bridge/lost-devices.ts";
import { SysctlWatch } from "./bridge/sysctl-watch.ts";
import type { NamePolicy } from "./dns/ports.ts";
import { addressesIn } from "./dns/message.ts";
import { EgressBook, type EgressEndpoint } from "./egress/book.ts";
import { type EgressPolicy, parseEgressPolicy } from "./egress/policy.ts";
import {
  planAddEndpoint,
  planAddNetwork,
  planChangeEndpoint,
  planDestroy,
  planForget,
  planRemoveEndpoint,
  planRemoveNetwork,
  planRenew,
  planReplaceAll,
} from "./firewall/plan.ts";
import { policyWarnings } from "./firewall/host-policy.ts";
import type { FirewallState } from "./firewall/ruleset.ts";
import {
  type HostFacts,
  type HostPrefixes,
  type HostState,
  planIpv6Forwarding,
  readDeviceState,
  readHostFacts,
  readHostState,
  readLink,
  readTakenPrefixes,
} from "./host-state.ts";
import {
  firewallNetwork,
  isSamePort,
  planPublish,
  publicationsOf,
  type PublishPlan,
  sameAgain,
} from "./bridge/publications.ts";
import type {
  AttachPlan,
  BridgeNetwork,
  EndpointRecord,
  EndpointRequest,
  Families,
  NetworkDriver,
  PortChange,
  PortRequest,
  PublishedPort,
} from "./model.ts";
import { PortAllocator, type PortLease, type PortOwner } from "./port/port-allocator.ts";
import type { HoldPort } from "./port/tcp-socket.ts";
import { KernelWatch } from "./kernel-watch.ts";
import { planCut, planDetach, planEndpoint, planPlugIn } from "./sandbox/endpoint.ts";

const ENOENT = 2;
const ENODEV = 19;
/** Longer than the kernel takes to clean up a namespace, unless somebody keeps it. */
const SWEEP_DELAY_MS = 3000;

/** Ports of the driver. */
export interface BridgeDriverOptions {
  keel: Keel;
  /** Names this daemon among others on the host, in aliases of devices. */
  owner: string;
  /** Name of the daemon's nftables table, "berth-1a2b3c4d". */
  tableName: string;
  /** How published ports are held, where not by this process. */
  holdPort?: HoldPort | undefined;
  /** Makes the device of a running container's endpoint again, by planRemake. */
  remakeDevice: RemakeDevice;
  /** Takes one line for the daemon's log. */
  log?: (line: string) => void;
}

/** A bridge as the host has it. */
export interface BridgeOnHost {
  addresses: string[];
  isInUse: boolean;
}

interface NetworkState {
  spec: BridgeNetwork;
  bridgeName: string;
  bridgeIndex: number;
  /** The device was there before, made by somebody else: it is used, and left alone when the network goes. */
  isForeign: boolean;
}

interface EndpointState {
  record: EndpointRecord;
  lease: PortLease | undefined;
}

/** The driver; see NetworkDriver in model.ts for the contract of each method. */
export class BridgeDriver implements NetworkDriver<BridgeNetwork>, NamePolicy {
  readonly #keel: Keel;
  readonly #owner: string;
  readonly #tableName: string;
  readonly #log: (line: string) => void;
  readonly #facts: HostFacts;
  readonly #ports: PortAllocator;
  readonly #networks = new Map<string, NetworkState>();
  readonly #endpoints = new EndpointBook<EndpointState>();
  readonly #egress = new EgressBook();
  readonly #lost: LostDevices;
  readonly #sysctls: SysctlWatch;
  /** When the firewall that is being written anew, as the book was a moment ago, stands: changes of single endpoints come after it. */
  #written: Promise<void> = Promise.resolve();
  /** The table is ours to change: restore has run. */
  #isLive = false;
  #sweep: NodeJS.Timeout | undefined;
  /** Names of devices that are to have gone at the next sweep. */
  readonly #leaving = new Set<string>();
  #watch: KernelWatch | undefined;

  private constructor(options: BridgeDriverOptions, facts: HostFacts) {
    this.#keel = options.keel;
    this.#owner = options.owner;
    this.#tableName = options.tableName;
    this.#log = options.log ?? (() => undefined);
    this.#facts = facts;
    this.#ports = new PortAllocator({
      ephemeral: facts.ephemeral,
      hasIpv6: facts.canListenIpv6,
      hold: options.holdPort,
      isBarred: (from) => this.#isInternal(from),
    });
    this.#lost = new LostDevices({
      remake: options.remakeDevice,
      isLost: (endpointId) => this.#isLost(endpointId),
      log: this.#log,
    });
    this.#sysctls = new SysctlWatch({
      onChange: (what) => this.#watch?.report(what),
      log: this.#log,
    });
  }

  /** Opens the driver; changes nothing on the host yet. */
  static async open(options: BridgeDriverOptions): Promise<BridgeDriver> {
    return new BridgeDriver(options, await readHostFacts());
  }

  /** The prefixes that devices and routes of others on the host occupy. */
  async hostPrefixes(): Promise<HostPrefixes> {
    const own = [...this.#networks.values()].filter((n) => !n.isForeign).map((n) => n.bridgeIndex);
    return readTakenPrefixes(this.#keel, new Set(own), (l) => isOwnBridge(l, this.#owner));
  }

  /** Reads what a bridge of the host has: addresses, "10.0.0.1/24", and whether containers of ours are on it; undefined without one. */
  async readBridge(name: string): Promise<BridgeOnHost | undefined> {
    const { links, addresses } = await readHostState(this.#keel);
    const bridge = links.find((l) => l.name === name && l.kind === "bridge");
    if (bridge === undefined) return undefined;
    return {
      addresses: addresses
        .filter((a) => a.index === bridge.index && !a.ip.startsWith("fe80:"))
        .map((a) => `${a.ip}/${a.prefixLength}`),
      isInUse: links.some((l) => l.master === bridge.index && endpointOfLink(l, this.#owner) !== undefined),
    };
  }

  async ensureNetwork(spec: BridgeNetwork): Promise<{ deviceName: string }> {
    const before = this.#networks.get(spec.id);
    const device = await this.#ensureDevice(spec, before);
    const state = { spec, ...device };
    this.#networks.set(spec.id, state);
    this.#egress.enterNetwork(spec.id, device.bridgeName, policyOf(spec.egress));
    if (!this.#isLive) return { deviceName: state.bridgeName };
    try {
      if (before === undefined) await this.#addToFirewall(state);
      else await this.#reconcile();
    } catch (error) {
      if (before === undefined) await this.#dropNetwork(state);
      throw asFault(`cannot add network ${spec.id} to the firewall`, error);
    }
    return { deviceName: state.bridgeName };
  }

  async #addToFirewall({ spec, bridgeName }: NetworkState): Promise<void> {
    try {
      await this.#keel.run(
        planAddNetwork(this.#tableName, firewallNetwork(spec, bridgeName), this.#egress.ofNetwork(spec.id)),
      );
    } catch (error) {
      if (!(error instanceof SysError) || error.errno !== ENOENT) throw error;
      await this.#reconcile(); // somebody has just removed the table
    }
  }

  async #ensureDevice(
    spec: BridgeNetwork,
    before: NetworkState | undefined,
    host?: HostState,
  ): Promise<Omit<NetworkState, "spec">> {
    const { links, addresses, routes } = host ?? (await this.#hostOf(spec.bridgeName));
    const id = { owner: this.#owner, networkId: spec.id };
    const { name, existing, isForeign } = chooseBridge(links, id, spec.bridgeName);
    const settings = bridgeSettings(spec, name, bridgeAlias(id), this.#facts.hasIpv6);
    try {
      if (spec.ipv6 !== undefined) await this.#keel.run(await planIpv6Forwarding());
      const index = existing?.index ?? (await this.#createDevice(name, planCreateBridge(settings)));
      await this.#keel.run(
        planConfigureBridge(
          index,
          { addresses, routes, isUp: existing?.isUp ?? false },
          { ...settings, isForeign },
        ),
      );
      this.#sysctls.watch(name, index, deviceSysctls({ ...settings, isForeign }));
      return { bridgeName: name, bridgeIndex: index, isForeign: before?.isForeign ?? isForeign };
    } catch (error) {
      if (existing === undefined)
        await this.#runTolerant(planRemoveBridge(name), ENODEV).catch(() => undefined); // ignored: the first failure counts
      throw asFault(`cannot set up bridge ${name}`, error);
    }
  }

  /** What the host has of a device; of all where it is yet to be chosen. A new network costs the same however many there are. */
  #hostOf(bridgeName: string | undefined): Promise<HostState> {
    return bridgeName === undefined ? readHostState(this.#keel) : readDeviceState(this.#keel, bridgeName);
  }

  async #createDevice(name: string, create: readonly Op[]): Promise<number> {
    const { results } = await this.#keel.run([
      ...create,
      netlinkOp(NETLINK_ROUTE, HOST_NS, [getLink({ name })]),
    ]);
    const link = decodeLinks(results.at(-1) as Uint8Array)[0];
    if (link === undefined) throw new Fault("system", `network device ${name} vanished`);
    return link.index;
  }

  async removeNetwork(networkId: string): Promise<void> {
    const network = this.#networks.get(networkId);
    if (network === undefined) return;
    await this.#dropNetwork(network);
  }

  async #dropNetwork(network: NetworkState): Promise<void> {
    this.#networks.delete(network.spec.id);
    const { spec, bridgeName } = network;
    this.#sysctls.forget(bridgeName);
    const { elements, named } = this.#egress.leaveNetwork(spec.id);
    if (this.#isLive) {
      const removed = planRemoveNetwork(this.#tableName, firewallNetwork(spec, bridgeName), elements);
      await this.#runTolerant(removed, ENOENT);
      await this.#runTolerant(planForget(this.#tableName, named), ENOENT);
    }
    if (network.isForeign) return;
    this.#sweepLater(bridgeName);
    await this.#runTolerant(planRemoveBridge(bridgeName), ENODEV);
    this.#leaving.delete(bridgeName);
  }

  async planAttach(request: EndpointRequest, reg: Register): Promise<AttachPlan> {
    const network = this.#networks.get(request.networkId);
    if (network === undefined)
      throw new Fault("notFound", `network ${request.networkId} is not known to the bridge driver`, {
        code: "network.unknown",
      });
    if (!this.#isLive) await this.#goLive();
    const hostIfName = `veth${randomBytes(4).toString("hex").slice(0, 7)}`; // compat: docker's form
    const { endpointId, networkId, containerId, ifName, ip, ip6, mac } = request;
    const unpublished = {
      ...{ endpointId, networkId, containerId, ifName, ip, ip6, mac, hostIfName, ports: [] },
      ...(request.egress === undefined ? {} : { egress: request.egress }),
    };
    const state = await this.#publish(network, unpublished, request);
    await this.#written;
    this.#endpoints.set(state);
    const egress = this.#egress.enter(egressEndpoint(state.record));
    return {
      ops: [
        ...planEndpoint(
          endpointPlan(request, {
            ...network,
            owner: this.#owner,
            hostIfName,
            facts: this.#facts,
            netnsReg: reg,
          }),
        ),
        ...planAddEndpoint(this.#tableName, publicationsOf(state.record, network.spec), egress),
      ],
      record: state.record,
      undo: (cause) => this.#undo(state, cause),
    };
  }

  /** Plans to make the device of a running endpoint again, which somebody has removed; no operations when it is there. */
  async planRemake(request: EndpointRequest, reg: Register): Promise<Op[]> {
    const hostIfName = this.#endpoints.get(request.endpointId)?.record.hostIfName;
    const network = this.#networks.get(request.networkId);
    if (hostIfName === undefined || network === undefined || !(await this.#isLost(request.endpointId)))
      return [];
    const { facts, owner } = { facts: this.#facts, owner: this.#owner };
    return planEndpoint(endpointPlan(request, { ...network, owner, hostIfName, facts, netnsReg: reg }));
  }

  async #isLost(endpointId: string): Promise<boolean> {
    const hostIfName = this.#endpoints.get(endpointId)?.record.hostIfName;
    if (hostIfName === undefined) return false;
    return (await readLink(this.#keel, hostIfName)) === undefined;
  }

  /** Whether an address is of an internal network. The kernel keeps these from the ports that it translates; the sockets ask here. */
  #isInternal(ip: string): boolean {
    for (const { spec } of this.#networks.values())
      if (
        spec.internal &&
        [spec.ipv4, spec.ipv6].some((s) => s !== undefined && prefixContains(parsePrefix(s.subnet), ip))
      )
        return true;
    return false;
  }

  /** Takes host ports for an endpoint. */
  async #publish(
    network: NetworkState,
    record: EndpointRecord,
    { ports, publishes }: EndpointRequest,
  ): Promise<EndpointState> {
    const { plan, owner } = publishing(network, record, { wishes: ports, publishes });
    const lease = await this.#ports.lease(plan.wishes, owner);
    return { record: { ...record, ports: [...lease.ports, ...plan.opened] }, lease };
  }

  async changePorts(endpointId: string, { remove, add, publishes }: PortChange): Promise<EndpointRecord> {
    const before = this.#endpoints.get(endpointId);
    const network = before === undefined ? undefined : this.#networks.get(before.record.networkId);
    if (before === undefined || network === undefined) throw unknownEndpoint(endpointId);
    const { record } = before;
    const { plan, owner } = publishing(network, record, { wishes: add, publishes });
    const lease = before.lease ?? (await this.#ports.lease([], owner));
    await lease.withdraw(remove);
    let granted: PublishedPort[];
    try {
      granted = await lease.extend(plan.wishes, owner);
    } catch (error) {
      // ignored: somebody else has taken one of them in the meantime, and the first failure counts
      await lease.extend(sameAgain(remove), owner).catch(() => undefined);
      throw error;
    }
    const kept = record.ports.filter((p) => !remove.some((r) => isSamePort(r, p)));
    const opened = plan.opened.filter((p) => !kept.some((k) => isSamePort(k, p)));
    const after = { record: { ...record, ports: [...kept, ...granted, ...opened] }, lease };
    if (this.#endpoints.get(endpointId) !== before) {
      await lease.release();
      throw unknownEndpoint(endpointId);
    }
    this.#endpoints.set(after);
    await this.#written;
    const [old, wanted] = [record, after.record].map((r) => publicationsOf(r, network.spec));
    await this.#runTolerant(planChangeEndpoint(this.#tableName, old ?? [], wanted ?? []), ENOENT);
    if (remove.some((p) => p.proto === "udp")) await this.#forgetConnections(record);
    return after.record;
  }

  async movePorts(fromId: string, toId: string): Promise<{ from: EndpointRecord; to: EndpointRecord }> {
    const [from, to] = [this.#endpoints.get(fromId), this.#endpoints.get(toId)];
    if (from === undefined || to === undefined) throw unknownEndpoint(from === undefined ? fromId : toId);
    const [source, target] = [from, to].map((e) => this.#networks.get(e.record.networkId)?.spec);
    const { containerId, ip, ip6 = "" } = to.record;
    const bare = { record: { ...from.record, ports: [] }, lease: undefined };
    const heir = { record: { ...to.record, ports: from.record.ports }, lease: from.lease };
    // Between the two transactions of the firewall new connections reach the sockets, which carry them to the heir.
    from.lease?.handOver({ containerId, ip: ip || ip6, ip6, admits: target?.publishAllow });
    this.#endpoints.set(bare);
    this.#endpoints.set(heir);
    await this.#written;
    await this.#runTolerant(planRemoveEndpoint(this.#tableName, publicationsOf(from.record, source)), ENOENT);
    await this.#keel.run(planAddEndpoint(this.#tableName, publicationsOf(heir.record, target)));
    return { from: bare.record, to: heir.record };
  }

  async #undo(state: EndpointState, cause: unknown): Promise<void> {
    const { endpointId, networkId } = state.record;
    if (this.#endpoints.get(endpointId) !== state) return;
    this.#sweepLater(state.record.hostIfName);
    await this.#forget(state);
    await state.lease?.release();
    if (!(cause instanceof SysError) || cause.op !== "netlink") return;
    // Somebody may have removed our bridge or flushed our table: make both whole for the next attempt.
    const network = this.#networks.get(networkId);
    try {
      if (network !== undefined)
        await this.ensureNetwork({ ...network.spec, bridgeName: network.bridgeName });
    } catch (error) {
      this.#log(`cannot repair network ${networkId}: ${messageOf(error)}`);
    }
  }

  /** Takes an endpoint out of the book and of the firewall, where it is too if the firewall was written anew while it was attached. */
  async #forget({ record }: EndpointState): Promise<void> {
    this.#endpoints.delete(record.endpointId);
    const spec = this.#networks.get(record.networkId)?.spec;
    const { elements, named } = this.#egress.leave(record);
    await this.#written;
    const removed = planRemoveEndpoint(this.#tableName, publicationsOf(record, spec), elements);
    await this.#runTolerant(removed, ENOENT);
    await this.#runTolerant(planForget(this.#tableName, named), ENOENT);
  }

  async detach(endpointId: string, options: { isContainerGone?: boolean } = {}): Promise<void> {
    const state = this.#endpoints.get(endpointId);
    if (state === undefined) return;
    const { record, lease } = state;
    await this.#forget(state);
    if (options.isContainerGone) {
      await this.#runTolerant(planCut(record.hostIfName), ENODEV);
      this.#sweepLater(record.hostIfName);
    } else await this.#runTolerant(planDetach(record.hostIfName), ENODEV);
    await lease?.release();
    if (record.ports.some((p) => p.proto === "udp")) await this.#forgetConnections(record);
  }

  async #forgetConnections(record: EndpointRecord): Promise<void> {
    for (const ip of [record.ip, record.ip6 ?? ""].filter((a) => a !== ""))
      await forgetConnections(this.#keel, ip).catch((error: unknown) =>
        this.#log(`cannot forget UDP connections of ${ip}: ${messageOf(error)}`),
      );
  }

  /** Looks, when things have calmed down, whether a device has gone that the kernel, or an operation that has failed, was to remove. */
  #sweepLater(deviceName: string): void {
    this.#leaving.add(deviceName);
    clearTimeout(this.#sweep);
    this.#sweep = setTimeout(() => {
      this.#removeLeaving().catch((error: unknown) =>
        this.#log(`cannot remove old devices: ${messageOf(error)}`),
      );
    }, SWEEP_DELAY_MS).unref();
  }

  async #removeLeaving(): Promise<void> {
    for (const name of [...this.#leaving]) {
      const link = await readLink(this.#keel, name);
      if (link !== undefined) await this.#removeOrphans([link]);
      this.#leaving.delete(name);
    }
  }

  async restore(endpoints: readonly EndpointRecord[]): Promise<string[]> {
    const warnings: string[] = [];
    for (const record of endpoints) {
      if (this.#endpoints.has(record.endpointId)) continue;
      if (!this.#networks.has(record.networkId)) {
        warnings.push(`endpoint ${record.endpointId}: its network ${record.networkId} is gone`);
        continue;
      }
      this.#endpoints.set({ record, lease: await this.#leaseAgain(record, warnings) });
      this.#egress.enter(egressEndpoint(record));
    }
    await this.#goLive();
    await this.#removeOrphans((await readHostState(this.#keel)).links);
    await this.#plugInAgain();
    return [...warnings, ...(await policyWarnings(this.#keel, this.#tableName))];
  }

  /** Takes the ports of a running container again; where another process was faster the kernel's rule stays ours. */
  async #leaseAgain(record: EndpointRecord, warnings: string[]): Promise<PortLease | undefined> {
    try {
      const ip6 = record.ip6 ?? "";
      const admits = this.#networks.get(record.networkId)?.spec.publishAllow;
      return await this.#ports.lease(sameAgain(record.ports), {
        ...record,
        ip: record.ip || ip6,
        ip6,
        admits,
      });
    } catch (error) {
      warnings.push(`container ${record.containerId}: ${messageOf(error)}`);
      return undefined;
    }
  }

  /** Removes those devices of this daemon that belong to no known network or endpoint: leftovers of a crash. */
  async #removeOrphans(links: readonly Link[]): Promise<void> {
    const bridges = new Set([...this.#networks.values()].map((n) => n.bridgeName));
    for (const link of links) {
      const endpointId = endpointOfLink(link, this.#owner);
      const isOrphanEnd = endpointId !== undefined && !this.#endpoints.has(endpointId);
      const isOrphanBridge = isOwnBridge(link, this.#owner) && !bridges.has(link.name);
      if (isOrphanEnd || isOrphanBridge) await this.#runTolerant(planDetach(link.name), ENODEV);
    }
  }

  async #goLive(): Promise<void> {
    this.#watch ??= new KernelWatch({
      keel: this.#keel,
      tableName: this.#tableName,
      isOwnDevice: (index) => [...this.#networks.values()].some((n) => n.bridgeIndex === index),
      isOwnPort: (name) => this.#endpoints.hasDevice(name),
      isForwarded: (family) => [...this.#networks.values()].some((n) => family === AF_INET || n.spec.ipv6),
      repair: () => this.#repair(),
      log: this.#log,
    });
    await this.#watch.start();
    await this.#reconcile();
    this.#isLive = true;
  }

  /** Makes devices and firewall what they should be, after somebody else took some of them away. */
  async #repair(): Promise<void> {
    const networks = [...this.#networks.values()];
    const host = await readHostState(this.#keel);
    for (const network of networks) {
      const { spec } = network;
      const device = await this.#ensureDevice({ ...spec, bridgeName: network.bridgeName }, network, host);
      if (!this.#networks.has(spec.id)) {
        // It was removed meanwhile, and has just been made again.
        if (!device.isForeign) await this.#runTolerant(planRemoveBridge(device.bridgeName), ENODEV);
        continue;
      }
      this.#networks.set(spec.id, { spec, ...device });
    }
    await this.#plugInAgain();
    await this.#reconcile();
  }

  /**
   * Joins containers' devices to the bridges that they are not, or no longer, in: a bridge that is new has lost all of its.
   * Devices that are gone are made again, each in its own time.
   */
  async #plugInAgain(): Promise<void> {
    const { links } = await readHostState(this.#keel);
    const masters = new Map(links.map((l) => [l.name, l.master]));
    for (const { record } of this.#endpoints.values()) {
      const network = this.#networks.get(record.networkId);
      const master = masters.get(record.hostIfName);
      if (network === undefined) continue;
      if (!masters.has(record.hostIfName)) this.#lost.take(record);
      if (master === undefined || master === network.bridgeIndex) continue;
      const to = { bridgeIndex: network.bridgeIndex, isIsolated: !network.spec.icc };
      await this.#runTolerant(planPlugIn(record.hostIfName, to), ENODEV);
    }
  }

  #reconcile(): Promise<void> {
    const writing = this.#written.then(() => this.#writeFirewall());
    this.#written = writing.catch(() => {}); // ignored: whoever asked for it has got the failure
    return writing;
  }

  async #writeFirewall(): Promise<void> {
    const state: FirewallState = {
      networks: [...this.#networks.values()].map((n) => firewallNetwork(n.spec, n.bridgeName)),
      publications: this.#endpoints
        .values()
        .flatMap((e) => publicationsOf(e.record, this.#networks.get(e.record.networkId)?.spec)),
      egress: this.#egress.elements(),
    };
    try {
      await this.#keel.run(planReplaceAll(this.#tableName, state));
    } catch (error) {
      throw asFault(`cannot write nftables table ${this.#tableName}`, error);
    }
  }

  mayAsk(containerId: string, name: string): boolean {
    return this.#egress.mayAsk(containerId, name);
  }

  async learn(containerId: string, name: string, answer: Uint8Array): Promise<void> {
    const lesson = this.#egress.learn(containerId, name, () => addressesIn(answer));
    if (lesson === undefined) return;
    if (lesson.left > 0)
      this.#log(`egress: ${lesson.left} addresses of ${name} are one too many, and stay closed`);
    try {
      await this.#keel.run(planRenew(this.#tableName, lesson.elements));
      lesson.confirm();
    } catch (error) {
      this.#log(`egress: cannot open the addresses of ${name}: ${messageOf(error)}`);
    }
  }

  /** Runs operations where one errno means that the work was done already. */
  async #runTolerant(ops: readonly Op[], errno: number): Promise<void> {
    if (ops.length === 0) return;
    try {
      await this.#keel.run(ops);
    } catch (error) {
      if (!(error instanceof SysError) || error.errno !== errno) throw error;
    }
  }

  async close(options: { remove: boolean }): Promise<void> {
    clearTimeout(this.#sweep);
    this.#watch?.stop();
    this.#watch = undefined;
    this.#sysctls.close();
    await Promise.all(this.#endpoints.values().map(async (e) => e.lease?.release()));
    this.#endpoints.clear();
    this.#networks.clear();
    this.#leaving.clear();
    this.#egress.clear();
    this.#isLive = false;
    if (!options.remove) return;
    await this.#removeOrphans((await readHostState(this.#keel)).links); // which are all of ours now
    await this.#keel.run(planDestroy(this.#tableName));
  }
}

/** How wishes of an endpoint are granted, and to whom. */
function publishing(
  network: NetworkState,
  record: EndpointRecord,
  { wishes, publishes }: { wishes: readonly PortRequest[]; publishes: Families | undefined },
): { plan: PublishPlan; owner: PortOwner } {
  const { containerId, ip, ip6 = "" } = record;
  const plan = planPublish(network.spec, wishes, { ip, ip6, publishes });
  return {
    plan,
    owner: {
      containerId,
      ip: ip || ip6,
      ip6,
      anyAddresses: plan.anyAddresses,
      admits: network.spec.publishAllow,
    },
  };
}

const policyOf = (text: string | undefined): EgressPolicy | undefined =>
  text === undefined ? undefined : parseEgressPolicy(text);

const egressEndpoint = (r: EndpointRecord): EgressEndpoint => ({
  endpointId: r.endpointId,
  containerId: r.containerId,
  networkId: r.networkId,
  ip: r.ip,
  ip6: r.ip6 ?? "",
  policy: policyOf(r.egress),
});

const unknownEndpoint = (endpointId: string): Fault =>
  new Fault("notFound", `endpoint ${endpointId} is not known to the bridge driver`, {
    code: "network.unknown",
  });

const asFault = (what: string, error: unknown): Fault =>
  error instanceof Fault
    ? error
    : new Fault("system", `${what}: ${messageOf(error)}`, { code: "network.setup-failed", cause: error });
