// What a writable directory changes in the layers below it: the answer to `docker diff`. Imitates moby's comparison
// of the mounted root with the one below it (archive.ChangesDirs), but looks only where the directory has
// something: a file is modified when its metadata differs, a directory also when anything in it changed.

import { decodeName, nameForKernel } from "../../lib/tar/names.ts";
import type { FsSession, Reply } from "../../linux/keel.ts";
import { fs } from "../../linux/ops.ts";
import type { PathChange } from "./types.ts";

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFCHR = 0o020000;
const BATCH = 1000;

/** Reply of fs.stat: mode, uid, gid, size, mtime seconds and nanoseconds, device major and minor, and more. */
export type Stat = readonly [
  mode: number,
  uid: number,
  gid: number,
  sizeBytes: number,
  mtimeSec: number,
  mtimeNsec: number,
  major: number,
  minor: number,
  nlink: number,
  linkTarget: Uint8Array,
  ino: number | bigint,
];

export interface ChangeSources {
  readonly upper: FsSession;
  readonly lower: FsSession;
  /** The upper directory on top of the lower ones: an opaque directory shows only in what is missing here. */
  readonly merged: FsSession;
}

/** Returns the changes, parents before children, names in byte order. */
export async function listChanges(sources: ChangeSources): Promise<PathChange[]> {
  const walk = new Walk(sources);
  await walk.directory("", { hasLower: true });
  return walk.changes;
}

class Walk {
  readonly changes: PathChange[] = [];
  readonly #sources: ChangeSources;

  constructor(sources: ChangeSources) {
    this.#sources = sources;
  }

  /** Walks a directory of the upper tree; `hasLower`: it is a directory below, too. */
  async directory(dir: string, options: { hasLower: boolean }): Promise<void> {
    const { upper, lower, merged } = this.#sources;
    const names = await listNames(upper, dir);
    const below = new Set(options.hasLower ? await listNames(lower, dir) : []);
    const visible = new Set(options.hasLower ? await listNames(merged, dir) : names);
    const uppers = await statAll(upper, dir, names);
    const lowers = await statAll(
      lower,
      dir,
      names.filter((name) => below.has(name)),
    );
    const gone = [...below].filter((name) => !visible.has(name) && !uppers.has(name));
    for (const name of [...names, ...gone].sort(byBytes)) {
      const path = dir === "" ? name : `${dir}/${name}`;
      const stat = uppers.get(name);
      if (stat !== undefined && !isWhiteout(stat)) await this.#present(path, stat, lowers.get(name));
      else if (below.has(name)) this.#report(path, "deleted");
    }
  }

  async #present(path: string, stat: Stat, lower: Stat | undefined): Promise<void> {
    const begin = this.changes.length;
    if (lower === undefined) this.#report(path, "added");
    else if (isDifferent(stat, lower)) this.#report(path, "modified");
    const hasOwn = this.changes.length > begin;
    if (isDirectory(stat))
      await this.directory(path, { hasLower: lower !== undefined && isDirectory(lower) });
    else if (lower !== undefined && isDirectory(lower)) {
      for (const name of await listNames(this.#sources.lower, path))
        this.#report(`${path}/${name}`, "deleted");
    }
    if (!hasOwn && this.changes.length > begin) {
      this.changes.splice(begin, 0, { path: `/${path}`, kind: "modified" });
    }
  }

  #report(path: string, kind: PathChange["kind"]): void {
    this.changes.push({ path: `/${path}`, kind });
  }
}

export function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function isDirectory([mode]: Stat): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

function isWhiteout([mode, , , , , , major, minor]: Stat): boolean {
  return (mode & S_IFMT) === S_IFCHR && major === 0 && minor === 0;
}

function isDifferent(a: Stat, b: Stat): boolean {
  if (a[0] !== b[0] || a[1] !== b[1] || a[2] !== b[2] || a[6] !== b[6] || a[7] !== b[7]) return true;
  if (isDirectory(a)) return false;
  // compat: moby compares nanoseconds only where both sides have them.
  const isSameNsec = a[5] === b[5] || a[5] === 0 || b[5] === 0;
  return a[3] !== b[3] || a[4] !== b[4] || !isSameNsec;
}

/** Returns the names in a directory of a session ("" is its root). */
export async function listNames(session: FsSession, dir: string): Promise<string[]> {
  const [names] = await session.sync([fs.list(dir === "" ? "." : nameForKernel(dir))]);
  return (names as Buffer[]).map((name) => decodeName(name));
}

/** Returns what a directory's entries are, links not followed. */
export async function statAll(
  session: FsSession,
  dir: string,
  names: readonly string[],
): Promise<Map<string, Stat>> {
  const stats = new Map<string, Stat>();
  for (let at = 0; at < names.length; at += BATCH) {
    const batch = names.slice(at, at + BATCH);
    const ops = batch.map((name) => fs.stat(nameForKernel(dir === "" ? name : `${dir}/${name}`)));
    const replies = await session.sync(ops);
    for (const [i, reply] of replies.entries())
      stats.set(batch[i] as string, reply as Reply[] as unknown as Stat);
  }
  return stats;
}
