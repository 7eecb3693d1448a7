// A Compose file as a tree whose every node knows where it was written, so that whatever is wrong with it (in reading, in
// merging, or when services are compared with each other) can be shown at its line and column. Nodes are never changed.

/** Where something was written; lines and columns count from 1. */
export interface Position {
  /** Absolute path, or "-" for stdin. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What a YAML tag says of merging: `!reset` takes the value of earlier files away, `!override` replaces it. */
export type MergeTag = "reset" | "override";

export type Scalar = string | number | boolean | null;

interface NodeBase {
  readonly at: Position;
  readonly tag?: MergeTag | undefined;
}

export interface ScalarNode extends NodeBase {
  readonly kind: "scalar";
  readonly value: Scalar;
  /** An integer as it was written, where a JavaScript number would lose digits. */
  readonly text?: string | undefined;
}

export interface ListNode extends NodeBase {
  readonly kind: "list";
  readonly items: readonly Node[];
}

export interface MapEntry {
  /** Where the key stands. */
  readonly keyAt: Position;
  readonly value: Node;
}

export interface MapNode extends NodeBase {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, MapEntry>;
}

export type Node = ScalarNode | ListNode | MapNode;

export function scalar(value: Scalar, at: Position, tag?: MergeTag): ScalarNode {
  return { kind: "scalar", value, at, tag };
}

export function list(items: readonly Node[], at: Position, tag?: MergeTag): ListNode {
  return { kind: "list", items, at, tag };
}

export function map(entries: ReadonlyMap<string, MapEntry>, at: Position, tag?: MergeTag): MapNode {
  return { kind: "map", entries, at, tag };
}

/** Returns a mapping of the given nodes; those that are undefined are left out. */
export function mapOf(fields: Readonly<Record<string, Node | undefined>>, at: Position): MapNode {
  const entries = new Map<string, MapEntry>();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) entries.set(name, { keyAt: value.at, value });
  }
  return map(entries, at);
}

/** Returns the value under a key of a mapping. */
export function child(node: Node | undefined, name: string): Node | undefined {
  return node?.kind === "map" ? node.entries.get(name)?.value : undefined;
}

/** Returns the text of a scalar; undefined for anything else. */
export function textOf(node: Node | undefined): string | undefined {
  return node?.kind === "scalar" && typeof node.value === "string" ? node.value : undefined;
}

/** Returns a mapping with one entry put in the place of what was there. */
export function withEntry(node: MapNode, name: string, value: Node): MapNode {
  const entries = new Map(node.entries);
  entries.set(name, { keyAt: entries.get(name)?.keyAt ?? value.at, value });
  return { ...node, entries };
}

/** Returns a mapping without the given entries. */
export function without(node: MapNode, ...names: readonly string[]): MapNode {
  if (!names.some((name) => node.entries.has(name))) return node;
  const entries = new Map(node.entries);
  for (const name of names) entries.delete(name);
  return { ...node, entries };
}

/** Returns a scalar as Go prints the value that YAML makes of it: what environment variables and labels get. */
export function printScalar(node: ScalarNode): string {
  const { value } = node;
  if (value === null) return "";
  if (typeof value !== "number") return String(value);
  return node.text ?? printNumber(value);
}

/** Prints a number as Go's %v does: an exponent of two digits and more below 1e-4 and from 1e21 on. */
export function printNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return String(value);
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e21) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

/** Returns the tree as plain values: objects, arrays and scalars. */
export function plain(node: Node): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(plain);
  const result: Record<string, unknown> = {};
  for (const [name, { value }] of node.entries) define(result, name, plain(value));
  return result;
}

/** Sets a member whatever it is called: `__proto__` is a name like others. */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}

/** Returns the position of what a path leads to, or of the nearest thing above it that is there. */
export function positionOf(root: Node, path: readonly (string | number)[]): Position {
  let node: Node = root;
  let at = root.at;
  for (const step of path) {
    let next: Node | undefined;
    if (typeof step === "number") {
      next = node.kind === "list" ? node.items[step] : undefined;
      at = next?.at ?? at;
    } else {
      const entry: MapEntry | undefined = node.kind === "map" ? node.entries.get(step) : undefined;
      next = entry?.value;
      at = entry?.keyAt ?? at;
    }
    if (next === undefined) return at;
    node = next;
  }
  return at;
}
