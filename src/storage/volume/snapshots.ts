// Where copies of volumes are: a tree in the making is in volumes/.new, which no volume can be called and which every start empties; a
// snapshot is volumes/<name>/_snapshots/<snapshot> and goes with its volume. Each gets to its place by one rename, when it is complete
// and on the disk. What is recorded of snapshots, and when, is the engine's.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { randomHex } from "../../lib/id.ts";
import type { Keel } from "../../linux/keel.ts";
import { fs, host } from "../../linux/ops.ts";
import type { DiskIo } from "../disk.ts";
import type { Trash } from "../trash.ts";
import { treeBytes } from "../tree-size.ts";

/** A tree that is being copied. Disposing throws it away, unless it has got to its place. */
export interface NewTree extends AsyncDisposable {
  readonly path: string;
}

export class VolumeTrees {
  readonly #dir: string;
  readonly #keel: Keel;
  readonly #trash: Trash;
  readonly #disk: DiskIo;

  /** `dir` is that of all volumes. */
  constructor(dir: string, { keel, trash, disk }: { keel: Keel; trash: Trash; disk: DiskIo }) {
    this.#dir = dir;
    this.#keel = keel;
    this.#trash = trash;
    this.#disk = disk;
  }

  /** Throws away what a crash has left half-copied. */
  async clear(): Promise<void> {
    await this.#trash.throwAway(join(this.#dir, ".new"));
  }

  path(volume: string, snapshot: string): string {
    return join(this.#dir, volume, "_snapshots", snapshot);
  }

  /**
   * Copies the tree at `source`, blocks being shared where the file system can; it is on the disk when this resolves. `prepare` gets the
   * directory before there is anything in it.
   */
  async copy(
    source: string,
    onProgress: (bytes: number) => void,
    prepare: (path: string) => Promise<unknown> = async () => {},
  ): Promise<NewTree> {
    const path = join(this.#dir, ".new", randomHex());
    await this.#disk.makeDir(path);
    const tree = { path, [Symbol.asyncDispose]: () => this.#trash.throwAway(path) };
    try {
      await prepare(path);
      await this.fill(source, path, onProgress);
      await this.#keel.run([host.syncfs(this.#dir)]);
    } catch (error) {
      await tree[Symbol.asyncDispose]();
      throw error;
    }
    return tree;
  }

  /** Copies what is in `source` into the directory `target`. */
  async fill(source: string, target: string, onProgress: (bytes: number) => void): Promise<void> {
    await using session = await this.#keel.openFs({ kind: "dir", path: target });
    await session.sync([fs.copy(source, ".", ".", { reports: true })], onProgress);
  }

  /** Returns the bytes in the files of a tree. */
  async sizeBytes(path: string): Promise<number> {
    await using session = await this.#keel.openFs({ kind: "dir", path });
    return await treeBytes(session);
  }

  /** Makes a tree a snapshot. */
  async place(tree: NewTree, volume: string, snapshot: string): Promise<void> {
    await this.#disk.makeDir(join(this.#dir, volume, "_snapshots"));
    await this.#disk.rename(tree.path, this.path(volume, snapshot));
  }

  async remove(volume: string, snapshot: string): Promise<void> {
    await this.#trash.throwAway(this.path(volume, snapshot));
  }

  /** Lays a tree beside a volume's data, for `exchange`. */
  async stage(tree: NewTree, volume: string): Promise<void> {
    const staged = join(this.#dir, volume, "_restored");
    await this.#trash.throwAway(staged);
    await this.#disk.rename(tree.path, staged);
  }

  /** Puts the staged tree in the place of the volume's data, which nobody has mounted; done already is fine. */
  async exchange(volume: string): Promise<void> {
    const staged = join(this.#dir, volume, "_restored");
    if ((await stat(staged).catch(() => undefined)) === undefined) return; // ignored: it was done before a crash
    await this.#trash.throwAway(join(this.#dir, volume, "_data"));
    await this.#disk.rename(staged, join(this.#dir, volume, "_data"));
  }
}
