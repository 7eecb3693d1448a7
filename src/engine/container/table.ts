// All containers of the daemon: records by id, name and prefix, and for each what exists only while the daemon runs
// (its lane, its current run, who waits for it). Reads are memory accesses; a record changes by a commit.
import { Fault } from "../../lib/errors.ts";
import { Lane } from "../../lib/lanes.ts";
import type { ShimClient, ShimExit } from "../../runtime/shim/client.ts";
import type { LayerHolds } from "../../storage/layer/holds.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import type { Change, CommitOptions, RecordStore, Table } from "../../storage/meta/types.ts";
import type { HealthWatch } from "./health/watch.ts";
import type { ContainerRecord, RunState } from "./record.ts";

/** A container's current process, as long as the daemon is connected to its shim. */
export interface Run {
  readonly pid: number;
  readonly socketPath: string;
  readonly shim: ShimClient;
  /** Resolves when the container has ended, before the record says so. */
  readonly exited: Promise<ShimExit>;
  /** Resolves when the exit has been committed and published. */
  readonly settled: Promise<void>;
}

/** Who has attached before the start; `connect` is called between creation and start of the process. */
export interface PendingAttach {
  connect(socketPath: string): Promise<void>;
  /** The container is gone and will never start. */
  cancel(): void;
}

/** What whoever waits for a container is told. */
export interface ContainerEnd {
  readonly exitCode: number;
  /** Why it could not be started or removed, "" otherwise. */
  readonly error: string;
}

/** What the daemon keeps in memory for one container. */
export class LiveContainer {
  readonly id: string;
  /** Start, stop, remove and the like, one at a time. Exits do not pass through it: stop waits for them. */
  readonly lane = new Lane();
  run: Run | null = null;
  /** Of the current run, where it is checked. */
  health: HealthWatch | null = null;
  readonly pendingAttaches = new Set<PendingAttach>();
  /** Running execs: told when they end. */
  readonly #execs = new Map<string, (exitCode: number) => void>();
  /** Called after the next end of the process. */
  readonly exitWaiters = new Set<(end: ContainerEnd) => void>();
  /** Called when the container is gone, or could not be removed. */
  readonly removeWaiters = new Set<(end: ContainerEnd) => void>();
  isRemoving = false;
  restartTimer: NodeJS.Timeout | undefined;
  restartDelayMs = 0;
  /** Somebody ended the current run on purpose: the restart policy has no say in its exit. */
  isRestartCalledOff = false;
  /** The current run was killed past its shim, which therefore tells no exit code. */
  isForced = false;
  /** The current run is ended in order to start the next: `--rm` does not remove the container. */
  isBeingRestarted = false;
  constructor(id: string) {
    this.id = id;
  }

  /** Tells those who wait for the next end of the process. */
  tellExit(end: ContainerEnd): void {
    for (const tell of [...this.exitWaiters]) tell(end);
    this.exitWaiters.clear();
  }

  /** Tells everybody who waits that the container is gone, or that it could not be removed. */
  tellRemoved(end: ContainerEnd): void {
    for (const tell of [...this.removeWaiters]) tell(end);
    this.removeWaiters.clear();
    this.tellExit(end);
    for (const attach of [...this.pendingAttaches]) attach.cancel();
    this.pendingAttaches.clear();
  }

