// Properties of the unit that a bundle asks for: `org.systemd.property.NAME`, whose value is written as GVariant text (glib's "GVariant Text
// Format"), as runc and crun read it: numbers, booleans, texts and lists of them, with a type in front where they are not what they look like.

import { Fault, messageOf } from "../../lib/errors.ts";
import { parseSignature } from "../../lib/dbus/signature.ts";
import { type DbusValue, encodeValues, Variant } from "../../lib/dbus/value.ts";
import { table } from "../../lib/table.ts";
import { invalid } from "./unit.ts";

export type Property = readonly [name: string, value: Variant];

const PREFIX = "org.systemd.property.";

/** Returns the properties. Throws Fault for a name or a value that cannot be one. */
export function annotatedProperties(annotations: Readonly<Record<string, string>>): Property[] {
  return Object.entries(annotations).flatMap(([key, text]): Property[] => {
    if (!key.startsWith(PREFIX)) return [];
    const name = key.slice(PREFIX.length);
    // compat: runc's rule, which keeps D-Bus' own and systemd's future names apart
    if (!/^[A-Za-z]{3,}$/.test(name)) throw invalid(`annotation ${key} name incorrect`);
    try {
      const value = parseGVariant(text);
      return [/[a-z]Sec$/.test(name) ? [`${name.slice(0, -3)}USec`, inMicroseconds(value)] : [name, value]];
    } catch (error) {
      throw invalid(`annotation ${key}=${text} value parse error: ${messageOf(error)}`);
    }
  });
}

/** systemd's bus has only microseconds, its configuration files seconds. */
function inMicroseconds({ value }: Variant): Variant {
  if (typeof value !== "number" && typeof value !== "bigint") throw invalid("not a number");
  return new Variant("t", BigInt(Math.round(Number(value) * 1e6)));
}

const TYPES = table<string>({
  boolean: "b",
  byte: "y",
  int16: "n",
  uint16: "q",
  int32: "i",
  handle: "h",
  uint32: "u",
  int64: "x",
  uint64: "t",
  double: "d",
  string: "s",
  objectpath: "o",
  signature: "g",
});

/** Returns what the text stands for. Throws Fault. */
export function parseGVariant(text: string): Variant {
  const tokens = tokenize(text);
  const first = tokens[0] ?? "";
  const type = first.startsWith("@") ? first.slice(1) : TYPES[first];
  if (type !== undefined) tokens.shift();
  const signature = type ?? guess(tokens);
  const [parsed, ...more] = parseSignature(signature);
  if (!parsed || more.length > 0) throw invalid(`"${signature}" is not a type`);
  const value = takeValue(tokens, signature);
  if (tokens.length > 0) throw invalid(`"${tokens.join(" ")}" behind the value`);
  encodeValues(signature, [value]); // out of range is told here
  return new Variant(signature, value);
}

const TOKEN =
  /\s*(@[a-z]+|[A-Za-z][A-Za-z0-9]*|[+-]?[0-9][0-9A-Za-z.+-]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[[\],])/y;

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let end = 0; end < text.trimEnd().length; end = TOKEN.lastIndex) {
    const match = TOKEN.exec(text);
    if (!match?.[1]) throw invalid(`"${text.slice(end).trim()}" is not a value`);
    tokens.push(match[1]);
  }
  return tokens;
}

function guess(tokens: readonly string[]): string {
  const [first = ""] = tokens;
  if (first === "[") {
    if (tokens[1] === "]") throw invalid("an empty list needs its type, as in @as []");
    return `a${guess(tokens.slice(1))}`;
  }
  if (first === "true" || first === "false") return "b";
  if (first.startsWith('"') || first.startsWith("'")) return "s";
  return /[.eE]/.test(first) && !first.startsWith("0x") ? "d" : "i";
}

function takeValue(tokens: string[], signature: string): DbusValue {
  const token = tokens.shift();
  if (token === undefined) throw invalid("there is no value");
  if (signature.startsWith("a")) return takeList(token, tokens, signature.slice(1));
  if (signature === "b") {
    if (token !== "true" && token !== "false") throw invalid(`${token} is not a boolean`);
    return token === "true";
  }
  if (["s", "o", "g"].includes(signature)) return unquote(token);
  if (signature === "x" || signature === "t") return wide(token);
  const number = Number(token);
  if (Number.isNaN(number)) throw invalid(`${token} is not a number`);
  return number;
}

function wide(token: string): bigint {
  try {
    return BigInt(token);
  } catch {
    throw invalid(`${token} is not an integer`);
  }
}

function takeList(token: string, tokens: string[], of: string): DbusValue[] {
  if (token !== "[") throw invalid(`${token} is not a list`);
  const values: DbusValue[] = [];
  while (tokens[0] !== "]") {
    if (values.length > 0 && tokens.shift() !== ",") throw invalid("a list has no comma");
    values.push(takeValue(tokens, of));
  }
  tokens.shift();
  return values;
}

const ESCAPES = table<string>({
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
});

function unquote(token: string): string {
  if (!/^["']/.test(token))
    throw new Fault("invalidParameter", `${token} is not a text`, { code: "runtime.systemd" });
  return token
    .slice(1, -1)
    .replace(
      /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/gs,
      (_, short: string, long: string, one: string) =>
        one === undefined ? String.fromCodePoint(Number.parseInt(short ?? long, 16)) : (ESCAPES[one] ?? one),
    );
}
