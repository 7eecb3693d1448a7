// The operations on volumes: what VolumePort (server/ports.ts) asks for. Finding, making and removing is the catalog's.
import type { ByteStream, Call, ProgressSink, UploadBody } from "../../api/call.ts";
import type { Filters, InputOf } from "../../api/contract.ts";
import type * as operations from "../../api/operations/volume.ts";
import type { Volume, VolumeList, VolumesPrune } from "../../api/schemas/volume.ts";
import { randomHex } from "../../lib/id.ts";
import { isAtLeast } from "../../lib/version-order.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import type { Keel } from "../../linux/keel.ts";
import type { LocalVolumes } from "../../storage/volume/local.ts";
import type { EventBus } from "../event/bus.ts";
import { foreignRecord, type VolumeCatalog } from "./catalog.ts";
import { DEFAULT_DRIVER, type DriverVolume, type VolumeDriver } from "./driver.ts";
import { listMatcher, pruneVolumeMatcher } from "./filter.ts";
import { hasDataDirectory, isPlain, type VolumeRecord } from "./record.ts";
import { VolumeSnapshots } from "./snapshots.ts";
import {
  cloneVolume,
  exportVolume,
  importVolume,
  type TransferContext,
  type TreeArchiver,
} from "./transfer.ts";

type Input<O extends keyof typeof operations> = InputOf<(typeof operations)[O]>;

export interface VolumeServiceOptions {
  readonly catalog: VolumeCatalog;
  readonly local: LocalVolumes;
  readonly keel: Keel;
  readonly archiver: TreeArchiver;
  readonly events: Pick<EventBus, "publish">;
  readonly log: (message: string) => void;
  readonly holdUsers: TransferContext["holdUsers"];
}

export class VolumeService {
  readonly #catalog: VolumeCatalog;
  readonly #local: LocalVolumes;
  readonly #events: Pick<EventBus, "publish">;
  readonly #log: (message: string) => void;
  readonly #transfer: TransferContext;
  readonly #snapshots: VolumeSnapshots;
  #isPruning = false;

  constructor(options: VolumeServiceOptions) {
    this.#catalog = options.catalog;
    this.#local = options.local;
    const { catalog, keel, archiver, local, holdUsers } = options;
    this.#transfer = { catalog, keel, archiver, trees: local.trees, holdUsers };
    this.#snapshots = new VolumeSnapshots(this.#transfer);
    this.#events = options.events;
    this.#log = options.log;
  }

  /** The drivers that are known to be there, for SystemInfo. */
  get driverNames(): readonly string[] {
    return this.#catalog.driverNames;
  }

