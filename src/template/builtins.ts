// The functions every template has (package text/template): logic, comparison, indexing, printing, escaping.
// Errors are plain messages; the evaluator adds the position.

import { Fault } from "../lib/errors.ts";
import { formatValue, sprint, sprintf, sprintln } from "./print.ts";
import {
  compareText,
  floatOf,
  GoFloat,
  type GoFunc,
  GoMap,
  GoNil,
  isTrue,
  kindOf,
  lengthOf,
  mapGet,
  mapHas,
  typedSlice,
  typeName,
} from "./values.ts";
import { table } from "../lib/table.ts";

const any = (count: number, call: (...args: unknown[]) => unknown): GoFunc => ({
  params: Array.from({ length: count }, () => "any" as const),
  call: call as GoFunc["call"],
});

const variadic = (count: number, call: (...args: unknown[]) => unknown): GoFunc => ({
  ...any(count, call),
  variadic: "any",
});

function refuse(message: string): never {
  throw new Fault("invalidParameter", message, { code: "template.execute" });
}

/** Go's predefined template functions by name. */
export const builtins: Readonly<Record<string, GoFunc>> = table({
  // The evaluator short-circuits and/or and resolves call itself; these entries only declare their arity.
  and: variadic(1, (...args) => args.at(-1)),
  or: variadic(1, (...args) => args.at(-1)),
  call: variadic(1, () => undefined),
  not: any(1, (value) => !isTrue(value)),
  len: any(1, length),
  index: variadic(1, index),
  slice: variadic(1, slice),
  print: variadic(0, (...args) => sprint(args)),
  println: variadic(0, (...args) => sprintln(args)),
  printf: {
    params: ["string"],
    variadic: "any",
    call: ((format: string, ...args: unknown[]) => sprintf(format, args)) as GoFunc["call"],
  },
  html: variadic(0, (...args) => escapeHtml(joined(args))),
  js: variadic(0, (...args) => escapeJs(joined(args))),
  urlquery: variadic(0, (...args) => escapeQuery(joined(args))),
  eq: variadic(1, equal),
  ne: any(2, (a, b) => !equal(a, b)),
  lt: any(2, less),
  le: any(2, (a, b) => less(a, b) || equal(a, b)),
  gt: any(2, (a, b) => !(less(a, b) || equal(a, b))),
  ge: any(2, (a, b) => !less(a, b)),
});

function length(value: unknown): number {
  if (value instanceof GoNil && value.kind === "pointer") refuse("len of nil pointer");
  if (value === null) refuse("len of nil pointer");
  if (value === undefined) refuse("reflect: call of reflect.Value.Type on zero Value");
  const found = lengthOf(value);
  return found < 0 ? refuse(`len of type ${typeName(value)}`) : found;
}

function index(item: unknown, ...keys: unknown[]): unknown {
  if (kindOf(item) === "invalid") refuse("index of untyped nil");
  let value = item;
  for (const key of keys) {
    const kind = kindOf(value);
    if (kind === "invalid" || kind === "pointer") refuse("index of nil pointer");
    if (kind === "slice" || kind === "string") value = at(value, position(key, lengthOf(value)));
    else if (kind === "map") value = lookup(value, key);
    else refuse(`can't index item of type ${typeName(value)}`);
  }
  return value;
}

function at(value: unknown, position: number): unknown {
  // Go checks only position <= length first; the slice itself then refuses position == length.
  if (position >= lengthOf(value)) {
    refuse(`reflect: ${typeof value === "string" ? "string" : "slice"} index out of range`);
  }
  return typeof value === "string" ? Buffer.from(value)[position] : (value as unknown[])[position];
}

function lookup(map: unknown, key: unknown): unknown {
  const kind = kindOf(key);
  const wanted = map instanceof GoMap ? (/^map\[([^\]]+)\]/.exec(map.type)?.[1] ?? "string") : "string";
  if (kind === "invalid") refuse(`value is nil; should be of type ${wanted}`);
  if (kind !== "string" && kind !== "int") refuse(`value has type ${typeName(key)}; should be ${wanted}`);
  if (kind === "int" && wanted === "string") refuse(`value has type ${typeName(key)}; should be string`);
  const name = typeof key === "bigint" ? Number(key) : (key as string | number);
  if (mapHas(map, name)) return mapGet(map, name);
  return map instanceof GoMap || map instanceof GoNil ? map.zero : undefined;
}

function position(key: unknown, capacity: number): number {
  const kind = kindOf(key);
  if (kind === "invalid") refuse("cannot index slice/array with nil");
  if (kind !== "int") refuse(`cannot index slice/array with type ${typeName(key)}`);
  const value = Number(key);
  return value < 0 || value > capacity ? refuse(`index out of range: ${value}`) : value;
}

