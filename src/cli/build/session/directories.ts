// Gives a daemon the directories of a build, by BuildKit's FileSync service: descriptions of what it may see, then the
// contents of those files that it asks for.

import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from "node:fs";
import { join } from "node:path";
import { goMode } from "../../../lib/build-protocol/file-mode.ts";
import { PACKET, packet, SESSION_KEYS } from "../../../lib/build-protocol/session.ts";
import { Fault } from "../../../lib/errors.ts";
import type { Method, ServerCall } from "../../../lib/grpc/server.ts";
import type { MessageStream } from "../../../lib/grpc/stream.ts";
import {
  compileIgnorePatterns,
  type IgnorePatterns,
  type ParentMatch,
} from "../../../lib/patternmatch/ignore-patterns.ts";
import { followPaths, type Wanted } from "./follow.ts";

const CHUNK_BYTES = 256 * 1024;

interface Found {
  readonly path: string;
  readonly stats: Stats;
}

/** Walks a directory, names sorted by bytes, parents first. Directories are given when something in them is. */
function* walk(root: string, patterns: IgnorePatterns, wanted: Wanted): Generator<Found> {
  const visit = function* (prefix: string, parent: ParentMatch | undefined): Generator<Found> {
    const names = readdirSync(join(root, prefix), "buffer").sort((a, b) => Buffer.compare(a, b));
    for (const name of names.map(String)) {
      const path = prefix === "" ? name : `${prefix}/${name}`;
      if (!wanted.mayHold(path)) continue;
      const { isMatch, forChildren } = patterns.match(path, parent);
      if (isMatch && !patterns.hasExceptions) continue;
      const stats = lstatSync(join(root, path), { throwIfNoEntry: false });
      // A file that vanished meanwhile is not there.
      if (stats === undefined) continue;
      if (!stats.isDirectory()) {
        if (!isMatch && wanted.isWanted(path)) yield { path, stats };
        continue;
      }
      let isShown = !isMatch && wanted.isWanted(path);
      if (isShown) yield { path, stats };
      for (const found of visit(path, forChildren)) {
        if (!isShown) yield { path, stats };
        isShown = true;
        yield found;
      }
    }
  };
  yield* visit("", undefined);
}

/** Texts of repeated metadata, escaped where a second key says so. */
export function metadataTexts(metadata: ServerCall["metadata"], key: string): string[] {
  const value = metadata[key];
  const texts = value === undefined ? [] : Array.isArray(value) ? value : value.split(/, ?/);
  const isEncoded = metadata[`${key}-encoded`] !== undefined;
  return isEncoded ? texts.map((text) => decodeURIComponent(text.replaceAll("+", " "))) : texts;
}

class Sender {
  private readonly root: string;
  private readonly messages: MessageStream;
  /** Regular files by their number. */
  private readonly files = new Map<number, string>();
  private count = 0;

  constructor(root: string, messages: MessageStream) {
    this.root = root;
    this.messages = messages;
  }

  async describe(found: Iterable<Found>): Promise<void> {
    const links = new Map<string, string>();
    for (const { path, stats } of found) {
      const stat = this.statOf(path, stats, links);
      if (stat === undefined) continue;
      const id = this.count++;
      if (stats.isFile() && stat.linkName === "") this.files.set(id, path);
      await this.messages.send(packet.encode({ type: PACKET.stat, stat }));
    }
    await this.messages.send(packet.encode({ type: PACKET.stat }));
  }

  private statOf(path: string, stats: Stats, links: Map<string, string>) {
    const type = stats.isFile()
      ? "file"
      : stats.isDirectory()
        ? "directory"
        : stats.isSymbolicLink()
          ? "symlink"
          : undefined;
    if (type === undefined) return undefined;
    const inode = `${stats.dev}:${stats.ino}`;
    const first = type === "file" && stats.nlink > 1 ? links.get(inode) : undefined;
    if (type === "file") links.set(inode, first ?? path);
    const linkName = type === "symlink" ? readlinkSync(join(this.root, path)) : (first ?? "");
    return {
      path,
      mode: goMode(type, type === "symlink" ? 0o777 : stats.mode & 0o7777),
      // Who owns a file here means nothing there.
      uid: 0,
      gid: 0,
      size: type === "file" && first === undefined ? stats.size : 0,
      modTime: Math.floor(stats.mtimeMs * 1e6),
      linkName,
    };
  }

  async serve(): Promise<void> {
    for await (const bytes of this.messages) {
      const { type, id, data } = packet.decode(bytes);
      if (type === PACKET.request) await this.sendFile(id);
      else if (type === PACKET.error)
        throw new Fault("system", `the daemon cannot take the files: ${Buffer.from(data).toString()}`);
      else if (type === PACKET.end) {
        await this.messages.send(packet.encode({ type: PACKET.end }));
        return;
      }
    }
  }

  private async sendFile(id: number): Promise<void> {
    const path = this.files.get(id);
    if (path === undefined) throw new Fault("invalidParameter", `invalid file id ${id}`);
    for (const data of contentOf(join(this.root, path)))
      await this.messages.send(packet.encode({ type: PACKET.data, id, data }));
    await this.messages.send(packet.encode({ type: PACKET.data, id }));
  }
}

function* contentOf(path: string): Generator<Uint8Array> {
  const fd = openSync(path, "r");
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = readSync(fd, buffer);
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

/** Serves FileSync for directories by their names. `onBytes` hears how much has been sent. */
export function serveDirectories(directories: ReadonlyMap<string, string>): Method {
  return async (call) => {
    const [name = ""] = metadataTexts(call.metadata, SESSION_KEYS.directory);
    const root = directories.get(name);
    if (root === undefined)
      throw new Fault("notFound", `no access allowed to dir ${JSON.stringify(name)}`, {
        code: "session.dir",
      });
    const patterns = compileIgnorePatterns(metadataTexts(call.metadata, SESSION_KEYS.exclude));
    const wanted = followPaths(root, [
      ...metadataTexts(call.metadata, SESSION_KEYS.follow),
      ...metadataTexts(call.metadata, SESSION_KEYS.include),
    ]);
    const sender = new Sender(root, call.messages);
    await Promise.all([sender.describe(walk(root, patterns, wanted)), sender.serve()]);
  };
}
