// What can be asked of a tree only when all files are merged: fields that must be there, and fields that go with others.

import type { Node } from "../tree/node.ts";
import type { Problem } from "../tree/problem.ts";
import type { ObjectShape, Shape } from "./shape.ts";

/** Returns what is missing or contradicts itself. */
export function verifyTree(shape: Shape, node: Node, path = ""): Problem[] {
  const below = (name: string | number): string => (path === "" ? String(name) : `${path}.${name}`);
  switch (shape.kind) {
    case "object":
      if (node.kind !== "map") return [];
      return [
        ...verifyObject(shape, node, path),
        ...[...node.entries].flatMap(([name, { value }]) => {
          const field = Object.hasOwn(shape.fields, name) ? shape.fields[name] : undefined;
          return field === undefined ? [] : verifyTree(field, value, below(name));
        }),
      ];
    case "map":
      if (node.kind !== "map") return [];
      return [...node.entries].flatMap(([name, { value }]) => verifyTree(shape.value, value, below(name)));
    case "list":
      if (node.kind !== "list") return [];
      return node.items.flatMap((item, index) => verifyTree(shape.item, item, below(index)));
    case "either":
      return node.kind === "map" ? verifyTree(shape.object, node, path) : [];
    default:
      return [];
  }
}

function verifyObject(shape: ObjectShape, node: Node & { kind: "map" }, path: string): Problem[] {
  const missing = (shape.required ?? []).filter((name) => !node.entries.has(name));
  const problems = missing.map((name) => ({ at: node.at, path, message: `missing property '${name}'` }));
  const wrong = missing.length > 0 ? undefined : shape.check?.(node);
  if (wrong === undefined) return problems;
  const entry = wrong.field === undefined ? undefined : node.entries.get(wrong.field);
  return [...problems, { at: entry?.keyAt ?? node.at, path, message: wrong.message }];
}
