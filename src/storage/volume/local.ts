// The directories of `local` volumes, laid out as Docker's: <data root>/volumes/<name>/_data. A volume is recorded elsewhere
// (engine/volume); a directory without record is the leftover of a crash and goes at the next start. Removal is one
// rename into volumes/.trash, which no name can be. A volume with options of its own is mounted on its _data by the first
// who uses it and unmounted after the last: in the host's view, because its users share it (a tmpfs has no other place),
// and so that what copies from and to volumes finds it where `inspect` says it is.
import { chmod, chown, opendir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault, SysError } from "../../lib/errors.ts";
import type { Owner } from "../../linux/idmap.ts";
import type { FsSession, Keel } from "../../linux/keel.ts";
import { host } from "../../linux/ops.ts";
import { parseMountInfo } from "../../linux/procfs/mountinfo.ts";
import { type DiskIo, nodeDisk } from "../disk.ts";
import { limitDirectories } from "../project-quota.ts";
import { Trash } from "../trash.ts";
import { VolumeTrees } from "./snapshots.ts";
import { treeBytes } from "../tree-size.ts";
import {
  checkOptions,
  describeMount,
  mountOf,
  mountOps,
  needsMount,
  type VolumeMount,
  type VolumeOptions,
} from "./options.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** Of a directory's name. */
const MAX_NAME_BYTES = 255;
/** A server that does not answer must not hold a start forever. */
const MOUNT_TIMEOUT_MS = 120_000;
const UNMOUNT_TIMEOUT_MS = 20_000;

export interface LocalVolumesOptions {
  /** The data root. */
  readonly dir: string;
  readonly keel: Keel;
  readonly disk?: DiskIo | undefined;
  /** Who new volumes belong to, the containers' root; the daemon's own user when absent. */
  readonly owner?: Owner | undefined;
  readonly log: (message: string) => void;
}

export class LocalVolumes {
  readonly #dir: string;
  readonly #keel: Keel;
  readonly #trash: Trash;
  readonly #owner: Owner | undefined;
  readonly #disk: DiskIo;
  readonly trees: VolumeTrees;

  private constructor(dir: string, trash: Trash, { keel, owner, disk = nodeDisk }: LocalVolumesOptions) {
    this.#dir = dir;
    this.#keel = keel;
    this.#trash = trash;
    this.#owner = owner;
    this.#disk = disk;
    this.trees = new VolumeTrees(dir, { keel, trash, disk });
  }

  static async open(options: LocalVolumesOptions): Promise<LocalVolumes> {
    const dir = join(options.dir, "volumes");
    await (options.disk ?? nodeDisk).makeDir(dir, 0o701);
    const trash = await Trash.open(join(dir, ".trash"), options);
    const volumes = new LocalVolumes(dir, trash, options);
    await volumes.trees.clear();
    return volumes;
  }

