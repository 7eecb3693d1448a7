// Turns a parsed JSON value into what a schema says, with the semantics of Go's encoding/json: unknown keys are
// dropped, keys match case-insensitively (an exact match wins nothing: the last one in the text does), null leaves a
// field absent, and a wrong type is refused with Go's sentence. Field names in the result are the schema's spelling.
// Throws only Fault(invalidParameter, "json.type"). Depth is bounded by the schema, and by parse.ts for `any`.

import { Fault } from "../errors.ts";
import { bare, type Fields, type Input, type Scalar, type Schema, type Struct } from "./schema.ts";

/** Where in the document the decoder is: the innermost struct and the names of fields from the root. */
interface Place {
  readonly struct: string;
  readonly path: string;
}

const ROOT: Place = { struct: "", path: "" };

/** Returns the Go type's text as reflect prints it. */
export function goTypeOf(schema: Schema): string {
  const s = bare(schema);
  switch (s.kind) {
    case "struct":
      return s.name === "" ? "struct {}" : s.name;
    case "list":
      return `[]${pointerOr(s.item)}`;
    case "map":
      return `map[string]${pointerOr(s.value)}`;
    case "any":
      return "interface {}";
    default:
      return s.go;
  }
}

function pointerOr(schema: Schema): string {
  const isPointer = schema.kind === "nullable" && !["list", "map"].includes(schema.of.kind);
  return isPointer ? `*${goTypeOf(schema)}` : goTypeOf(schema);
}

function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return typeof value === "bigint" ? "number" : typeof value;
}

function mismatch(what: string, goType: string, place: Place): Fault {
  const target =
    place.struct === ""
      ? `Go value of type ${goType}`
      : `Go struct field ${place.struct}.${place.path} of type ${goType}`;
  return new Fault("invalidParameter", `json: cannot unmarshal ${what} into ${target}`, {
    code: "json.type",
  });
}

const byFoldedName = new WeakMap<object, Map<string, string>>();

function foldedNames(schema: Struct<Fields>): Map<string, string> {
  let names = byFoldedName.get(schema);
  if (names === undefined) {
    names = new Map(Object.keys(schema.fields).map((name) => [name.toLowerCase(), name]));
    byFoldedName.set(schema, names);
  }
  return names;
}

/** Sets an own property, whatever its name (`__proto__` included). */
function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else target[key] = value;
}

function zeroOf(schema: Schema): unknown {
  if (schema.kind === "nullable") return null;
  const s = bare(schema);
  switch (s.kind) {
    case "string":
      return "";
    case "bool":
      return false;
    case "int":
    case "float":
      return 0;
    case "list":
      return [];
    case "map":
    case "struct":
      return {};
    case "any":
      return null;
  }
}

function decodeNumber(schema: Scalar<unknown>, value: unknown, place: Place): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number") throw mismatch(jsonTypeOf(value), schema.go, place);
  const isFitting =
    schema.kind === "float"
      ? Number.isFinite(number)
      : Number.isInteger(number) && number >= (schema.min ?? -Infinity) && number <= (schema.max ?? Infinity);
  if (!isFitting) throw mismatch(`number ${String(value)}`, schema.go, place);
  return number;
}

function decodeStruct(schema: Struct<Fields>, value: unknown, place: Place): unknown {
  if (jsonTypeOf(value) !== "object") throw mismatch(jsonTypeOf(value), goTypeOf(schema), place);
  const names = foldedNames(schema);
  const result: Record<string, unknown> = {};
  const struct = schema.name.slice(schema.name.lastIndexOf(".") + 1);
  for (const [key, item] of Object.entries(value as object)) {
    const name = names.get(key.toLowerCase());
    const field = name === undefined ? undefined : schema.fields[name];
    if (name === undefined || field === undefined || item === null) continue;
    const path = place.path === "" ? name : `${place.path}.${name}`;
    result[name] = decodeAt(field, item, { struct, path });
  }
  return result;
}

function decodeAt(schema: Schema, value: unknown, place: Place): unknown {
  const s = bare(schema);
  switch (s.kind) {
    case "any":
      return value;
    case "string":
    case "bool":
      if (jsonTypeOf(value) !== s.kind) throw mismatch(jsonTypeOf(value), s.go, place);
      return value;
    case "int":
    case "float":
      return decodeNumber(s, value, place);
    case "struct":
      return decodeStruct(s, value, place);
    case "list":
      return decodeList(s.item, s.orSingle === true, goTypeOf(s), value, place);
    case "map":
      return decodeMap(s.value, goTypeOf(s), value, place);
  }
}

function decodeList(
  item: Schema,
  orSingle: boolean,
  goType: string,
  value: unknown,
  place: Place,
): unknown[] {
  if (!Array.isArray(value)) {
    // compat: moby's StrSlice falls back to a lone string and reports only that attempt.
    if (orSingle) return [decodeAt(item, value, place)];
    throw mismatch(jsonTypeOf(value), goType, place);
  }
  try {
    return value.map((entry) => (entry === null ? zeroOf(item) : decodeAt(item, entry, place)));
  } catch (error) {
    if (orSingle) throw mismatch("array", goTypeOf(item), place);
    throw error;
  }
}

function decodeMap(item: Schema, goType: string, value: unknown, place: Place): Record<string, unknown> {
  if (jsonTypeOf(value) !== "object") throw mismatch(jsonTypeOf(value), goType, place);
  const result: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(value as object)) {
    setOwn(result, key, entry === null ? zeroOf(item) : decodeAt(item, entry, place));
  }
  return result;
}

/** Returns the value as the schema says; a null document is the schema's zero value. */
export function decodeUntyped(schema: Schema, value: unknown): unknown {
  return value === null ? zeroOf(schema) : decodeAt(schema, value, ROOT);
}

/** As decodeUntyped, typed by the schema. */
export function decode<S extends Schema>(schema: S, value: unknown): Input<S> {
  return decodeUntyped(schema, value) as Input<S>;
}
