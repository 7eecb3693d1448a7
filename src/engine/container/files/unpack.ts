// Unpacks a tar into an existing directory of a container (`docker cp` to a container). Names are hostile: what leads out of
// the directory by its text is refused, what leads elsewhere through symlinks stays in the container, because keel
// resolves every path below its root and never follows the last component. Whiteouts have no meaning here.
import { Fault, SysError } from "../../../lib/errors.ts";
import type { TarEntry, TarEvent } from "../../../lib/tar/entry.ts";
import { cleanName, nameForKernel } from "../../../lib/tar/names.ts";
import { TarReader } from "../../../lib/tar/reader.ts";
import type { FsSession } from "../../../linux/keel.ts";
import { type FileMeta, fs, type Op } from "../../../linux/ops.ts";
import { below } from "./path.ts";
import { isDirectory, kernelPath, statAt } from "./stat.ts";

const FILE_TYPES = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;
const ZEROS = new Uint8Array(256 << 10);
/** Most directories whose times are put right at the end. */
const MAX_DIRECTORIES = 1_000_000;
const EPERM = 1;
const EBUSY = 16;
const EOPNOTSUPP = 95;

export interface UnpackOptions {
  /** Cleaned path of the directory to unpack in; it exists. */
  readonly directory: string;
  /** A directory is never replaced by something else, nor something else by a directory. */
  readonly keepsTypes: boolean;
  /** The archive's entry for the directory itself counts, too. */
  readonly setsDirectory?: boolean;
  /** Owner of everything; the archive's owners without it. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Cleaned paths that something is mounted on: to replace it there would take the mount away, from outside of the container's namespace. */
  readonly covered?: ReadonlySet<string> | undefined;
}

/** Unpacks the uncompressed tar. Fails with invalidParameter for a bad archive, with SysError for the kernel's refusals. */
export async function unpackInto(
  session: FsSession,
  source: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
): Promise<void> {
  const unpacker = new Unpacker(session, options);
  const reader = new TarReader();
  for await (const chunk of source) {
    for (const event of reader.push(chunk)) await unpacker.take(event);
    await unpacker.flush();
  }
  reader.finish();
  await unpacker.finish();
}

class Unpacker {
  readonly #session: FsSession;
  readonly #options: UnpackOptions;
  #ops: Op[] = [];
  /** Directories with the metadata they shall end up with. */
  readonly #directories = new Map<string, FileMeta>();
  /** Directories that were made here: what is in them is known. */
  readonly #fresh = new Set<string>();
  #path = "";
  #xattrs: TarEntry["xattrs"] = new Map();

  constructor(session: FsSession, options: UnpackOptions) {
    this.#session = session;
    this.#options = options;
  }

