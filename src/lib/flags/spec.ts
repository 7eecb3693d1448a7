// What a command-line flag is: its type's name, how its text becomes a value, what help says of it. Factories for
// pflag's basic types; a program adds its own with `custom`. Pure data: parsing of argv is in parse.ts.

import { Fault } from "../errors.ts";
import { goBool } from "../units/go-scalar.ts";

/** One flag; the long name is its key in the table. */
export interface FlagSpec<T> {
  /** Type name in help and in the place of the value (`string`, `list`); empty for switches. */
  readonly type: string;
  readonly short?: string | undefined;
  readonly usage: string;
  /** Value when the flag is not given. */
  readonly initial: T;
  /** Text of "(default …)" in help; none when absent or empty. */
  readonly defaultText?: string | undefined;
  /** Value of a flag given without one (pflag's NoOptDefVal). */
  readonly noValue?: string | undefined;
  readonly hidden?: boolean | undefined;
  /** Message printed when the flag is used: "Flag --x has been deprecated, …". */
  readonly deprecated?: string | undefined;
  /** Same for the one-letter form. */
  readonly shortDeprecated?: string | undefined;
  /** First API version whose daemon understands the flag. */
  readonly since?: string | undefined;
  /** The only operating system on which a daemon understands it, other than ours; help leaves it out. */
  readonly os?: string | undefined;
  /** Turns one occurrence into the value; `previous` is undefined at the first. Throws a Fault with the reason. */
  parse(text: string, previous: T | undefined): T;
}

// biome-ignore lint: a table holds flags of every type; the mapped type below recovers each
export type FlagTable = { readonly [name: string]: FlagSpec<any> };

/** The values of a table's flags, by long name. */
export type FlagValues<F extends FlagTable> = {
  readonly [K in keyof F]: F[K] extends FlagSpec<infer T> ? T : never;
};

/** What may be said of a flag beside its type; all optional. */
export type FlagTraits = Partial<
  Pick<
    FlagSpec<unknown>,
    "short" | "hidden" | "deprecated" | "shortDeprecated" | "since" | "os" | "defaultText"
  >
>;

/** Makes the failure that parse() reports as `invalid argument "x" for "--flag" flag: <reason>`. */
export function invalidValue(reason: string): Fault {
  return new Fault("invalidParameter", reason, { code: "flags.value" });
}

/** Every member by name: a command makes up to a hundred flags before it begins, and spreading objects is slow. */
function flag<T>(
  type: string,
  usage: string,
  initial: T,
  parse: FlagSpec<T>["parse"],
  traits: FlagTraits,
  own?: Pick<FlagSpec<T>, "defaultText" | "noValue">,
): FlagSpec<T> {
  const { short, hidden, deprecated, shortDeprecated, since, os, defaultText } = traits;
  return {
    type,
    usage,
    initial,
    parse,
    short,
    hidden,
    deprecated,
    shortDeprecated,
    since,
    os,
    defaultText: defaultText ?? own?.defaultText,
    noValue: own?.noValue,
  };
}

/** A flag of any type: `parse` turns one text (and the value so far) into the value. */
export function custom<T>(
  type: string,
  usage: string,
  initial: T,
  parse: (text: string, previous: T | undefined) => T,
  traits: FlagTraits = {},
): FlagSpec<T> {
  return flag(type, usage, initial, parse, traits);
}

/** A switch: `--x`, `--x=false`. */
export function bool(
  usage: string,
  traits: FlagTraits & { readonly initial?: boolean } = {},
): FlagSpec<boolean> {
  const { initial = false } = traits;
  const parse = (text: string): boolean => {
    const value = goBool(text);
    if (value === null)
      throw invalidValue(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
    return value;
  };
  return flag("", usage, initial, parse, traits, {
    noValue: "true",
    defaultText: initial ? "true" : undefined,
  });
}

const asItIs = (text: string): string => text;

/** One text. */
export function string(
  usage: string,
  traits: FlagTraits & { readonly initial?: string } = {},
): FlagSpec<string> {
  const { initial = "" } = traits;
  const defaultText = initial === "" ? undefined : JSON.stringify(initial);
  return flag("string", usage, initial, asItIs, traits, { defaultText });
}

/** An integer of 64 bits, in any base Go accepts. */
export function int(
  usage: string,
  traits: FlagTraits & { readonly initial?: number; readonly type?: string } = {},
): FlagSpec<number> {
  const { initial = 0, type = "int" } = traits;
  const defaultText = initial === 0 ? undefined : String(initial);
  return flag(type, usage, initial, (text) => parseInteger(text, "ParseInt", 63), traits, { defaultText });
}

/** An unsigned integer of `bits` bits. */
export function uint(usage: string, bits: 16 | 64, traits: FlagTraits = {}): FlagSpec<number> {
  const parse = (text: string): number => parseInteger(text, "ParseUint", bits);
  return flag(bits === 64 ? "uint" : `uint${bits}`, usage, 0, parse, traits);
}

function parseInteger(text: string, func: "ParseInt" | "ParseUint", bits: number): number {
  const refuse = (why: string): Fault =>
    invalidValue(`strconv.${func}: parsing ${JSON.stringify(text)}: ${why}`);
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)$/.exec(
    text.replace(/(?<=\d)_(?=\d)/g, ""),
  );
  if (match === null || (func === "ParseUint" && match[1] !== "")) throw refuse("invalid syntax");
  const [, sign = "", digits = "0"] = match;
  const magnitude = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  if (magnitude >= 2n ** BigInt(bits)) throw refuse("value out of range");
  return Number(magnitude) * (sign === "-" ? -1 : 1);
}

