// Copying out of a container: unpacks the daemon's archive by the rules of cp. The archive is hostile: its first part is
// replaced by the name we chose, nothing is written through a link that the archive made, nothing outside the target.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, posix, resolve } from "node:path";
import type { Client } from "../../api/client.ts";
import { containerArchive, containerArchiveInfo } from "../../api/operations/container.ts";
import type { PathStat } from "../../api/schemas/container.ts";
import type { TarEntry } from "../../lib/tar/entry.ts";
import { readTar } from "../../lib/tar/reader.ts";
import { complain } from "../failure.ts";
import { print } from "../output.ts";
import { isTerminal } from "../terminal/tty.ts";
import { absolute, isDirectoryMode, isSymlinkMode } from "./upload.ts";

export interface DownloadOptions {
  readonly client: Client;
  readonly container: string;
  readonly source: string;
  readonly target: string;
  readonly followLink: boolean;
  readonly keepOwner: boolean;
}

/** Copies; returns the number of content bytes. Throws a Fault with Docker's text. */
export async function downloadPath(options: DownloadOptions): Promise<number> {
  const { client, container, target, followLink } = options;
  // An empty path is the daemon's to refuse.
  let path = options.source === "" ? "" : absolute(options.source);
  if (followLink) {
    const { mode, linkTarget } = await client.call(containerArchiveInfo, { id: container, path });
    if (isSymlinkMode(mode))
      path = posix.isAbsolute(linkTarget) ? linkTarget : posix.join(posix.dirname(path), linkTarget);
  }
  if (target === "-" && isTerminal(1)) {
    throw complain("cowardly refusing to save to a terminal. Use the -o flag or redirect");
  }
  const archive = await client.stream(containerArchive, { id: container, path });
  if (target !== "-") return unpack(archive, place(path, statOf(archive.headers), target), options.keepOwner);
  let count = 0;
  for await (const chunk of archive) {
    print(chunk);
    count += chunk.length;
  }
  return count;
}

/** The archive comes with the metadata of what it was made from. */
function statOf(headers: ReadonlyMap<string, string>): PathStat {
  const text = Buffer.from(headers.get("x-docker-container-path-stat") ?? "", "base64").toString();
  try {
    return JSON.parse(text) as PathStat;
  } catch {
    throw complain("the daemon did not say what it sends"); // ignored: the header is missing or malformed
  }
}

/** Returns the path that the archive's root becomes. */
function place(source: string, stat: PathStat, target: string): string {
  const isDirectory = isDirectoryMode(stat.mode);
  const full = resolve(target);
  const ending = /\/\.?$/.exec(target)?.[0];
  const saysDirectory = ending !== undefined;
  if (!existsSync(dirname(full)))
    throw complain(`invalid output path: directory ${JSON.stringify(dirname(full))} does not exist`);
  const existing = statSync(full, { throwIfNoEntry: false });
  if (existing?.isDirectory() === true) {
    const copiesContents = isDirectory && source.endsWith("/.");
    return copiesContents ? full : join(full, basename(source));
  }
  if (existing !== undefined && saysDirectory) throw complain(`stat ${full}${ending}: not a directory`);
  if (existing !== undefined && isDirectory) throw complain("cannot copy directory");
  if (existing === undefined && saysDirectory && !isDirectory) throw complain("no such directory");
  return full;
}

async function unpack(archive: AsyncIterable<Uint8Array>, root: string, keepOwner: boolean): Promise<number> {
  const unpacker = new Unpacker(root, keepOwner);
  try {
    for await (const events of readTar(archive)) {
      for (const event of events) {
        if (event.kind === "entry") unpacker.begin(event.entry);
        else if (event.kind === "data") unpacker.write(event.bytes);
        else if (event.kind === "hole") unpacker.skip(event.sizeBytes);
        else unpacker.end();
      }
    }
  } finally {
    unpacker.close();
  }
  return unpacker.count;
}

class Unpacker {
  count = 0;
  readonly #root: string;
  readonly #keepOwner: boolean;
  /** Directories get their mode and times at the end, when nothing is put into them any more. */
  readonly #directories: { readonly path: string; readonly entry: TarEntry }[] = [];
  /** The archive has made the copied object itself a link: nothing can be below it. */
  #isRootLink = false;
  #open: { readonly fd: number; readonly entry: TarEntry; at: number } | undefined;
  /** Directories below the root that were looked at: they stay that, since nothing is put in the place of a directory. */
  readonly #seen = new Set<string>();

