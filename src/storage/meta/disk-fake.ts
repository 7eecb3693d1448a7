// A disk in memory that records every operation and can say what a power cut at any point would leave behind.
// Model: bytes survive from a file's datasync on, names from a directory's sync on; later operations survive each on
// its own, and a write possibly in part. Directory operations of one directory survive in order, as with a journal.

import { basename } from "node:path";
import type { DiskFile, DiskIo } from "../disk.ts";

/** Decides about operations that were not made stable: how much of it survives, from 0 to 1. */
export type Fate = () => number;

type Step =
  | { kind: "create"; name: string; inode: Inode }
  | { kind: "rename"; from: string; to: string }
  | { kind: "remove"; name: string }
  | { kind: "write"; inode: Inode; at: number; bytes: Buffer }
  | { kind: "truncate"; inode: Inode; sizeBytes: number }
  | { kind: "datasync"; inode: Inode }
  | { kind: "syncDir" };

interface Inode {
  readonly id: number;
}

/** One directory in memory; paths are told apart by their last component. */
export class RecordingDisk implements DiskIo {
  readonly steps: Step[] = [];
  readonly #names = new Map<string, Inode>();
  readonly #content = new Map<Inode, Buffer>();
  /** Called before each operation that changes something; may throw to play a failing disk. */
  beforeStep: ((kind: string) => void) | undefined;
  #nextId = 1;

  constructor(files: ReadonlyMap<string, Buffer> = new Map()) {
    for (const [name, bytes] of files) {
      const inode = { id: this.#nextId++ };
      this.#names.set(name, inode);
      this.#content.set(inode, bytes);
    }
    for (const [name, inode] of this.#names) {
      const bytes = this.#content.get(inode) as Buffer;
      this.steps.push({ kind: "create", name, inode }, { kind: "write", inode, at: 0, bytes });
      this.steps.push({ kind: "datasync", inode });
    }
    this.steps.push({ kind: "syncDir" });
  }

  #do(step: Step): void {
    this.beforeStep?.(step.kind);
    this.steps.push(step);
    applyStep(step, this.#names, this.#content, 1);
  }

  async makeDir(): Promise<boolean> {
    return false;
  }

  async removeTree(): Promise<void> {
    throw new Error("there is one directory");
  }

  async list(): Promise<string[]> {
    return [...this.#names.keys()];
  }

  async read(path: string): Promise<Buffer> {
    const inode = this.#names.get(basename(path));
    if (inode === undefined) throw new Error(`ENOENT: ${path}`);
    return Buffer.from(this.#content.get(inode) ?? []);
  }

  async size(path: string): Promise<number> {
    return (await this.read(path)).length;
  }

  async open(path: string, options: { truncate?: boolean } = {}): Promise<DiskFile> {
    const name = basename(path);
    let inode = this.#names.get(name);
    if (inode === undefined) {
      inode = { id: this.#nextId++ };
      this.#do({ kind: "create", name, inode });
    } else if (options.truncate) this.#do({ kind: "truncate", inode, sizeBytes: 0 });
    return this.#openFile(inode);
  }

  #openFile(inode: Inode): DiskFile {
    return {
      write: async (bytes, at) => this.#do({ kind: "write", inode, at, bytes: Buffer.from(bytes) }),
      datasync: async () => this.#do({ kind: "datasync", inode }),
      truncate: async (sizeBytes) => this.#do({ kind: "truncate", inode, sizeBytes }),
      close: async () => {},
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.#do({ kind: "rename", from: basename(from), to: basename(to) });
  }

  async remove(path: string): Promise<void> {
    this.#do({ kind: "remove", name: basename(path) });
  }

  async syncDir(): Promise<void> {
    this.#do({ kind: "syncDir" });
  }

  /** Returns the files that are left when the power fails after the first `count` steps. */
  afterPowerCut(count: number, fate: Fate): Map<string, Buffer> {
    const steps = this.steps.slice(0, count);
    const names = new Map<string, Inode>();
    const content = new Map<Inode, Buffer>();
    const lastDirSync = steps.findLastIndex((step) => step.kind === "syncDir");
    let isDirCut = false;
    for (const [index, step] of steps.entries()) {
      if (step.kind === "create" || step.kind === "rename" || step.kind === "remove") {
        isDirCut ||= index > lastDirSync && fate() < 0.5;
        if (!isDirCut) applyStep(step, names, content, 1);
      } else if (step.kind === "write" || step.kind === "truncate") {
        const isStable = steps.some((s, i) => i > index && s.kind === "datasync" && s.inode === step.inode);
        applyStep(step, names, content, isStable ? 1 : fate());
      }
    }
    return new Map([...names].map(([name, inode]) => [name, content.get(inode) ?? Buffer.alloc(0)]));
  }
}

function applyStep(step: Step, names: Map<string, Inode>, content: Map<Inode, Buffer>, share: number): void {
  switch (step.kind) {
    case "create":
      names.set(step.name, step.inode);
      break;
    case "rename": {
      const inode = names.get(step.from);
      if (inode === undefined) break;
      names.delete(step.from);
      names.set(step.to, inode);
      break;
    }
    case "remove":
      names.delete(step.name);
      break;
    case "write": {
      const before = content.get(step.inode) ?? Buffer.alloc(0);
      const bytes = step.bytes.subarray(0, Math.floor(step.bytes.length * share));
      if (bytes.length === 0) break;
      const after = Buffer.alloc(Math.max(before.length, step.at + bytes.length));
      before.copy(after);
      bytes.copy(after, step.at);
      content.set(step.inode, after);
      break;
    }
    case "truncate": {
      if (share < 0.5) break;
      const before = content.get(step.inode) ?? Buffer.alloc(0);
      const after = Buffer.alloc(step.sizeBytes);
      before.copy(after);
      content.set(step.inode, after);
      break;
    }
    case "datasync":
    case "syncDir":
  }
}