/** A flag that may be repeated; each text is kept as it is, after `check` has seen it. */
export function list(
  usage: string,
  traits: FlagTraits & { readonly type?: string; readonly check?: (text: string) => string } = {},
): FlagSpec<string[]> {
  const { check = asItIs, type = "list" } = traits;
  return flag<string[]>(type, usage, [], (text, previous) => [...(previous ?? []), check(text)], traits);
}

/** A flag that may be repeated and whose text is a comma-separated list (pflag's stringSlice, read as CSV). */
export function strings(usage: string, traits: FlagTraits = {}): FlagSpec<string[]> {
  const parse = (text: string, previous: string[] | undefined) => [...(previous ?? []), ...parseCsv(text)];
  return flag("strings", usage, [], parse, traits);
}

/** A repeated `key=value`; a key alone has the empty value. */
export function map(
  usage: string,
  traits: FlagTraits & { readonly type?: string } = {},
): FlagSpec<Readonly<Record<string, string>>> {
  const { type = "map" } = traits;
  const parse = (text: string, previous: Readonly<Record<string, string>> | undefined) => {
    const equals = text.indexOf("=");
    const key = equals < 0 ? text : text.slice(0, equals);
    return { ...previous, [key]: equals < 0 ? "" : text.slice(equals + 1) };
  };
  return flag(type, usage, {}, parse, traits, { defaultText: "map[]" });
}

/** Pairs `key=value,key=value`, repeatable; later ones win (pflag's stringToString). */
export function stringToString(
  usage: string,
  traits: FlagTraits = {},
): FlagSpec<Readonly<Record<string, string>>> {
  const parse = (text: string, previous: Readonly<Record<string, string>> | undefined) => {
    const equals = text.split("=").length - 1;
    // A single pair may have commas in its value.
    const pairs = equals > 1 ? parseCsv(text) : [text.replace(/^"+|"+$/g, "")];
    const lacking = pairs.find((pair) => !pair.includes("="));
    if (lacking !== undefined) throw invalidValue(`${lacking} must be formatted as key=value`);
    const split = (pair: string) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
    return { ...previous, ...Object.fromEntries(pairs.map(split)) };
  };
  return flag("stringToString", usage, {}, parse, traits, { defaultText: "[]" });
}

/** Splits one line of comma-separated values with Go's encoding/csv rules (quotes doubled inside quotes). */
export function parseCsv(line: string): string[] {
  if (line === "") return [];
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (line.charAt(at) === '"') {
      const field = quotedField(line, at);
      fields.push(field.text);
      at = field.end;
      if (at < line.length && line.charAt(at) !== ",") {
        throw invalidValue(`parse error on line 1, column ${at}: extraneous or missing " in quoted-field`);
      }
    } else {
      const comma = line.indexOf(",", at);
      const end = comma < 0 ? line.length : comma;
      const text = line.slice(at, end);
      const quote = text.indexOf('"');
      if (quote >= 0)
        throw invalidValue(`parse error on line 1, column ${at + quote + 1}: bare " in non-quoted-field`);
      fields.push(text);
      at = end;
    }
    if (at >= line.length) return fields;
    at++;
    if (at === line.length) return [...fields, ""];
  }
}

function quotedField(line: string, start: number): { text: string; end: number } {
  let text = "";
  for (let at = start + 1; at < line.length; at++) {
    if (line.charAt(at) !== '"') text += line.charAt(at);
    else if (line.charAt(at + 1) === '"') text += line.charAt(at++);
    else return { text, end: at + 1 };
  }
  throw invalidValue(
    `parse error on line 1, column ${line.length + 1}: extraneous or missing " in quoted-field`,
  );
}
