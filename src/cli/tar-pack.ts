// Turns one local file, directory, link or pipe into its piece of a tar archive; contents are read as they are sent.

import { closeSync, openSync, readlinkSync, readSync, type Stats } from "node:fs";
import type { TarEntry } from "../lib/tar/entry.ts";
import { tarEntry, tarHeader, tarPadding } from "../lib/tar/writer.ts";
import { complain } from "./failure.ts";
import { errnoText } from "./options/env.ts";

const CHUNK_BYTES = 1 << 18;

export interface PackPathOptions {
  /** Names of files with several links, by device and inode; filled as the archive is written. */
  readonly links: Map<string, string>;
  /** Gives everything to root in place of its owner. */
  readonly isRootOwned: boolean;
  /** What contents are read into, so that a piece is good until the next is asked for; without it each has memory of its own. */
  readonly buffer?: Buffer;
}

type Base = Pick<TarEntry, "name" | "mode" | "mtimeSec" | "uid" | "gid">;

/** Packs what is at `full` under `name`. Sockets and devices are left out. Throws a Fault when a file cannot be read. */
export function* packPath(
  full: string,
  name: string,
  stats: Stats,
  options: PackPathOptions,
): Generator<Uint8Array> {
  const base: Base = {
    name,
    mode: stats.mode & 0o7777,
    mtimeSec: Math.floor(stats.mtimeMs / 1000),
    uid: options.isRootOwned ? 0 : stats.uid,
    gid: options.isRootOwned ? 0 : stats.gid,
  };
  if (stats.isDirectory()) yield tarHeader(tarEntry({ ...base, type: "directory" }));
  else if (stats.isSymbolicLink())
    yield tarHeader(tarEntry({ ...base, type: "symlink", linkName: readlinkSync(full) }));
  else if (stats.isFIFO()) yield tarHeader(tarEntry({ ...base, type: "fifo" }));
  else if (stats.isFile()) yield* packFile(full, base, stats, options);
}

function* packFile(
  full: string,
  base: Base,
  stats: Stats,
  { links, buffer }: PackPathOptions,
): Generator<Uint8Array> {
  if (stats.nlink > 1) {
    const inode = `${stats.dev}:${stats.ino}`;
    const first = links.get(inode);
    if (first !== undefined) {
      yield tarHeader(tarEntry({ ...base, type: "hardlink", linkName: first }));
      return;
    }
    links.set(inode, base.name);
  }
  let fd: number;
  try {
    fd = openSync(full, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EACCES")
      throw complain(`open ${full}: ${errnoText(error)}`);
    throw complain(`error checking context: no permission to read from '${full}'`);
  }
  try {
    yield tarHeader(tarEntry({ ...base, type: "file", sizeBytes: stats.size }));
    for (let left = stats.size; left > 0; ) {
      const chunk = buffer ?? Buffer.allocUnsafe(Math.min(left, CHUNK_BYTES));
      const count = readSync(fd, chunk, 0, Math.min(left, chunk.length), null);
      if (count === 0)
        throw complain(`file ${JSON.stringify(base.name)} was cut short while it was being sent`);
      yield chunk.subarray(0, count);
      left -= count;
    }
    yield tarPadding(stats.size);
  } finally {
    closeSync(fd);
  }
}

/** Pieces up to this size are joined. */
const SMALL_BYTES = 32 << 10;
/** Several times what a socket holds. */
const GATHERED_BYTES = 256 << 10;

/**
 * Joins small pieces: each that is sent costs a call of the system and a turn of both sides. What is joined has memory of its own, or lies in
 * `memory`, so that it is good until the next is asked for.
 */
export function* gathered(pieces: Iterable<Uint8Array>, memory?: Uint8Array): Generator<Uint8Array> {
  const fresh = (): Uint8Array => memory ?? Buffer.allocUnsafeSlow(GATHERED_BYTES);
  let buffer = fresh();
  let filled = 0;
  for (const piece of pieces) {
    const isSmall = piece.length <= SMALL_BYTES;
    if (filled > 0 && (!isSmall || filled + piece.length > buffer.length)) {
      yield buffer.subarray(0, filled);
      buffer = fresh();
      filled = 0;
    }
    if (isSmall) {
      buffer.set(piece, filled);
      filled += piece.length;
    } else yield piece;
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}
