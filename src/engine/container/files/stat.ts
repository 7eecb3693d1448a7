// Metadata of a path inside a container: keel's stat, Go's os.FileMode bits, the header X-Docker-Container-Path-Stat.
import type { PathStat } from "../../../api/schemas/container.ts";
import { Fault, SysError } from "../../../lib/errors.ts";
import { decodeName, nameForKernel } from "../../../lib/tar/names.ts";
import { formatNano } from "../../../lib/time.ts";
import type { FsSession } from "../../../linux/keel.ts";
import { fs, type Path } from "../../../linux/ops.ts";
import { type ContainerPath, cleanTarget } from "./path.ts";

export const ERRNO = { ENOENT: 2, ENOTDIR: 20, EROFS: 30 } as const;

const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFLNK = 0o120000;

/** Go's os.FileMode bits above the permissions, by the kernel's type and mode bits. */
const GO_TYPES: ReadonlyMap<number, number> = new Map([
  [S_IFDIR, 2 ** 31],
  [S_IFLNK, 2 ** 27],
  [0o060000, 2 ** 26],
  [0o020000, 2 ** 26 + 2 ** 21],
  [0o010000, 2 ** 25],
  [0o140000, 2 ** 24],
]);
const GO_FLAGS = [
  [0o4000, 2 ** 23],
  [0o2000, 2 ** 22],
  [0o1000, 2 ** 20],
] as const;
const MAX_LINKS = 40;

/** What keel says of a file. */
export interface FileStat {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** "" for anything but a symlink. */
  readonly linkTarget: string;
}

/** Returns Go's os.FileMode for a st_mode. */
export function goMode(mode: number): number {
  const flags = GO_FLAGS.reduce((sum, [bit, go]) => sum + ((mode & bit) === 0 ? 0 : go), 0);
  return (GO_TYPES.get(mode & S_IFMT) ?? 0) + flags + (mode & 0o777);
}

export const isDirectory = (stat: Pick<FileStat, "mode">): boolean => (stat.mode & S_IFMT) === S_IFDIR;
export const isSymlink = (stat: Pick<FileStat, "mode">): boolean => (stat.mode & S_IFMT) === S_IFLNK;

/** Returns a cleaned path as keel takes it. */
export function kernelPath(path: string): Path {
  return path === "" ? "." : nameForKernel(path);
}

/** Returns what is at a cleaned path, undefined when nothing is. Throws SysError for everything else. */
export async function statAt(
  session: FsSession,
  path: string,
  options: { follow?: boolean } = {},
): Promise<FileStat | undefined> {
  try {
    const [reply] = await session.sync([fs.stat(kernelPath(path), options)]);
    const [mode, uid, gid, sizeBytes, mtimeSec, mtimeNsec, , , , link] = reply as unknown as number[] &
      Buffer[];
    return {
      mode: mode as number,
      uid: uid as number,
      gid: gid as number,
      sizeBytes: sizeBytes as number,
      mtimeSec: mtimeSec as number,
      mtimeNsec: mtimeNsec as number,
      linkTarget: decodeName(link as Buffer),
    };
  } catch (error) {
    if (error instanceof SysError && error.errno === ERRNO.ENOENT) return undefined;
    throw error;
  }
}

/** Returns what is at a path of a request; fails with notFound and invalidParameter in Docker's words. */
export async function statPath(
  session: FsSession,
  path: ContainerPath,
  container: string,
): Promise<FileStat> {
  try {
    const stat = await statAt(session, path.clean, { follow: path.saysDirectory });
    if (stat === undefined) throw missing(path, container);
    if (path.saysDirectory && !isDirectory(stat))
      throw new Fault("invalidParameter", `${path.text}: not a directory`, { code: "container.path" });
    return stat;
  } catch (error) {
    throw isErrno(error, ERRNO.ENOTDIR) ? missing(path, container) : error;
  }
}

export function isErrno(error: unknown, errno: number): error is SysError {
  return error instanceof SysError && error.errno === errno;
}

function missing(path: ContainerPath, container: string): Fault {
  return new Fault("notFound", `Could not find the file ${path.text} in container ${container}`, {
    code: "container.path-not-found",
  });
}

/** Returns the metadata as the API has it. */
export async function pathStatOf(session: FsSession, path: ContainerPath, stat: FileStat): Promise<PathStat> {
  return {
    name: path.base,
    size: stat.sizeBytes,
    mode: goMode(stat.mode),
    mtime: formatNano(BigInt(stat.mtimeSec) * 1_000_000_000n + BigInt(stat.mtimeNsec)),
    linkTarget: isSymlink(stat) ? `/${await endOf(session, path.clean, stat)}` : "",
  };
}

/**
 * Returns the cleaned path at which a chain of symlinks ends, with a slash in front what Docker calls its target. It says what a path is about, to the client as well, which asks
 * for that path in a request of its own; nothing is opened by it.
 */
export async function endOf(session: FsSession, from: string, first?: FileStat): Promise<string> {
  let path = from;
  let stat = first ?? (await lookAt(session, from));
  for (let links = 0; stat !== undefined && isSymlink(stat) && links < MAX_LINKS; links++) {
    path = cleanTarget(path, stat.linkTarget);
    stat = await lookAt(session, path);
  }
  return path;
}

async function lookAt(session: FsSession, path: string): Promise<FileStat | undefined> {
  try {
    return await statAt(session, path);
  } catch {
    return undefined; // ignored: what cannot be looked at may be named all the same
  }
}
