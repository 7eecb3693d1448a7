// How many bytes the files below a session's root have, as Docker counts a writable layer or a volume: sizes of what is no
// directory, whatever the disk needs for it, a file with several names once.
import { SysError } from "../lib/errors.ts";
import type { FsSession, Reply } from "../linux/keel.ts";
import { fs } from "../linux/ops.ts";

const ENOENT = 2;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const SLASH = Buffer.from("/");

/** Returns the sum of all files' sizes. Throws SysError where it cannot go on. */
export function treeBytes(session: FsSession): Promise<number> {
  return bytesIn(session, ".", new Set());
}

/** `linked`: the inodes with several names that have been counted. */
async function bytesIn(session: FsSession, dir: string | Uint8Array, linked: Set<Reply>): Promise<number> {
  const names = await namesIn(session, dir);
  const paths = names.map((name) => (dir === "." ? name : Buffer.concat([Buffer.from(dir), SLASH, name])));
  let sum = 0;
  for (const [i, stat] of (await statAll(session, paths)).entries()) {
    const [mode = S_IFMT, , , size = 0, , , , , nlink = 0, , ino = 0] = stat;
    if ((mode & S_IFMT) === S_IFDIR) sum += await bytesIn(session, paths[i] as Buffer, linked);
    else if (nlink < 2 || !linked.has(ino)) {
      sum += size;
      if (nlink > 1) linked.add(ino);
    }
  }
  return sum;
}

async function namesIn(session: FsSession, dir: string | Uint8Array): Promise<Buffer[]> {
  try {
    const [names] = (await session.sync([fs.list(dir)])) as unknown as [Buffer[]];
    return names;
  } catch (error) {
    if (dir !== "." && isMissing(error)) return [];
    throw error;
  }
}

/** What vanishes meanwhile has no size. */
async function statAll(session: FsSession, paths: readonly Buffer[]): Promise<readonly number[][]> {
  const results = (ops: readonly Buffer[]): Promise<number[][]> =>
    session.sync(ops.map((path) => fs.stat(path))) as unknown as Promise<number[][]>;
  try {
    return await results(paths);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const stats: number[][] = [];
  for (const path of paths) {
    const [stat = []] = await results([path]).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    stats.push(stat);
  }
  return stats;
}

function isMissing(error: unknown): boolean {
  return error instanceof SysError && error.errno === ENOENT;
}
