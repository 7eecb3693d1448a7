// Turns one layer tar into file operations for an empty directory in overlay form, without looking at the parent
// (OCI image specification, layer.md): `.wh.NAME` becomes a 0/0 device, `.wh..wh..opq` an opaque mark. Names are
// hostile: what leads out of the root by its text is refused here, what leads out through symlinks stays inside
// because keel resolves every path below the root. Whoever calls this hashes the tar and owns the directory.
//
// Order matters in two places, and is settled at the end: whiteouts hide lower layers only, never what this layer
// brings itself, wherever in the archive they are; and directory times are set after everything is in them.

import { Fault, SysError } from "../../lib/errors.ts";
import type { TarEntry, TarEvent, TarLimits } from "../../lib/tar/entry.ts";
import { cleanName, decodeName, encodeName, nameForKernel } from "../../lib/tar/names.ts";
import { TarReader } from "../../lib/tar/reader.ts";
import type { FsSession } from "../../linux/keel.ts";
import { type FileMeta, fs, type Op } from "../../linux/ops.ts";
import { OVERLAY } from "../../linux/overlay.ts";
import { AUFS_PREFIX, isMarker, OPAQUE_NAME, WHITEOUT_PREFIX } from "./_whiteout.ts";

const FILE_TYPES = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;
const ZEROS = new Uint8Array(256 << 10);
/** Most that is remembered of names for the settling at the end. */
const MAX_REMEMBERED_BYTES = 256 << 20;
/** How often keel is asked whether all is well: a full disk must not go unnoticed for a whole download. */
const CHECK_EVERY_BYTES = 16 << 20;

/** What came of a layer. */
export interface Unpacked {
  /** See LayerRecord.sizeBytes. */
  readonly sizeBytes: number;
  /** Directories that the archive used without describing them; the parent may know their metadata. */
  readonly implicitDirs: readonly string[];
}

/** One archive on its way into one file session. */
export class LayerUnpacker {
  readonly #session: FsSession;
  readonly #reader: TarReader;
  #ops: Op[] = [];
  #sizeBytes = 0;
  #remembered = 0;
  /** Directories of the archive with the metadata they shall end up with. */
  readonly #dirs = new Map<string, FileMeta>();
  readonly #implicit = new Set<string>();
  readonly #whiteouts = new Map<string, Set<string>>();
  readonly #opaque = new Set<string>();
  #lastParent = "";
  /** The current entry makes no file: its content is dropped. */
  #isSkipping = false;
  readonly #afterContent: Op[] = [];
  #sinceCheck = 0;
  #check: Promise<unknown> | undefined;

  constructor(session: FsSession, limits: Partial<TarLimits> = {}) {
    this.#session = session;
    this.#reader = new TarReader(limits);
  }

  /**
   * Takes the next bytes of the uncompressed tar. Returns its events, and resolves when there is room for more.
   * `chunk` may be reused afterwards.
   */
  async push(chunk: Uint8Array): Promise<readonly TarEvent[]> {
    const events = this.#reader.push(chunk);
    for (const event of events) {
      if (event.kind === "hole") await this.#takeHole(event.sizeBytes);
      else this.#take(event);
    }
    await this.#send(chunk.length);
    return events;
  }

