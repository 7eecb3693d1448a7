// The volumes that the daemon knows: their records, who uses them, and the drivers that keep them. Everything that changes a
// volume passes through the lane of its name, so two creators at once make one volume, and nobody fills what another one
// removes. The users of a volume are the containers whose records mount it, and those that are just being created (pins).
import { Fault, messageOf } from "../../lib/errors.ts";
import { newId } from "../../lib/id.ts";
import { Lanes } from "../../lib/lanes.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import type { Change, RecordStore, Table } from "../../storage/meta/types.ts";
import type { LocalVolumes } from "../../storage/volume/local.ts";
import { sizeOption } from "../../storage/volume/options.ts";
import type { EventBus } from "../event/bus.ts";
import type { KeptRecord, Restored, RestoreOptions } from "../kept/record.ts";
import type { KeptStore } from "../kept/store.ts";
import { DEFAULT_DRIVER, type DriverRegistry, type DriverVolume, type VolumeDriver } from "./driver.ts";
import { VolumeKeeper } from "./keep.ts";
import { LocalDriver } from "./local-driver.ts";
import { ANONYMOUS_LABEL, isPlain, type VolumeRecord } from "./record.ts";

export interface VolumeCatalogOptions {
  readonly store: RecordStore;
  readonly local: LocalVolumes;
  readonly plugins: DriverRegistry;
  readonly events: Pick<EventBus, "publish">;
  readonly kept: KeptStore;
  readonly log: (message: string) => void;
}

/** What a volume is to be. */
export interface VolumeWish {
  /** "" for an anonymous one. */
  readonly name: string;
  /** "" for the default, or whatever the volume has when it exists. */
  readonly driver: string;
  readonly options?: Readonly<Record<string, string>> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Until `settle` the volume is nobody's and does not outlive the daemon. */
  readonly isPending?: boolean;
}

/** Ids of the containers whose records have the volume, or of all volumes by name. */
export type VolumeUsers = () => ReadonlyMap<string, readonly string[]>;

export class VolumeCatalog {
  readonly #options: VolumeCatalogOptions;
  readonly #records: Table<VolumeRecord>;
  readonly #lanes = new Lanes();
  readonly #local: LocalDriver;
  readonly #keeper: VolumeKeeper;
  /** Containers in the making, by the volume's name. */
  readonly #pins = new Map<string, string[]>();
  /** Of containers that were not made, and could not be removed then: the disk was full. */
  readonly #abandoned = new Set<string>();
  #users: VolumeUsers = () => new Map();

  constructor(options: VolumeCatalogOptions) {
    this.#options = options;
    this.#records = options.store.table<VolumeRecord>("volumes");
    this.#local = new LocalDriver(options.local, this.#records);
    this.#keeper = new VolumeKeeper({ ...options, records: this.#records });
    options.kept.setOwner("volume", {
      restore: (kept, how) => this.restoreKept(kept, how),
      dispose: (kept) => this.#keeper.dispose(kept),
      measure: (kept) => this.#keeper.measure(kept),
    });
  }

  /** The containers' side tells who uses volumes. */
  setUserLister(users: VolumeUsers): void {
    this.#users = users;
  }

  /** Ends what a crash interrupted; called when the running containers are known and have adopted their volumes. */
  async repair(): Promise<void> {
    await this.#keeper.recover(this.#options.log);
    const users = this.users();
    const abandoned = this.all().filter((r) => r.isPending && !users.has(r.name));
    for (const record of abandoned) await this.#forget(record);
    // One that somebody took up again just before the crash stays.
    await this.#options.store.commit(this.settle([...users.keys()]));
    for (const record of this.all()) await this.#repairCopies(record);
    const locals = [...this.#records.values()].filter((r) => r.driver === DEFAULT_DRIVER);
    await this.#options.local.sweep(new Set(locals.map((r) => r.name)), this.#local.mounted);
  }

  /** Ends a restoration; what was being made of, or removed from, its snapshots goes. */
  async #repairCopies({ name, isRestoring, snapshots = [] }: VolumeRecord): Promise<void> {
    if (isRestoring) await this.#exchange(name);
    const pending = snapshots.filter((s) => s.isPending);
    if (pending.length === 0) return;
    for (const snapshot of pending) await this.#options.local.trees.remove(name, snapshot.name);
    await this.change(name, (r) => ({ ...r, snapshots: snapshots.filter((s) => !s.isPending) }));
  }

