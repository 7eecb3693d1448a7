// The logs of all containers on their way: compressed after rotation, shipped to receivers, and what is known of both. The shim
// writes, this only reads; a container without a receiver costs nothing here.
import { Fault, messageOf, SysError } from "../../../lib/errors.ts";
import { Lane } from "../../../lib/lanes.ts";
import type { PluginLookup } from "../../../lib/plugin-protocol/lookup.ts";
import type { Keel } from "../../../linux/keel.ts";
import type { ShimPlan } from "../../../linux/ops.ts";
import type { ContainerPaths, Log } from "../context.ts";
import { type ContainerRecord, isRunning } from "../record.ts";
import type { LiveContainer } from "../table.ts";
import { compressRotated, replaceHere } from "./compress.ts";
import type { Delivery, LogDriver } from "./driver/driver.ts";
import { infoOf } from "./info.ts";
import { driverOf } from "./options.ts";
import { planLog } from "./plan.ts";
import { cannotInitialize } from "./settings.ts";
import { Shipper } from "./ship/shipper.ts";
import { FIRST_POSITION, lastNumber, loadPosition } from "./ship/spool.ts";
import { LogWatches } from "./watch.ts";

const ESRCH = 3;
const isLost = (error: unknown): boolean => error instanceof Fault && error.kind === "unavailable";

/** How long the last lines of a removed container may take. */
const RELEASE_PATIENCE_MS = 10_000;

export interface LogServiceOptions {
  readonly paths: ContainerPaths;
  readonly keel: Keel;
  readonly journalSocket: string;
  readonly plugins: PluginLookup;
  readonly log: Log;
  inBackground(what: string, work: () => Promise<void>): void;
}

/** How the delivery of a container's log stands, as `inspect` shows it. */
export interface LogStatus {
  readonly Driver: string;
  /** Messages that were delivered. */
  readonly Shipped: number;
  /** Messages that wait. */
  readonly Pending: number;
  /** Messages that nobody will get. */
  readonly Dropped: number;
  /** Why nothing is delivered at present, "" otherwise. */
  readonly Error: string;
}

export class LogService {
  readonly watches = new LogWatches();
  readonly #options: LogServiceOptions;
  readonly #shippers = new Map<string, Shipper>();
  /** One compression at a time: it is to cost little, not to be fast. */
  readonly #compression = new Lane();
  #isClosing = false;

  constructor(options: LogServiceOptions) {
    this.#options = options;
  }

  pathOf(record: ContainerRecord): string {
    return this.#options.paths.log(record.id, record.hostConfig.LogConfig.Type);
  }

