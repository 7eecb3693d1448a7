// Snapshots of `local` volumes (an extension of Docker's API): copies of one moment that go with their volume, from which it can be put
// back, or another be made. Blocks are shared where the file system can. Nothing is half-made, whatever is killed when:
//
//   being copied     volumes/.new            emptied at every start
//   recorded pending, then in its place      forgotten and thrown away at the next start
//   recorded         volumes/NAME/_snapshots
import { Fault, messageOf } from "../../lib/errors.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import type { ProgressSink } from "../../api/call.ts";
import type { VolumeTrees } from "../../storage/volume/snapshots.ts";
import type { VolumeCatalog } from "./catalog.ts";
import { DEFAULT_DRIVER } from "./driver.ts";
import { hasDataDirectory, type SnapshotRecord, type VolumeRecord } from "./record.ts";
import { type CopyOptions, copyProgress, mountFor, type TransferContext } from "./transfer.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

export class VolumeSnapshots {
  readonly #context: TransferContext;
  /** Those that are being made or read, by volume and name. */
  readonly #busy = new Map<string, number>();

  constructor(context: TransferContext) {
    this.#context = context;
  }

  get #catalog(): VolumeCatalog {
    return this.#context.catalog;
  }

  get #trees(): VolumeTrees {
    return this.#context.trees;
  }

  /** Makes one; returns its record. Fails with notFound, conflict, invalidParameter. */
  async create(
    name: string,
    wanted: string,
    out: ProgressSink,
    options: CopyOptions,
  ): Promise<SnapshotRecord> {
    const snapshot = checkName(wanted === "" ? timeName() : wanted);
    const volume = await this.#local(name);
    if (volume.snapshots?.some((s) => s.name === snapshot) || this.#busy.has(keyOf(name, snapshot)))
      throw new Fault("conflict", `volume ${name} has a snapshot ${snapshot} already`, {
        code: "volume.snapshot-taken",
      });
    using _busy = this.#hold(name, snapshot);
    await using stack = new AsyncDisposableStack();
    const source = await mountFor(this.#catalog, name, stack);
    const total = await this.#trees.sizeBytes(source);
    const tree = stack.use(await this.#copy(name, source, copyProgress(out, name, total), options));
    const record = {
      name: snapshot,
      createdAt: formatNano(nowNano()),
      sizeBytes: await this.#trees.sizeBytes(tree.path),
    };
    await this.#change(name, (all) => [...all, { ...record, isPending: true }]);
    try {
      await this.#trees.place(tree, name, snapshot);
    } catch (error) {
      await this.#change(name, (all) => all.filter((s) => s.name !== snapshot));
      throw error;
    }
    await this.#change(name, (all) => all.map((s) => (s.name === snapshot ? record : s)));
    return record;
  }

  async #copy(
    name: string,
    source: string,
    onProgress: (bytes: number) => void,
    options: CopyOptions,
    prepare?: (path: string) => Promise<void>,
  ) {
    await using _still = options.pause ? await this.#context.holdUsers(name) : undefined;
    try {
      return await this.#trees.copy(source, onProgress, prepare);
    } catch (error) {
      throw new Fault("system", `cannot copy volume ${name}: ${messageOf(error)}`, {
        code: "volume.snapshot",
        cause: error,
      });
    }
  }

  /** Removes one. Fails with notFound, and with conflict while it is read. */
  async remove(name: string, snapshot: string): Promise<void> {
    await this.#find(name, snapshot);
    if (this.#busy.has(keyOf(name, snapshot)))
      throw new Fault("conflict", `snapshot ${snapshot} of volume ${name} is in use`, {
        code: "volume.snapshot-in-use",
      });
    using _busy = this.#hold(name, snapshot);
    await this.#change(name, (all) =>
      all.map((s) => (s.name === snapshot ? { ...s, isPending: true as const } : s)),
    );
    await this.#trees.remove(name, snapshot);
    await this.#change(name, (all) => all.filter((s) => s.name !== snapshot));
  }

  /** Puts a volume back to what a snapshot has. Fails with conflict while the volume is mounted. */
  async restore(name: string, snapshot: string, out: ProgressSink): Promise<void> {
    const { volume, record } = await this.#find(name, snapshot);
    if (!hasDataDirectory(volume))
      throw new Fault(
        "invalidParameter",
        `volume ${name} is a mount and cannot be put back: make a new volume of the snapshot (volume clone --snapshot)`,
        { code: "volume.snapshot-mount" },
      );
    using _busy = this.#hold(name, snapshot);
    using _pin = this.#catalog.pin(name, `restore:${snapshot}`);
    this.#catalog.checkUnmounted(name);
    const source = this.#trees.path(name, snapshot);
    const onProgress = copyProgress(out, name, record.sizeBytes);
    let projectId: number | undefined;
    await using tree = await this.#copy(name, source, onProgress, { pause: false }, async (path) => {
      projectId = await this.#catalog.limitLike(name, path);
    });
    await this.#catalog.whileUnmounted(name, async () => {
      await this.#trees.stage(tree, name);
      await this.#catalog.replaceData(name, projectId);
    });
  }

  /** Returns where a snapshot is, kept until `stack` is disposed of. Fails with notFound. */
  async open(name: string, snapshot: string, stack: AsyncDisposableStack): Promise<string> {
    await this.#find(name, snapshot);
    stack.use(this.#hold(name, snapshot));
    stack.use(this.#catalog.pin(name, `copy:${snapshot}`));
    return this.#trees.path(name, snapshot);
  }

  async #local(name: string): Promise<VolumeRecord> {
    const { record } = await this.#catalog.find(name);
    if (record.driver !== DEFAULT_DRIVER)
      throw new Fault(
        "invalidParameter",
        `volume ${name} is of the driver ${record.driver}: only local volumes have snapshots`,
        { code: "volume.snapshot-driver" },
      );
    return record;
  }

  async #find(name: string, snapshot: string): Promise<{ volume: VolumeRecord; record: SnapshotRecord }> {
    const volume = await this.#local(name);
    const record = volume.snapshots?.find((s) => s.name === snapshot && !s.isPending);
    if (record === undefined)
      throw new Fault("notFound", `volume ${name} has no snapshot ${snapshot}`, {
        code: "volume.no-snapshot",
      });
    return { volume, record };
  }

  #change(
    name: string,
    change: (all: readonly SnapshotRecord[]) => readonly SnapshotRecord[],
  ): Promise<void> {
    return this.#catalog.change(name, ({ snapshots = [], ...rest }) => {
      const changed = change(snapshots);
      return changed.length === 0 ? rest : { ...rest, snapshots: changed };
    });
  }

  #hold(name: string, snapshot: string): Disposable {
    const key = keyOf(name, snapshot);
    this.#busy.set(key, (this.#busy.get(key) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#busy.get(key) ?? 1) - 1;
        if (left === 0) this.#busy.delete(key);
        else this.#busy.set(key, left);
      },
    };
  }
}

/** Neither name has a slash. */
const keyOf = (volume: string, snapshot: string): string => `${volume}/${snapshot}`;

function checkName(name: string): string {
  if (!NAME.test(name))
    throw new Fault(
      "invalidParameter",
      `${JSON.stringify(name)} cannot be a snapshot's name: only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed, at most 255`,
      { code: "volume.snapshot-name" },
    );
  return name;
}

/** Such as 20261129T134421Z. */
const timeName = (): string => new Date().toISOString().replace(/[-:]|\.\d+/g, "");
