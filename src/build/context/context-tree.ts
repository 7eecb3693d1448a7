// The uploaded context as a tree in memory: names and metadata here, contents in the blob store. Symlinks are data;
// an archive that puts a file behind one puts it where the link leads inside this tree, and nowhere else.

import { setImmediate as nextTurn } from "node:timers/promises";
import { Fault } from "../../lib/errors.ts";
import { compareNames } from "../../lib/tar/names.ts";
import { resolveInTree, type LinkReader } from "../files/resolve.ts";
import type { FileNode, SourceTree, WalkedFile } from "../files/source-tree.ts";
import type { Blob, BlobStore } from "./blobs.ts";

interface TreeFile {
  node: FileNode;
  blob?: Blob;
  children?: Map<string, TreeFile>;
}

const ROOT_DIRECTORY: FileNode = {
  type: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  linkTarget: "",
};

const FILES_PER_TURN = 1000;

const splitPath = (path: string): string[] => path.split("/").filter((part) => part !== "");

/** A mutable tree; filled by unpackContext, then read. */
export class ContextTree implements SourceTree {
  readonly blobs: BlobStore;
  /** Nobody tells of the root itself: it is as old as the build. */
  private root: TreeFile = {
    node: { ...ROOT_DIRECTORY, mtimeSec: Math.floor(Date.now() / 1000) },
    children: new Map(),
  };
  private count = 0;

  constructor(blobs: BlobStore) {
    this.blobs = blobs;
  }

  /** Number of entries, the root not counted. */
  get size(): number {
    return this.count;
  }

  private find(path: string): TreeFile | undefined {
    let at: TreeFile | undefined = this.root;
    for (const part of splitPath(path)) at = at?.children?.get(part);
    return at;
  }

  private readonly read: LinkReader = async (path) => {
    const found = this.find(path);
    if (found === undefined) return undefined;
    return {
      isDirectory: found.children !== undefined,
      ...(found.node.type === "symlink" ? { linkTarget: found.node.linkTarget } : {}),
    };
  };

  /** Returns the directory at a resolved path, made where missing. */
  private directoryAt(path: string): Map<string, TreeFile> {
    let at = this.root;
    for (const part of splitPath(path)) {
      let next = at.children?.get(part);
      if (next === undefined) {
        // A directory that the archive does not describe is as old as the build.
        const mtimeSec = Math.floor(Date.now() / 1000);
        next = { node: { ...ROOT_DIRECTORY, mtimeSec }, children: new Map() };
        at.children?.set(part, next);
        this.count++;
      }
      if (next.children === undefined) {
        throw new Fault("invalidParameter", `build context: "${path}" is not a directory`, {
          code: "context.bad",
        });
      }
      at = next;
    }
    return at.children as Map<string, TreeFile>;
  }

  private async resolve(parts: readonly string[]): Promise<string> {
    return (await resolveInTree(this.read, parts.join("/"))).path;
  }

  /** Returns the directory where all are directories that are there, as in nearly every archive: nothing to resolve, nothing to make. */
  private plainDirectory(parts: readonly string[]): Map<string, TreeFile> | undefined {
    let at = this.root.children;
    for (const part of parts) at = at?.get(part)?.children;
    return at;
  }

  /** Puts a file at `path` (relative, clean); what was there is replaced, directories merge. */
  async put(path: string, node: FileNode, blob?: Blob): Promise<void> {
    const parts = splitPath(path);
    const name = parts.pop();
    if (name === undefined) {
      if (node.type === "directory") this.root.node = node;
      return;
    }
    const directory = this.plainDirectory(parts) ?? this.directoryAt(await this.resolve(parts));
    const before = directory.get(name);
    const children =
      node.type === "directory" ? (before?.children ?? new Map<string, TreeFile>()) : undefined;
    if (before === undefined) this.count++;
    directory.set(name, {
      node,
      ...(blob === undefined ? {} : { blob }),
      ...(children === undefined ? {} : { children }),
    });
  }

  /** Puts another name for a file that is there. */
  async link(path: string, existing: string): Promise<void> {
    const { path: target } = await resolveInTree(this.read, existing, { keepLast: true });
    const file = this.find(target);
    if (file === undefined || file.children !== undefined) {
      throw new Fault(
        "invalidParameter",
        `build context: hard link "${path}" to "${existing}", which is not there`,
        {
          code: "context.bad",
        },
      );
    }
    await this.put(path, file.node, file.blob);
  }

  /** Returns the tree below a directory. Throws Fault `context.bad` when there is none. */
  async below(path: string): Promise<ContextTree> {
    const { path: target } = await resolveInTree(this.read, path);
    const found = this.find(target);
    if (found?.children === undefined)
      throw new Fault("invalidParameter", `build context: "${path}" is not a directory`, {
        code: "context.bad",
      });
    const tree = new ContextTree(this.blobs);
    tree.root = found;
    return tree;
  }

  /** Removes a path with everything below it; missing is fine. */
  remove(path: string): void {
    const parts = splitPath(path);
    const name = parts.pop();
    if (name !== undefined) this.find(parts.join("/"))?.children?.delete(name);
  }

  /** Reads a regular file, symlinks followed; undefined when there is none. */
  async readFile(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const { path: target } = await resolveInTree(this.read, path);
    const file = this.find(target);
    if (file?.node.type !== "file") return undefined;
    return file.blob === undefined ? new Uint8Array(0) : this.blobs.readAll(file.blob, maxBytes);
  }

  async lstat(path: string): Promise<FileNode | undefined> {
    return this.find(path)?.node;
  }

  async list(path: string): Promise<readonly string[]> {
    return [...(this.find(path)?.children?.keys() ?? [])].sort(compareNames);
  }

  async *walk(path: string): AsyncIterable<WalkedFile> {
    const top = this.find(path);
    if (top === undefined) return;
    let count = 0;
    for (const file of this.walkFile(top, "")) {
      yield file;
      // Nothing else would let the event loop turn while a large tree is walked.
      if (++count % FILES_PER_TURN === 0) await nextTurn();
    }
  }

  private *walkFile(file: TreeFile, path: string): Generator<WalkedFile> {
    const { node, blob, children } = file;
    yield {
      path,
      node,
      xattrs: [],
      content: () => (blob === undefined ? noContent() : this.blobs.read(blob)),
      ...(blob === undefined ? {} : { contentDigest: blob.digest }),
      ...(blob?.isAlone ? { hostFile: { directory: this.blobs.directory, name: blob.file } } : {}),
    };
    for (const name of [...(children?.keys() ?? [])].sort(compareNames)) {
      const child = children?.get(name) as TreeFile;
      yield* this.walkFile(child, path === "" ? name : `${path}/${name}`);
    }
  }
}

async function* noContent(): AsyncGenerator<Uint8Array> {}
