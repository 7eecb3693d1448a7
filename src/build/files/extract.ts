// Unpacks an archive below a directory of a draft, for ADD: names and symlinks of the archive stay below that
// directory, as in a chroot. Whether a file is an archive at all is found out by reading its beginning.

import { decompress } from "../../lib/compress/stream.ts";
import { Fault } from "../../lib/errors.ts";
import type { TarEntry, TarEvent, TarLimits } from "../../lib/tar/entry.ts";
import { cleanName } from "../../lib/tar/names.ts";
import { readTar } from "../../lib/tar/reader.ts";
import type { FsSession } from "../../linux/keel.ts";
import { type FileMeta, fs } from "../../linux/ops.ts";
import { OpBatch } from "./copy.ts";
import { kernelPath, linkReader } from "./layer-tree.ts";
import type { Owner } from "./owner.ts";
import { resolveInTree } from "./resolve.ts";

const ZEROS = new Uint8Array(1 << 20);
const DEVICE_BITS = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;
/** Attributes that an archive may bring along; the others are the kernel's or the overlay's business. */
const isAllowedAttribute = (name: string): boolean =>
  name === "security.capability" || name.startsWith("user.");

/** The events of an archive whose first entry has been seen. */
export type OpenedArchive = AsyncIterable<TarEvent[]>;

/** Returns the archive in a content, undefined when the content is none. Fails with invalidParameter for one beyond the limits. */
export async function openArchive(
  content: AsyncIterable<Uint8Array>,
  limits: Partial<TarLimits> = {},
): Promise<OpenedArchive | undefined> {
  const { stream } = await decompress(content);
  const events = readTar(stream, limits);
  let first: IteratorResult<TarEvent[], void>;
  try {
    first = await events.next();
  } catch (error) {
    const isNone = error instanceof Fault && error.kind === "invalidParameter" && error.code !== "tar.limit";
    if (isNone) return undefined; // what is no tar is copied as it is
    throw error;
  }
  if (first.done) return undefined;
  const head = first.value;
  return (async function* () {
    yield head;
    yield* events;
  })();
}

class Extraction {
  private readonly session: FsSession;
  private readonly root: string;
  private readonly owner: Owner | undefined;
  private readonly batch: OpBatch;
  /** Where the directories of the archive really are; forgotten when a symlink may have changed that. */
  private readonly places = new Map<string, string>();
  /** Times of directories: what is put into one changes its own. */
  private readonly times = new Map<string, FileMeta>();

  constructor(session: FsSession, root: string, owner: Owner | undefined) {
    this.session = session;
    this.root = root;
    this.owner = owner;
    this.batch = new OpBatch(session);
  }

  private inside(name: string): string {
    const path = cleanName(name);
    if (path !== undefined) return path;
    throw new Fault("invalidParameter", `archive: "${name}" leads out of the destination`, {
      code: "build.archive",
    });
  }

  /** Returns the path in the draft at which an entry is made; its last component is not followed. */
  private async place(path: string): Promise<string> {
    if (path === "") return this.root;
    const slash = path.lastIndexOf("/");
    const parent = slash < 0 ? "" : path.slice(0, slash);
    let directory = this.places.get(parent);
    if (directory === undefined) {
      await this.batch.finish();
      directory = (await resolveInTree(linkReader(this.session), parent, { root: this.root })).path;
      this.places.set(parent, directory);
    }
    const name = path.slice(slash + 1);
    return directory === "/" ? `/${name}` : `${directory}/${name}`;
  }

  async begin(entry: TarEntry): Promise<void> {
    const path = this.inside(entry.name);
    const target = kernelPath(await this.place(path));
    const meta: FileMeta = {
      mode: entry.mode & 0o7777,
      uid: this.owner?.uid ?? entry.uid,
      gid: this.owner?.gid ?? entry.gid,
      mtimeSec: entry.mtimeSec,
      mtimeNsec: entry.mtimeNsec,
    };
    // The destination itself stays as it is.
    if (path === "") return;
    switch (entry.type) {
      case "directory":
        await this.batch.add(fs.mkdir(target, meta));
        this.times.set(await this.place(path), meta);
        break;
      case "file":
        await this.batch.add(fs.file(target, meta, entry.sizeBytes));
        break;
      case "symlink":
        this.places.clear();
        await this.batch.add(fs.symlink(target, kernelPath(entry.linkName), meta));
        break;
      case "hardlink":
        await this.batch.add(fs.link(target, kernelPath(await this.place(this.inside(entry.linkName)))));
        break;
      default:
        await this.batch.add(
          fs.node(
            target,
            { ...meta, mode: meta.mode | DEVICE_BITS[entry.type] },
            entry.devMajor,
            entry.devMinor,
          ),
        );
    }
  }

  /** Attributes come when the content is complete: writing drops capabilities. */
  async end(entry: TarEntry): Promise<void> {
    const path = this.inside(entry.name);
    if (path === "" || entry.type === "hardlink" || entry.xattrs.size === 0) return;
    const target = kernelPath(await this.place(path));
    for (const [name, value] of entry.xattrs) {
      if (isAllowedAttribute(name)) await this.batch.add(fs.xattr(target, name, value), value.length + 256);
    }
  }

  data(bytes: Uint8Array): Promise<void> {
    return this.batch.add(fs.data(Buffer.from(bytes)), bytes.length);
  }

  async hole(sizeBytes: number): Promise<void> {
    for (let left = sizeBytes; left > 0; left -= ZEROS.length) {
      const zeros = ZEROS.subarray(0, Math.min(left, ZEROS.length));
      await this.batch.add(fs.data(zeros), zeros.length);
    }
  }

  async finish(): Promise<void> {
    await this.batch.finish();
    const look = linkReader(this.session);
    // The innermost first. What an archive has replaced by something else since is left alone.
    for (const [path, meta] of [...this.times].reverse())
      if ((await look(path))?.isDirectory === true) await this.batch.add(fs.meta(kernelPath(path), meta));
    return this.batch.finish();
  }
}

/** Unpacks an archive below `root`, a resolved path in the draft. Undefined `owner` keeps the archive's owners. */
export async function extractArchive(
  archive: OpenedArchive,
  session: FsSession,
  root: string,
  owner: Owner | undefined,
): Promise<void> {
  const extraction = new Extraction(session, root, owner);
  let entry: TarEntry | undefined;
  for await (const events of archive) {
    for (const event of events) {
      if (event.kind === "entry") {
        entry = event.entry;
        await extraction.begin(entry);
      } else if (event.kind === "data") await extraction.data(event.bytes);
      else if (event.kind === "hole") await extraction.hole(event.sizeBytes);
      else if (entry !== undefined) await extraction.end(entry);
    }
  }
  await extraction.finish();
}
