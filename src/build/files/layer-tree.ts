// The root of a stage or image as a source of files, and a draft's root as their destination: both through keel's file
// sessions, so that every path is resolved by descriptor inside the root.

import { SysError } from "../../lib/errors.ts";
import { decodeName, nameForKernel } from "../../lib/tar/names.ts";
import type { ExportEntry, FsSession, Reply } from "../../linux/keel.ts";
import { fs } from "../../linux/ops.ts";
import type { LinkReader } from "./resolve.ts";
import type { FileNode, FileType, SourceTree, WalkedFile } from "./source-tree.ts";

const S_IFMT = 0o170000;
const TYPES: Readonly<Record<number, FileType>> = {
  0o100000: "file",
  0o040000: "directory",
  0o120000: "symlink",
};
const ENOENT = 2;
const ENOTDIR = 20;

/** Overlay's own attributes are not the files'. */
const isOwnAttribute = (name: string): boolean => name.startsWith("trusted.overlay.");

/** Returns a name for a file operation; bytes where it is not UTF-8. */
export function kernelPath(path: string): string | Uint8Array {
  return nameForKernel(path);
}

function textOf(value: Reply | undefined): string {
  return value instanceof Uint8Array ? decodeName(value) : String(value ?? "");
}

function nodeOf(reply: readonly Reply[]): FileNode {
  const [mode, uid, gid, size, mtimeSec, mtimeNsec] = reply.slice(0, 6).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    type: TYPES[mode & S_IFMT] ?? "other",
    mode: mode & 0o7777,
    uid,
    gid,
    sizeBytes: size,
    mtimeSec,
    mtimeNsec,
    linkTarget: textOf(reply[9]),
  };
}

/** Returns a file's metadata, undefined when it (or a directory on the way) is not there. */
export async function statInSession(session: FsSession, path: string): Promise<FileNode | undefined> {
  try {
    const [reply] = await session.sync([fs.stat(kernelPath(path))]);
    return nodeOf(reply as readonly Reply[]);
  } catch (error) {
    if (error instanceof SysError && (error.errno === ENOENT || error.errno === ENOTDIR)) return undefined;
    throw error;
  }
}

/** Returns the reader that resolveInTree wants. */
export function linkReader(session: FsSession): LinkReader {
  return async (path) => {
    const node = await statInSession(session, path);
    if (node === undefined) return undefined;
    return {
      isDirectory: node.type === "directory",
      ...(node.type === "symlink" ? { linkTarget: node.linkTarget } : {}),
    };
  };
}

function walkedFile(entry: ExportEntry, path: string): WalkedFile {
  const type = TYPES[entry.mode & S_IFMT] ?? "other";
  return {
    path,
    node: {
      type,
      mode: entry.mode & 0o7777,
      uid: entry.uid,
      gid: entry.gid,
      sizeBytes: type === "file" ? entry.sizeBytes : 0,
      mtimeSec: entry.mtimeSec,
      mtimeNsec: entry.mtimeNsec,
      linkTarget: decodeName(entry.linkTarget),
    },
    ...(type === "other"
      ? { device: { modeBits: entry.mode & S_IFMT, major: entry.major, minor: entry.minor } }
      : {}),
    xattrs: entry.xattrs.filter((x) => !isOwnAttribute(x.name)).map((x) => [x.name, x.value] as const),
    content: () => entry.content(),
    ...(type === "file" && entry.nlink > 1 ? { inode: `${entry.dev}:${entry.ino}` } : {}),
  };
}

/** A finished root, read through a session. */
export class LayerTree implements SourceTree {
  private readonly session: FsSession;

  constructor(session: FsSession) {
    this.session = session;
  }

  async lstat(path: string): Promise<FileNode | undefined> {
    if (path !== "/") return statInSession(this.session, path);
    const [reply] = await this.session.sync([fs.stat("/", { follow: true })]);
    return nodeOf(reply as readonly Reply[]);
  }

  async list(path: string): Promise<readonly string[]> {
    const [names] = await this.session.sync([fs.list(kernelPath(path))]);
    return (names as readonly Reply[]).map(textOf);
  }

  async *walk(path: string): AsyncIterable<WalkedFile> {
    const top = await this.lstat(path);
    if (top?.type === "directory") yield { path: "", node: top, xattrs: [], content: noContent };
    for await (const entry of this.session.export(kernelPath(path) as string)) {
      const name = decodeName(entry.rawPath);
      yield walkedFile(entry, name === "." ? "" : name);
    }
  }
}

async function* noContent(): AsyncIterable<Uint8Array> {}