  get execIds(): string[] {
    return [...this.#execs.keys()];
  }

  /** Registers a running exec; `onEnd` is called once with its exit code. */
  addExec(execId: string, onEnd: (exitCode: number) => void): void {
    this.#execs.set(execId, onEnd);
  }

  /** Returns whether it was registered: not one of a daemon before this one. */
  execEnded(execId: string, exitCode: number): boolean {
    const onEnd = this.#execs.get(execId);
    this.#execs.delete(execId);
    onEnd?.(exitCode);
    return onEnd !== undefined;
  }
}

/** The layers that a container stands on and has mounted. */
export function layersOf(record: ContainerRecord): LayerId[] {
  const mounted = (record.mounts ?? []).map((m) => m.layer ?? null);
  return [record.layer, ...mounted].filter((l) => l !== null);
}

/** Of states that are what has happened: a disk that is full does not keep containers from ending, nor from being stopped and removed. */
export const FACT: CommitOptions = { isFact: true };

/** Of states that are followed at once by a removal, which is written: before it the disk may say what it said. */
export const PASSING: CommitOptions = { isPassing: true, durable: false };

type Links = ContainerRecord["links"];

const ID_PREFIX = /^[0-9a-f]{1,64}$/;

/** Finds containers and commits their records. */
export class ContainerTable {
  readonly #store: RecordStore;
  readonly #records: Table<ContainerRecord>;
  readonly #live = new Map<string, LiveContainer>();
  readonly #byName = new Map<string, string>();
  /** By a container's id, who has a link to it (`--link`). */
  readonly #linkers = new Map<string, Set<string>>();
  /** Names given to containers whose record is being committed. */
  readonly #reserved = new Set<string>();

  readonly #holds: LayerHolds;
  #onChange: (id: string, record: ContainerRecord | undefined) => void = () => {};

  constructor(store: RecordStore, holds: LayerHolds) {
    this.#store = store;
    this.#holds = holds;
    this.#records = store.table<ContainerRecord>("containers");
    for (const r of this.#records.values()) {
      this.#live.set(r.id, new LiveContainer(r.id));
      this.#byName.set(r.name, r.id);
      this.#relink(r.id, undefined, r.links);
      this.#hold(r);
    }
  }

  /** Calls `onChange` with every record there is and every one that is committed, and with undefined for removed ones. */
  observe(onChange: (id: string, record: ContainerRecord | undefined) => void): void {
    this.#onChange = onChange;
    for (const r of this.#records.values()) onChange(r.id, r);
  }

  /** A container keeps the layers it stands on, whatever becomes of its image. */
  #hold(record: ContainerRecord): void {
    for (const layer of layersOf(record)) this.#holds.retain(layer, `container:${record.id}`);
  }

  get size(): number {
    return this.#records.size;
  }

