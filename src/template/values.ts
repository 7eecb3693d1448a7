// How JavaScript values stand for Go values in templates. Plain values cover decoded JSON: undefined and null are
// nil, integers are int, other numbers float64, arrays []interface {}, objects map[string]interface {}. The classes
// below add what JSON cannot say: structs with an order, zero values and methods, typed maps, typed nils, times.

/** A parameter of a template function; `any` accepts everything, nil included. */
export type ParamType = "any" | "string" | "int" | "bool" | "[]string";

/** A function or method callable from a template; throws an Error whose message Go would report. */
export interface GoFunc {
  readonly params: readonly ParamType[];
  /** Type of the repeated last parameter, when the function is variadic. */
  readonly variadic?: ParamType;
  readonly call: (...args: never[]) => unknown;
}

/** Go's struct: fields in declaration order, methods, and the type name that error messages show. */
export class GoStruct {
  readonly type: string;
  /** True for *T: prints with & at the top and as an address when nested. */
  readonly isPointer: boolean;
  readonly fields: ReadonlyMap<string, unknown>;
  readonly methods: Readonly<Record<string, GoFunc>>;
  /** What the json function sees; defaults to the fields. */
  readonly encode: (() => unknown) | undefined;
  /** True for types with a MarshalJSON of their own, whose output has <, > and & escaped even where json has not. */
  readonly escapesHtml: boolean;
  constructor(
    type: string,
    fields: ReadonlyMap<string, unknown>,
    methods: Readonly<Record<string, GoFunc>> = {},
    encode?: () => unknown,
    options: { readonly escapesHtml?: boolean } = {},
  ) {
    this.type = type;
    this.isPointer = type.startsWith("*");
    this.fields = fields;
    this.methods = methods;
    this.encode = encode;
    this.escapesHtml = options.escapesHtml === true;
  }
}

/** Go's map with a known element type: a missing key indexes to `zero`. Keys are strings or integers. */
export class GoMap {
  readonly type: string;
  readonly entries: ReadonlyMap<string | number, unknown>;
  readonly zero: unknown;
  constructor(type: string, entries: ReadonlyMap<string | number, unknown>, zero: unknown) {
    this.type = type;
    this.entries = entries;
    this.zero = zero;
  }
}

/** A nil that knows its type: `*T` prints <nil>, a slice [], a map map[]. */
export class GoNil {
  readonly type: string;
  readonly kind: "pointer" | "slice" | "map";
  /** Field names of the struct a nil pointer would point to, so that errors say "nil pointer" only for those. */
  readonly fields: readonly string[] | undefined;
  readonly zero: unknown;
  constructor(type: string, fields?: readonly string[], zero?: unknown) {
    this.type = type;
    this.kind = type.startsWith("*") ? "pointer" : type.startsWith("[]") ? "slice" : "map";
    this.fields = fields;
    this.zero = zero;
  }
}

/** A value that prints itself (fmt.Stringer), such as time.Time; `json` is its encoded form. */
export class GoText {
  readonly type: string;
  readonly text: string;
  readonly json: unknown;
  constructor(type: string, text: string, json: unknown = text) {
    this.type = type;
    this.text = text;
    this.json = json;
  }
}

/** A float64 whose value may be a whole number. */
export class GoFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

const sliceTypes = new WeakMap<readonly unknown[], string>();

/** Names the Go type of an array (`[]string`), for error messages and type checks; returns the array. */
export function typedSlice<T>(type: string, items: readonly T[]): readonly T[] {
  sliceTypes.set(items, type);
  return items;
}

export type Kind =
  | "invalid"
  | "bool"
  | "int"
  | "float"
  | "string"
  | "slice"
  | "map"
  | "struct"
  | "pointer"
  | "func"
  | "text";

