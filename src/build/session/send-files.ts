// Sends the files of a finished root to a client (fsutil's protocol, the sender's part): descriptions first, contents as
// they are asked for. Files come from two sessions, because a description and a content may be wanted at the same time.

import { goMode } from "../../lib/build-protocol/file-mode.ts";
import { PACKET, packet } from "../../lib/build-protocol/session.ts";
import { Fault } from "../../lib/errors.ts";
import type { ClientCall } from "../../lib/grpc/client.ts";
import { decodeName, nameForKernel } from "../../lib/tar/names.ts";
import type { ExportEntry, FsSession } from "../../linux/keel.ts";

const S_IFMT = 0o170000;
const TYPES: Readonly<Record<number, "file" | "directory" | "symlink">> = {
  0o100000: "file",
  0o040000: "directory",
  0o120000: "symlink",
};

/** A root to be sent, opened twice. */
export interface SentTree {
  /** Where it goes: "" or a directory with a slash at the end. */
  readonly directory: string;
  readonly listing: FsSession;
  readonly contents: FsSession;
}

class Sender {
  private readonly call: ClientCall;
  /** Regular files by their number: where they are read, and their path there. */
  private readonly files = new Map<number, { contents: FsSession; path: string }>();
  private count = 0;

  constructor(call: ClientCall) {
    this.call = call;
  }

  async describe(trees: readonly SentTree[]): Promise<void> {
    for (const tree of trees) await this.describeTree(tree);
    await this.send({ type: PACKET.stat });
  }

  private async describeTree(tree: SentTree): Promise<void> {
    const links = new Map<string, string>();
    if (tree.directory !== "") await this.describeDirectory(tree.directory.replace(/\/$/, ""));
    for await (const entry of tree.listing.export("/")) {
      const path = decodeName(entry.rawPath);
      const type = TYPES[entry.mode & S_IFMT];
      if (path === "." || type === undefined) continue;
      await this.describeOne(entry, tree, { path, type, links });
    }
  }

  private async describeDirectory(path: string): Promise<void> {
    this.count++;
    await this.send({ type: PACKET.stat, stat: { path, mode: goMode("directory", 0o755) } });
  }

  private async describeOne(
    entry: ExportEntry,
    { directory, contents }: SentTree,
    {
      path,
      type,
      links,
    }: { path: string; type: "file" | "directory" | "symlink"; links: Map<string, string> },
  ): Promise<void> {
    const inode = `${entry.dev}:${entry.ino}`;
    const first = type === "file" && entry.nlink > 1 ? links.get(inode) : undefined;
    if (type === "file") links.set(inode, first ?? path);
    const id = this.count++;
    if (type === "file" && first === undefined) this.files.set(id, { contents, path });
    await this.send({
      type: PACKET.stat,
      stat: {
        path: directory + path,
        mode: goMode(type, entry.mode & 0o7777),
        uid: entry.uid,
        gid: entry.gid,
        size: type === "file" && first === undefined ? entry.sizeBytes : 0,
        modTime: entry.mtimeSec * 1e9 + entry.mtimeNsec,
        linkName:
          type === "symlink" ? decodeName(entry.linkTarget) : first === undefined ? "" : directory + first,
      },
    });
  }

  private send(message: Parameters<typeof packet.encode>[0]): Promise<void> {
    return this.call.messages.send(packet.encode(message));
  }

  /** Answers requests until the receiver has everything. */
  async serve(): Promise<void> {
    for await (const bytes of this.call.messages) {
      const { type, id, data } = packet.decode(bytes);
      if (type === PACKET.request) await this.sendFile(id);
      else if (type === PACKET.error)
        throw new Fault("system", `the client cannot take the files: ${Buffer.from(data).toString()}`, {
          code: "session.output",
        });
      else if (type === PACKET.end) {
        await this.send({ type: PACKET.end });
        this.call.end();
        return;
      }
    }
  }

  private async sendFile(id: number): Promise<void> {
    const file = this.files.get(id);
    if (file === undefined) throw new Fault("invalidParameter", `invalid file id ${id}`);
    const { contents, path } = file;
    for await (const entry of contents.export(nameForKernel(`/${path}`) as string))
      for await (const chunk of entry.content())
        await this.send({ type: PACKET.data, id, data: Uint8Array.from(chunk) });
    await this.send({ type: PACKET.data, id });
  }
}

/** Plays the sender's part on a call. Throws the Fault of what the receiver refuses. */
export async function sendFiles(call: ClientCall, trees: readonly SentTree[]): Promise<void> {
  const sender = new Sender(call);
  try {
    await Promise.all([sender.describe(trees), sender.serve()]);
  } catch (error) {
    call.cancel();
    throw error;
  }
}