  /** All records, newest first. */
  all(): ContainerRecord[] {
    return [...this.#records.values()].reverse();
  }

  isNameTaken(name: string): boolean {
    return this.#byName.has(name) || this.#reserved.has(name);
  }

  idOfName(name: string): string | undefined {
    return this.#byName.get(name);
  }

  /** Keeps a name for a container that is about to be created, or renamed. */
  reserveName(name: string): Disposable {
    this.#reserved.add(name);
    return { [Symbol.dispose]: () => this.#reserved.delete(name) };
  }

  /** Returns the record that a name, an id or an unambiguous prefix of an id names; fails with notFound or invalidParameter. */
  find(reference: string): ContainerRecord {
    const name = reference.replace(/^\//, "");
    const exact =
      this.#records.get(name) ?? this.#records.get(this.#byName.get(name) ?? "") ?? this.#byLink(name);
    if (exact !== undefined) return exact;
    const matches = ID_PREFIX.test(name) ? [...this.#records.keys()].filter((id) => id.startsWith(name)) : [];
    if (matches.length > 1)
      throw new Fault("invalidParameter", `multiple IDs found with provided prefix: ${reference}`, {
        code: "container.ambiguous",
      });
    const found = matches[0] === undefined ? undefined : this.#records.get(matches[0]);
    if (found === undefined)
      throw new Fault("notFound", `No such container: ${reference}`, { code: "container.not-found" });
    return found;
  }

  /** The container that "web/db" stands for: the one that web has a link to under the name db. */
  #byLink(name: string): ContainerRecord | undefined {
    const [parent = "", alias] = name.split("/", 2);
    if (alias === undefined) return undefined;
    const links = this.#records.get(this.#byName.get(parent) ?? "")?.links;
    return this.#records.get(links?.find((l) => l.alias === alias)?.containerId ?? "");
  }

  get(id: string): ContainerRecord | undefined {
    return this.#records.get(id);
  }

  /** Returns the in-memory part of a container that exists. */
  live(id: string): LiveContainer {
    const live = this.#live.get(id);
    if (live === undefined)
      throw new Fault("notFound", `No such container: ${id}`, { code: "container.not-found" });
    return live;
  }

  /** Commits a new container, and in the same step what belongs to it elsewhere. */
  async add(record: ContainerRecord, more: readonly Change[] = []): Promise<void> {
    this.#live.set(record.id, new LiveContainer(record.id));
    this.#byName.set(record.name, record.id);
    this.#relink(record.id, undefined, record.links);
    this.#hold(record);
    try {
      await this.#store.commit([this.#records.put(record.id, record), ...more], durabilityOf(record, more));
      this.#onChange(record.id, record);
    } catch (error) {
      this.#forget(record);
      throw error;
    }
  }

  /** Commits a changed record and returns it. */
  async put(record: ContainerRecord, options: CommitOptions = {}): Promise<ContainerRecord> {
    const before = this.#records.get(record.id);
    if (before === undefined)
      throw new Fault("notFound", `No such container: ${record.id}`, { code: "container.not-found" });
    this.#rename(record.id, before.name, record.name);
    this.#relink(record.id, before.links, record.links);
    try {
      await this.#store.commit([this.#records.put(record.id, record)], options);
    } catch (error) {
      this.#rename(record.id, record.name, before.name);
      this.#relink(record.id, record.links, before.links);
      throw error;
    }
    this.#onChange(record.id, record);
    return record;
  }

  #rename(id: string, from: string, to: string): void {
    if (from === to) return;
    this.#byName.delete(from);
    this.#byName.set(to, id);
  }

  #relink(id: string, from: Links, to: Links): void {
    if (from === to) return;
    for (const { containerId } of from ?? []) {
      const linkers = this.#linkers.get(containerId);
      linkers?.delete(id);
      if (linkers?.size === 0) this.#linkers.delete(containerId);
    }
    for (const { containerId } of to ?? [])
      this.#linkers.set(containerId, (this.#linkers.get(containerId) ?? new Set()).add(id));
  }

  /** Returns the containers that have a link to a container, newest first. */
  linkersOf(id: string): ContainerRecord[] {
    return [...(this.#linkers.get(id) ?? [])].flatMap((linker) => this.#records.get(linker) ?? []).reverse();
  }

  /** Resolves when everything committed is with the kernel, also what the disk has refused at first. */
  async isWritten(): Promise<void> {
    await this.#store.commit([], { durable: false });
  }

  /**
   * Commits a change of the run state. By default it waits for the disk only where the next start of the machine depends on it:
   * after a power cut what has no restart policy does not run anyway.
   */
  async putState(
    id: string,
    state: Partial<RunState>,
    more: Partial<ContainerRecord> = {},
    options?: CommitOptions,
  ): Promise<ContainerRecord> {
    const record = this.#records.get(id);
    if (record === undefined)
      throw new Fault("notFound", `No such container: ${id}`, { code: "container.not-found" });
    const durable = options?.durable ?? record.hostConfig.RestartPolicy.Name !== "no";
    return this.put({ ...record, ...more, state: { ...record.state, ...state } }, { ...options, durable });
  }

  /** Commits the removal of a container, and in the same step what becomes of its own elsewhere. */
  async remove(record: ContainerRecord, more: readonly Change[] = []): Promise<void> {
    // For the same reason a full disk holds no container back that goes when it ends.
    const options = { ...durabilityOf(record, more), isFact: record.hostConfig.AutoRemove };
    await this.#store.commit([this.#records.remove(record.id), ...more], options);
    this.#onChange(record.id, undefined);
    this.#forget(record);
  }

  #forget(record: ContainerRecord): void {
    this.#live.delete(record.id);
    this.#relink(record.id, record.links, undefined);
    for (const layer of layersOf(record)) this.#holds.release(layer, `container:${record.id}`);
    if (this.#byName.get(record.name) === record.id) this.#byName.delete(record.name);
  }
}

/**
 * Nobody waits for the disk for a container that goes when it ends: a power cut ends it, and whether its record was there then or not, it is
 * removed at the next start. What else changes in the same step is worth the wait.
 */
function durabilityOf(record: ContainerRecord, more: readonly Change[]): CommitOptions {
  return { durable: !record.hostConfig.AutoRemove || more.length > 0 };
}
