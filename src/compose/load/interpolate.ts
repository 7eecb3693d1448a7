// Puts variables into every text of a tree; keys are left as they are.

import { Fault } from "../../lib/errors.ts";
import { list, type MapEntry, map, type Node } from "../tree/node.ts";
import type { Problem } from "../tree/problem.ts";
import { type SubstituteOptions, substitute, type VariableUse, variablesOf } from "./substitute.ts";

/** Returns the tree with its variables put in; what cannot be goes to `problem`. */
export function interpolate(
  node: Node,
  path: string,
  options: SubstituteOptions & { readonly problem: (problem: Problem) => void },
): Node {
  const below = (name: string | number): string => (path === "" ? String(name) : `${path}.${name}`);
  if (node.kind === "list")
    return list(
      node.items.map((item, index) => interpolate(item, below(index), options)),
      node.at,
      node.tag,
    );
  if (node.kind === "map") {
    const entries = new Map<string, MapEntry>();
    for (const [name, { keyAt, value }] of node.entries)
      entries.set(name, { keyAt, value: interpolate(value, below(name), options) });
    return map(entries, node.at, node.tag);
  }
  if (typeof node.value !== "string" || !node.value.includes("$")) return node;
  try {
    return { ...node, value: substitute(node.value, options) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    options.problem({ at: node.at, path, message: error.message });
    return node;
  }
}

/** Returns the variables that the texts of a tree name. */
export function variablesIn(node: Node): VariableUse[] {
  if (node.kind === "list") return node.items.flatMap(variablesIn);
  if (node.kind === "map") return [...node.entries.values()].flatMap(({ value }) => variablesIn(value));
  return typeof node.value === "string" ? variablesOf(node.value) : [];
}
