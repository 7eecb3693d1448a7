// Layers on disk and their records: unpacking, making, packing, mounting, removing. Directories below the data root:
//   layers/<id>/            a layer's files in overlay form; never changed once it has this name
//   layers/.recipes/<id>    how to rebuild its tar (recipe.ts)
//   layers/.work/<hex>/     layers and drafts under way; worthless after a crash
//   layers/.empty, .mount   an empty lower layer; where file sessions mount overlays, each seen by itself alone
//   layers/.skeleton        mount points of containers (SKELETON), below everything, so that no container has to make them
//   containers/<id>/{upper,work}, trash/
// A layer's life: work directory → renamed to its id → flushed → recorded. So a record implies a complete directory,
// and a directory without record is the leftover of a crash. Records that were made without waiting for the flush
// say so (`unflushed`) and are verified against their digest when the machine went down in between.

import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { Fault, messageOf, SysError } from "../../lib/errors.ts";
import { randomHex } from "../../lib/id.ts";
import { Lanes } from "../../lib/lanes.ts";
import { nameForKernel } from "../../lib/tar/names.ts";
import type { FsSession, Keel } from "../../linux/keel.ts";
import { type IdMap, idMapTexts } from "../../linux/idmap.ts";
import { OVERLAY } from "../../linux/overlay.ts";
import { fs, host, type RootSource } from "../../linux/ops.ts";
import { Digester } from "../../oci/digest.ts";
import { chainIdOf, type ChainId } from "../../oci/image-config.ts";
import type { ContentStore } from "../content/types.ts";
import type { RecordStore } from "../meta/types.ts";
import { decompress } from "../../lib/compress/stream.ts";
import { type DiskIo, nodeDisk } from "../disk.ts";
import { SharedFlush } from "./_flush.ts";
import { makeSkeleton, SKELETON_DIR } from "./_skeleton.ts";
import { LayerCatalog } from "./catalog.ts";
import { compareTrees } from "./compare.ts";
import { listChanges } from "./changes.ts";
import { openDraft } from "./draft.ts";
import { LayerHolds } from "./holds.ts";
import { type PackTotals, packTree } from "./pack.ts";
import { rebuildTar } from "./rebuild.ts";
import { type Received, receiveLayer, type ReceiveOptions } from "./receive.ts";
import { Trash } from "../trash.ts";
import { LayerUnpacker } from "./unpack.ts";
import { dropUpper, makeUpper, seenInside, upperDirs } from "./upper.ts";
import type {
  CommitLayerOptions,
  DiffDraft,
  LayerId,
  LayerLease,
  LayerRecord,
  PathChange,
  PathDifference,
  UnpackOptions,
  UpperDirs,
} from "./types.ts";

export interface LayerStoreOptions {
  /** The data root. */
  dir: string;
  meta: RecordStore;
  content: ContentStore;
  keel: Keel;
  disk?: DiskIo;
  /** Receives one line for everything that had to be repaired or failed in the background. */
  log?: (message: string) => void;
  /** Most that one layer's archive may have uncompressed. */
  maxTarBytes?: number;
}

type OverlaySource = Extract<RootSource, { kind: "overlay" }>;
/** How long an unflushed layer may stay so. */
const FLUSH_AFTER_MS = 1000;

export class LayerStore {
  /** Who needs which layer; to be filled from the records on start-up. */
  readonly holds = new LayerHolds();
  readonly #layersDir: string;
  readonly #containersDir: string;
  /** Most that one layer's archive may have uncompressed. */
  readonly maxTarBytes: number;
  readonly #content: ContentStore;
  readonly #keel: Keel;
  readonly #disk: DiskIo;
  readonly #log: (message: string) => void;
  readonly #catalog: LayerCatalog;
  readonly #trash: Trash;
  readonly #bootId: string;
  readonly #publishing = new Lanes();
  readonly #flush: SharedFlush;
  #flushTimer: NodeJS.Timeout | undefined;

