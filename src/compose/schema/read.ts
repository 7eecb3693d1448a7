// Reads one file's tree by the shapes: checks types and names, and brings every attribute into its long form. All problems
// are collected. Variables have been put in before, so numbers and booleans may have been written as texts.
// It does not merge, and it does not ask for what may come from another file: verify.ts does after merging.

import { Fault, messageOf } from "../../lib/errors.ts";
import { parseBinarySize } from "../../lib/units/size.ts";
import {
  list,
  type MapEntry,
  type MapNode,
  map,
  type Node,
  printScalar,
  type ScalarNode,
  scalar,
} from "../tree/node.ts";
import type { Problem } from "../tree/problem.ts";
import { didYouMean } from "../tree/suggest.ts";
import { parseLongDuration } from "./duration.ts";
import type {
  CommandShape,
  EitherShape,
  HostsShape,
  ListShape,
  MapShape,
  NumberShape,
  ObjectShape,
  PairsShape,
  Shape,
  TextShape,
} from "./shape.ts";
import { splitWords } from "./words.ts";

export interface ReadOptions {
  /** Makes a path absolute by the rules of its kind; undefined leaves paths as they are. */
  readonly resolvePath?: ((rule: NonNullable<TextShape["path"]>, path: string) => string) | undefined;
  /** Variables are not put in: a text with `$` may be anything. */
  readonly isLenient?: boolean | undefined;
  /** Takes what is wrong. */
  readonly problem: (problem: Problem) => void;
  /** Takes what is odd and goes on. */
  readonly warning: (problem: Problem) => void;
}

/** Returns the tree in its long form; what is wrong goes to `options.problem` and stays as it is in the tree. */
export function readTree(shape: Shape, node: Node, path: string, options: ReadOptions): Node {
  return new Reader(options).read(shape, node, path);
}

class Reader {
  readonly #options: ReadOptions;

  constructor(options: ReadOptions) {
    this.#options = options;
  }

  read(shape: Shape, node: Node, path: string): Node {
    // What is taken away need not be well-formed.
    if (node.tag === "reset") return node;
    const result = this.#readPlain(shape, node, path);
    return node.tag === undefined || result.tag === node.tag ? result : { ...result, tag: node.tag };
  }

