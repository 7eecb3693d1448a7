// Copying into a container: decides the directory the archive is unpacked in and the name the copy gets there, by the
// rules of cp -a with Docker's refusals.

import { lstatSync, readdirSync, readlinkSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join, posix, resolve } from "node:path";
import type { Client } from "../../api/client.ts";
import { containerArchiveInfo, putContainerArchive } from "../../api/operations/container.ts";
import type { PathStat } from "../../api/schemas/container.ts";
import { TAR_END } from "../../lib/tar/writer.ts";
import { complain, isUnreachable } from "../failure.ts";
import { errnoText } from "../options/env.ts";
import { gathered, packPath } from "../tar-pack.ts";
import { stdinUpload } from "../upload.ts";

/** Go's os.FileMode bits, as the API's path stat has them. */
const modeDirectory = 2 ** 31;
const modeSymlink = 2 ** 27;
const modeDevice = 2 ** 26;
const modeIrregular = 2 ** 19;

const hasBit = (mode: number, bit: number): boolean => Math.floor(mode / bit) % 2 === 1;
export const isDirectoryMode = (mode: number): boolean => hasBit(mode, modeDirectory);
export const isSymlinkMode = (mode: number): boolean => hasBit(mode, modeSymlink);

export interface UploadOptions {
  readonly client: Client;
  readonly container: string;
  readonly source: string;
  readonly target: string;
  readonly followLink: boolean;
  readonly keepOwner: boolean;
}

/** Copies; returns the number of content bytes sent. Throws a Fault with Docker's text. */
export async function uploadPath(options: UploadOptions): Promise<number> {
  const { client, container, source } = options;
  // compat: `CONTAINER:` is the root for a directory's sake only.
  if (options.target === "" && source !== "-" && !statLocal(source, options.followLink).isDirectory())
    throw complain("no such directory");
  const target = await resolveTarget(client, container, absolute(options.target));
  const kind = target.stat === undefined ? undefined : specialKind(target.stat.mode);
  if (kind !== undefined)
    throw complain(
      `destination "${container}:${target.path}" must be a directory or a regular file: got ${kind}`,
    );
  const send = (path: string, upload: AsyncIterable<Uint8Array>): Promise<unknown> =>
    client.call(
      putContainerArchive,
      { id: container, path, noOverwriteDirNonDir: true, copyUIDGID: options.keepOwner },
      { upload },
    );
  if (source === "-") {
    if (target.stat === undefined || !isDirectoryMode(target.stat.mode)) {
      throw complain(`destination "${container}:${target.path}" must be a directory`);
    }
    let count = 0;
    await send(
      target.path,
      tally(stdinUpload(), (bytes) => (count += bytes)),
    );
    return count;
  }
  const stats = statLocal(source, options.followLink);
  const { directory, name } = place(source, stats, target);
  let count = 0;
  const archive = packTree(resolve(source), name, stats, { onBytes: (bytes) => (count += bytes) });
  await send(directory, archive);
  return count;
}

/** Docker reads relative paths in containers from the root; what says "a directory" at the end stays said. */
export function absolute(path: string): string {
  const clean = posix.join("/", path);
  if (/(?:^|\/)\.$/.test(path) && !clean.endsWith("/."))
    return clean === "/" ? "/." : `${clean.replace(/\/$/, "")}/.`;
  return clean;
}

function specialKind(mode: number): string | undefined {
  if (hasBit(mode, modeDevice)) return "a device";
  return hasBit(mode, modeIrregular) ? "an irregular file" : undefined;
}

interface Target {
  readonly path: string;
  readonly stat: PathStat | undefined;
}

async function statContainer(client: Client, id: string, path: string): Promise<PathStat | undefined> {
  try {
    return await client.call(containerArchiveInfo, { id, path });
  } catch (error) {
    // Whether the container or the path is missing shows, with a message, when the archive is sent.
    if (isUnreachable(error)) throw error;
    return undefined;
  }
}

/** A link at the target is followed once, as cp does. */
async function resolveTarget(client: Client, id: string, path: string): Promise<Target> {
  const stat = await statContainer(client, id, path);
  if (stat === undefined || !isSymlinkMode(stat.mode)) return { path, stat };
  const linked = posix.isAbsolute(stat.linkTarget)
    ? stat.linkTarget
    : posix.join(posix.dirname(path), stat.linkTarget);
  return { path: linked, stat: await statContainer(client, id, linked) };
}

function statLocal(source: string, followLink: boolean): Stats {
  try {
    // A trailing slash asks for what a link points at.
    return followLink || source.endsWith("/") || source.endsWith("/.") ? statSync(source) : lstatSync(source);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR" && /\/\.?$/.test(source))
      throw complain("not a directory");
    throw complain(
      `lstat ${followLink ? endOfLinks(resolve(source)) : resolve(source)}: ${errnoText(error)}`,
    );
  }
}

/** Returns what a chain of links leads to, which may be missing. */
function endOfLinks(path: string): string {
  let end = path;
  for (let i = 0; i < 40 && lstatSync(end, { throwIfNoEntry: false })?.isSymbolicLink() === true; i++)
    end = resolve(dirname(end), readlinkSync(end));
  return end;
}

/** Decides where the archive is unpacked and what its root is called; an empty name merges the contents. */
function place(source: string, stats: Stats, { path, stat }: Target): { directory: string; name: string } {
  const saysDirectory = path.endsWith("/") || path.endsWith("/.");
  const copiesContents = stats.isDirectory() && /(?:^|\/)\.\/?$/.test(source);
  const isDirectory = stat !== undefined && isDirectoryMode(stat.mode);
  if (stat !== undefined && !isDirectory && saysDirectory) throw complain("not a directory");
  if (isDirectory) return { directory: path, name: copiesContents ? "" : basename(resolve(source)) };
  if (stat !== undefined && stats.isDirectory()) throw complain("cannot copy directory");
  if (stat === undefined && saysDirectory && !stats.isDirectory()) throw complain("no such directory");
  const clean = path.replace(/\/\.?$/, "");
  return { directory: dirname(clean), name: basename(clean) };
}

async function* tally(
  source: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    onBytes(chunk.length);
    yield chunk;
  }
}

/** Several times what a socket holds, so that it is filled to its end more often. */
const BUFFER_BYTES = 1 << 20;

/** Yields the tar of what is at `root`; a piece is good until the next is asked for. */
async function* packTree(
  root: string,
  name: string,
  stats: Stats,
  { onBytes }: { readonly onBytes: (bytes: number) => void },
): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  const options = { links: new Map<string, string>(), isRootOwned: false, buffer };
  const visit = function* (full: string, as: string, found: Stats): Generator<Uint8Array> {
    if (as !== "") {
      for (const piece of packPath(full, as, found, options)) {
        onBytes(piece.length);
        yield piece;
      }
    }
    if (!found.isDirectory()) return;
    for (const child of readdirSync(full).sort()) {
      const path = join(full, child);
      yield* visit(path, as === "" ? child : `${as}/${child}`, lstatSync(path));
    }
  };
  yield* gathered(visit(root, name, stats), new Uint8Array(BUFFER_BYTES));
  yield TAR_END;
}
