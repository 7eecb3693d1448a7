// Packs a path of a container into a tar, its base name on top (`docker cp` from a container): owners, modes, times with
// nanoseconds, hard links, capabilities and user attributes; sockets are left out, as tar does. Unlike a layer's tar
// there are no whiteouts: what is packed is a view, not an overlay's upper directory.
import { decodeName } from "../../../lib/tar/names.ts";
import type { TarEntry, TarEntryType } from "../../../lib/tar/entry.ts";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../../lib/tar/writer.ts";
import type { ExportEntry, FsSession } from "../../../linux/keel.ts";
import { fs } from "../../../linux/ops.ts";
import { below, type ContainerPath } from "./path.ts";
import { type FileStat, isDirectory, kernelPath, statAt } from "./stat.ts";

const TYPES: ReadonlyMap<number, TarEntryType> = new Map([
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
  [0o020000, "char"],
  [0o060000, "block"],
  [0o010000, "fifo"],
]);
/** The kernel's file systems in a running container: they are no files to be copied, and change while they are read. */
const KERNEL_DIRS = new Set(["proc", "sys", "dev"]);
const GATHER_BYTES = 256 << 10;
/** Pieces from this size on are given as they are: to join them would copy them. */
const LARGE_BYTES = 64 << 10;

export interface PackOptions {
  /** The view of a running container, where the kernel's file systems are mounted. */
  readonly isLive: boolean;
  /** What would be mounted below the path, for a container that does not run. */
  readonly nested?: readonly NestedMount[];
}

/** A mount below the packed directory. */
export interface NestedMount {
  /** Relative to the directory, cleaned. */
  readonly path: string;
  /** Opens what would be mounted there; the packer closes it. */
  open(): Promise<{ readonly session: FsSession; readonly clean: string } | undefined>;
}

/** Yields the tar of what is at `path`, which `stat` describes. Small pieces are joined. */
export async function* packPath(
  session: FsSession,
  path: ContainerPath,
  stat: FileStat,
  options: PackOptions,
): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const piece of packMounts(session, path, stat, options)) {
    const isLarge = piece.length >= LARGE_BYTES;
    if (!isLarge) {
      parts.push(piece);
      size += piece.length;
    }
    if (size >= GATHER_BYTES || (isLarge && size > 0)) {
      yield Buffer.concat(parts);
      parts = [];
      size = 0;
    }
    if (isLarge) yield piece;
  }
  yield Buffer.concat([...parts, TAR_END]);
}

/** Yields a directory's pieces and then those of the mounts in it, which hide what the directory has in their places. */
async function* packMounts(
  session: FsSession,
  path: ContainerPath,
  stat: FileStat,
  options: PackOptions,
): AsyncGenerator<Uint8Array> {
  const nested = isDirectory(stat) ? (options.nested ?? []) : [];
  const names = nested.map((mount) => inArchive(path.base, mount.path));
  yield* new Packer(session, names).pieces(path, stat, options);
  for (const [i, mount] of nested.entries()) {
    const opened = await mount.open();
    if (opened === undefined) continue;
    await using source = opened.session;
    const base = names[i] as string;
    const found = await statAt(source, opened.clean);
    if (found === undefined) continue;
    const hidden = names.filter((name) => name.startsWith(`${base}/`));
    const at = { text: "", clean: opened.clean, base, saysDirectory: true };
    yield* new Packer(source, hidden).pieces(at, found, { isLive: false });
  }
}

class Packer {
  readonly #session: FsSession;
  /** Names in the archive that something else is mounted on. */
  readonly #hidden: readonly string[];
  /** The first name of each inode that has several. */
  readonly #links = new Map<string, string>();

  constructor(session: FsSession, hidden: readonly string[] = []) {
    this.#session = session;
    this.#hidden = hidden;
  }

  #isHidden(name: string): boolean {
    return this.#hidden.some((at) => name === at || name.startsWith(`${at}/`));
  }

  async *pieces(path: ContainerPath, stat: FileStat, options: PackOptions): AsyncGenerator<Uint8Array> {
    if (!isDirectory(stat)) return yield* this.#exported(path.clean, path.base);
    yield tarHeader(directoryEntry(path.base, stat));
    // What keel exports is never a symlink's target: where one may be at the end, its directory is walked from inside.
    if (path.clean !== "" && !path.saysDirectory) return yield* this.#exported(path.clean, path.base);
    const [names] = await this.#session.sync([fs.list(kernelPath(path.clean))]);
    for (const name of (names as Buffer[]).map((n) => decodeName(n))) {
      const inside = below(path.clean, name);
      const as = inArchive(path.base, name);
      if (this.#isHidden(as)) continue;
      const found = await statAt(this.#session, inside);
      if (found === undefined) continue;
      if (isDirectory(found)) yield tarHeader(directoryEntry(as, found));
      if (options.isLive && path.clean === "" && KERNEL_DIRS.has(name)) continue;
      yield* this.#exported(inside, as);
    }
  }

  /** Everything below a directory, or a file itself, under the name `as`. */
  async *#exported(path: string, as: string): AsyncGenerator<Uint8Array> {
    for await (const item of this.#session.export(kernelPath(path))) {
      const name = item.path === "." ? as : inArchive(as, decodeName(item.rawPath));
      if (this.#isHidden(name)) continue;
      const entry = this.#entryOf(item, name);
      if (entry === undefined) continue;
      yield tarHeader(entry);
      if (entry.type !== "file") continue;
      yield* item.content();
      yield tarPadding(item.sizeBytes);
    }
  }

  #entryOf(item: ExportEntry, name: string): TarEntry | undefined {
    const type = TYPES.get(item.mode & 0o170000);
    if (type === undefined) return undefined;
    const isDevice = type === "char" || type === "block";
    const entry = tarEntry({
      type,
      name,
      mode: item.mode & 0o7777,
      uid: item.uid,
      gid: item.gid,
      sizeBytes: type === "file" ? item.sizeBytes : 0,
      mtimeSec: item.mtimeSec,
      mtimeNsec: item.mtimeNsec,
      linkName: type === "symlink" ? decodeName(item.linkTarget) : "",
      devMajor: isDevice ? item.major : 0,
      devMinor: isDevice ? item.minor : 0,
      xattrs: new Map(item.xattrs.filter((x) => isKept(x.name)).map((x) => [x.name, x.value])),
    });
    if (type === "directory" || item.nlink <= 1) return entry;
    const inode = `${item.dev}:${item.ino}`;
    const first = this.#links.get(inode);
    if (first === undefined) this.#links.set(inode, name);
    else return { ...entry, type: "hardlink", linkName: first, sizeBytes: 0, xattrs: new Map() };
    return entry;
  }
}

function isKept(xattr: string): boolean {
  return xattr === "security.capability" || xattr.startsWith("user.");
}

/** Joins names of the archive; the root's own name ends with the slash already. */
function inArchive(dir: string, name: string): string {
  return dir.endsWith("/") ? dir + name : `${dir}/${name}`;
}

function directoryEntry(name: string, stat: FileStat): TarEntry {
  const { uid, gid, mtimeSec, mtimeNsec } = stat;
  return tarEntry({ type: "directory", name, mode: stat.mode & 0o7777, uid, gid, mtimeSec, mtimeNsec });
}
