// Takes the files that a client sends of one of its directories into a ContextTree. Contents of several files may come
// interleaved: small ones are collected in memory, large ones have a file of their own.

import { cleanName } from "../../lib/tar/names.ts";
import { Fault } from "../../lib/errors.ts";
import type { FileNode } from "../files/source-tree.ts";
import type { BuildClient, DirectorySink, SendOptions, SentEntry } from "../solver/ports.ts";
import type { BlobStore, BlobWriter } from "./blobs.ts";
import { ContextTree } from "./context-tree.ts";
import { MAX_CONTEXT_ENTRIES } from "./unpack.ts";

/** From this size on a content is written as it comes. */
const LARGE_BYTES = 4 << 20;

interface Pending {
  readonly node: FileNode;
  readonly writer?: BlobWriter;
  readonly chunks: Uint8Array[];
}

class Receiver implements DirectorySink {
  readonly tree: ContextTree;
  private readonly blobs: BlobStore;
  private readonly pending = new Map<string, Pending>();
  private count = 0;

  constructor(blobs: BlobStore) {
    this.blobs = blobs;
    this.tree = new ContextTree(blobs);
  }

  async entry(entry: SentEntry): Promise<boolean> {
    if (++this.count > MAX_CONTEXT_ENTRIES)
      throw new Fault("invalidParameter", `more than ${MAX_CONTEXT_ENTRIES} files in a build context`);
    const path = insidePath(entry.path);
    if (entry.type === "hardlink") {
      await this.tree.link(path, insidePath(entry.linkTarget));
      return false;
    }
    if (entry.type === "other") return false;
    const { type, mode, uid, gid, sizeBytes, mtimeSec, mtimeNsec } = entry;
    const linkTarget = type === "symlink" ? entry.linkTarget : "";
    const node: FileNode = { type, mode, uid, gid, sizeBytes, mtimeSec, mtimeNsec, linkTarget };
    await this.tree.put(path, node);
    if (type !== "file" || sizeBytes === 0) return false;
    const writer = sizeBytes >= LARGE_BYTES ? { writer: this.blobs.begin(sizeBytes) } : {};
    this.pending.set(entry.path, { node, chunks: [], ...writer });
    return true;
  }

  async data(path: string, bytes: Uint8Array): Promise<void> {
    const file = this.pending.get(path);
    if (file?.writer !== undefined) await file.writer.write(bytes);
    else file?.chunks.push(bytes);
  }

  async end(path: string): Promise<void> {
    const file = this.pending.get(path);
    if (file === undefined) return;
    this.pending.delete(path);
    const blob = file.writer?.finish() ?? (await this.blobs.put(Buffer.concat(file.chunks)));
    // The file may have grown or shrunk since it was described.
    await this.tree.put(insidePath(path), { ...file.node, sizeBytes: blob.sizeBytes }, blob);
  }
}

function insidePath(name: string): string {
  const path = cleanName(name);
  if (path !== undefined) return path;
  throw new Fault("invalidParameter", `build context: "${name}" leads out of the context`, {
    code: "context.bad",
  });
}

/** Receives a directory of the client, or a part of it. */
export async function receiveDirectory(
  client: BuildClient,
  name: string,
  blobs: BlobStore,
  options: Omit<SendOptions, "sink">,
): Promise<ContextTree> {
  const sink = new Receiver(blobs);
  await client.sendDirectory(name, { ...options, sink });
  await blobs.settle();
  return sink.tree;
}
