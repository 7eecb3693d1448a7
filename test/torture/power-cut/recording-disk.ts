// The real disk, with a record of all that changes it below one directory: what the daemon writes, and in which order it asked for it to be
// made stable. What keel writes by descriptor is not seen one by one: a directory that is moved to its place is read at that moment, and counts
// as written and not yet stable; a syncfs that keel makes is seen by `around`.
import { lstatSync } from "node:fs";
import { dirname, relative } from "node:path";
import type { Keel } from "../../../src/linux/keel.ts";
import { host, OPCODES } from "../../../src/linux/ops.ts";
import { type DiskFile, type DiskIo, nodeDisk } from "../../../src/storage/disk.ts";
import { type Extent, type Node, ownedOf, type ReadFile, readTree, Tree } from "./tree.ts";

/** Paths are relative to the recorded directory. */
export type Step =
  | { readonly kind: "make"; readonly path: string; readonly node: Node; readonly files: readonly ReadFile[] }
  | { readonly kind: "rename"; readonly from: string; readonly to: string }
  | { readonly kind: "remove"; readonly path: string }
  | { readonly kind: "change"; readonly inode: number; readonly extent: Extent }
  | SyncStep;

/** Is at the place where it ended; it made stable what was done before the step with the number `before`, when it began. */
export type SyncStep = { readonly before: number } & (
  | { readonly kind: "datasync"; readonly inode: number }
  | { readonly kind: "syncDir"; readonly path: string }
  | { readonly kind: "syncAll" }
);

export class RecordingDisk implements DiskIo {
  readonly steps: Step[] = [];
  readonly #root: string;
  /** What there is now. */
  readonly #tree = new Tree();
  #lastInode = 0;
  #keel: Keel | undefined;
  /** Is not recorded, as if it had never been asked for. */
  forgets: "datasync" | "syncDir" | undefined;

  /** Records what is below `root`, an empty directory. */
  constructor(root: string) {
    this.#root = root;
  }

  #path(path: string): string {
    return relative(this.#root, path);
  }

  #do(step: Step): void {
    if (step.kind === this.forgets) return;
    this.steps.push(step);
    applyStep(this.#tree, step);
  }

  /** Makes everything stable that was written so far, as the kernel does in its own time. */
  async flush(): Promise<void> {
    await this.#keel?.run([host.syncfs(this.#root)]);
  }

  async makeDir(dir: string, mode = 0o700): Promise<boolean> {
    const isNew = await nodeDisk.makeDir(dir, mode);
    const missing: string[] = [];
    for (let at = dir; this.#tree.find(this.#path(at)) === undefined; at = dirname(at)) missing.push(at);
    for (const path of missing.reverse())
      this.#do({
        kind: "make",
        path: this.#path(path),
        node: { kind: "dir", owned: ownedOf(mode), entries: new Map() },
        files: [],
      });
    return isNew;
  }

  list(dir: string): Promise<string[]> {
    return nodeDisk.list(dir);
  }

  read(path: string): Promise<Buffer> {
    return nodeDisk.read(path);
  }

  size(path: string): Promise<number> {
    return nodeDisk.size(path);
  }

  async open(path: string, options: { truncate?: boolean; exclusive?: boolean } = {}): Promise<DiskFile> {
    const file = await nodeDisk.open(path, options);
    const at = this.#path(path);
    const known = this.#tree.find(at);
    if (known?.kind === "file") {
      if (options.truncate)
        this.#do({ kind: "change", inode: known.inode, extent: { kind: "truncate", sizeBytes: 0 } });
      return this.#watched(file, known.inode);
    }
    const inode = ++this.#lastInode;
    this.#do({ kind: "make", path: at, node: { kind: "file", owned: ownedOf(0o600), inode }, files: [] });
    return this.#watched(file, inode);
  }

  #watched(file: DiskFile, inode: number): DiskFile {
    return {
      write: async (bytes, at) => {
        await file.write(bytes, at);
        this.#do({ kind: "change", inode, extent: { kind: "write", at, bytes: Buffer.from(bytes) } });
      },
      datasync: async () => {
        const before = this.steps.length;
        await file.datasync();
        this.#do({ kind: "datasync", inode, before });
      },
      truncate: async (sizeBytes) => {
        await file.truncate(sizeBytes);
        this.#do({ kind: "change", inode, extent: { kind: "truncate", sizeBytes } });
      },
      close: () => file.close(),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    if (!/\/\.?trash\//.test(to)) this.#discover(from);
    await nodeDisk.rename(from, to);
    this.#do({ kind: "rename", from: this.#path(from), to: this.#path(to) });
  }

  /** Reads what keel, or a stream, has made at `path`. */
  #discover(path: string): void {
    const at = this.#path(path);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined || (!stat.isDirectory() && this.#tree.find(at) !== undefined)) return;
    this.#do({ kind: "make", path: at, ...readTree(path, () => ++this.#lastInode) });
  }

  async remove(path: string): Promise<void> {
    await nodeDisk.remove(path);
    if (this.#tree.find(this.#path(path)) !== undefined) this.#do({ kind: "remove", path: this.#path(path) });
  }

  async removeTree(dir: string): Promise<void> {
    await nodeDisk.removeTree(dir);
    if (this.#tree.find(this.#path(dir)) !== undefined) this.#do({ kind: "remove", path: this.#path(dir) });
  }

  async syncDir(dir: string): Promise<void> {
    const before = this.steps.length;
    await nodeDisk.syncDir(dir);
    this.#do({ kind: "syncDir", path: this.#path(dir), before });
  }

  /** Sees what keel makes stable and removes. */
  around(keel: Keel): Keel {
    this.#keel = {
      ...keel,
      run: async (ops, options) => {
        const before = this.steps.length;
        const outcome = await keel.run(ops, options);
        for (const [opcode, path] of ops) {
          if (opcode === OPCODES.syncfs) this.#do({ kind: "syncAll", before });
          if (opcode === OPCODES.remove && this.#tree.find(this.#path(String(path))) !== undefined)
            this.#do({ kind: "remove", path: this.#path(String(path)) });
        }
        return outcome;
      },
    };
    return this.#keel;
  }
}

/** Does to `tree` what a step did to the disk. */
export function applyStep(tree: Tree, step: Step): void {
  switch (step.kind) {
    case "make":
      tree.put(step.path, copyOf(step.node));
      for (const { inode, bytes } of step.files) tree.append(inode, { kind: "write", at: 0, bytes });
      break;
    case "rename":
      tree.rename(step.from, step.to);
      break;
    case "remove":
      tree.remove(step.path);
      break;
    case "change":
      tree.append(step.inode, step.extent);
      break;
    case "datasync":
    case "syncDir":
    case "syncAll":
  }
}

/** Directories change with the tree that they are in. */
function copyOf(node: Node): Node {
  if (node.kind !== "dir") return node;
  const entries = [...node.entries].map(([name, child]) => [name, copyOf(child)] as const);
  return { ...node, entries: new Map(entries) };
}