  async #forget(record: VolumeRecord): Promise<void> {
    try {
      const driver = await this.driverOf(record);
      await driver.remove(record.name);
      await this.#options.store.commit([this.#records.remove(record.name)]);
    } catch (error) {
      this.#options.log(`cannot remove the volume ${record.name} of no container: ${messageOf(error)}`);
    }
  }

  get(name: string): VolumeRecord | undefined {
    return this.#records.get(name);
  }

  all(): VolumeRecord[] {
    return [...this.#records.values()];
  }

  /** Ids of the containers that use the volumes, by name, those in the making included. */
  users(): ReadonlyMap<string, readonly string[]> {
    const users = new Map(this.#users());
    for (const [name, ids] of this.#pins) users.set(name, [...new Set([...(users.get(name) ?? []), ...ids])]);
    return users;
  }

  /** Returns a driver; fails with notFound in Docker's words. */
  async driver(name: string): Promise<VolumeDriver> {
    return name === DEFAULT_DRIVER ? this.#local : this.#options.plugins.driver(name);
  }

  get driverNames(): readonly string[] {
    return [DEFAULT_DRIVER, ...this.#options.plugins.names()].sort();
  }

  driverOf(record: Pick<VolumeRecord, "driver">): Promise<VolumeDriver> {
    return this.driver(record.driver);
  }

  plugins(): Promise<readonly VolumeDriver[]> {
    return this.#options.plugins.plugins();
  }

  /** Keeps a volume for a container that is about to be recorded. */
  pin(name: string, containerId: string): Disposable {
    this.#pins.set(name, [...(this.#pins.get(name) ?? []), containerId]);
    return {
      [Symbol.dispose]: () => {
        const ids = [...(this.#pins.get(name) ?? [])];
        ids.splice(ids.indexOf(containerId), 1);
        if (ids.length === 0) this.#pins.delete(name);
        else this.#pins.set(name, ids);
      },
    };
  }

  /** Returns the volume of that name, made where it is missing. Fails with invalidParameter, notFound and conflict. */
  async ensure(wish: VolumeWish): Promise<VolumeRecord> {
    for (const name of [...this.#abandoned]) await this.abandon(name);
    const isAnonymous = wish.name === "";
    const name = isAnonymous ? newId() : wish.name;
    const labels = isAnonymous ? { ...wish.labels, [ANONYMOUS_LABEL]: "" } : wish.labels;
    try {
      return await this.#lanes.run(name, () => this.#ensure({ ...wish, name, labels }));
    } catch (error) {
      throw prefixed(`create ${name}`, error);
    }
  }

  async #ensure(wish: VolumeWish): Promise<VolumeRecord> {
    const { name } = wish;
    const known = this.#records.get(name);
    if (known !== undefined) {
      if (wish.driver !== "" && (await this.driver(wish.driver)).name !== known.driver)
        throw new Fault(
          "conflict",
          `driver '${known.driver}' already has volume '${name}': volume name must be unique`,
          { code: "volume.name-taken" },
        );
      return known;
    }
    const driver = await this.driver(wish.driver || DEFAULT_DRIVER);
    const options = nullIfEmpty(wish.options);
    // compat: a plugin that has the volume already is believed.
    const found = driver === this.#local ? undefined : await driver.get(name).catch(() => undefined); // ignored: it is created then
    const made = found === undefined ? await driver.create(name, options ?? {}) : undefined;
    const record: VolumeRecord = {
      version: 1,
      name,
      driver: driver.name,
      options,
      labels: nullIfEmpty(wish.labels),
      createdAt: formatNano((nowNano() / 1_000_000_000n) * 1_000_000_000n),
      ...(wish.isPending ? { isPending: true } : {}),
      ...made,
    };
    await this.#options.store.commit([this.#records.put(name, record)]);
    this.#publish("create", record);
    return record;
  }

  /** Returns the changes that make pending volumes permanent, to be committed with their container. */
  settle(names: readonly string[]): Change[] {
    return names.flatMap((name) => {
      const record = this.#records.get(name);
      if (record?.isPending === undefined) return [];
      const { isPending: _, ...settled } = record;
      return [this.#records.put(name, settled)];
    });
  }

  /** Makes a pending volume permanent. */
  async keep(name: string): Promise<void> {
    await this.#options.store.commit(this.settle([name]));
  }

  /** Returns the changes that make volumes nobody's when the container that is about to go is the last that has them. */
  disown(names: readonly string[]): Change[] {
    if (names.length === 0) return [];
    const users = this.users();
    return names.flatMap((name) => {
      const record = this.#records.get(name);
      const isLast = (users.get(name)?.length ?? 0) < 2;
      return record === undefined || !isLast ? [] : [this.#records.put(name, { ...record, isPending: true })];
    });
  }

  /** Finds a volume, also one that only a plugin knows. Fails with notFound. */
  async find(name: string): Promise<{ record: VolumeRecord; found: DriverVolume; driver: VolumeDriver }> {
    const record = this.#records.get(name);
    if (record === undefined) return await this.#probe(name);
    const driver = await this.driverOf(record);
    const found = await driver.get(name);
    if (found === undefined) throw unknown(name);
    return { record, found, driver };
  }

  async #probe(name: string): Promise<{ record: VolumeRecord; found: DriverVolume; driver: VolumeDriver }> {
    for (const driver of await this.plugins()) {
      const found = await driver.get(name).catch(() => undefined); // ignored: a plugin that fails does not have it
      if (found !== undefined) return { record: foreignRecord(driver, found), found, driver };
    }
    throw unknown(name);
  }

  /** Removes a volume. Fails with notFound, with conflict while a container has it, and with the driver's reason. */
  async remove(
    name: string,
    options: { force?: boolean; isKept?: boolean; group?: string } = {},
  ): Promise<void> {
    await this.#lanes.run(name, async () => {
      const known = this.#records.get(name);
      if (known !== undefined) this.#checkUnused(name);
      if (known !== undefined && options.isKept === true && (await this.#keeper.canKeep(known))) {
        await this.#keeper.keep(known, options.group);
        this.#publish("destroy", known);
        return;
      }
      const { record, driver } = await this.find(name).catch(async (error: unknown) => {
        // A record whose driver is gone, or has lost the volume, goes by force.
        if (known !== undefined && options.force) await this.#drop(known);
        throw error;
      });
      try {
        await driver.remove(name);
      } catch (error) {
        if (options.force) await this.#drop(record);
        throw prefixed(`remove ${name}`, error);
      }
      await this.#drop(record);
      this.#publish("destroy", record);
    });
  }

  /** Brings a removed volume back; fails with conflict when its name is taken meanwhile. */
  async restoreKept(kept: KeptRecord, { name = kept.name }: RestoreOptions): Promise<Restored> {
    this.#options.local.check(name, null);
    return await this.#lanes.run(name, async () => {
      if (this.#records.has(name))
        throw new Fault(
          "conflict",
          `there is a volume ${name} meanwhile: bring this one back under another name (--name)`,
          { code: "volume.name-taken" },
        );
      this.#publish("undo", await this.#keeper.restore(kept, name));
      return { name, warnings: [] };
    });
  }

  /** Removes a volume that was made for a container in vain; what cannot be removed now is when the next volume is made. */
  async abandon(name: string): Promise<void> {
    this.#abandoned.delete(name);
    try {
      await this.remove(name, { force: true });
    } catch (error) {
      if (this.#records.get(name) === undefined) return; // ignored: its data went the first time, its record now
      this.#abandoned.add(name);
      this.#options.log(
        `cannot remove the volume ${name} of a container that was not made: ${messageOf(error)}`,
      );
    }
  }

  #checkUnused(name: string): void {
    const users = this.users().get(name) ?? [];
    if (users.length === 0) return;
    throw new Fault("conflict", `remove ${name}: volume is in use - [${users.join(", ")}]`, {
      code: "volume.in-use",
      detail: { users },
    });
  }

  async #drop(record: VolumeRecord): Promise<void> {
    if (this.#records.has(record.name)) await this.#options.store.commit([this.#records.remove(record.name)]);
  }

  /** Changes what is recorded of a volume. Fails with notFound. */
  async change(name: string, change: (record: VolumeRecord) => VolumeRecord): Promise<void> {
    await this.#lanes.run(name, async () => {
      const record = this.#records.get(name);
      if (record === undefined) throw unknown(name);
      await this.#options.store.commit([this.#records.put(name, change(record))]);
    });
  }

  /** Fails with conflict while a container, or a copy, has the volume mounted. */
  checkUnmounted(name: string): void {
    if (!this.#local.mounted.has(name)) return;
    const users = (this.users().get(name) ?? []).filter((id) => /^[0-9a-f]{64}$/.test(id));
    throw new Fault(
      "conflict",
      `volume ${name} is mounted - [${users.join(", ")}]: stop its containers first`,
      {
        code: "volume.in-use",
        detail: { users },
      },
    );
  }

  /** Runs `work` while nobody can mount the volume. Fails with conflict where somebody has. */
  async whileUnmounted(name: string, work: () => Promise<void>): Promise<void> {
    await this.#lanes.run(name, async () => {
      this.checkUnmounted(name);
      await work();
    });
  }

  /** Gives an empty directory the limit that a volume has; returns the project that it is in, undefined without one. */
  async limitLike(name: string, path: string): Promise<number | undefined> {
    const sizeBytes = sizeOption(this.#records.get(name)?.options ?? {});
    return sizeBytes === 0 ? undefined : await this.#local.limit(path, sizeBytes);
  }

  /**
   * Puts the tree that lies beside a volume's data in their place, whatever is killed meanwhile; `projectId` is the tree's. Inside of
   * `whileUnmounted`.
   */
  async replaceData(name: string, projectId: number | undefined): Promise<void> {
    const record = this.#records.get(name);
    if (record === undefined) throw unknown(name);
    const project = projectId === undefined ? {} : { projectId };
    await this.#options.store.commit([this.#records.put(name, { ...record, ...project, isRestoring: true })]);
    await this.#exchange(name);
  }

  async #exchange(name: string): Promise<void> {
    await this.#options.local.trees.exchange(name);
    const record = this.#records.get(name);
    if (record === undefined) return;
    const { isRestoring: _, ...rest } = record;
    await this.#options.store.commit([this.#records.put(name, rest)]);
  }

  /** Mounts a volume for `user`, a container or a copy; returns where it is on the host. */
  async mount(name: string, user: string): Promise<string> {
    return await this.#lanes.run(name, async () => {
      const record = this.#records.get(name);
      if (record === undefined) throw unknown(name);
      await this.#restart(record);
      return await this.#mount(record, user);
    });
  }

  async #mount(record: VolumeRecord, user: string): Promise<string> {
    try {
      return await (await this.driverOf(record)).mount(record.name, user);
    } catch (error) {
      const at = record.driver === DEFAULT_DRIVER ? this.#options.local.path(record.name) : "";
      throw new Fault("system", `error while mounting volume '${at}': ${messageOf(error)}`, {
        code: "volume.mount",
        cause: error,
      });
    }
  }

  async unmount(name: string, user: string): Promise<void> {
    await this.#lanes.run(name, async () => {
      const record = this.#records.get(name);
      if (record !== undefined) await (await this.driverOf(record)).unmount(name, user);
    });
  }

  /** Counts a container that runs already: after a restart of the daemon. */
  adopt(name: string, user: string): void {
    if (this.#records.get(name)?.driver === DEFAULT_DRIVER) this.#local.adopt(name, user);
  }

  /** Whether a first user may find nothing in it; a volume with a mount of its own has to be looked at when that is there. */
  async mayBeEmpty(name: string): Promise<boolean> {
    const record = this.#records.get(name);
    if (record === undefined || record.isFilling || !isPlain(record)) return record !== undefined;
    return await this.#options.local.isEmpty(name);
  }

  /**
   * Lets `copy` give an empty volume its first content, at the place on the host that it gets. In a plain directory that
   * nobody has mounted, content is all or nothing: what a crash leaves half-done is thrown away before the next use. Where
   * somebody works in it already nothing is ever thrown away; `copy` sees to it that only an empty directory is filled.
   */
  async fill(
    name: string,
    user: string,
    options: { hasContent: boolean; isPart: boolean },
    copy: (target: string) => Promise<void>,
  ): Promise<void> {
    await this.#lanes.run(name, async () => {
      const record = this.#records.get(name);
      if (record === undefined) throw unknown(name);
      await this.#restart(record);
      const isPlainWhole = isPlain(record) && !options.isPart;
      if (isPlainWhole && !(await this.#options.local.isEmpty(name))) return;
      const isSafe = options.hasContent && isPlainWhole && !this.#local.mounted.has(name);
      if (isSafe) await this.#mark(name, true);
      const target = await this.#mount(record, user);
      try {
        await copy(target);
      } finally {
        await (await this.driverOf(record)).unmount(name, user);
      }
      if (!isSafe) return;
      await this.#options.local.flush();
      await this.#mark(name, false);
    });
  }

  async #mark(name: string, isFilling: boolean): Promise<void> {
    const record = this.#records.get(name);
    if (record === undefined) return;
    const { isFilling: _, ...rest } = record;
    await this.#options.store.commit([this.#records.put(name, isFilling ? { ...rest, isFilling } : rest)]);
  }

  /** Throws away what a copy that never ended has left. Nobody has mounted it: mounting comes here first. */
  async #restart(record: VolumeRecord): Promise<void> {
    if (!record.isFilling) return;
    await this.#options.local.empty(record.name);
    await this.#mark(record.name, false);
  }

  #publish(action: string, record: VolumeRecord): void {
    const { name, driver } = record;
    this.#options.events.publish({ type: "volume", action, actorId: name, attributes: { driver } });
  }
}

function nullIfEmpty(
  values: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | null {
  return values === undefined || Object.keys(values).length === 0 ? null : { ...values };
}

/** What is known of a volume that only its plugin knows. */
export function foreignRecord(driver: VolumeDriver, found: DriverVolume): VolumeRecord {
  return {
    version: 1,
    name: found.name,
    driver: driver.name,
    options: null,
    labels: null,
    createdAt: found.createdAt ?? "",
  };
}

function unknown(name: string): Fault {
  return new Fault("notFound", `get ${name}: no such volume`, { code: "volume.not-found" });
}

/** compat: Docker puts operation and name in front of what went wrong. */
function prefixed(where: string, error: unknown): Fault {
  if (!(error instanceof Fault))
    return new Fault("system", `${where}: ${messageOf(error)}`, { code: "volume.failed", cause: error });
  return new Fault(error.kind, `${where}: ${error.message}`, {
    code: error.code,
    detail: error.detail,
    cause: error,
  });
}