  /**
   * Returns the log part of the shim's plan for a start. Fails where the driver cannot work on this host; a receiver that does not
   * answer is no reason.
   */
  async plan(record: ContainerRecord): Promise<ShimPlan["log"]> {
    const driver = driverOf(record.hostConfig.LogConfig.Type);
    const path = this.pathOf(record);
    if (driver?.storage(record.hostConfig.LogConfig.Config ?? {}).kind !== "spool")
      return planLog(record, path);
    if (driver.remote !== undefined)
      (
        await this.#open(record, driver, () => {}).catch((error: unknown) => {
          throw cannotInitialize(error);
        })
      ).close();
    const { next } = await loadPosition(this.#options.paths.shipped(record.id));
    return planLog(record, path, Math.max(next, (await lastNumber(path)) + 1));
  }

  #open(record: ContainerRecord, driver: LogDriver, onUncertain: () => void): Promise<Delivery> {
    const { keel, journalSocket, plugins } = this.#options;
    const remote = driver.remote as NonNullable<LogDriver["remote"]>;
    return remote.open({ info: infoOf(record), keel, journalSocket, plugins, onUncertain });
  }

  /** After a start of the daemon: goes on with what was under way. */
  restore(records: readonly ContainerRecord[], live: (id: string) => LiveContainer): void {
    for (const record of records) {
      if (record.state.status === "created") continue;
      try {
        this.started(record);
        if (!isRunning(record)) this.ended(record, live(record.id));
        else this.rotated(record, live(record.id));
      } catch (error) {
        // Of a version that knew more drivers: no reason for a daemon not to start.
        this.#options.log("warn", `container ${record.id.slice(0, 12)}: its log: ${messageOf(error)}`);
      }
    }
  }

  /** A container runs: what it writes is shipped. */
  started(record: ContainerRecord): void {
    const driver = driverOf(record.hostConfig.LogConfig.Type);
    if (driver?.remote === undefined || this.#isClosing) return;
    const before = this.#shippers.get(record.id);
    if (before?.goOn() === true) return;
    const { paths, log } = this.#options;
    const shipper = new Shipper({
      containerId: record.id,
      spoolPath: this.pathOf(record),
      positionPath: paths.shipped(record.id),
      retry: driver.remote.retry(record.hostConfig.LogConfig.Config ?? {}),
      watches: this.watches,
      open: (onUncertain) => this.#open(record, driver, onUncertain),
      log: (level, message) => log(level, `container ${record.id.slice(0, 12)}: ${driver.name}: ${message}`),
    });
    this.#shippers.set(record.id, shipper);
  }

  /** A run is over: nothing is written any more. */
  ended(record: ContainerRecord, live: LiveContainer): void {
    this.#shippers.get(record.id)?.end();
    this.rotated(record, live);
  }

  /** The log goes on in a new file: what it has left is compressed where that is asked for. */
  rotated(record: ContainerRecord, live: LiveContainer): void {
    const { Type, Config } = record.hostConfig.LogConfig;
    if (this.#isClosing || driverOf(Type)?.storage(Config ?? {}).isCompressed !== true) return;
    const path = this.pathOf(record);
    void this.#compression
      .run(() =>
        compressRotated(
          path,
          () => this.watches.refresh(path),
          (inode) => this.#replace(live, path, inode),
        ),
      )
      .catch((error: unknown) => {
        if (live.isRemoving || this.#isClosing) return; // the files are going, or the next daemon does it
        this.#options.log(
          "warn",
          `container ${record.id.slice(0, 12)}: cannot compress its log: ${messageOf(error)}`,
        );
      });
  }

  /** Puts a compressed file in place: by the shim, or in the container's lane when no shim writes there. */
  async #replace(live: LiveContainer, path: string, inode: bigint): Promise<boolean> {
    for (;;) {
      const { run } = live;
      if (run === null) {
        const done = await live.lane.run(() => (live.run === null ? replaceHere(path, inode) : null));
        if (done !== null) return done;
        continue;
      }
      try {
        return await run.shim.replaceLog(inode);
      } catch (error) {
        const isOver = error instanceof SysError ? error.errno === ESRCH : isLost(error);
        if (!isOver) throw error;
        await run.settled;
      }
    }
  }

  /** A container is about to be removed: its last lines are still delivered, from files without names. */
  async release(id: string): Promise<void> {
    const shipper = this.#shippers.get(id);
    this.#shippers.delete(id);
    if (shipper === undefined) return;
    const { delivered } = await shipper.release(RELEASE_PATIENCE_MS);
    this.#options.inBackground("deliver the last lines of a removed container", () => delivered);
  }

  /** Returns how the delivery stands; undefined for a container without a receiver. */
  async status(record: ContainerRecord): Promise<LogStatus | undefined> {
    const driver = driverOf(record.hostConfig.LogConfig.Type);
    if (driver?.remote === undefined) return undefined;
    const shipper = this.#shippers.get(record.id)?.status;
    const known = shipper?.isLoaded === true ? shipper.position : undefined;
    const position =
      known ?? (await loadPosition(this.#options.paths.shipped(record.id)).catch(() => FIRST_POSITION));
    const last = await lastNumber(this.pathOf(record));
    return {
      Driver: driver.name,
      Shipped: position.next - 1 - position.dropped,
      Pending: Math.max(0, last + 1 - position.next),
      Dropped: position.dropped,
      Error: shipper?.error ?? "",
    };
  }

  /** Messages of the present containers that nobody will get. */
  get droppedCount(): number {
    return [...this.#shippers.values()].reduce((sum, s) => sum + s.status.position.dropped, 0);
  }

  /** Stops shipping; the next daemon goes on. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([...this.#shippers.values()].map((shipper) => shipper.close()));
    await this.#compression.run(() => {});
  }
}