  private constructor(
    options: LayerStoreOptions,
    parts: { catalog: LayerCatalog; trash: Trash; bootId: string },
  ) {
    this.#layersDir = join(options.dir, "layers");
    this.#containersDir = join(options.dir, "containers");
    this.#content = options.content;
    this.maxTarBytes = options.maxTarBytes ?? Number.POSITIVE_INFINITY;
    this.#keel = options.keel;
    this.#disk = options.disk ?? nodeDisk;
    this.#log = options.log ?? (() => undefined);
    this.#catalog = parts.catalog;
    this.#trash = parts.trash;
    this.#bootId = parts.bootId;
    this.#flush = new SharedFlush(() => this.#flushNow());
  }

  /** Opens the store, removes what a crash left and verifies what a crash of the machine may have damaged. */
  static async open(options: LayerStoreOptions): Promise<LayerStore> {
    const { disk = nodeDisk, keel } = options;
    const layersDir = join(options.dir, "layers");
    for (const name of [".recipes", ".work", ".empty", ".mount"]) {
      await disk.makeDir(join(layersDir, name), name === ".empty" ? 0o755 : 0o700);
    }
    await makeSkeleton(join(layersDir, SKELETON_DIR));
    await disk.makeDir(join(options.dir, "containers"));
    const log = options.log ?? (() => undefined);
    const trash = await Trash.open(join(options.dir, "trash"), { keel, log, disk });
    const catalog = new LayerCatalog(options.meta, await readdir(layersDir));
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    const store = new LayerStore(options, { catalog, trash, bootId });
    await store.#removeLeftovers();
    await store.#verifyUnflushed();
    return store;
  }