  /** Ends the archive: settles whiteouts and directory times and waits until keel has done everything. */
  async finish(): Promise<Unpacked> {
    this.#reader.finish();
    await this.#guard(async () => {
      await this.#check;
      await this.#session.sync();
    });
    await this.#settleWhiteouts();
    for (const [path, meta] of this.#dirs) this.#ops.push(fs.meta(pathOf(path), meta));
    await this.#send(0);
    await this.#guard(() => this.#session.sync());
    return { sizeBytes: this.#sizeBytes, implicitDirs: [...this.#implicit] };
  }

  async #send(sizeBytes: number): Promise<void> {
    const ops = this.#ops;
    this.#ops = [];
    await this.#guard(async () => {
      if (ops.length > 0) await this.#session.send(ops);
      this.#sinceCheck += sizeBytes;
      if (this.#sinceCheck < CHECK_EVERY_BYTES) return;
      this.#sinceCheck = 0;
      await this.#check;
      this.#check = this.#session.sync();
      this.#check.catch(() => undefined); // ignored: awaited before the next check and in finish
    });
  }

  async #guard<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      throw unpackFault(error);
    }
  }

  #take(event: Exclude<TarEvent, { kind: "hole" }>): void {
    switch (event.kind) {
      case "entry":
        return this.#takeEntry(event.entry);
      case "data":
        if (!this.#isSkipping) this.#ops.push(fs.data(event.bytes));
        return;
      case "end":
        for (const op of this.#afterContent) this.#ops.push(op);
        this.#afterContent.length = 0;
    }
  }

  /** Sends zeros as fast as keel takes them: it has no operation for holes, which can stand for much. */
  async #takeHole(sizeBytes: number): Promise<void> {
    if (this.#isSkipping) return;
    for (let left = sizeBytes; left > 0; left -= ZEROS.length) {
      this.#ops.push(fs.data(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS));
      await this.#send(Math.min(left, ZEROS.length));
    }
  }

  #takeEntry(entry: TarEntry): void {
    const path = cleanName(entry.name);
    if (path === undefined) throw hostile(`entry ${quote(entry.name)} is outside of the layer`);
    const slash = path.lastIndexOf("/");
    const parent = slash < 0 ? "" : path.slice(0, slash);
    const base = path.slice(slash + 1);
    this.#isSkipping = isMarker(path);
    if (this.#isSkipping) return isMarker(parent) ? undefined : this.#takeWhiteout(parent, base, entry);
    this.#noteParent(parent);
    // compat: as Docker's rootless mode. Containers have their own /dev.
    if (OVERLAY.isMapped && (entry.type === "char" || entry.type === "block")) return;
    const meta = metaOf(entry);
    if (path === "" && entry.type !== "directory")
      throw hostile(`entry ${quote(entry.name)} would replace the root`);
    this.#ops.push(this.#make(entry, path, meta));
    // After the content: writing to a file drops its capabilities.
    for (const [name, value] of entry.xattrs) {
      if (isWanted(name, entry)) this.#afterContent.push(fs.xattr(pathOf(path), name, value));
    }
  }

  #make(entry: TarEntry, path: string, meta: FileMeta): Op {
    const target = pathOf(path);
    switch (entry.type) {
      case "directory":
        this.#implicit.delete(path);
        if (!this.#dirs.has(path)) this.#remember(path);
        this.#dirs.set(path, meta);
        return fs.mkdir(target, meta);
      case "file":
        this.#dirs.delete(path);
        this.#sizeBytes += entry.sizeBytes;
        return fs.file(target, meta, entry.sizeBytes);
      case "symlink":
        this.#dirs.delete(path);
        this.#sizeBytes += Buffer.byteLength(entry.linkName);
        return fs.symlink(target, nameForKernel(entry.linkName), meta);
      case "hardlink": {
        const existing = cleanName(entry.linkName);
        if (existing === undefined)
          throw hostile(`hard link ${quote(entry.name)} leads outside of the layer`);
        return fs.link(target, pathOf(existing));
      }
      default:
        return fs.node(
          target,
          { ...meta, mode: FILE_TYPES[entry.type] | meta.mode },
          entry.devMajor,
          entry.devMinor,
        );
    }
  }

  /** Remembers directories that exist only because something is in them. */
  #noteParent(parent: string): void {
    if (parent === this.#lastParent) return;
    this.#lastParent = parent;
    for (let dir = parent; dir !== "" && !this.#dirs.has(dir) && !this.#implicit.has(dir); ) {
      this.#remember(dir);
      this.#implicit.add(dir);
      dir = dir.slice(0, Math.max(0, dir.lastIndexOf("/")));
    }
  }

  #remember(path: string): void {
    this.#remembered += 2 * path.length + 100;
    if (this.#remembered > MAX_REMEMBERED_BYTES) throw hostile("it has too many directories");
  }

  #takeWhiteout(parent: string, base: string, entry: TarEntry): void {
    if (base === OPAQUE_NAME) {
      this.#remember(parent);
      this.#opaque.add(parent);
      return;
    }
    const name = base.slice(WHITEOUT_PREFIX.length);
    if (base.startsWith(AUFS_PREFIX) || entry.type !== "file") return;
    if (name === "" || name === "." || name === "..")
      throw hostile(`whiteout ${quote(entry.name)} names nothing`);
    const names = this.#whiteouts.get(parent) ?? new Set();
    if (names.size === 0) this.#whiteouts.set(parent, names);
    this.#remember(parent + name);
    names.add(name);
  }

  /** Whiteouts of what the layer itself brings only hide what is below: a directory becomes opaque, a file hides anyway. */
  async #settleWhiteouts(): Promise<void> {
    for (const [parent, names] of this.#whiteouts) {
      const present = await this.#namesIn(parent);
      const ops: Op[] = [];
      for (const name of names) {
        const path = parent === "" ? name : `${parent}/${name}`;
        if (!present.has(name)) ops.push(fs.whiteout(pathOf(path)));
        else if (this.#dirs.has(path) || this.#implicit.has(path)) this.#opaque.add(path);
      }
      await this.#guard(async () => this.#session.send(ops));
    }
    const marks = [...this.#opaque].map((path) => fs.opaque(pathOf(path)));
    await this.#guard(async () => this.#session.send(marks));
  }

  async #namesIn(dir: string): Promise<Set<string>> {
    try {
      const [names] = await this.#session.sync([fs.list(dir === "" ? "." : pathOf(dir))]);
      return new Set((names as Buffer[]).map((name) => decodeName(name)));
    } catch (error) {
      if (error instanceof SysError && error.errno === ENOENT) return new Set();
      throw unpackFault(error);
    }
  }
}