function slice(item: unknown, ...indexes: unknown[]): unknown {
  const kind = kindOf(item);
  if (kind === "invalid") refuse("slice of untyped nil");
  if (kind === "pointer") refuse("slice of nil pointer");
  if (indexes.length > 3) refuse(`too many slice indexes: ${indexes.length}`);
  if (kind === "string" && indexes.length === 3) refuse("cannot 3-index slice a string");
  if (kind !== "string" && kind !== "slice") refuse(`can't slice item of type ${typeName(item)}`);
  const size = lengthOf(item);
  const [from = 0, to = size, limit] = indexes.map((value) => position(value, size));
  if (from > to) refuse(`invalid slice index: ${from} > ${to}`);
  if (limit !== undefined && to > limit) refuse(`invalid slice index: ${to} > ${limit}`);
  if (typeof item === "string") return Buffer.from(item).subarray(from, to).toString();
  if (!Array.isArray(item)) return item;
  return typedSlice(typeName(item), item.slice(from, to));
}

type Basic = "bool" | "int" | "float" | "string";

function basicKind(value: unknown): Basic | undefined {
  const kind = kindOf(value);
  return kind === "bool" || kind === "int" || kind === "float" || kind === "string" ? kind : undefined;
}

function equal(first: unknown, ...others: unknown[]): boolean {
  if (others.length === 0) refuse("missing argument for comparison");
  return others.some((other) => equalPair(first, other));
}

function equalPair(a: unknown, b: unknown): boolean {
  const kind = basicKind(a);
  if (kind !== basicKind(b)) {
    if (kindOf(a) === "invalid" || kindOf(b) === "invalid") return false;
    refuse(`incompatible types for comparison: ${typeName(a)} and ${typeName(b)}`);
  }
  if (kind === "int") return BigInt(a as number) === BigInt(b as number);
  if (kind === "float") return floatOf(a) === floatOf(b);
  if (kind !== undefined) return a === b;
  return equalOther(a, b);
}

function equalOther(a: unknown, b: unknown): boolean {
  const isNil = (value: unknown): boolean => value == null || value instanceof GoNil;
  const [left, right] = [kindOf(a), kindOf(b)];
  if (left !== right && left !== "invalid" && right !== "invalid") {
    refuse(
      `non-comparable types ${formatValue(a, "s")}: ${typeName(a)}, ${typeName(b)}: ${formatValue(b, "v")}`,
    );
  }
  if (isNil(a) || isNil(b)) return isNil(a) === isNil(b);
  if (right === "slice" || right === "map" || right === "func") {
    refuse(`non-comparable type ${formatValue(b, "s")}: ${typeName(b)}`);
  }
  return a === b || (left === "text" && formatValue(a, "v") === formatValue(b, "v"));
}

function less(a: unknown, b: unknown): boolean {
  const left = basicKind(a);
  const right = basicKind(b);
  if (left === undefined || right === undefined) refuse("invalid type for comparison");
  if (left !== right) refuse(`incompatible types for comparison: ${typeName(a)} and ${typeName(b)}`);
  if (left === "bool") refuse("invalid type for comparison");
  if (left === "string") return compareText(a as string, b as string) < 0;
  if (a instanceof GoFloat || b instanceof GoFloat) return floatOf(a) < floatOf(b);
  return (a as number) < (b as number);
}

/** The text of escaping functions' operands: one string as it is, else as print would write them. */
function joined(args: readonly unknown[]): string {
  const [only] = args;
  if (args.length === 1 && typeof only === "string") return only;
  return sprint(args.map((arg) => (arg == null ? "<no value>" : arg)));
}

const htmlEntities: Readonly<Record<string, string>> = table({
  '"': "&#34;",
  "'": "&#39;",
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\u0000": "\ufffd",
});

function escapeHtml(text: string): string {
  return text.replace(/["'&<>\0]/g, (char) => htmlEntities[char] ?? char);
}

const jsEscapes: Readonly<Record<string, string>> = table({
  "\\": "\\\\",
  "'": "\\'",
  '"': '\\"',
  "<": "\\u003C",
  ">": "\\u003E",
  "&": "\\u0026",
  "=": "\\u003D",
});

function escapeJs(text: string): string {
  return text.replace(/[\\'"<>&=\p{C}\p{Zl}\p{Zp}]/gu, (char) => {
    const code = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    return jsEscapes[char] ?? `\\u${code}`;
  });
}

function escapeQuery(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}
