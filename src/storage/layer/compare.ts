// How two file systems differ, wherever they come from: the answer to `image diff`. As `docker diff` shows it (a directory counts as changed
// when something in it has), but times mean nothing: two builds of the same files are equal. What is one file to the kernel is not read.

import { nameForKernel } from "../../lib/tar/names.ts";
import type { FsSession } from "../../linux/keel.ts";
import { byBytes, isDirectory, listNames, type Stat, statAll } from "./changes.ts";
import type { PathDifference } from "./types.ts";

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/** Returns what has to happen to `from` to become `to`: parents before children, names in byte order. */
export async function compareTrees(from: FsSession, to: FsSession): Promise<PathDifference[]> {
  const walk = new Comparison(from, to);
  await walk.directory("");
  return walk.differences;
}

class Comparison {
  readonly differences: PathDifference[] = [];
  readonly #from: FsSession;
  readonly #to: FsSession;

  constructor(from: FsSession, to: FsSession) {
    this.#from = from;
    this.#to = to;
  }

  /** Walks a directory that is in both. */
  async directory(dir: string): Promise<void> {
    const [before, after] = await Promise.all([entriesOf(this.#from, dir), entriesOf(this.#to, dir)]);
    for (const name of [...new Set([...before.keys(), ...after.keys()])].sort(byBytes)) {
      const path = dir === "" ? name : `${dir}/${name}`;
      const old = before.get(name);
      const now = after.get(name);
      if (old !== undefined && now !== undefined) await this.#both(path, old, now);
      else if (now !== undefined) await this.#all(this.#to, path, now, "added");
      else if (old !== undefined) await this.#all(this.#from, path, old, "deleted");
    }
  }

  async #both(path: string, old: Stat, now: Stat): Promise<void> {
    const begin = this.differences.length;
    const isReplaced = (old[0] & S_IFMT) !== (now[0] & S_IFMT);
    if (isReplaced || (await this.#isChanged(path, old, now)))
      this.#report(path, "modified", sizeOf(now) - sizeOf(old));
    const hasOwn = this.differences.length > begin;
    if (isDirectory(old) && isDirectory(now)) await this.directory(path);
    else if (isDirectory(now)) await this.#children(this.#to, path, "added");
    else if (isDirectory(old)) await this.#children(this.#from, path, "deleted");
    if (!hasOwn && this.differences.length > begin)
      this.differences.splice(begin, 0, { path: `/${path}`, kind: "modified", sizeBytes: 0 });
  }

  async #isChanged(path: string, old: Stat, now: Stat): Promise<boolean> {
    // Mode with the type, owner, numbers of a device, target of a link.
    for (const i of [0, 1, 2, 6, 7]) if (old[i] !== now[i]) return true;
    if (String(old[9]) !== String(now[9])) return true;
    if ((now[0] & S_IFMT) !== S_IFREG) return false;
    if (old[3] !== now[3]) return true;
    // All layers are on one file system: the same number is the same file.
    return old[10] !== now[10] && !(await this.#isSameContent(path));
  }

  async #isSameContent(path: string): Promise<boolean> {
    const [a, b] = [contentOf(this.#from, path), contentOf(this.#to, path)];
    const isSame = await areEqual(a, b);
    // A session cannot be used again before what it sends has been taken.
    for await (const _ of a);
    for await (const _ of b);
    return isSame;
  }

  async #all(session: FsSession, path: string, stat: Stat, kind: "added" | "deleted"): Promise<void> {
    this.#report(path, kind, kind === "added" ? sizeOf(stat) : -sizeOf(stat));
    if (isDirectory(stat)) await this.#children(session, path, kind);
  }

  async #children(session: FsSession, dir: string, kind: "added" | "deleted"): Promise<void> {
    const entries = await entriesOf(session, dir);
    for (const name of [...entries.keys()].sort(byBytes))
      await this.#all(session, `${dir}/${name}`, entries.get(name) as Stat, kind);
  }

  #report(path: string, kind: PathDifference["kind"], sizeBytes: number): void {
    this.differences.push({ path: `/${path}`, kind, sizeBytes });
  }
}

async function entriesOf(session: FsSession, dir: string): Promise<Map<string, Stat>> {
  return statAll(session, dir, await listNames(session, dir));
}

/** Only regular files have a size of their own. */
const sizeOf = (stat: Stat): number => ((stat[0] & S_IFMT) === S_IFREG ? Number(stat[3]) : 0);

async function* contentOf(session: FsSession, path: string): AsyncGenerator<Uint8Array> {
  for await (const entry of session.export(nameForKernel(path))) yield* entry.content();
}

/** Compares streams that are cut differently. */
async function areEqual(a: AsyncGenerator<Uint8Array>, b: AsyncGenerator<Uint8Array>): Promise<boolean> {
  let left: Uint8Array = new Uint8Array(0);
  let right: Uint8Array = new Uint8Array(0);
  for (;;) {
    if (left.length === 0) left = Buffer.from((await a.next()).value ?? new Uint8Array(0));
    if (right.length === 0) right = Buffer.from((await b.next()).value ?? new Uint8Array(0));
    const size = Math.min(left.length, right.length);
    if (size === 0) return left.length === right.length;
    if (Buffer.compare(left.subarray(0, size), right.subarray(0, size)) !== 0) return false;
    left = left.subarray(size);
    right = right.subarray(size);
  }
}
