// Notices when somebody else takes away what is ours in the kernel: rules and elements of our nftables table (`nft flush
// ruleset`, a firewall program that starts again), our bridges, their addresses, routes and ports, and forwarding. It repairs nothing itself: the driver
// does, which knows how everything should be. Costs nothing as long as nothing of the kind happens.

import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../lib/errors.ts";
import type { Keel } from "../linux/keel.ts";
import type { Family } from "../linux/netlink/address.ts";
import { LINK_REMOVALS, readRemovals, type Removal } from "../linux/netlink/monitor.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE } from "../linux/netlink/message.ts";
import { CHANGE_TYPES, NFTABLES_GROUP, readChanges } from "../linux/nft/monitor.ts";

const QUIET_MS = 100;
/** What changes a firewall often does so in several transactions: wait for the last one, but not long. */
const SETTLE_MS = 200;
/** Between attempts of a repair that failed: twice as long each time. */
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;
/** keel's processes all begin with this; their changes are ours. */
const OWN_PROCESS = "keel";

export interface KernelWatchOptions {
  keel: Keel;
  /** Our nftables table. */
  tableName: string;
  /** Whether the device of an index is one of ours. */
  isOwnDevice(index: number): boolean;
  /** Whether the device of a name is to be a port of one of our bridges. */
  isOwnPort(name: string): boolean;
  /** Whether packets of a family are to be forwarded. */
  isForwarded(family: Family): boolean;
  /** Makes everything as it should be. */
  repair(): Promise<void>;
  log(line: string): void;
}

/** What somebody else may have taken away. */
interface Doubt {
  readonly reason: string;
  readonly delayMs: number;
  /** By performance.now(): when it is looked at. */
  readonly dueMs: number;
  /** Whether there is still something to repair then. */
  isStillSo(): boolean;
}

/** Watches until it is stopped. */
export class KernelWatch {
  readonly #options: KernelWatchOptions;
  readonly #end = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #isRepairing = false;
  /** Our devices that are down. */
  readonly #down = new Set<number>();
  #doubts: Doubt[] = [];

  constructor(options: KernelWatchOptions) {
    this.#options = options;
  }

  /** Resolves when nothing is missed any more; what cannot be watched is logged. */
  async start(): Promise<void> {
    await Promise.all([
      new Promise<void>((ready) => void this.#follow("the firewall", () => this.#watchTable(ready), ready)),
      new Promise<void>((ready) => void this.#follow("devices", () => this.#watchDevices(ready), ready)),
    ]);
  }

  /** Has somebody else's finding repaired. */
  report(reason: string): void {
    this.#repairSoon(reason);
  }

  stop(): void {
    this.#end.abort();
    clearTimeout(this.#timer);
  }

  /** Watches again when a watch has ended by itself, looking at what it may have missed. */
  async #follow(what: string, watch: () => Promise<void>, onReady: () => void): Promise<void> {
    const { signal } = this.#end;
    for (;;) {
      let problem = "keel has ended it";
      try {
        await watch();
      } catch (error) {
        problem = messageOf(error);
      }
      onReady();
      if (signal.aborted) return;
      this.#options.log(`the watch over ${what} has ended, and begins again: ${problem}`);
      await sleep(FIRST_RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined); // ignored: the end
      if (signal.aborted) return;
      this.#repairSoon(`${what} had nobody who watches`);
    }
  }

  async #watchTable(onReady: () => void): Promise<void> {
    const { keel, tableName } = this.#options;
    const what = {
      protocol: NETLINK_NETFILTER,
      groups: [NFTABLES_GROUP],
      types: CHANGE_TYPES,
      quietMs: QUIET_MS,
      onReady,
    };
    let isTouched = false;
    for await (const bytes of keel.watch(what, this.#end.signal)) {
      if (bytes.length === 0) this.#repairSoon("notifications of the firewall were lost");
      for (const change of readChanges(bytes)) {
        if (change.kind === "removed") isTouched ||= change.tableName === tableName;
        else {
          if (isTouched && !change.process.startsWith(OWN_PROCESS))
            this.#repairSoon(
              `${change.process} (pid ${change.pid}) removed rules of nftables table ${tableName}`,
            );
          isTouched = false;
        }
      }
    }
  }

  async #watchDevices(onReady: () => void): Promise<void> {
    const options = this.#options;
    const what = { protocol: NETLINK_ROUTE, ...LINK_REMOVALS, quietMs: QUIET_MS, onReady };
    for await (const bytes of options.keel.watch(what, this.#end.signal)) {
      if (bytes.length === 0) this.#repairSoon("notifications of devices were lost");
      for (const removal of readRemovals(bytes)) this.#takeRemoval(removal);
    }
  }

  #takeRemoval(removal: Removal): void {
    const options = this.#options;
    if (removal.kind === "forwarding") {
      if (options.isForwarded(removal.family)) this.#repairSoon("forwarding of packets was switched off");
    } else if (removal.kind === "state") this.#takeState(removal.index, removal.isUp);
    else if (removal.kind === "device") {
      if (options.isOwnDevice(removal.index))
        this.#repairSoon("a bridge, or an address or route of one, was removed");
    } else if (options.isOwnPort(removal.name))
      // The ports of containers that end leave their bridges, too: the driver knows of it in a moment.
      this.#repairSoon(`${removal.name} was taken out of its bridge`, SETTLE_MS, () =>
        options.isOwnPort(removal.name),
      );
  }

  /** A bridge that has just been made was down for a moment, too. */
  #takeState(index: number, isUp: boolean): void {
    this.#down.delete(index);
    if (isUp || !this.#options.isOwnDevice(index)) return;
    this.#down.add(index);
    this.#repairSoon("a bridge was taken down", SETTLE_MS, () => this.#down.has(index));
  }

  #repairSoon(reason: string, delayMs = SETTLE_MS, isStillSo: () => boolean = () => true): void {
    this.#doubts.push({ reason, delayMs, dueMs: performance.now() + delayMs, isStillSo });
    this.#arm();
  }

  /** Waits for the first doubt whose time comes. Each has its own: what has just been seen may be in order in a moment. */
  #arm(): void {
    if (this.#end.signal.aborted || this.#isRepairing || this.#doubts.length === 0) return;
    clearTimeout(this.#timer);
    const firstMs = Math.min(...this.#doubts.map((doubt) => doubt.dueMs));
    this.#timer = setTimeout(() => void this.#look(), Math.max(0, firstMs - performance.now())).unref();
  }

  async #look(): Promise<void> {
    const now = performance.now();
    const due = this.#doubts.filter((doubt) => doubt.dueMs <= now);
    this.#doubts = this.#doubts.filter((doubt) => doubt.dueMs > now);
    const doubt = due.find((one) => one.isStillSo());
    if (doubt !== undefined) await this.#repair(doubt);
    this.#arm();
  }

  async #repair({ reason, delayMs }: Doubt): Promise<void> {
    this.#isRepairing = true;
    try {
      await this.#options.repair();
      this.#options.log(`${reason}: made as it was`);
    } catch (error) {
      this.#options.log(`${reason}, and cannot be made as it was: ${messageOf(error)}`);
      this.#repairSoon(reason, Math.min(LAST_RETRY_MS, Math.max(FIRST_RETRY_MS, delayMs * 2)));
    } finally {
      this.#isRepairing = false;
    }
  }
}
