// Packs a directory in overlay form into a layer tar, deterministically: names in byte order, owners as numbers, times
// in whole seconds, as Docker's layers have them (moby truncates too). Whiteout devices and opaque marks become
// `.wh.` entries again. The same tree gives the same bytes on any machine. Sockets are left out, as tar does.

import { decodeName } from "../../lib/tar/names.ts";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../lib/tar/writer.ts";
import type { TarEntry, TarEntryType } from "../../lib/tar/entry.ts";
import type { ExportEntry, FsSession } from "../../linux/keel.ts";
import { OVERLAY } from "../../linux/overlay.ts";
import { OPAQUE_NAME, WHITEOUT_PREFIX } from "./_whiteout.ts";

const TYPES: ReadonlyMap<number, TarEntryType> = new Map([
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
  [0o020000, "char"],
  [0o060000, "block"],
  [0o010000, "fifo"],
]);
const OPAQUE_XATTR = `${OVERLAY.xattrPrefix}opaque`;
const HEADERS_BYTES = 64 << 10;

/** What was packed. */
export interface PackTotals {
  /** See LayerRecord.sizeBytes. */
  sizeBytes: number;
  tarBytes: number;
}

/** Yields the tar of everything below the session's root. `totals` is complete when the stream has ended. */
export async function* packTree(
  session: FsSession,
  totals: PackTotals = { sizeBytes: 0, tarBytes: 0 },
): AsyncGenerator<Uint8Array> {
  yield* packEntries(session, "", totals);
  totals.tarBytes += TAR_END.length;
  yield TAR_END;
}

/** Yields one tar of several trees, each below a directory: "" or one with a slash at the end. */
export async function* packTrees(
  trees: readonly { readonly directory: string; readonly listing: FsSession }[],
): AsyncGenerator<Uint8Array> {
  const totals = { sizeBytes: 0, tarBytes: 0 };
  for (const { directory, listing } of trees) {
    if (directory !== "") yield tarHeader(tarEntry({ type: "directory", name: directory, mode: 0o755 }));
    yield* packEntries(listing, directory, totals);
  }
  yield TAR_END;
}

async function* packEntries(
  session: FsSession,
  directory: string,
  totals: PackTotals,
): AsyncGenerator<Uint8Array> {
  const links = new Map<string, string>();
  const out = new Gather();
  const counted = (bytes: Uint8Array) => {
    totals.tarBytes += bytes.length;
    return bytes;
  };
  for await (const item of session.export(".")) {
    const { entries, hasContent } = entriesOf(item, links);
    for (const entry of entries) out.add(tarHeader(directory === "" ? entry : below(directory, entry)));
    totals.sizeBytes += hasContent ? item.sizeBytes : item.linkTarget.length;
    if (!hasContent) {
      if (out.isFull) yield counted(out.take());
      continue;
    }
    for await (const chunk of item.content()) {
      if (out.add(chunk)) continue;
      yield counted(out.take());
      yield counted(chunk);
    }
    out.add(tarPadding(item.sizeBytes));
  }
  if (!out.isEmpty) yield counted(out.take());
}

/** Moves an entry below a directory. */
function below(directory: string, entry: TarEntry): TarEntry {
  const linkName = entry.type === "hardlink" ? directory + entry.linkName : entry.linkName;
  return { ...entry, name: directory + entry.name, linkName };
}

/** Collects headers and small contents, so that consumers get pieces worth their while. */
class Gather {
  #parts: Uint8Array[] = [];
  #size = 0;

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  get isFull(): boolean {
    return this.#size >= HEADERS_BYTES;
  }

  /** Takes small pieces, always the headers; returns false for a large one, which is to be passed on after take. */
  add(bytes: Uint8Array): boolean {
    if (this.#size > 0 && this.#size + bytes.length > 4 * HEADERS_BYTES && bytes.length > HEADERS_BYTES)
      return false;
    this.#parts.push(bytes);
    this.#size += bytes.length;
    return true;
  }

  take(): Uint8Array {
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#size = 0;
    return bytes;
  }
}

/** Returns the tar entries for one file; a directory that is opaque has two. */
function entriesOf(
  item: ExportEntry,
  links: Map<string, string>,
): { entries: TarEntry[]; hasContent: boolean } {
  const name = decodeName(item.rawPath);
  const type = TYPES.get(item.mode & 0o170000);
  if (type === undefined) return { entries: [], hasContent: false };
  if (type === "char" && item.major === 0 && item.minor === 0) {
    return { entries: [whiteout(name)], hasContent: false };
  }
  const entry = entryOf(item, name, type);
  if (type === "directory") {
    const isOpaque = item.xattrs.some((x) => x.name === OPAQUE_XATTR && x.value.toString() === "y");
    return { entries: isOpaque ? [entry, opaqueMark(entry)] : [entry], hasContent: false };
  }
  if (item.nlink > 1) {
    const inode = `${item.dev}:${item.ino}`;
    const first = links.get(inode);
    if (first !== undefined) {
      const link: TarEntry = { ...entry, type: "hardlink", linkName: first, sizeBytes: 0, xattrs: new Map() };
      return { entries: [link], hasContent: false };
    }
    links.set(inode, name);
  }
  return { entries: [entry], hasContent: type === "file" };
}

function entryOf(item: ExportEntry, name: string, type: TarEntryType): TarEntry {
  const isDevice = type === "char" || type === "block";
  return tarEntry({
    type,
    name,
    mode: item.mode & 0o7777,
    uid: item.uid,
    gid: item.gid,
    sizeBytes: type === "file" ? item.sizeBytes : 0,
    mtimeSec: item.mtimeSec,
    linkName: type === "symlink" ? decodeName(item.linkTarget) : "",
    devMajor: isDevice ? item.major : 0,
    devMinor: isDevice ? item.minor : 0,
    xattrs: new Map(item.xattrs.filter((x) => isKept(x.name)).map((x) => [x.name, x.value])),
  });
}

/** Docker keeps capabilities; users' own attributes are kept beyond that. Overlay's must not travel. */
function isKept(xattr: string): boolean {
  return (
    xattr === "security.capability" || (xattr.startsWith("user.") && !xattr.startsWith(OVERLAY.xattrPrefix))
  );
}

function inDir(path: string, change: (base: string) => string): string {
  const slash = path.lastIndexOf("/");
  return path.slice(0, slash + 1) + change(path.slice(slash + 1));
}

/** Owner and time of a whiteout mean nothing, and unpacking does not keep them: they must not reach the digest. */
function whiteout(name: string): TarEntry {
  return tarEntry({ type: "file", name: inDir(name, (base) => WHITEOUT_PREFIX + base), mode: 0o600 });
}

function opaqueMark(dir: TarEntry): TarEntry {
  const { mode, uid, gid } = dir;
  return tarEntry({ type: "file", name: `${dir.name}/${OPAQUE_NAME}`, mode: mode & 0o777, uid, gid });
}
