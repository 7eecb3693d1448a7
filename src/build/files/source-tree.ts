// What COPY and ADD read from: a tree of files seen through one interface, whether it is the uploaded context
// (context/context-tree.ts) or the root of a stage or image (layer-tree.ts). Paths are absolute inside the tree, `/`-separated,
// in the string form of lib/tar/names.ts; nothing here is a path of the host.

import { createHash } from "node:crypto";
import { encodeName } from "../../lib/tar/names.ts";

export type FileType = "file" | "directory" | "symlink" | "other";

/** Metadata of one file. */
export interface FileNode {
  readonly type: FileType;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Length of a regular file. */
  readonly sizeBytes: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** Target of a symlink. */
  readonly linkTarget: string;
}

/** A file with its content, as a walk delivers it. */
export interface WalkedFile {
  /** Relative to where the walk began, "" for that itself. */
  readonly path: string;
  readonly node: FileNode;
  /** Type bits and device number of what is neither file, directory nor symlink. */
  readonly device?: { readonly modeBits: number; readonly major: number; readonly minor: number };
  readonly xattrs: readonly (readonly [name: string, value: Uint8Array])[];
  /** The bytes; to be read before the walk goes on, or not at all. */
  content(): AsyncIterable<Uint8Array>;
  /** A file of the host that holds exactly the content: a name of ours in a private directory. */
  readonly hostFile?: { readonly directory: string; readonly name: string };
  /** Equal for the names of one file that has several. */
  readonly inode?: string;
  /** SHA-256 of the content in hex where it is known without reading. */
  readonly contentDigest?: string;
}

/** Read access to a tree. */
export interface SourceTree {
  /** Returns a file's metadata, the last component not followed; undefined when it is not there. */
  lstat(path: string): Promise<FileNode | undefined>;
  /** Returns the names in a directory, sorted bytewise. */
  list(path: string): Promise<readonly string[]>;
  /** Walks a file or directory, parents first, names sorted; symlinks are delivered, not followed. */
  walk(path: string): AsyncIterable<WalkedFile>;
}

/** Returns the digest of a content stream, hex. */
export async function digestContent(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of content) hash.update(chunk);
  return hash.digest("hex");
}

/**
 * Hashes files into one digest: names, types, modes, owners, sizes, link targets, extended attributes and
 * contents, but no times. Fields are length-prefixed, so that no two trees run together.
 */
export class TreeDigester {
  private readonly hash = createHash("sha256");

  private field(value: string | Uint8Array): void {
    const bytes = typeof value === "string" ? encodeName(value) : value;
    this.hash.update(`${bytes.length}:`);
    this.hash.update(bytes);
  }

  /** Adds one file; `owner` and `mode` are those it will have. */
  async add(file: WalkedFile, as: { path: string; mode: number; uid: number; gid: number }): Promise<void> {
    const { node } = file;
    this.field(as.path);
    const device =
      file.device === undefined ? "" : `${file.device.modeBits},${file.device.major},${file.device.minor}`;
    this.field(
      `${node.type} ${as.mode} ${as.uid} ${as.gid} ${node.type === "file" ? node.sizeBytes : 0} ${device}`,
    );
    this.field(node.linkTarget);
    for (const [name, value] of file.xattrs) {
      this.field(name);
      this.field(value);
    }
    this.field(node.type === "file" ? (file.contentDigest ?? (await digestContent(file.content()))) : "");
  }

  /** Adds a text that is no file. */
  addText(text: string): void {
    this.field(text);
  }

  finish(): string {
    return this.hash.digest("hex");
  }
}

const EMPTY_ROOT: FileNode = {
  type: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  linkTarget: "",
};

/** What scratch holds. */
export const EMPTY_TREE: SourceTree = {
  lstat: async (path) => (path === "/" ? EMPTY_ROOT : undefined),
  list: async () => [],
  async *walk(path) {
    if (path === "/") yield { path: "", node: EMPTY_ROOT, xattrs: [], content: async function* () {} };
  },
};
