// Merges trees in their long form: what an override file, an extending service or an including file adds to what was there.
// The rules are the shapes': mappings by key, lists by adding (items with the same key are replaced), commands and scalars by
// replacing; `!reset` takes away and `!override` replaces whatever it is.

import type { ListShape, ObjectShape, Shape } from "../schema/shape.ts";
import { uniqueItems } from "../schema/read.ts";
import { child, list, type ListNode, type MapEntry, type MapNode, map, type Node } from "../tree/node.ts";

/** Returns `over` on top of `base`, without merge tags. */
export function mergeTrees(shape: Shape, base: Node | undefined, over: Node): Node {
  if (base === undefined || over.tag === "override") return withoutTags(over);
  const isNull = over.kind === "scalar" && over.value === null;
  if (isNull && shape.kind !== "command") return base;
  switch (shape.kind) {
    case "list":
      return base.kind === "list" && over.kind === "list" ? mergeLists(shape, base, over) : withoutTags(over);
    case "pairs":
      return base.kind === "map" && over.kind === "map"
        ? mergeEntries(base, over, replace)
        : withoutTags(over);
    case "hosts":
      return base.kind === "map" && over.kind === "map" ? mergeEntries(base, over, addAddresses) : over;
    case "map":
      if (base.kind !== "map" || over.kind !== "map") return withoutTags(over);
      return mergeEntries(base, over, (was, is) => mergeTrees(shape.value, was, is));
    case "object":
      return base.kind === "map" && over.kind === "map" ? mergeObjects(shape, base, over) : withoutTags(over);
    case "any":
      return mergeAnything(base, over);
    default:
      return withoutTags(over);
  }
}

const replace = (_was: Node, is: Node): Node => withoutTags(is);

function mergeEntries(
  base: MapNode,
  over: MapNode,
  merge: (was: Node, is: Node, name: string) => Node,
): MapNode {
  const entries = new Map(base.entries);
  for (const [name, { keyAt, value }] of over.entries) {
    const was = entries.get(name);
    if (value.tag === "reset") entries.delete(name);
    else if (was === undefined) entries.set(name, { keyAt, value: withoutTags(value) });
    else entries.set(name, { keyAt, value: merge(was.value, value, name) });
  }
  return map(entries, over.at);
}

function mergeObjects(shape: ObjectShape, base: MapNode, over: MapNode): MapNode {
  const { mergesWhenSame } = shape;
  if (mergesWhenSame !== undefined) {
    const [was, is] = [child(base, mergesWhenSame), child(over, mergesWhenSame)];
    const isSame = was?.kind !== "scalar" || is?.kind !== "scalar" || was.value === is.value;
    if (!isSame) return withoutTags(over) as MapNode;
  }
  return mergeEntries(base, over, (was, is, name) => {
    const field = Object.hasOwn(shape.fields, name) ? shape.fields[name] : undefined;
    return field === undefined ? mergeAnything(was, is) : mergeTrees(field, was, is);
  });
}

function mergeLists(shape: ListShape, base: ListNode, over: ListNode): Node {
  const { keyOf } = shape;
  const added = withoutTags(over) as ListNode;
  if (shape.mergesItems === true && keyOf !== undefined) {
    const items = added.items.map((item) =>
      mergeTrees(
        shape.item,
        base.items.find((was) => keyOf(was) === keyOf(item)),
        item,
      ),
    );
    return list(items, over.at);
  }
  if (shape.isReplaced === true) return added;
  const items = [...base.items, ...added.items];
  return list(keyOf === undefined ? items : uniqueItems(items, keyOf), over.at);
}

function addAddresses(was: Node, is: Node): Node {
  if (was.kind !== "list" || is.kind !== "list") return is;
  const known = new Set(was.items.map((item) => (item.kind === "scalar" ? item.value : item)));
  const added = is.items.filter((item) => item.kind !== "scalar" || !known.has(item.value));
  return list([...was.items, ...added], is.at);
}

/** Extensions and options: mappings by key, lists by adding. */
function mergeAnything(base: Node, over: Node): Node {
  if (over.tag === "override") return withoutTags(over);
  if (base.kind === "map" && over.kind === "map") return mergeEntries(base, over, mergeAnything);
  if (base.kind === "list" && over.kind === "list")
    return list([...base.items, ...(withoutTags(over) as ListNode).items], over.at);
  return withoutTags(over);
}

/** Returns the tree as it is where nothing was before: what is reset is not there. */
export function withoutTags(node: Node): Node {
  if (node.kind === "list") {
    const items = node.items.filter((item) => item.tag !== "reset").map(withoutTags);
    return list(items, node.at);
  }
  if (node.kind === "map") {
    const entries = new Map<string, MapEntry>();
    for (const [name, { keyAt, value }] of node.entries)
      if (value.tag !== "reset") entries.set(name, { keyAt, value: withoutTags(value) });
    return map(entries, node.at);
  }
  return node.tag === undefined ? node : { ...node, tag: undefined };
}
