// What a writable directory changes in the layers below it: the answer to `docker diff`. Imitates moby's overlay
// change detection: a directory counts as modified when its own metadata differs or when something was added or
// removed in it.

import { decodeName, nameForKernel } from "../../lib/tar/names.ts";
import type { FsSession, Reply } from "../../linux/keel.ts";
import { fs } from "../../linux/ops.ts";
import type { PathChange } from "./types.ts";

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFCHR = 0o020000;
const BATCH = 1000;

interface Stat {
  readonly mode: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly major: number;
  readonly minor: number;
}

/** Returns the changes of `upper` against `lower` (null: nothing below), parents before children. */
export async function listChanges(upper: FsSession, lower: FsSession | null): Promise<PathChange[]> {
  const walk = new Walk(upper, lower);
  await walk.directory("", { isBelow: lower !== null });
  return walk.changes;
}

class Walk {
  readonly changes: PathChange[] = [];
  readonly #upper: FsSession;
  readonly #lower: FsSession | null;
  readonly #reported = new Set<string>();

  constructor(upper: FsSession, lower: FsSession | null) {
    this.#upper = upper;
    this.#lower = lower;
  }

  async directory(dir: string, options: { isBelow: boolean }): Promise<void> {
    const names = await listNames(this.#upper, dir);
    const below = new Set(options.isBelow && this.#lower ? await listNames(this.#lower, dir) : []);
    const paths = names.map((name) => (dir === "" ? name : `${dir}/${name}`));
    const stats = await statAll(this.#upper, paths);
    const shared = paths.filter((_, i) => below.has(names[i] as string) && isDir(stats[i] as Stat));
    const lowerStats = this.#lower ? await statAll(this.#lower, shared) : [];
    const lowerStat = new Map(shared.map((path, i) => [path, lowerStats[i] as Stat]));
    for (const [i, path] of paths.entries()) {
      const stat = stats[i] as Stat;
      this.#compare(dir, path, stat, { isBelow: below.has(names[i] as string), lower: lowerStat.get(path) });
      const lowerDir = lowerStat.get(path);
      if (isDir(stat)) await this.directory(path, { isBelow: lowerDir !== undefined && isDir(lowerDir) });
    }
  }

  #compare(
    dir: string,
    path: string,
    stat: Stat,
    below: { isBelow: boolean; lower: Stat | undefined },
  ): void {
    const isWhiteout = (stat.mode & S_IFMT) === S_IFCHR && stat.major === 0 && stat.minor === 0;
    if (!isWhiteout && below.isBelow) {
      if (below.lower && isSameDir(stat, below.lower)) return;
      this.#report(path, "modified");
      return;
    }
    if (dir !== "" && !this.#reported.has(dir)) this.#report(dir, "modified");
    this.#report(path, isWhiteout ? "deleted" : "added");
  }

  #report(path: string, kind: PathChange["kind"]): void {
    this.#reported.add(path);
    this.changes.push({ path: `/${path}`, kind });
  }
}

function isDir(stat: Stat): boolean {
  return (stat.mode & S_IFMT) === S_IFDIR;
}

/** A directory that overlayfs copied up only because something in it changed. */
function isSameDir(a: Stat, b: Stat): boolean {
  // compat: moby compares nanoseconds only where both sides have them.
  const isSameNsec = a.mtimeNsec === b.mtimeNsec || a.mtimeNsec === 0 || b.mtimeNsec === 0;
  return isDir(b) && a.mode === b.mode && a.mtimeSec === b.mtimeSec && isSameNsec;
}

async function listNames(session: FsSession, dir: string): Promise<string[]> {
  const [names] = await session.sync([fs.list(dir === "" ? "." : nameForKernel(dir))]);
  return (names as Buffer[]).map((name) => decodeName(name));
}

async function statAll(session: FsSession, paths: readonly string[]): Promise<Stat[]> {
  const stats: Stat[] = [];
  for (let at = 0; at < paths.length; at += BATCH) {
    const replies = await session.sync(
      paths.slice(at, at + BATCH).map((path) => fs.stat(nameForKernel(path))),
    );
    for (const reply of replies) stats.push(readStat(reply as Reply[]));
  }
  return stats;
}

function readStat(reply: Reply[]): Stat {
  const [mode, , , , mtimeSec, mtimeNsec, major, minor] = reply as number[];
  return { mode, mtimeSec, mtimeNsec, major, minor } as Stat;
}