  #readPlain(shape: Shape, node: Node, path: string): Node {
    switch (shape.kind) {
      case "text":
        return this.#text(shape, node, path);
      case "bool":
        return this.#bool(node, path);
      case "command":
        return this.#command(shape, node, path);
      case "pairs":
        return this.#pairs(shape, node, path);
      case "hosts":
        return this.#hosts(shape, node, path);
      case "list":
        return this.#list(shape, node, path);
      case "map":
        return this.#map(shape, node, path);
      case "object":
        return this.#object(shape, node, path);
      case "either":
        return this.#either(shape, node, path);
      case "any":
        return node;
      default:
        return this.#number(shape, node, path);
    }
  }

  #problem(node: Node, path: string, message: string): Node {
    this.#options.problem({ at: node.at, path, message });
    return node;
  }

  #wrong(node: Node, path: string, wanted: string): Node {
    return this.#problem(node, path, `must be ${wanted}, not ${describe(node)}`);
  }

  /** Runs what throws Faults about a short form; undefined when it did. */
  #attempt<T>(node: Node, path: string, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (!this.#isOpen(node)) this.#problem(node, path, messageOf(error));
      return undefined;
    }
  }

  /** A text with variables that are not put in can be judged by nobody. */
  #isOpen(node: Node): boolean {
    return (
      this.#options.isLenient === true &&
      node.kind === "scalar" &&
      typeof node.value === "string" &&
      node.value.includes("$")
    );
  }

  #text(shape: TextShape, node: Node, path: string): Node {
    if (node.kind !== "scalar") return this.#wrong(node, path, "a string");
    if (node.value === null) return node;
    if (typeof node.value !== "string") {
      if (shape.accepts === "text" || (shape.accepts === "number" && typeof node.value !== "number"))
        return this.#wrong(node, path, `a string (write ${JSON.stringify(printScalar(node))})`);
    }
    const text = printScalar(node);
    if (!this.#isOpen(node)) {
      if (shape.words !== undefined && !shape.words.includes(text)) {
        const words = shape.words.map((word) => JSON.stringify(word)).join(", ");
        return this.#problem(
          node,
          path,
          `must be one of ${words}, not ${JSON.stringify(text)}${didYouMean(text, shape.words)}`,
        );
      }
      if (shape.pattern !== undefined && !shape.pattern.test(text))
        return this.#wrong(node, path, shape.wanted ?? String(shape.pattern));
    }
    const resolved = shape.path === undefined ? text : this.resolve(shape.path, text);
    return resolved === node.value ? node : scalar(resolved, node.at);
  }

  resolve(rule: NonNullable<TextShape["path"]>, path: string): string {
    return path === "" ? path : (this.#options.resolvePath?.(rule, path) ?? path);
  }

  #bool(node: Node, path: string): Node {
    if (node.kind !== "scalar") return this.#wrong(node, path, "true or false");
    if (typeof node.value === "boolean" || node.value === null || this.#isOpen(node)) return node;
    const text = String(node.value).toLowerCase();
    if (text === "true" || text === "false") return scalar(text === "true", node.at);
    if (["y", "yes", "on", "n", "no", "off"].includes(text)) {
      const value = text.startsWith("y") || text === "on";
      const message = `${JSON.stringify(node.value)} for boolean is not supported by YAML 1.2, please use \`${value}\``;
      this.#options.warning({ at: node.at, path, message });
      return scalar(value, node.at);
    }
    return this.#wrong(node, path, "true or false");
  }

  #number(shape: NumberShape, node: Node, path: string): Node {
    const wanted = wantedNumbers[shape.kind];
    if (node.kind !== "scalar" || typeof node.value === "boolean") return this.#wrong(node, path, wanted);
    // Where variables are not put in, things stay as they were written.
    if (node.value === null || this.#options.isLenient === true) return node;
    const parsed = this.#attempt(node, path, () => parseNumber(shape.kind, node));
    if (parsed === undefined) return node;
    if (Number.isNaN(parsed)) return this.#wrong(node, path, wanted);
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = shape;
    if (parsed < min) return this.#problem(node, path, `must be greater than or equal to ${min}`);
    if (parsed > max) return this.#problem(node, path, `must be less than or equal to ${max}`);
    return parsed === node.value ? node : scalar(parsed, node.at);
  }

  #command(shape: CommandShape, node: Node, path: string): Node {
    if (node.kind === "map") return this.#wrong(node, path, "a string or a list of strings");
    if (node.kind === "list") {
      for (const [index, item] of node.items.entries())
        if (item.kind !== "scalar" || typeof item.value !== "string")
          this.#wrong(item, `${path}.${index}`, `a string${quoted(item)}`);
      return node;
    }
    if (node.value === null) return node;
    if (typeof node.value !== "string") return this.#wrong(node, path, "a string or a list of strings");
    if (this.#options.isLenient === true) return node;
    const text = node.value;
    const item = (word: string): Node => scalar(word, node.at);
    if (shape.isScript === true) return list([item("CMD-SHELL"), item(text)], node.at);
    const split = this.#attempt(node, path, () => splitWords(text));
    if (split === undefined) return node;
    if (split.dropped !== "") {
      const message = `${JSON.stringify(split.dropped)} is ignored: a command is not run by a shell; use sh -c '…'`;
      this.#options.warning({ at: node.at, path, message });
    }
    return list(split.words.map(item), node.at);
  }

  #pairs(shape: PairsShape, node: Node, path: string): Node {
    const entries = new Map<string, MapEntry>();
    const put = (name: string, value: ScalarNode, keyAt: Node["at"]): void => {
      const resolved =
        shape.path === undefined || typeof value.value !== "string"
          ? value
          : { ...value, value: this.resolve(shape.path, value.value) };
      entries.set(name, { keyAt, value: resolved });
    };
    if (node.kind === "list" && shape.isMappingOnly !== true) {
      for (const [index, item] of node.items.entries()) {
        if (item.kind !== "scalar" || typeof item.value !== "string") {
          this.#wrong(item, `${path}.${index}`, `a string (KEY=value)${quoted(item)}`);
          continue;
        }
        const equals = item.value.indexOf("=");
        const name = equals < 0 ? item.value : item.value.slice(0, equals);
        if (/\s$/.test(name))
          this.#problem(item, `${path}.${index}`, `${name}has a trailing space in its name`);
        const absent = shape.hasNulls ? null : "";
        put(name, scalar(equals < 0 ? absent : item.value.slice(equals + 1), item.at, item.tag), item.at);
      }
      return map(entries, node.at);
    }
    if (node.kind !== "map") {
      if (node.kind === "scalar" && node.value === null) return map(entries, node.at);
      return this.#wrong(
        node,
        path,
        shape.isMappingOnly === true ? "a mapping" : "a mapping or a list of KEY=value",
      );
    }
    for (const [name, { keyAt, value }] of node.entries) {
      if (value.tag === "reset") entries.set(name, { keyAt, value });
      else if (value.kind !== "scalar")
        this.#wrong(value, `${path}.${name}`, "a string, number, boolean or null");
      else if (value.value === null) put(name, scalar(shape.hasNulls ? null : "", value.at), keyAt);
      else put(name, scalar(printScalar(value), value.at, value.tag), keyAt);
    }
    return map(entries, node.at);
  }

  #hosts(_shape: HostsShape, node: Node, path: string): Node {
    const hosts = new Map<string, { keyAt: Node["at"]; addresses: Node[] }>();
    const add = (host: string, keyAt: Node["at"], addresses: readonly Node[]): void => {
      const known = hosts.get(host) ?? { keyAt, addresses: [] };
      known.addresses.push(...addresses);
      hosts.set(host, known);
    };
    const split = (text: string, at: Node["at"]): Node[] =>
      text.split(",").map((address) => scalar(address.replace(/^\[(.*)\]$/, "$1"), at));
    if (node.kind === "list") {
      for (const [index, item] of node.items.entries()) {
        const text = item.kind === "scalar" ? printScalar(item) : "";
        const match = /^([^=]*)=(.*)$/s.exec(text) ?? /^([^:]*):(.*)$/s.exec(text);
        if (match === null)
          this.#problem(item, `${path}.${index}`, `invalid additional host, missing IP: ${text}`);
        else add(match[1] as string, item.at, split(match[2] as string, item.at));
      }
    } else if (node.kind === "map") {
      for (const [host, { keyAt, value }] of node.entries) {
        const items = value.kind === "list" ? value.items : [value];
        for (const item of items) {
          if (item.kind === "scalar" && typeof item.value === "string")
            add(host, keyAt, split(item.value, item.at));
          else this.#wrong(item, `${path}.${host}`, "an address");
        }
      }
    } else if (node.value !== null) return this.#wrong(node, path, "a mapping or a list of HOST=ADDRESS");
    const entries = new Map<string, MapEntry>();
    for (const [host, { keyAt, addresses }] of hosts)
      entries.set(host, { keyAt, value: list(addresses, keyAt) });
    return map(entries, node.at);
  }

  #list(shape: ListShape, node: Node, path: string): Node {
    if (node.kind === "scalar" && node.value === null) return list([], node.at);
    if (node.kind !== "list") {
      if (shape.acceptsSingle !== true) return this.#wrong(node, path, "a list");
      if (node.kind === "map") return this.#wrong(node, path, "a string or a list");
    }
    const items: Node[] = [];
    const written = node.kind === "list" ? node.items : [node];
    for (const [index, item] of written.entries()) {
      const itemPath = node.kind === "list" ? `${path}.${index}` : path;
      if (shape.expand !== undefined && item.kind === "scalar" && item.value !== null) {
        const { expand } = shape;
        items.push(...(this.#attempt(item, itemPath, () => expand(item)) ?? [item]));
      } else items.push(this.read(shape.item, item, itemPath));
    }
    if (shape.isSet === true) this.#refuseRepetition(items, path);
    return list(shape.keyOf === undefined ? items : uniqueItems(items, shape.keyOf), node.at);
  }

  #refuseRepetition(items: readonly Node[], path: string): void {
    const seen = new Set<string>();
    for (const [index, item] of items.entries()) {
      const text = item.kind === "scalar" ? printScalar(item) : "";
      if (seen.has(text)) this.#problem(item, `${path}.${index}`, `${JSON.stringify(text)} is there twice`);
      seen.add(text);
    }
  }

  #map(shape: MapShape, node: Node, path: string): Node {
    const entries = new Map<string, MapEntry>();
    if (node.kind === "scalar" && node.value === null) return map(entries, node.at);
    if (node.kind === "list" && shape.fromName !== undefined) {
      for (const [index, item] of node.items.entries()) {
        if (item.kind !== "scalar" || typeof item.value !== "string") {
          this.#wrong(item, `${path}.${index}`, "a name");
          continue;
        }
        entries.set(item.value, { keyAt: item.at, value: shape.fromName(item) });
      }
      return map(entries, node.at);
    }
    if (node.kind !== "map")
      return this.#wrong(
        node,
        path,
        shape.fromName === undefined ? "a mapping" : "a mapping or a list of names",
      );
    for (const [name, { keyAt, value }] of node.entries) {
      const at = `${path === "" ? "" : `${path}.`}${name}`;
      if (name.startsWith("x-") && shape.value.kind === "object" && !shape.names.test(name)) continue;
      if (!shape.names.test(name)) {
        this.#options.problem({
          at: keyAt,
          path: at,
          message: "has a name with characters that are not allowed",
        });
        continue;
      }
      const isAbsent = value.kind === "scalar" && value.value === null;
      const isKept = isAbsent && (shape.isNullable === true || shape.value.kind !== "object");
      entries.set(name, { keyAt, value: isKept ? value : this.read(shape.value, value, at) });
    }
    return map(entries, node.at);
  }

  #either(shape: EitherShape, node: Node, path: string): Node {
    return this.read(node.kind === "map" ? shape.object : shape.scalar, node, path);
  }

  #object(shape: ObjectShape, written: Node, path: string): Node {
    const node = this.#longForm(shape, written, path);
    if (node === undefined) return written;
    const entries = new Map<string, MapEntry>();
    for (const [name, { keyAt, value }] of node.entries) {
      const fieldPath = path === "" ? name : `${path}.${name}`;
      const field = Object.hasOwn(shape.fields, name) ? shape.fields[name] : undefined;
      if (field !== undefined) {
        const isNothing = field.kind === "object" && field.isNullable === true && isNull(value);
        if (!isNothing) entries.set(name, { keyAt, value: this.read(field, value, fieldPath) });
      } else if (name.startsWith("x-")) entries.set(name, { keyAt, value });
      else {
        const hint = didYouMean(name, Object.keys(shape.fields));
        const message = `additional properties '${name}' not allowed${hint}`;
        this.#options.problem({ at: keyAt, path, message });
      }
    }
    const result = map(entries, written.at);
    return shape.finish?.(result, (rule, relative) => this.resolve(rule, relative)) ?? result;
  }

  #longForm(shape: ObjectShape, node: Node, path: string): MapNode | undefined {
    if (node.kind === "map") return shape.prepare?.(node) ?? node;
    const { short } = shape;
    if (short !== undefined && node.kind === "scalar" && typeof node.value === "string")
      return this.#attempt(node, path, () => shape.prepare?.(short(node)) ?? short(node));
    this.#wrong(node, path, short === undefined ? "a mapping" : "a mapping or a string");
    return undefined;
  }
}