  async list(input: Input<"volumeList">): Promise<VolumeList> {
    const users = this.#catalog.users();
    const fits = listMatcher(input.filters, (name) => (users.get(name)?.length ?? 0) > 0);
    const warnings: string[] = [];
    const volumes = this.#catalog
      .all()
      .filter((r) => fits(r) && r.driver === DEFAULT_DRIVER)
      .map((r) => volumeOf(r, { name: r.name, mountpoint: this.#local.path(r.name) }, "local"));
    const drivers = await this.#catalog.plugins();
    const lists = drivers.map((driver) => this.#listPlugin(driver, fits, warnings));
    volumes.push(...(await Promise.all(lists)).flat());
    // What is recorded of plugins that cannot be found now is shown, too.
    const reached = new Set([DEFAULT_DRIVER, ...drivers.map((d) => d.name)]);
    const lost = this.#catalog.all().filter((r) => !reached.has(r.driver));
    for (const name of new Set(lost.map((r) => r.driver)))
      warnings.push(`list ${name}: plugin ${JSON.stringify(name)} not found`);
    volumes.push(...lost.filter(fits).map(withoutPlace));
    return {
      Volumes: volumes.sort((a, b) => (a.Name < b.Name ? -1 : 1)),
      Warnings: warnings.length === 0 ? null : warnings,
    };
  }

  /** What a plugin has; where it does not answer, what is recorded of it. */
  async #listPlugin(
    driver: VolumeDriver,
    fits: (r: VolumeRecord) => boolean,
    warnings: string[],
  ): Promise<Volume[]> {
    const records = new Map(this.#catalog.all().map((r) => [r.name, r]));
    try {
      const [scope, found] = await Promise.all([driver.scope(), driver.list()]);
      return found.flatMap((f) => {
        const record = records.get(f.name) ?? foreignRecord(driver, f);
        return record.driver === driver.name && fits(record) ? [volumeOf(record, f, scope)] : [];
      });
    } catch (error) {
      warnings.push(`list ${driver.name}: ${messageOf(error)}`);
      return [...records.values()].filter((r) => r.driver === driver.name && fits(r)).map(withoutPlace);
    }
  }

  async create(input: Input<"volumeCreate">): Promise<Volume> {
    const { body } = input;
    if (body.ClusterVolumeSpec !== undefined && body.ClusterVolumeSpec !== null) throw noCluster("create");
    const record = await this.#catalog.ensure({
      name: body.Name ?? "",
      driver: body.Driver ?? "",
      options: body.DriverOpts ?? undefined,
      labels: body.Labels ?? undefined,
    });
    return this.#describe(record.name);
  }

  async inspect(input: Input<"volumeInspect">): Promise<Volume> {
    return this.#describe(input.name);
  }

  async #describe(name: string): Promise<Volume> {
    const { record, found, driver } = await this.#catalog.find(name);
    return volumeOf(record, found, await driver.scope());
  }

  /** compat: only cluster volumes can be changed, and there is no cluster. */
  async update(_input: Input<"volumeUpdate">): Promise<void> {
    throw noCluster("update");
  }

  async delete(input: Input<"volumeDelete">): Promise<void> {
    try {
      await this.#catalog.remove(input.name, { force: input.force, isKept: true });
    } catch (error) {
      if (!(input.force && error instanceof Fault && error.code === "volume.not-found")) throw error;
    }
  }

  export(input: Input<"volumeExport">): Promise<ByteStream> {
    return exportVolume(this.#transfer, input.name, { pause: input.pause });
  }

  async import(input: Input<"volumeImport">, body: UploadBody): Promise<void> {
    await importVolume(this.#transfer, input.name, body);
  }

  async clone(input: Input<"volumeClone">, out: ProgressSink): Promise<void> {
    const { name, to: target = "", snapshot, pause } = input;
    if (target === "")
      throw new Fault("invalidParameter", "the new volume needs a name", { code: "volume.name" });
    if (snapshot === undefined) await cloneVolume(this.#transfer, name, { target, pause }, out);
    else {
      const openSource = (stack: AsyncDisposableStack) => this.#snapshots.open(name, snapshot, stack);
      await cloneVolume(this.#transfer, name, { target, pause: false, openSource }, out);
    }
    await out.write({ aux: { Name: target } });
  }

  async snapshotCreate(input: Input<"volumeSnapshotCreate">, out: ProgressSink): Promise<void> {
    const made = await this.#snapshots.create(input.name, input.snapshot ?? "", out, { pause: input.pause });
    await out.write({ aux: { Name: made.name, CreatedAt: made.createdAt, Size: made.sizeBytes } });
  }

  async snapshotDelete(input: Input<"volumeSnapshotDelete">): Promise<void> {
    await this.#snapshots.remove(input.name, input.snapshot ?? "");
  }

  async snapshotRestore(input: Input<"volumeSnapshotRestore">, out: ProgressSink): Promise<void> {
    const { name, snapshot = "" } = input;
    await this.#snapshots.restore(name, snapshot, out);
    await out.write({ aux: { Name: snapshot } });
  }

  async prune(input: Input<"volumePrune">, call: Call): Promise<VolumesPrune> {
    // compat: before 1.42 all unused volumes were pruned, whether they had a name or not.
    const filters = isAtLeast(call.version, "1.42") ? input.filters : { ...input.filters, all: ["true"] };
    const fits = pruneVolumeMatcher(filters);
    if (this.#isPruning)
      throw new Fault("conflict", "a prune operation is already running", { code: "volume.pruning" });
    this.#isPruning = true;
    try {
      return await this.#prune(fits, call.signal);
    } finally {
      this.#isPruning = false;
    }
  }

  #unused(fits: (r: VolumeRecord) => boolean): VolumeRecord[] {
    const users = this.#catalog.users();
    return this.#catalog.all().filter((r) => isPlain(r) && fits(r) && !users.has(r.name));
  }

  /** What a prune with these filters takes. */
  async prunable(filters: Filters): Promise<{ name: string; sizeBytes: number }[]> {
    const unused = this.#unused(pruneVolumeMatcher(filters));
    return Promise.all(unused.map(async ({ name }) => ({ name, sizeBytes: await this.#sizeOf(name) })));
  }

  async #prune(fits: (r: VolumeRecord) => boolean, signal: AbortSignal): Promise<VolumesPrune> {
    const unused = this.#unused(fits);
    const VolumesDeleted: string[] = [];
    let SpaceReclaimed = 0;
    const group = randomHex();
    for (const record of unused) {
      if (signal.aborted) break;
      const size = Math.max(0, await this.#sizeOf(record.name));
      try {
        await this.#catalog.remove(record.name, { isKept: true, group });
      } catch (error) {
        this.#log(`cannot remove volume ${record.name}: ${messageOf(error)}`);
        continue;
      }
      SpaceReclaimed += size;
      VolumesDeleted.push(record.name);
    }
    const attributes = { reclaimed: String(SpaceReclaimed) };
    this.#events.publish({ type: "volume", action: "prune", actorId: "", attributes });
    return { VolumesDeleted, SpaceReclaimed };
  }

  /** The volumes whose size is the daemon's affair, with it and the number of their users, for SystemDataUsage. */
  async usage(): Promise<Volume[]> {
    const users = this.#catalog.users();
    const volumes: Volume[] = [];
    for (const record of this.#catalog.all().filter(hasDataDirectory)) {
      const place = { name: record.name, mountpoint: this.#local.path(record.name) };
      const UsageData = {
        RefCount: users.get(record.name)?.length ?? 0,
        Size: await this.#sizeOf(record.name),
      };
      volumes.push({ ...volumeOf(record, place, "local"), UsageData });
    }
    return volumes;
  }

  /** Bytes in a volume, -1 where they cannot be counted. */
  async #sizeOf(name: string): Promise<number> {
    try {
      return await this.#local.sizeBytes(name);
    } catch (error) {
      this.#log(`cannot measure volume ${name}: ${messageOf(error)}`);
      return -1; // ignored: what is unknown is said to be so
    }
  }
}

/** A volume whose driver does not say where it is. */
function withoutPlace(record: VolumeRecord): Volume {
  return volumeOf(record, { name: record.name, mountpoint: "" }, "local");
}

function volumeOf(record: VolumeRecord, found: DriverVolume, scope: string): Volume {
  return {
    CreatedAt: record.createdAt || found.createdAt || "0001-01-01T00:00:00Z",
    Driver: record.driver,
    Labels: record.labels === null ? null : { ...record.labels },
    Mountpoint: found.mountpoint,
    Name: record.name,
    Options: record.options === null ? null : { ...record.options },
    Scope: scope,
    ...snapshotsOf(record),
    ...(found.status === undefined || Object.keys(found.status).length === 0
      ? {}
      : { Status: { ...found.status } }),
  };
}

function snapshotsOf({ snapshots = [] }: VolumeRecord): Pick<Volume, "Snapshots"> {
  const made = snapshots.filter((s) => !s.isPending);
  if (made.length === 0) return {};
  return { Snapshots: made.map((s) => ({ Name: s.name, CreatedAt: s.createdAt, Size: s.sizeBytes })) };
}

function noCluster(verb: "create" | "update"): Fault {
  const message =
    verb === "update"
      ? "volume update only valid for cluster volumes, but swarm is unavailable"
      : 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
  return new Fault("unavailable", message, { code: "volume.cluster" });
}