  /** Where a volume's files are on the host. */
  path(name: string): string {
    return join(this.#dir, name, "_data");
  }

  /** Fails with invalidParameter, in Docker's words, for what can be no local volume. */
  check(name: string, options: VolumeOptions | null): void {
    checkName(name);
    checkOptions(options ?? {});
  }

  /** Makes the directories; what is there already stays. */
  async create(name: string): Promise<void> {
    checkName(name);
    await this.#disk.makeDir(join(this.#dir, name), 0o701);
    const data = this.path(name);
    const isNew = await this.#disk.makeDir(data, 0o755);
    if (isNew && this.#owner !== undefined) await chown(data, this.#owner.uid, this.#owner.gid);
    await chmod(join(this.#dir, name), 0o701); // whatever the daemon's umask is
    await chmod(data, 0o755);
  }

  /** Limits what an empty directory may hold. Fails with invalidParameter, in Docker's words, where there are no project quotas. */
  async limit(path: string, limit: { projectId: number; sizeBytes: number }): Promise<void> {
    const why = `quota size requested but no quota support: ${this.#dir} is not on ext4 or xfs that is mounted with prjquota`;
    await limitDirectories(this.#keel, [path], limit, why);
  }

  /** Removes the directories, in the background; nothing is mounted there any more. */
  async remove(name: string): Promise<void> {
    checkName(name);
    await this.#trash.throwAway(join(this.#dir, name));
  }

  /** Moves a volume's directory out of the way, where it stays under `id` until it is taken back or dropped. */
  async keep(name: string, id: string): Promise<void> {
    checkName(name);
    await this.#disk.makeDir(join(this.#dir, ".kept"));
    await this.#disk.rename(join(this.#dir, name), join(this.#dir, ".kept", id));
  }

  /** Makes what was kept under `id` the volume `name` again, which nobody has. */
  async takeBack(id: string, name: string): Promise<void> {
    checkName(name);
    await this.#disk.rename(join(this.#dir, ".kept", id), join(this.#dir, name));
  }

  async dropKept(id: string): Promise<void> {
    await this.#trash.throwAway(join(this.#dir, ".kept", id));
  }

  async listKept(): Promise<string[]> {
    return await readdir(join(this.#dir, ".kept")).catch(() => []); // ignored: nothing was ever kept
  }

  async keptBytes(id: string): Promise<number> {
    await using session = await this.#keel.openFs({ kind: "dir", path: join(this.#dir, ".kept", id) });
    return await treeBytes(session);
  }

  /** Throws away what is in a volume that is a plain directory. */
  async empty(name: string): Promise<void> {
    await this.#trash.throwAway(this.path(name));
    await this.create(name);
  }

  /** Whether nothing is in it. */
  async isEmpty(name: string): Promise<boolean> {
    await using dir = await opendir(this.path(name));
    return (await dir.read()) === null;
  }

  /** Resolves when everything that was written to volumes so far is on stable storage. */
  async flush(): Promise<void> {
    await this.#keel.run([host.syncfs(this.#dir)]);
  }

  /** Mounts a volume with options of its own, unless it is; fails with system in Docker's words. */
  async mount(name: string, options: VolumeOptions | null): Promise<void> {
    if (options === null || !needsMount(options)) return;
    const target = this.path(name);
    if (await isMounted(target)) return;
    const mount = await mountOf(options);
    try {
      await this.#keel.run(mountOps(mount, target), { signal: AbortSignal.timeout(MOUNT_TIMEOUT_MS) });
    } catch (error) {
      throw mountFault(mount, target, error);
    }
  }

  /** Unmounts what is mounted on a volume. A server that is gone does not hold up the end of a container. */
  async unmount(name: string): Promise<void> {
    const signal = AbortSignal.timeout(UNMOUNT_TIMEOUT_MS);
    await this.#keel.run([host.unmount(this.path(name))], { signal });
  }

  /**
   * Unmounts what nobody uses, removes what nobody knows, and makes again what a power cut took: for the start, when all users
   * and records are known.
   */
  async sweep(known: ReadonlySet<string>, used: ReadonlySet<string>): Promise<void> {
    for (const { mountpoint } of parseMountInfo(await readFile("/proc/self/mountinfo", "utf8"))) {
      const name = mountpoint.startsWith(`${this.#dir}/`)
        ? mountpoint.slice(this.#dir.length + 1).split("/")[0]
        : undefined;
      if (name !== undefined && !used.has(name) && mountpoint === this.path(name)) await this.unmount(name);
    }
    const present = new Set(await readdir(this.#dir));
    for (const name of present)
      if (!name.startsWith(".") && !known.has(name)) await this.#trash.throwAway(join(this.#dir, name));
    for (const name of known) if (!present.has(name)) await this.create(name);
  }

  /** Returns the bytes in a volume's files. */
  async sizeBytes(name: string): Promise<number> {
    await using session = await this.#session(name);
    return await treeBytes(session);
  }

  /** Opens a file session below a volume. */
  #session(name: string): Promise<FsSession> {
    return this.#keel.openFs({ kind: "dir", path: this.path(name) });
  }

  /** Resolves when what was thrown away is gone. */
  async close(): Promise<void> {
    await this.#trash.settled();
  }
}

function checkName(name: string): void {
  if (name.length === 1)
    throw invalid("volume name is too short, names should be at least two alphanumeric characters");
  if (!NAME.test(name))
    throw invalid(
      `${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  if (Buffer.byteLength(name) > MAX_NAME_BYTES)
    throw invalid(
      `the volume name is too long: ${Buffer.byteLength(name)} bytes, at most ${MAX_NAME_BYTES} are allowed`,
    );
}

async function isMounted(path: string): Promise<boolean> {
  return parseMountInfo(await readFile("/proc/self/mountinfo", "utf8")).some((m) => m.mountpoint === path);
}

function mountFault(mount: VolumeMount, target: string, error: unknown): Fault {
  const why =
    error instanceof SysError
      ? error.text.toLowerCase()
      : error instanceof Fault && error.code === "keel.cancelled"
        ? "the file system did not answer in time"
        : undefined;
  if (why === undefined) throw error;
  return new Fault("system", `failed to mount local volume: ${describeMount(mount, target)}: ${why}`, {
    code: "volume.mount",
    cause: error,
  });
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "volume.name" });
}