/** Returns the sort of value, in the sense of Go's reflect.Kind. */
export function kindOf(value: unknown): Kind {
  if (value === undefined || value === null) return "invalid";
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "string":
      return "string";
    case "bigint":
      return "int";
    case "number":
      return Number.isInteger(value) ? "int" : "float";
  }
  if (Array.isArray(value)) return "slice";
  if (value instanceof GoStruct) return "struct";
  if (value instanceof GoFloat) return "float";
  if (value instanceof GoNil) return value.kind;
  if (value instanceof GoText) return "text";
  return isFunc(value) ? "func" : "map";
}

/** Returns the name of the value's Go type as error messages print it. */
export function typeName(value: unknown): string {
  switch (kindOf(value)) {
    case "invalid":
      return "<nil>";
    case "bool":
      return "bool";
    case "int":
      return typeof value === "bigint" ? "int64" : "int";
    case "float":
      return "float64";
    case "string":
      return "string";
    case "slice":
      return value instanceof GoNil ? value.type : (sliceTypes.get(value as unknown[]) ?? "[]interface {}");
    case "func":
      return "func()";
  }
  if (
    value instanceof GoStruct ||
    value instanceof GoMap ||
    value instanceof GoNil ||
    value instanceof GoText
  ) {
    return value.type;
  }
  return "map[string]interface {}";
}

/** Tells whether the value is a callable of the template language. */
export function isFunc(value: unknown): value is GoFunc {
  return typeof value === "object" && value !== null && typeof (value as GoFunc).call === "function";
}

/** Go's truth: false for nil, zero, false and everything empty; a struct is always true. */
export function isTrue(value: unknown): boolean {
  switch (kindOf(value)) {
    case "invalid":
    case "pointer":
      return false;
    case "bool":
      return value === true;
    case "int":
      return value !== 0 && value !== 0n;
    case "float":
      return floatOf(value) !== 0;
    case "string":
    case "slice":
    case "map":
      return lengthOf(value) > 0;
    default:
      return true;
  }
}

/** Returns the number behind a float64 or an int. */
export function floatOf(value: unknown): number {
  return value instanceof GoFloat ? value.value : Number(value);
}

/** Returns Go's len of a string (in bytes), slice or map; other kinds give -1. */
export function lengthOf(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (value instanceof GoNil) return value.kind === "pointer" ? -1 : 0;
  return kindOf(value) === "map" ? mapEntries(value).length : -1;
}

/** Returns a map's entries sorted by key, as Go prints and ranges over maps. */
export function mapEntries(value: unknown): [string | number, unknown][] {
  if (value instanceof GoNil || value === null || typeof value !== "object") return [];
  const entries = value instanceof GoMap ? [...value.entries] : Object.entries(value);
  return entries.sort(([a], [b]) =>
    typeof a === "number" && typeof b === "number" ? a - b : compareText(String(a), String(b)),
  );
}

/** Looks a key up in any sort of map; undefined tells that it is absent (a nil value is null). */
export function mapGet(value: unknown, key: string | number): unknown {
  if (value instanceof GoNil) return undefined;
  const found = value instanceof GoMap ? value.entries.get(key) : ownProperty(value, key);
  return found === undefined && mapHas(value, key) ? null : found;
}

/** Tells whether the map has the key. */
export function mapHas(value: unknown, key: string | number): boolean {
  if (value instanceof GoNil) return false;
  return value instanceof GoMap ? value.entries.has(key) : Object.hasOwn(value as object, key);
}

function ownProperty(value: unknown, key: string | number): unknown {
  return Object.hasOwn(value as object, key) ? (value as Record<string, unknown>)[key] : undefined;
}

/** Compares two strings by code point, which is the order of their UTF-8 bytes. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    let x = a.charCodeAt(at);
    let y = b.charCodeAt(at);
    if (x === y) continue;
    // UTF-16 puts surrogates below U+E000; UTF-8 puts them above everything.
    if (x >= 0xd800 && y >= 0xd800) {
      x = x >= 0xe000 ? x - 0x800 : x + 0x2000;
      y = y >= 0xe000 ? y - 0x800 : y + 0x2000;
    }
    return x - y;
  }
  return a.length - b.length;
}
