// A directory tree in memory: what a disk holds at some moment. Files are told apart by number, as inodes are, and their content is the list
// of what was written to them, so that a copy costs nothing.
import * as fs from "node:fs";
import { join } from "node:path";

export interface Owned {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeMs: number;
}

export type Node =
  | { readonly kind: "dir"; readonly owned: Owned; readonly entries: Map<string, Node> }
  | { readonly kind: "file"; readonly owned: Owned; readonly inode: number }
  | { readonly kind: "link"; readonly owned: Owned; readonly target: string };

/** A write, or a change of the size. */
export type Extent =
  | { readonly kind: "write"; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly sizeBytes: number };

const ROOT: Owned = { mode: 0o700, uid: 0, gid: 0, mtimeMs: 0 };

export const ownedOf = (mode: number): Owned => ({ ...ROOT, mode, mtimeMs: -1 });

export class Tree {
  readonly root: Node & { kind: "dir" } = { kind: "dir", owned: ROOT, entries: new Map() };
  readonly content = new Map<number, Extent[]>();

  /** Returns the node at `path`, whose components are separated by slashes. */
  find(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    for (const name of path.split("/").filter((n) => n !== "")) {
      if (node?.kind !== "dir") return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  #parent(path: string): { entries: Map<string, Node>; name: string } | undefined {
    const at = path.lastIndexOf("/");
    const dir = this.find(path.slice(0, Math.max(at, 0)));
    return dir?.kind === "dir" ? { entries: dir.entries, name: path.slice(at + 1) } : undefined;
  }

  /** Puts a node in its place, unless the directory is not there. */
  put(path: string, node: Node): void {
    const parent = this.#parent(path);
    parent?.entries.set(parent.name, node);
  }

  remove(path: string): void {
    const parent = this.#parent(path);
    parent?.entries.delete(parent.name);
  }

  rename(from: string, to: string): void {
    const node = this.find(from);
    if (node === undefined || this.#parent(to) === undefined) return;
    this.remove(from);
    this.put(to, node);
  }

  append(inode: number, extent: Extent): void {
    const extents = this.content.get(inode);
    if (extents === undefined) this.content.set(inode, [extent]);
    else extents.push(extent);
  }

  /** Makes it all in `dir`, which is empty. */
  writeTo(dir: string): void {
    const made = new Map<number, string>();
    for (const [name, node] of this.root.entries) this.#write(join(dir, name), node, made);
  }

  #write(path: string, node: Node, made: Map<number, string>): void {
    const { mode, uid, gid } = node.owned;
    if (node.kind === "link") {
      fs.symlinkSync(node.target, path);
      fs.lchownSync(path, uid, gid);
    } else if (node.kind === "dir") {
      fs.mkdirSync(path, { mode });
      for (const [name, child] of node.entries) this.#write(join(path, name), child, made);
      if (uid !== 0 || gid !== 0) fs.chownSync(path, uid, gid);
      fs.chmodSync(path, mode);
    } else {
      const first = made.get(node.inode);
      if (first !== undefined) return fs.linkSync(first, path);
      made.set(node.inode, path);
      this.#writeFile(path, node);
    }
    const { mtimeMs } = node.owned;
    if (mtimeMs >= 0) fs.lutimesSync(path, mtimeMs / 1000, mtimeMs / 1000);
  }

  #writeFile(path: string, { inode, owned }: Node & { kind: "file" }): void {
    const fd = fs.openSync(path, "w", 0o600);
    try {
      for (const extent of this.content.get(inode) ?? []) {
        if (extent.kind === "truncate") fs.ftruncateSync(fd, extent.sizeBytes);
        else fs.writeSync(fd, extent.bytes, 0, extent.bytes.length, extent.at);
      }
      if (owned.uid !== 0 || owned.gid !== 0) fs.fchownSync(fd, owned.uid, owned.gid);
      fs.fchmodSync(fd, owned.mode);
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** A file of a tree that was read, with its content. */
export interface ReadFile {
  readonly inode: number;
  readonly bytes: Buffer;
}

/** Reads a directory: nodes, and the files' contents apart. Devices, pipes and sockets are left out. */
export function readTree(dir: string, newInode: () => number): { node: Node; files: ReadFile[] } {
  const files: ReadFile[] = [];
  const known = new Map<number, Node>();
  const read = (path: string): Node | undefined => {
    const stat = fs.lstatSync(path);
    const owned = { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtimeMs: stat.mtimeMs };
    if (stat.isSymbolicLink()) return { kind: "link", owned, target: fs.readlinkSync(path) };
    if (stat.isDirectory()) {
      const entries = new Map<string, Node>();
      for (const name of fs.readdirSync(path)) {
        const child = read(join(path, name));
        if (child !== undefined) entries.set(name, child);
      }
      return { kind: "dir", owned, entries };
    }
    if (!stat.isFile()) return undefined;
    const before = known.get(stat.ino);
    if (before !== undefined) return before;
    const inode = newInode();
    files.push({ inode, bytes: fs.readFileSync(path) });
    const node: Node = { kind: "file", owned, inode };
    known.set(stat.ino, node);
    return node;
  };
  return { node: read(dir) as Node, files };
}
