// The functions that Docker adds to templates: json, split, join, title, lower, upper, pad, padlen, truncate,
// and their harmless twins used to render a table's header row.

import { sprint } from "./print.ts";
import {
  GoFloat,
  type GoFunc,
  GoMap,
  GoNil,
  type GoStruct,
  type GoText,
  kindOf,
  mapEntries,
  type ParamType,
  typedSlice,
} from "./values.ts";
import { table } from "../lib/table.ts";

/** Longest padding honoured, so that a template cannot eat memory. */
const maxPad = 100_000;

const func = (params: readonly ParamType[], call: (...args: never[]) => unknown): GoFunc => ({
  params,
  call,
});

/** Docker's template functions by name. */
export const dockerFunctions: Readonly<Record<string, GoFunc>> = table({
  json: func(["any"], encodeJson),
  split: func(["string", "string"], (text: string, by: string) => typedSlice("[]string", split(text, by))),
  join: func(["[]string", "string"], (items: readonly string[] | GoNil, by: string) =>
    Array.isArray(items) ? items.join(by) : "",
  ),
  title: func(["string"], title),
  lower: func(["string"], (text: string) => text.toLowerCase()),
  upper: func(["string"], (text: string) => text.toUpperCase()),
  pad: func(["string", "int", "int"], pad),
  padlen: func(["string", "int"], (text: string, width: number) => text.padEnd(Math.min(width, maxPad))),
  truncate: func(["string", "int"], truncate),
});

const header = (count: number): GoFunc =>
  func(["string", ...Array.from({ length: count }, () => "any" as const)], (text: string) => text);

/** What the same names do in a table's header row: leave the column's title as it is. */
export const headerFunctions: Readonly<Record<string, GoFunc>> = table({
  json: header(0),
  split: header(1),
  join: header(1),
  title: header(0),
  lower: header(0),
  upper: header(0),
  truncate: header(1),
});

function split(text: string, by: string): string[] {
  return by === "" ? [...text] : text.split(by);
}

/** strings.Title: upper case after ASCII punctuation and after any space, the underscore excepted. */
function title(text: string): string {
  return text.replace(
    /(^|[\0-/:-@[-^`{-\x7f\s])(\p{Ll})/gu,
    (_, before: string, letter: string) => before + letter.toUpperCase(),
  );
}

function pad(text: string, before: number, after: number): string {
  if (text === "") return text;
  return (
    " ".repeat(Math.min(Math.max(before, 0), maxPad)) +
    text +
    " ".repeat(Math.min(Math.max(after, 0), maxPad))
  );
}

function truncate(text: string, length: number): string {
  const bytes = Buffer.from(text);
  return bytes.length < length ? text : bytes.subarray(0, Math.max(length, 0)).toString();
}

/** encoding/json with HTML escaping off: map keys sorted, structs in field order. */
export function encodeJson(value: unknown): string {
  return encode(value, 0);
}

function encode(value: unknown, depth: number): string {
  if (depth > 200) return "null";
  switch (kindOf(value)) {
    case "invalid":
    case "func":
      return "null";
    case "slice":
      if (!Array.isArray(value)) return "null";
      return `[${value.map((item) => encode(item, depth + 1)).join(",")}]`;
    case "pointer":
      return "null";
    case "struct":
      return encodeStruct(value as GoStruct, depth);
    case "map":
      if (value instanceof GoNil) return "null";
      return `{${mapEntries(value)
        .map(([key, item]) => member(String(key), item, depth))
        .join(",")}}`;
    case "text":
      return encode((value as GoText).json, depth + 1);
    case "string":
      return encodeString(value as string);
    case "float":
      return String(value instanceof GoFloat ? value.value : value);
    default:
      return value instanceof GoMap ? "{}" : sprint([value]);
  }
}

function encodeStruct(value: GoStruct, depth: number): string {
  const text =
    value.encode === undefined
      ? `{${[...value.fields].map(([key, item]) => member(key, item, depth)).join(",")}}`
      : encode(value.encode(), depth + 1);
  if (!value.escapesHtml) return text;
  return text.replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}

function member(key: string, value: unknown, depth: number): string {
  return `${encodeString(key)}:${encode(value, depth + 1)}`;
}

function encodeString(text: string): string {
  // Go also escapes the two line separators that JavaScript once could not have in string literals.
  return JSON.stringify(text).replace(/[\u2028\u2029]/g, (char) =>
    char === "\u2028" ? "\\u2028" : "\\u2029",
  );
}