  async #removeLeftovers(): Promise<void> {
    const work = join(this.#layersDir, ".work");
    for (const name of await readdir(work)) await this.#trash.throwAway(join(work, name));
    for (const name of await readdir(this.#layersDir)) {
      const isLayer = this.#catalog.get(name as LayerId) !== undefined;
      if (!name.startsWith(".") && !isLayer) await this.#trash.throwAway(join(this.#layersDir, name));
    }
    const recipes = join(this.#layersDir, ".recipes");
    for (const name of await readdir(recipes)) {
      if (this.#catalog.get(name as LayerId) === undefined) await this.#disk.remove(join(recipes, name));
    }
  }

  /** After a crash of the machine: what was not flushed must be exactly what was recorded, or it goes. */
  async #verifyUnflushed(): Promise<void> {
    const suspects = [...this.#catalog.values()].filter(
      (r) => (r.unflushed ?? this.#bootId) !== this.#bootId,
    );
    const sound: LayerRecord[] = [];
    for (const record of suspects) {
      try {
        for await (const _ of this.pack(record.id));
        sound.push(record);
      } catch (error) {
        this.#log(
          `layer ${record.id} was damaged by a crash of the machine and is removed: ${messageOf(error)}`,
        );
        await this.#removeWithChildren(record);
      }
    }
    if (sound.length === 0) return;
    await this.#syncDisk();
    await this.#catalog.markFlushed(sound);
  }

  async #removeWithChildren(record: LayerRecord): Promise<void> {
    for (const other of [...this.#catalog.values()]) {
      if (other.parent === record.id) await this.#removeWithChildren(other);
    }
    if (this.#catalog.get(record.id) !== undefined) await this.#removeLayers([record]);
  }

  get(id: LayerId): LayerRecord | undefined {
    return this.#catalog.get(id);
  }

  byChain(chainId: ChainId): LayerRecord | undefined {
    return this.#catalog.byChain(chainId);
  }

  list(): IterableIterator<LayerRecord> {
    return this.#catalog.values();
  }

  /** Returns the layers from `top` down to the bottom. Fails with notFound. */
  chain(top: LayerId): LayerRecord[] {
    return this.#catalog.chain(top);
  }

  /** Keeps layers alive until their image is recorded; pass it to unpack and release it afterwards. */
  lease(): LayerLease {
    return this.holds.lease();
  }

  /**
   * Unpacks a layer tar, compressed or not, on top of `parent`. The parent may be a promise, so that the layers of an
   * image unpack side by side. A layer that is there already is shared, and the stream is left unread when
   * expectedDiffId tells so beforehand. Fails with dataLoss for a wrong digest, invalidParameter for a bad archive.
   */
  async unpack(
    stream: AsyncIterable<Uint8Array>,
    parent: LayerId | null | Promise<LayerId | null>,
    options: UnpackOptions = {},
  ): Promise<LayerRecord> {
    if (options.expectedDiffId !== undefined && !(parent instanceof Promise)) {
      const known = this.#catalog.byChain(this.#chainId(parent, options.expectedDiffId));
      if (known !== undefined) {
        this.#hold(known.id, options.lease);
        await stream[Symbol.asyncIterator]().return?.();
        return known;
      }
    }
    return this.#receive(stream, parent, options);
  }

  async #receive(
    stream: AsyncIterable<Uint8Array>,
    parent: LayerId | null | Promise<LayerId | null>,
    options: ReceiveOptions,
  ): Promise<LayerRecord> {
    if (parent instanceof Promise) parent.catch(() => undefined); // ignored: awaited below
    const work = await this.#makeWork();
    try {
      await this.#disk.makeDir(join(work, "root"), 0o755);
      const received = await this.#receiveInto(work, stream, parent, options);
      return await this.#publish(work, await parent, { ...options, ...received });
    } finally {
      await this.#trash.throwAway(work);
    }
  }

  async #receiveInto(
    work: string,
    stream: AsyncIterable<Uint8Array>,
    parent: LayerId | null | Promise<LayerId | null>,
    options: ReceiveOptions,
  ): Promise<Received> {
    await using session = await this.openFs({ kind: "dir", path: join(work, "root") });
    const into = { session, workDir: work, content: this.#content };
    const received = await receiveLayer(stream, into, { ...options, maxTarBytes: this.maxTarBytes });
    const below = received.implicitDirs.length === 0 ? null : await parent;
    if (below !== null) await this.#inheritDirs(session, below, received.implicitDirs);
    return received;
  }

  /** Gives directories that the archive did not describe the metadata they have in the layers below. */
  async #inheritDirs(session: FsSession, parent: LayerId, dirs: readonly string[]): Promise<void> {
    await using lower = await this.openFs(this.rootSource(parent));
    for (const dir of dirs) {
      const path = nameForKernel(dir);
      const own = await statOf(session, path);
      const inherited = await statOf(lower, path);
      if (own === undefined || inherited === undefined || !isDirMode(own[0]) || !isDirMode(inherited[0]))
        continue;
      const [mode, uid, gid, , mtimeSec, mtimeNsec] = inherited;
      await session.send([fs.meta(path, { mode: mode & 0o7777, uid, gid, mtimeSec, mtimeNsec })]);
    }
    await session.sync();
  }

  #chainId(parent: LayerId | null, diffId: LayerRecord["diffId"]): ChainId {
    return chainIdOf(parent === null ? null : this.#catalog.require(parent).chainId, diffId);
  }

  #hold(id: LayerId, lease: LayerLease | undefined): void {
    if (lease) lease.hold(id);
    else this.holds.retainFresh(id);
  }

  async #makeWork(): Promise<string> {
    const work = join(this.#layersDir, ".work", randomHex());
    await this.#disk.makeDir(work);
    return work;
  }

