// Takes the uploaded tar, plain or compressed, into a ContextTree. Reads each content once, hashing it on the way.
// Hostile archives end in a Fault or in a tree with odd names in it, never in a file outside the scratch directory.

import { decompress } from "../../lib/compress/stream.ts";
import { Fault } from "../../lib/errors.ts";
import type { TarEntry } from "../../lib/tar/entry.ts";
import { cleanName } from "../../lib/tar/names.ts";
import { readTar } from "../../lib/tar/reader.ts";
import type { FileNode, FileType } from "../files/source-tree.ts";
import type { BlobStore, BlobWriter } from "./blobs.ts";
import { ContextTree } from "./context-tree.ts";

/** Most files of a context; each costs memory until the build ends. */
export const MAX_CONTEXT_ENTRIES = 2_000_000;

const TYPES: Readonly<Partial<Record<TarEntry["type"], FileType>>> = {
  file: "file",
  directory: "directory",
  symlink: "symlink",
};

function nodeOf(entry: TarEntry, type: FileType): FileNode {
  return {
    type,
    mode: type === "symlink" ? 0o777 : entry.mode & 0o7777,
    uid: entry.uid,
    gid: entry.gid,
    sizeBytes: entry.sizeBytes,
    mtimeSec: entry.mtimeSec,
    mtimeNsec: entry.mtimeNsec,
    linkTarget: type === "symlink" ? entry.linkName : "",
  };
}

function insidePath(name: string): string {
  const path = cleanName(name);
  if (path !== undefined) return path;
  throw new Fault("invalidParameter", `build context: "${name}" leads out of the context`, {
    code: "context.bad",
  });
}

/** Collects the events of one entry after another. */
class Unpacker {
  private readonly tree: ContextTree;
  private entry: TarEntry | undefined;
  private writer: BlobWriter | undefined;

  constructor(tree: ContextTree) {
    this.tree = tree;
  }

  begin(entry: TarEntry): void {
    this.entry = entry;
    this.writer =
      entry.type === "file" && entry.sizeBytes > 0 ? this.tree.blobs.begin(entry.sizeBytes) : undefined;
  }

  async data(bytes: Uint8Array): Promise<void> {
    await this.writer?.write(bytes);
  }

  async hole(sizeBytes: number): Promise<void> {
    await this.writer?.writeZeros(sizeBytes);
  }

  async end(): Promise<void> {
    const entry = this.entry;
    if (entry === undefined) return;
    const path = insidePath(entry.name);
    if (entry.type === "hardlink") {
      await this.tree.link(path, insidePath(entry.linkName));
      return;
    }
    const type = TYPES[entry.type];
    // Devices and fifos have no place in a context; Docker's clients do not send them.
    if (type !== undefined) await this.tree.put(path, nodeOf(entry, type), this.writer?.finish());
    this.entry = undefined;
    this.writer = undefined;
  }
}

/** Unpacks a context. Throws Fault invalidParameter for a damaged or oversized archive. */
export async function unpackContext(
  stream: AsyncIterable<Uint8Array>,
  blobs: BlobStore,
  signal: AbortSignal,
): Promise<ContextTree> {
  const tree = new ContextTree(blobs);
  const unpacker = new Unpacker(tree);
  const { stream: plain } = await decompress(stream);
  for await (const events of readTar(plain, { maxEntries: MAX_CONTEXT_ENTRIES })) {
    signal.throwIfAborted();
    for (const event of events) {
      if (event.kind === "entry") unpacker.begin(event.entry);
      else if (event.kind === "data") await unpacker.data(event.bytes);
      else if (event.kind === "hole") await unpacker.hole(event.sizeBytes);
      else await unpacker.end();
    }
  }
  await blobs.settle();
  return tree;
}