  constructor(root: string, keepOwner: boolean) {
    this.#root = root;
    this.#keepOwner = keepOwner;
  }

  begin(entry: TarEntry): void {
    const path = this.#path(entry.name);
    switch (entry.type) {
      case "directory":
        if (!this.#isDirectory(path)) {
          this.#clear(path);
          mkdirSync(path, { mode: 0o700 });
        }
        this.#directories.push({ path, entry });
        return;
      case "file":
        this.#open = { fd: this.#make(path), entry, at: 0 };
        return;
      case "symlink":
        this.#clear(path);
        symlinkSync(entry.linkName, path);
        if (path === this.#root) this.#isRootLink = true;
        if (this.#keepOwner) lchownSync(path, entry.uid, entry.gid);
        return;
      case "hardlink":
        this.#clear(path);
        linkSync(this.#path(entry.linkName), path);
        return;
      default:
        this.#clear(path);
        makeNode(path, entry.type, entry);
        this.#finish(path, entry);
    }
  }

  write(bytes: Uint8Array): void {
    const open = this.#open;
    if (open === undefined) return;
    for (let rest = bytes; rest.length > 0; ) {
      const written = writeSync(open.fd, rest, 0, rest.length, open.at);
      open.at += written;
      this.count += written;
      rest = rest.subarray(written);
    }
  }

  skip(sizeBytes: number): void {
    if (this.#open !== undefined) this.#open.at += sizeBytes;
  }

  end(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const { fd, entry } = open;
    try {
      if (this.#keepOwner) fchownSync(fd, entry.uid, entry.gid);
      fchmodSync(fd, entry.mode);
      futimesSync(fd, entry.mtimeSec, entry.mtimeSec);
    } finally {
      closeSync(fd);
    }
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    for (const { path, entry } of this.#directories.reverse()) this.#finish(path, entry);
  }

  #finish(path: string, entry: TarEntry): void {
    if (this.#keepOwner) chownSync(path, entry.uid, entry.gid);
    chmodSync(path, entry.mode);
    utimesSync(path, entry.mtimeSec, entry.mtimeSec);
  }

  /** Maps an archive name below our root: its first part is the copied object itself. */
  #path(name: string): string {
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..") || name.includes("\0"))
      throw complain(`invalid name in archive: ${JSON.stringify(name)}`);
    const below = /^\.?\//.test(name) ? parts : parts.slice(1);
    let path = this.#root;
    if (below.length > 0 && this.#isRootLink)
      throw complain(`invalid name in archive: ${JSON.stringify(name)} leads through a link`);
    for (const part of below) {
      // A link made by an earlier entry must not lead us elsewhere.
      if (path !== this.#root && this.#isLink(path))
        throw complain(`invalid name in archive: ${JSON.stringify(name)} leads through a link`);
      path = join(path, part);
    }
    return path;
  }

  #isLink(path: string): boolean {
    if (this.#seen.has(path)) return false;
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) this.#seen.add(path);
    return found?.isSymbolicLink() === true;
  }

  /** The place that the user chose may be a link to a directory; no other may. */
  #isDirectory(path: string): boolean {
    const look = path === this.#root && !this.#isRootLink ? statSync : lstatSync;
    return look(path, { throwIfNoEntry: false })?.isDirectory() === true;
  }

  /** Makes a file; mostly there is nothing in its place. */
  #make(path: string): number {
    try {
      return openSync(path, "wx", 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    this.#clear(path);
    return openSync(path, "wx", 0o600);
  }

  /** What stands in the way goes, unless it is a directory. */
  #clear(path: string): void {
    const existing = lstatSync(path, { throwIfNoEntry: false });
    if (existing === undefined) return;
    if (existing.isDirectory())
      throw complain(`cannot overwrite directory ${JSON.stringify(path)} with a non-directory`);
    rmSync(path);
  }
}

const NODE_LETTERS = { char: "c", block: "b", fifo: "p" } as const;

/** Makes a device or a pipe, for which this runtime has no call of its own. */
function makeNode(path: string, type: keyof typeof NODE_LETTERS, entry: TarEntry): void {
  const numbers = type === "fifo" ? [] : [String(entry.devMajor), String(entry.devMinor)];
  const made = spawnSync("mknod", ["--", path, NODE_LETTERS[type], ...numbers], { encoding: "utf8" });
  if (made.status !== 0) throw complain(`cannot make ${path}: ${made.error?.message ?? made.stderr.trim()}`);
}