  /** Makes `work`/root a layer, unless the very same one exists. */
  #publish(
    work: string,
    parent: LayerId | null,
    facts: Pick<LayerRecord, "diffId" | "tarBytes" | "sizeBytes" | "tar" | "blob"> & CommitLayerOptions,
  ): Promise<LayerRecord> {
    const chainId = this.#chainId(parent, facts.diffId);
    return this.#publishing.run(chainId, async () => {
      const existing = this.#catalog.byChain(chainId);
      if (existing !== undefined) {
        this.#hold(existing.id, facts.lease);
        return existing;
      }
      const id = this.#catalog.nextId();
      if (facts.tar.kind === "recipe") await this.#disk.rename(join(work, "recipe"), this.#recipePath(id));
      await this.#disk.rename(join(work, "root"), this.#layerDir(id));
      try {
        const isDurable = facts.durable ?? true;
        if (isDurable) await this.#syncDisk();
        const record = this.#recordOf(id, { ...facts, chainId, parent });
        this.#hold(id, facts.lease);
        await this.#catalog.add(record, { durable: isDurable });
        if (parent !== null) this.holds.releaseFresh(parent);
        if (!isDurable) this.#flushSoon();
        return record;
      } catch (error) {
        await this.#trash.throwAway(this.#layerDir(id));
        throw error;
      }
    });
  }

  #recordOf(
    id: LayerId,
    facts: Pick<LayerRecord, "diffId" | "tarBytes" | "sizeBytes" | "tar" | "blob" | "chainId" | "parent"> &
      CommitLayerOptions,
  ): LayerRecord {
    const { chainId, parent, diffId, sizeBytes, tarBytes, tar, blob, history } = facts;
    return {
      version: 1,
      id,
      chainId,
      parent,
      diffId,
      sizeBytes,
      tarBytes,
      tar,
      ...(blob === undefined ? {} : { blob }),
      createdAt: new Date().toISOString(),
      ...(history === undefined ? {} : { history }),
      ...((facts.durable ?? true) ? {} : { unflushed: this.#bootId }),
    };
  }

  #layerDir(id: LayerId): string {
    return join(this.#layersDir, id);
  }

  #recipePath(id: LayerId): string {
    return join(this.#layersDir, ".recipes", id);
  }

  /** Begins a layer on top of `parent`: an empty writable directory. */
  async beginDiff(parent: LayerId | null): Promise<DiffDraft> {
    const release = this.#pin(parent);
    const work = await this.#makeWork();
    await this.#disk.makeDir(join(work, "root"), 0o755);
    return openDraft(work, parent, {
      rootSource: (upper, options) => this.rootSource(parent, upper, { options }),
      publish: (options) => this.#commitDraft(work, parent, options),
      end: () => {
        release();
        return this.#trash.throwAway(work);
      },
    });
  }

  async #commitDraft(
    work: string,
    parent: LayerId | null,
    options: CommitLayerOptions,
  ): Promise<LayerRecord> {
    const totals: PackTotals = { sizeBytes: 0, tarBytes: 0 };
    const digester = new Digester();
    {
      await using session = await this.openFs({ kind: "dir", path: join(work, "root") });
      for await (const chunk of packTree(session, totals)) {
        options.signal?.throwIfAborted();
        digester.update(chunk);
      }
    }
    const diffId = digester.finish();
    return this.#publish(work, parent, { ...options, ...totals, diffId, tar: { kind: "packed" } });
  }

  /** Keeps `parent` from being removed until the returned function is called. */
  #pin(parent: LayerId | null): () => void {
    if (parent === null) return () => undefined;
    this.#catalog.require(parent);
    const holder = `draft:${randomHex()}`;
    this.holds.retain(parent, holder);
    return () => this.holds.release(parent, holder);
  }

  /** Returns how the files of `top` and everything below it are mounted: read-only, or writable with `upper`. */
  rootSource(top: LayerId | null, upper?: UpperDirs, extra: { options?: string } = {}): OverlaySource {
    const lower = top === null ? [".empty"] : this.#catalog.chain(top).map((record) => record.id as string);
    const options = extra.options === undefined ? OVERLAY.options : `${OVERLAY.options},${extra.options}`;
    const dirs = upper === undefined ? {} : { upper: upper.upper, work: upper.work, ...seenInside(upper) };
    return { kind: "overlay", layersDir: this.#layersDir, lower, ...dirs, options };
  }

  /** Returns what a read-only overlay of `top` is made of: its directories, topmost first, and options. It wants at least two. */
  overlayOf(top: LayerId | null): { layers: string[]; options: string } {
    const { lower, options = "" } = this.rootSource(top);
    const names = lower.length < 2 ? [...lower, ".empty"] : lower;
    return { layers: names.map((name) => join(this.#layersDir, name)), options };
  }

  /**
   * Returns the root as a container sees it: what it needs as mount points (/proc, /etc/hosts…) is there even where the
   * image lacks it, and does not count as a change.
   */
  containerRoot(root: RootSource): RootSource {
    return root.kind === "dir" ? root : { ...root, lower: [...root.lower, SKELETON_DIR] };
  }

  /**
   * Returns a root for a container in a user namespace: its layers, and what else is in their directory, such as a build step's
   * writable one, show its owners to the host.
   */
  mappedRoot(root: RootSource, idMap: IdMap | undefined): RootSource {
    if (idMap === undefined) return root;
    return { ...root, idMapped: [{ path: this.#layersDir, maps: idMapTexts(idMap) }] };
  }

  /** Opens a file session on a root. Fails with system when it cannot be mounted. */
  async openFs(root: RootSource): Promise<FsSession> {
    const target = join(this.#layersDir, ".mount");
    try {
      return await this.#keel.openFs(root.kind === "dir" ? root : { ...root, target });
    } catch (error) {
      throw diskFault("cannot open layers", error);
    }
  }

  /**
   * Streams the layer's tar, exactly the bytes its diff id was computed from. Fails with dataLoss, at the end of
   * the stream, when they are not.
   */
  async *pack(id: LayerId): AsyncGenerator<Uint8Array> {
    const record = this.#catalog.require(id);
    const digester = new Digester();
    for await (const chunk of this.#tarOf(record)) {
      digester.update(chunk);
      yield chunk;
    }
    const actual = digester.finish();
    if (actual === record.diffId) return;
    throw new Fault("dataLoss", `layer ${id} is damaged: its tar has ${actual}, expected ${record.diffId}`, {
      code: "layer.damaged",
      detail: { id },
    });
  }

  async *#tarOf(record: LayerRecord): AsyncGenerator<Uint8Array> {
    if (record.tar.kind === "blob" && record.blob !== undefined) {
      yield* (await decompress(this.#content.open(record.blob.digest))).stream;
      return;
    }
    await using session = await this.openFs({ kind: "dir", path: this.#layerDir(record.id) });
    if (record.tar.kind === "recipe") yield* rebuildTar(this.#recipePath(record.id), session);
    else yield* packTree(session);
  }

  /** Makes a container's writable directories. */
  async createUpper(containerId: string, idMap?: IdMap): Promise<UpperDirs> {
    const dirs = this.upperOf(containerId, idMap);
    await makeUpper(dirs, this.#disk);
    return dirs;
  }

  /** Returns where they are. */
  upperOf(containerId: string, idMap?: IdMap): UpperDirs {
    return { ...upperDirs(this.#containersDir, containerId), idMap };
  }

  /** Opens them alone, as a layer. */
  openUpper(dirs: UpperDirs): Promise<FsSession> {
    return this.openFs({ kind: "dir", path: dirs.upper, ...seenInside(dirs) });
  }

  /** Removes them; missing ones are fine. */
  async removeUpper(containerId: string): Promise<void> {
    await dropUpper(this.upperOf(containerId), this.#trash);
  }

  /** Returns what a writable directory changes on top of `parent`. */
  async changes(dirs: UpperDirs, parent: LayerId | null): Promise<PathChange[]> {
    await using upper = await this.openUpper(dirs);
    await using lower = await this.openFs(this.containerRoot(this.rootSource(parent)));
    await using merged = await this.openFs(this.containerRoot(this.viewSource(dirs, parent)));
    return await listChanges({ upper, lower, merged });
  }

  /** Returns how the file system of one layer, and what is below it, differs from another's. */
  async compare(from: LayerId | null, to: LayerId | null): Promise<PathDifference[]> {
    await using left = await this.openFs(this.rootSource(from));
    await using right = await this.openFs(this.rootSource(to));
    return await compareTrees(left, right);
  }

  /** Returns how a writable directory and what is below it are mounted for reading, be it in use or not. */
  viewSource(dirs: UpperDirs, parent: LayerId | null): RootSource {
    const lower = this.rootSource(parent);
    // As one more lower layer, so that it may be mounted elsewhere for writing at the same time.
    const top = relative(this.#layersDir, dirs.upper);
    return { ...lower, lower: [top, ...lower.lower], ...seenInside(dirs) };
  }

  /** Streams everything in a writable directory and below it as one tar (`docker export`). */
  async *packView(dirs: UpperDirs, parent: LayerId | null): AsyncGenerator<Uint8Array> {
    await using session = await this.openFs(this.containerRoot(this.viewSource(dirs, parent)));
    yield* packTree(session);
  }

  /** Copies everything in `top` and below it into an empty directory, and flushes it to disk. */
  async copyOut(top: LayerId, dir: string, signal?: AbortSignal): Promise<void> {
    const release = this.#pin(top);
    try {
      await using from = await this.openFs(this.rootSource(top));
      await using to = await this.openFs({ kind: "dir", path: dir });
      const unpacker = new LayerUnpacker(to);
      for await (const chunk of packTree(from)) {
        signal?.throwIfAborted();
        await unpacker.push(chunk);
      }
      await unpacker.finish();
    } finally {
      release();
    }
    await this.#keel.run([host.syncfs(dir)]);
  }

  /** Copies a writable directory, which stays as it is, into a new layer (`docker commit`). */
  async commitUpper(
    dirs: UpperDirs,
    parent: LayerId | null,
    options: CommitLayerOptions = {},
  ): Promise<LayerRecord> {
    const release = this.#pin(parent);
    try {
      await using session = await this.openUpper(dirs);
      return await this.#receive(packTree(session), parent, { ...options, isPacked: true });
    } finally {
      release();
    }
  }

  /** Removes `top` and what is below it as far as nobody needs it any more; returns what was removed, topmost first. */
  async removeUnneeded(top: LayerId): Promise<LayerRecord[]> {
    const removed: LayerRecord[] = [];
    for (const record of this.#catalog.get(top) === undefined ? [] : this.#catalog.chain(top)) {
      if (this.holds.isHeld(record.id) || this.#catalog.hasChildren(record.id, removed.at(-1)?.id)) break;
      removed.push(record);
    }
    await this.#removeLayers(removed);
    return removed;
  }

  async #removeLayers(records: readonly LayerRecord[]): Promise<void> {
    if (records.length === 0) return;
    await this.#catalog.remove(records);
    for (const { id } of records) {
      await this.#trash.throwAway(this.#layerDir(id));
      await this.#disk.remove(this.#recipePath(id));
    }
  }

  /** Makes everything stable that was recorded without waiting for it. */
  async flush(): Promise<void> {
    await this.#flush.run();
  }

  async #flushNow(): Promise<void> {
    const waiting = [...this.#catalog.values()].filter((record) => record.unflushed !== undefined);
    if (waiting.length === 0) return;
    await this.#syncDisk();
    await this.#catalog.markFlushed(waiting);
  }

  #flushSoon(): void {
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      this.flush().catch((error: unknown) => this.#log(`cannot flush layers: ${messageOf(error)}`));
    }, FLUSH_AFTER_MS).unref();
  }

  readonly #diskSync = new SharedFlush(async () => {
    try {
      await this.#keel.run([host.syncfs(this.#layersDir)]);
    } catch (error) {
      throw diskFault("cannot flush layers to disk", error);
    }
  });

  #syncDisk(): Promise<void> {
    return this.#diskSync.run();
  }

  /** Resolves when what was thrown away so far takes no room any more. */
  emptied(): Promise<void> {
    return this.#trash.settled();
  }

  /** Flushes and waits for removals under way. */
  async close(): Promise<void> {
    clearTimeout(this.#flushTimer);
    await this.flush();
    await this.emptied();
  }
}

/** Wraps what keel reports; other errors pass. */
function diskFault(what: string, error: unknown): unknown {
  if (!(error instanceof SysError)) return error;
  return new Fault("system", `${what}: ${error.message}`, { code: "layer.disk", cause: error });
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const ENOENT = 2;

function isDirMode(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

type StatReply = [mode: number, uid: number, gid: number, size: number, mtimeSec: number, mtimeNsec: number];

async function statOf(session: FsSession, path: string | Uint8Array): Promise<StatReply | undefined> {
  try {
    return (await session.sync([fs.stat(path)]))[0] as unknown as StatReply;
  } catch (error) {
    if (error instanceof SysError && error.errno === ENOENT) return undefined;
    throw error;
  }
}