/** Returns the items without those that a later one with the same key replaces, which takes the earlier one's place. */
export function uniqueItems(
  items: readonly Node[],
  keyOf: (item: Node) => string | undefined,
): readonly Node[] {
  const places = new Map<string, number>();
  const unique: Node[] = [];
  for (const item of items) {
    const key = keyOf(item);
    const place = key === undefined ? undefined : places.get(key);
    if (place !== undefined) {
      unique[place] = item;
      continue;
    }
    if (key !== undefined) places.set(key, unique.length);
    unique.push(item);
  }
  return unique;
}

function isNull(node: Node): boolean {
  return node.kind === "scalar" && node.value === null && node.tag === undefined;
}

const wantedNumbers: Readonly<Record<NumberShape["kind"], string>> = {
  int: "an integer",
  float: "a number",
  bytes: 'a size such as "512m"',
  duration: 'a duration such as "1m30s"',
  mode: "a file mode such as 0440",
  count: 'a number or "all"',
};

/** Returns the number, NaN when the text is none. Throws a Fault with the reason. */
function parseNumber(kind: NumberShape["kind"], node: ScalarNode): number {
  const { value } = node;
  if (kind === "duration") return parseLongDuration(printScalar(node));
  if (typeof value === "number") {
    return kind === "float" || Number.isInteger(value) ? value : Number.NaN;
  }
  const text = String(value);
  switch (kind) {
    case "int":
      return /^[-+]?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
    case "float":
      return text.trim() === "" ? Number.NaN : Number(text);
    case "bytes":
      return /^-?[0-9]+$/.test(text) ? Number(text) : parseBinarySize(text);
    case "mode":
      return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
    case "count":
      if (text.toLowerCase() === "all") return -1;
      return /^[-+]?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  }
}

function describe(node: Node): string {
  if (node.kind === "list") return "a list";
  if (node.kind === "map") return "a mapping";
  if (node.value === null) return "empty";
  return typeof node.value === "string"
    ? JSON.stringify(node.value)
    : `the ${typeof node.value} ${printScalar(node)}`;
}

/** What to write in the place of a number or a boolean. */
function quoted(node: Node): string {
  if (node.kind !== "scalar" || node.value === null || typeof node.value === "string") return "";
  return ` (write ${JSON.stringify(printScalar(node))})`;
}
