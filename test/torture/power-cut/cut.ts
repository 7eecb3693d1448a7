// What a power cut leaves of a recorded disk. What was not made stable in time survives or not, as the kind of the cut says; names are kept in
// the order in which they were made, either of the whole disk, as the journals of file systems keep it, or of each directory alone.
import { dirname } from "node:path";
import type { Random } from "../random.ts";
import { applyStep, type Step } from "./recording-disk.ts";
import { type Extent, Tree } from "./tree.ts";

/**
 * kept: everything survives, as after a kill. named: names survive, content does not. dropped: neither does. torn: names up to a point, writes
 * in part, as zeros, or not at all. scattered: as torn, but each directory has its own point.
 */
export const CUT_KINDS = ["kept", "named", "dropped", "torn", "scattered"] as const;
export type CutKind = (typeof CUT_KINDS)[number];

/** Returns what is left when the power fails after the first `count` steps. */
export function cutAfter(steps: readonly Step[], count: number, kind: CutKind, random: Random): Tree {
  const done = steps.slice(0, count);
  const stability = new Stability(done);
  const names = namesOf(kind, stability, count, random);
  const tree = new Tree();
  for (const [index, step] of done.entries()) {
    if (step.kind === "change") {
      const isStable = stability.isContentStable(step.inode, index);
      for (const extent of isStable ? [step.extent] : remains(step.extent, kind, random))
        tree.append(step.inode, extent);
    } else if (step.kind === "make") {
      if (names(step, index)) applyStep(tree, { ...step, files: [] });
      for (const { inode, bytes } of step.files) {
        const write: Extent = { kind: "write", at: 0, bytes };
        const isStable = stability.isContentStable(inode, index);
        for (const extent of isStable ? [write] : remains(write, kind, random)) tree.append(inode, extent);
      }
    } else if (step.kind === "rename" || step.kind === "remove") {
      if (names(step, index)) applyStep(tree, step);
    }
  }
  return tree;
}

/** What was stable at the end of some steps: for each file, directory, and all, the number of the first step that may not be. */
class Stability {
  #all = 0;
  readonly #content = new Map<number, number>();
  readonly #names = new Map<string, number>();

  constructor(steps: readonly Step[]) {
    for (const step of steps) {
      if (step.kind === "syncAll") this.#all = Math.max(this.#all, step.before);
      if (step.kind === "datasync") raise(this.#content, step.inode, step.before);
      if (step.kind === "syncDir") raise(this.#names, step.path, step.before);
    }
  }

  isContentStable(inode: number, index: number): boolean {
    return index < Math.max(this.#all, this.#content.get(inode) ?? 0);
  }

  isNameStable(dir: string, index: number): boolean {
    return index < Math.max(this.#all, this.#names.get(dir) ?? 0);
  }

  /** The first step whose names nothing has made stable, neither it nor a later one. */
  get firstUnstableName(): number {
    return Math.max(this.#all, ...this.#names.values());
  }
}

function raise<K>(map: Map<K, number>, key: K, value: number): void {
  map.set(key, Math.max(map.get(key) ?? 0, value));
}

type NameStep = Extract<Step, { kind: "make" | "rename" | "remove" }>;

/** Returns what decides whether a change of names survives; to be asked in order. */
function namesOf(
  kind: CutKind,
  stability: Stability,
  count: number,
  random: Random,
): (step: NameStep, index: number) => boolean {
  if (kind === "kept" || kind === "named") return () => true;
  if (kind !== "scattered") {
    const first = stability.firstUnstableName;
    const end = kind === "dropped" ? first : first + Math.floor(random.next() * (count - first + 1));
    return (_, index) => index < end;
  }
  const cut = new Set<string>();
  return (step, index) => {
    const dirs = (step.kind === "rename" ? [step.from, step.to] : [step.path]).map(parentOf);
    const unstable = dirs.filter((dir) => !stability.isNameStable(dir, index));
    if (unstable.length > 0 && random.next() < 0.2) for (const dir of dirs) cut.add(dir);
    return unstable.length === 0 || !dirs.some((dir) => cut.has(dir));
  };
}

const parentOf = (path: string): string => (path.includes("/") ? dirname(path) : "");

/** What is left of a write that nothing made stable. */
function remains(extent: Extent, kind: CutKind, random: Random): Extent[] {
  if (kind === "kept") return [extent];
  if (kind === "named" || kind === "dropped") return [];
  const share = random.next();
  if (share < 0.25) return [];
  if (share < 0.5 || extent.kind === "truncate") return [extent];
  const sizeBytes = Math.floor(extent.bytes.length * random.next());
  // The file has grown, and the blocks never came: zeros.
  if (share < 0.75) return [{ ...extent, bytes: Buffer.alloc(sizeBytes) }];
  return [{ ...extent, bytes: extent.bytes.subarray(0, sizeBytes) }];
}