const ENOENT = 2;
const ENOSPC = 28;
const EDQUOT = 122;
const EIO = 5;
const EINVAL = 22;

function pathOf(path: string): string | Uint8Array {
  return path === "" ? "." : nameForKernel(path);
}

function metaOf(entry: TarEntry): FileMeta {
  const { mode, uid, gid, mtimeSec, mtimeNsec } = entry;
  return { mode, uid, gid, mtimeSec, mtimeNsec };
}

/**
 * Which attributes are set. Overlay's own would let a layer reach into others (redirect, metacopy); the file
 * systems refuse user attributes and capabilities on anything that is no file or directory.
 */
function isWanted(name: string, entry: TarEntry): boolean {
  if (name === "security.capability") return entry.type === "file";
  if (name.startsWith(OVERLAY.xattrPrefix)) return false;
  return name.startsWith("user.") && (entry.type === "file" || entry.type === "directory");
}

function quote(name: string): string {
  return JSON.stringify(encodeName(name).toString("utf8").slice(0, 200));
}

function hostile(why: string): Fault {
  return new Fault("invalidParameter", `cannot unpack layer: ${why}`, { code: "layer.invalid" });
}

/** The layer's fault or the machine's: only a broken disk is the latter. */
function unpackFault(error: unknown): unknown {
  if (!(error instanceof SysError)) return error;
  const isMachine = error.errno === ENOSPC || error.errno === EDQUOT || error.errno === EIO;
  const isForeign = OVERLAY.isMapped && error.errno === EINVAL && error.op === "chown";
  const hint = isForeign
    ? ": its owner is not among your ids; more can be set aside in /etc/subuid and /etc/subgid"
    : "";
  return new Fault(
    isMachine ? "system" : "invalidParameter",
    `cannot unpack layer: ${error.message}${hint}`,
    {
      code: isMachine ? "layer.disk" : "layer.invalid",
      cause: error,
    },
  );
}