  async take(event: TarEvent): Promise<void> {
    if (event.kind === "entry") await this.#begin(event.entry);
    else if (event.kind === "data") this.#ops.push(fs.data(event.bytes));
    else if (event.kind === "hole") await this.#hole(event.sizeBytes);
    else if (this.#xattrs.size > 0) await this.#setXattrs();
  }

  /** Sends what has gathered; the memory of its chunk is free afterwards. */
  async flush(): Promise<void> {
    const ops = this.#ops;
    this.#ops = [];
    if (ops.length > 0) await this.#session.send(ops);
  }

  /** Sets the directories' times, now that everything is in them, and waits for keel. */
  async finish(): Promise<void> {
    await this.flush();
    await this.#session.sync();
    for (const [path, meta] of this.#directories) this.#ops.push(fs.meta(kernelPath(path), meta));
    await this.flush();
    await this.#session.sync();
  }

  async #begin(entry: TarEntry): Promise<void> {
    const name = cleanName(entry.name.replace(/^\/+/, ""));
    if (name === undefined) throw hostile(`entry ${JSON.stringify(entry.name)} is outside of the directory`);
    this.#xattrs = new Map();
    // The directory itself exists; unless it is asked for, it stays as it is.
    if (name === "" && entry.type === "directory") {
      if (this.#options.setsDirectory) this.#make(entry, this.#options.directory);
      return;
    }
    if (name === "") throw hostile("an entry would replace the directory");
    const path = below(this.#options.directory, name);
    if (this.#options.covered?.has(path)) await this.#checkCovered(entry, path);
    if (this.#options.keepsTypes) await this.#checkType(entry, name, path);
    this.#ops.push(this.#make(entry, path));
    this.#path = path;
    this.#xattrs = new Map([...entry.xattrs].filter(([key]) => isWanted(key, entry)));
  }

  #make(entry: TarEntry, path: string): Op {
    const target = kernelPath(path);
    const { mode, uid, gid, mtimeSec, mtimeNsec } = entry;
    const meta: FileMeta = { mode, mtimeSec, mtimeNsec, ...(this.#options.owner ?? { uid, gid }) };
    if (entry.type === "directory") {
      this.#directories.set(path, meta);
      if (this.#directories.size > MAX_DIRECTORIES) throw hostile("it has too many directories");
      return fs.mkdir(target, meta);
    }
    this.#directories.delete(path);
    switch (entry.type) {
      case "file":
        return fs.file(target, meta, entry.sizeBytes);
      case "symlink":
        return fs.symlink(target, nameForKernel(entry.linkName), meta);
      case "hardlink": {
        const existing = cleanName(entry.linkName.replace(/^\/+/, ""));
        if (existing === undefined || existing === "")
          throw hostile(`hard link ${JSON.stringify(entry.name)} leads outside of the directory`);
        return fs.link(target, kernelPath(below(this.#options.directory, existing)));
      }
      default: {
        const type = FILE_TYPES[entry.type];
        return fs.node(target, { ...meta, mode: type | mode }, entry.devMajor, entry.devMinor);
      }
    }
  }

  /** Fails as the kernel does where such a mount is its own: a directory stays what it is. */
  async #checkCovered(entry: TarEntry, path: string): Promise<void> {
    const found = entry.type === "directory" ? await statAt(this.#session, path) : undefined;
    if (entry.type === "directory" && (found === undefined || isDirectory(found))) return;
    throw new SysError("unlinkat", `/${path}`, EBUSY, "device or resource busy");
  }

  async #checkType(entry: TarEntry, name: string, path: string): Promise<void> {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    const isNew = entry.type === "directory" && !this.#directories.has(path);
    if (this.#fresh.has(parent)) {
      if (isNew) this.#fresh.add(path);
      if (!this.#directories.has(path)) return;
    }
    await this.flush();
    const found = await statAt(this.#session, path);
    if (found === undefined) {
      if (isNew) this.#fresh.add(path);
      return;
    }
    if (isDirectory(found) === (entry.type === "directory")) return;
    const [there, comes] = isDirectory(found)
      ? ["directory", "non-directory"]
      : ["non-directory", "directory"];
    throw new Fault(
      "invalidParameter",
      `cannot overwrite ${there} ${JSON.stringify(`/${path}`)} with ${comes} ${JSON.stringify(name)}`,
      { code: "container.overwrite" },
    );
  }

  async #hole(sizeBytes: number): Promise<void> {
    for (let left = sizeBytes; left > 0; left -= ZEROS.length) {
      this.#ops.push(fs.data(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS));
      await this.flush();
    }
  }

  /** After the content, because writing drops capabilities; a file system without attributes goes without them. */
  async #setXattrs(): Promise<void> {
    await this.flush();
    await this.#session.sync();
    for (const [name, value] of this.#xattrs) {
      try {
        await this.#session.sync([fs.xattr(kernelPath(this.#path), name, value)]);
      } catch (error) {
        const isRefused = error instanceof SysError && [EPERM, EOPNOTSUPP].includes(error.errno);
        if (!isRefused) throw error;
      }
    }
    this.#xattrs = new Map();
  }
}

/** Overlay's own and the kernel's attributes must not come from an archive. */
function isWanted(name: string, entry: TarEntry): boolean {
  if (name === "security.capability") return entry.type === "file";
  return name.startsWith("user.") && (entry.type === "file" || entry.type === "directory");
}

function hostile(why: string): Fault {
  return new Fault("invalidParameter", `cannot unpack the archive: ${why}`, { code: "container.archive" });
}
