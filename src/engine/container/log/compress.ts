// Compresses the files that rotation has left, in the daemon, where nobody waits for it; zlib works on threads of its own. The result
// is put in place by whoever may rename the log's files: the shim while there is one, the daemon otherwise.
import { createWriteStream } from "node:fs";
import { open, rename, rm, stat, unlink, utimes } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { plainRotated } from "./files.ts";

/** Puts `path`.gz in the place of the rotated file with this inode; false when that is gone. */
export type Replace = (inode: bigint) => Promise<boolean>;

/** Compresses all rotated files that are not, oldest first. `refresh` lets readers open them before they go. */
export async function compressRotated(
  path: string,
  refresh: () => Promise<void>,
  replace: Replace,
): Promise<void> {
  for (const name of await plainRotated(path)) {
    // Open until it is replaced: its inode's number cannot become another file's meanwhile.
    const handle = await open(name, "r").catch(() => null); // ignored: rotated away this moment
    if (handle === null) continue;
    await using _ = handle;
    const { ino, mtime } = await handle.stat({ bigint: true });
    await refresh();
    const packed = `${path}.gz`;
    try {
      const source = handle.createReadStream({ autoClose: false, start: 0 });
      await pipeline(source, createGzip(), createWriteStream(packed, { mode: 0o640 }));
      await flush(packed);
      await utimes(packed, mtime, mtime); // readers skip by time what is too old for them
      await replace(ino);
    } finally {
      await rm(packed, { force: true });
    }
  }
}

/** The compressed file has to be on disk before the other one goes. */
async function flush(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}

/** What the shim does for a running container, for one that does not run. Called in the container's lane. */
export async function replaceHere(path: string, inode: bigint): Promise<boolean> {
  for (const name of await plainRotated(path)) {
    if ((await stat(name, { bigint: true }).catch(() => null))?.ino !== inode) continue; // ignored: just gone
    await rename(`${path}.gz`, `${name}.gz`);
    await unlink(name);
    return true;
  }
  return false;
}
