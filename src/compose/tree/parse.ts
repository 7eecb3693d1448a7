// YAML text to trees with positions. The `yaml` package does the syntax; what Compose's YAML means beyond that is here:
// old octal numbers, merge keys, aliases (with a limit on what they unfold to), `!reset` and `!override`.

import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node as YamlNode,
  type Pair,
  parseAllDocuments,
  type ScalarTag,
  type YAMLMap,
} from "yaml";
import { list, type MapEntry, type MergeTag, map, type Node, type Position, scalar } from "./node.ts";
import { invalidAt, invalidFile } from "./problem.ts";

/** More nodes than this are an attack: aliases of aliases of aliases. */
const NODE_LIMIT = 500_000;

/** compat: Go's YAML reads these as numbers, as version 1.1 did: 0644, 0b101, 1_000. */
const oldInteger: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^[-+]?(?:0b[01_]+|0[0-7_]+|[0-9][0-9_]*_[0-9_]*)$/,
  resolve(text: string) {
    const digits = text.replace(/_/g, "").replace(/^[-+]/, "");
    const value = digits.startsWith("0b")
      ? Number(digits)
      : Number.parseInt(digits, digits.length > 1 && digits.startsWith("0") ? 8 : 10);
    return text.startsWith("-") ? -value : value;
  },
};

const mergeTags = ["!reset", "!override"];

/** Reads a file's documents. Throws a Fault that names every syntax error with its place. */
export function parseYaml(text: string, file: string): Node[] {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, {
    version: "1.2",
    merge: false,
    lineCounter,
    prettyErrors: false,
    uniqueKeys: true,
    customTags: (tags) => [oldInteger, ...tags],
  });
  // The type of an empty stream is another one; it has no documents.
  const found = Array.isArray(documents) ? documents : [];
  const positionAt = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problems = found.flatMap((document) =>
    document.errors.map((error) => ({
      at: positionAt(error.pos[0]),
      path: "",
      message: `yaml: ${lowerFirst(error.message)}`,
    })),
  );
  if (problems.length > 0) throw invalidFile(problems);
  const nodes: Node[] = [];
  for (const document of found) {
    if (document.contents === null) continue;
    const converter = new Converter(positionAt, (alias) => alias.resolve(document) as YamlNode | undefined);
    nodes.push(converter.convert(document.contents as YamlNode, ""));
  }
  return nodes;
}

/** Turns the package's nodes into ours. */
class Converter {
  readonly #positionAt: (offset: number) => Position;
  readonly #resolve: (alias: Alias) => YamlNode | undefined;
  /** What an anchor stands for is converted once; `undefined` while that is being done. */
  readonly #anchored = new Map<YamlNode, { node: Node; size: number } | undefined>();
  #count = 0;

  constructor(positionAt: (offset: number) => Position, resolve: (alias: Alias) => YamlNode | undefined) {
    this.#positionAt = positionAt;
    this.#resolve = resolve;
  }

  convert(node: YamlNode | null, path: string): Node {
    if (node === null) return scalar(null, this.#positionAt(0));
    const at = this.#at(node);
    this.#spend(1, at);
    if (isAlias(node)) return this.#alias(node, path, at);
    const tag = tagOf(node);
    const before = this.#count;
    if (node.anchor !== undefined) this.#anchored.set(node, undefined);
    const converted = this.#plain(node, path, at, tag);
    if (node.anchor !== undefined) {
      this.#anchored.set(node, { node: converted, size: this.#count - before + 1 });
    }
    return converted;
  }

  #plain(node: YamlNode, path: string, at: Position, tag: MergeTag | undefined): Node {
    if (isMap(node)) return map(this.#entries(node, path), at, tag);
    if (isSeq(node)) {
      const items = node.items.map((item, index) => this.convert(item as YamlNode, `${path}.${index}`));
      return list(items, at, tag);
    }
    if (!isScalar(node)) throw invalidAt(at, path.slice(1), "yaml: unexpected node");
    const { value, source } = node;
    if (typeof value === "number") {
      const text = /^-?(?:0|[1-9][0-9]*)$/.test(source ?? "") ? source : undefined;
      return { kind: "scalar", value, text, at, tag };
    }
    if (value === null || typeof value === "boolean") return scalar(value, at, tag);
    return scalar(typeof value === "string" ? value : (source ?? ""), at, tag);
  }

  #entries(node: YAMLMap, path: string): Map<string, MapEntry> {
    const entries = new Map<string, MapEntry>();
    const merged: { pair: Pair; at: Position }[] = [];
    for (const pair of node.items) {
      const keyNode = pair.key as YamlNode | null;
      const keyAt = keyNode === null ? this.#at(node) : this.#at(keyNode);
      const key = isScalar(keyNode) ? keyNode.value : undefined;
      if (key === "<<" && isScalar(keyNode) && keyNode.type === "PLAIN") {
        merged.push({ pair, at: keyAt });
        continue;
      }
      if (typeof key !== "string") {
        const shown = isScalar(keyNode) ? (keyNode.source ?? String(keyNode.value)) : "a collection";
        throw invalidAt(keyAt, path.slice(1), `non-string key ${shown}: put it in quotes`);
      }
      const value =
        pair.value === null ? scalar(null, keyAt) : this.convert(pair.value as YamlNode, `${path}.${key}`);
      entries.set(key, { keyAt, value });
    }
    // What stands in the mapping itself goes before what is merged in; of several merged ones the first.
    for (const { pair, at } of merged) {
      for (const source of this.#mergeSources(pair.value as YamlNode | null, path, at)) {
        for (const [name, entry] of source) if (!entries.has(name)) entries.set(name, entry);
      }
    }
    return entries;
  }

  #mergeSources(
    value: YamlNode | null,
    path: string,
    at: Position,
  ): readonly ReadonlyMap<string, MapEntry>[] {
    const node = this.convert(value, path);
    const nodes = node.kind === "list" ? node.items : [node];
    return nodes.map((source) => {
      if (source.kind !== "map")
        throw invalidAt(at, path.slice(1), "yaml: a merge key wants a mapping or a list of mappings");
      return source.entries;
    });
  }

  #alias(alias: Alias, path: string, at: Position): Node {
    const target = this.#resolve(alias);
    if (target === undefined)
      throw invalidAt(at, path.slice(1), `yaml: unknown anchor ${JSON.stringify(alias.source)} referenced`);
    const known = this.#anchored.get(target);
    if (known === undefined)
      throw invalidAt(at, path.slice(1), `yaml: anchor ${JSON.stringify(alias.source)} contains itself`);
    this.#spend(known.size, at);
    return known.node;
  }

  /** Counts nodes as if aliases were unfolded. */
  #spend(nodes: number, at: Position): void {
    this.#count += nodes;
    if (this.#count > NODE_LIMIT) throw invalidAt(at, "", "yaml: the file unfolds to too many nodes");
  }

  #at(node: YamlNode): Position {
    return this.#positionAt(node.range?.[0] ?? 0);
  }
}

function tagOf(node: YamlNode): MergeTag | undefined {
  const { tag } = node as { readonly tag?: string };
  return tag !== undefined && mergeTags.includes(tag) ? (tag.slice(1) as MergeTag) : undefined;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
