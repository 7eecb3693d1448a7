// Go's fmt for template values: what {{.X}}, print, println and printf write. Covers the verbs and flags that make
// sense for strings, numbers, booleans, slices, maps and structs; anything else gives fmt's %!verb(type=value).

import { quote, quoteRune } from "./quote.ts";
import { GoFloat, GoNil, type GoStruct, type GoText, kindOf, mapEntries, typeName } from "./values.ts";

/** fmt.Sprint: operands side by side, a space between two when neither is a string. */
export function sprint(args: readonly unknown[]): string {
  let out = "";
  for (const [index, arg] of args.entries()) {
    const bare = kindOf(arg) !== "string" && kindOf(args[index - 1]) !== "string";
    if (index > 0 && bare) out += " ";
    out += formatValue(arg, "v");
  }
  return out;
}

/** fmt.Sprintln: operands separated by spaces, then a newline. */
export function sprintln(args: readonly unknown[]): string {
  return `${args.map((arg) => formatValue(arg, "v")).join(" ")}\n`;
}

interface Flags {
  minus: boolean;
  plus: boolean;
  names: boolean;
  sharp: boolean;
  space: boolean;
  zero: boolean;
  width: number | undefined;
  precision: number | undefined;
}

const noFlags: Flags = {
  minus: false,
  plus: false,
  names: false,
  sharp: false,
  space: false,
  zero: false,
  width: undefined,
  precision: undefined,
};

/** Longest width or precision honoured; fmt's own limit is 1e6, which would let a template eat memory. */
const maxWidth = 100_000;

/** fmt.Sprintf. */
export function sprintf(format: string, args: readonly unknown[]): string {
  const verb = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([^])?/gu;
  let used = 0;
  let out = "";
  let last = 0;
  for (let match = verb.exec(format); match !== null; match = verb.exec(format)) {
    out += format.slice(last, match.index);
    last = match.index + match[0].length;
    const [whole, marks = "", width, precision, letter] = match;
    if (letter === undefined) {
      out += "%!(NOVERB)";
      continue;
    }
    if (letter === "%") {
      out += "%";
      continue;
    }
    const flags = readFlags(marks);
    const take = (text: string | undefined): number | undefined => {
      if (text !== "*") return text === undefined ? undefined : Math.min(Number(text), maxWidth);
      return Math.min(Number(args[used++] ?? 0), maxWidth);
    };
    flags.width = take(width);
    flags.precision = whole.includes(".") ? (take(precision) ?? 0) : undefined;
    if (flags.width !== undefined && flags.width < 0) {
      flags.minus = true;
      flags.width = -flags.width;
    }
    if (letter === "v" && flags.plus) {
      // With %v a plus asks for field names, not for signs.
      flags.plus = false;
      flags.names = true;
    }
    if (used >= args.length) {
      out += `%!${letter}(MISSING)`;
      continue;
    }
    out += formatValue(args[used++], letter, flags);
  }
  out += format.slice(last);
  if (used >= args.length) return out;
  const extra = args
    .slice(used)
    .map((arg) => (arg == null ? "<nil>" : `${typeName(arg)}=${formatValue(arg, "v")}`));
  return `${out}%!(EXTRA ${extra.join(", ")})`;
}

function readFlags(marks: string): Flags {
  const minus = marks.includes("-");
  return {
    ...noFlags,
    minus,
    plus: marks.includes("+"),
    sharp: marks.includes("#"),
    space: marks.includes(" "),
    zero: marks.includes("0") && !minus,
  };
}

/** Renders one value under a verb, with Go's layout of nested values; `depth` 0 is the operand itself. */
export function formatValue(value: unknown, verb: string, flags: Flags = noFlags, depth = 0): string {
  if (verb === "T") return pad(value == null ? "<nil>" : typeName(value), flags);
  if (depth > 100) return "...";
  switch (kindOf(value)) {
    case "invalid":
      return verb === "v" || depth > 0 ? pad("<nil>", flags) : `%!${verb}(<nil>)`;
    case "bool":
      return verb === "v" || verb === "t" ? pad(String(value), flags) : bad(value, verb);
    case "string":
      return formatString(value as string, verb, flags);
    case "text":
      return formatString((value as GoText).text, verb, flags);
    case "int":
      return formatInt(value as number | bigint, verb, flags);
    case "float":
      return formatFloat(value instanceof GoFloat ? value.value : (value as number), verb, flags);
    case "slice":
      return value instanceof GoNil
        ? flags.sharp
          ? `${value.type}(nil)`
          : "[]"
        : formatSlice(value as unknown[], verb, flags, depth);
    case "map":
      return formatMap(value, verb, flags, depth);
    case "struct":
      return formatStruct(value as GoStruct, verb, flags, depth);
    case "pointer":
      return flags.sharp ? `(${typeName(value)})(nil)` : pad("<nil>", flags);
    default:
      return bad(value, verb);
  }
}

function formatSlice(items: readonly unknown[], verb: string, flags: Flags, depth: number): string {
  const parts = items.map((item) => formatValue(item, verb, flags, depth + 1));
  if (flags.sharp && verb === "v") return `${typeName(items)}{${parts.join(", ")}}`;
  return `[${parts.join(" ")}]`;
}

function formatMap(value: unknown, verb: string, flags: Flags, depth: number): string {
  const parts = mapEntries(value).map(
    ([key, item]) =>
      `${formatValue(key, verb, flags, depth + 1)}:${formatValue(item, verb, flags, depth + 1)}`,
  );
  if (flags.sharp && verb === "v") return `${typeName(value)}{${parts.join(", ")}}`;
  return `map[${parts.join(" ")}]`;
}

function formatStruct(value: GoStruct, verb: string, flags: Flags, depth: number): string {
  // Go prints the address of a nested pointer; any constant one is as good.
  if (value.isPointer && depth > 0) return "0xc000010000";
  const parts = [...value.fields].map(([name, field]) => {
    const text = formatValue(field, verb, flags, depth + 1);
    return flags.names || flags.sharp ? `${name}:${text}` : text;
  });
  const mark = value.isPointer ? "&" : "";
  if (flags.sharp && verb === "v") return `${mark}${value.type.replace(/^\*/, "")}{${parts.join(", ")}}`;
  return `${mark}{${parts.join(" ")}}`;
}

function formatString(text: string, verb: string, flags: Flags): string {
  const cut = flags.precision === undefined ? text : [...text].slice(0, flags.precision).join("");
  switch (verb) {
    case "v":
      return pad(flags.sharp ? quote(cut) : cut, flags);
    case "s":
      return pad(cut, flags);
    case "q":
      return pad(flags.sharp && !cut.includes("`") ? `\`${cut}\`` : quote(cut), flags);
    case "x":
    case "X": {
      const hex = Buffer.from(cut).toString("hex");
      return pad(verb === "X" ? hex.toUpperCase() : hex, flags);
    }
    default:
      return `%!${verb}(string=${text})`;
  }
}

function formatInt(value: number | bigint, verb: string, flags: Flags): string {
  const negative = value < 0;
  const magnitude = BigInt(value) * (negative ? -1n : 1n);
  const sign = negative ? "-" : flags.plus ? "+" : flags.space ? " " : "";
  const digits = (radix: number, prefix: string): string =>
    padNumber(`${sign}${flags.sharp ? prefix : ""}`, magnitude.toString(radix), flags);
  switch (verb) {
    case "v":
    case "d":
      return digits(10, "");
    case "b":
      return digits(2, "0b");
    case "o":
      return digits(8, "0");
    case "O":
      return padNumber(`${sign}0o`, magnitude.toString(8), flags);
    case "x":
      return digits(16, "0x");
    case "X":
      return padNumber(`${sign}${flags.sharp ? "0X" : ""}`, magnitude.toString(16).toUpperCase(), flags);
    case "c":
      return pad(rune(magnitude), flags);
    case "q":
      return pad(quoteRune(rune(magnitude)), flags);
    case "U":
      return pad(`U+${magnitude.toString(16).toUpperCase().padStart(4, "0")}`, flags);
    default:
      return bad(value, verb);
  }
}

function rune(code: bigint): string {
  const valid = code <= 0x10ffffn && !(code >= 0xd800n && code <= 0xdfffn);
  return valid ? String.fromCodePoint(Number(code)) : "\ufffd";
}

function formatFloat(value: number, verb: string, flags: Flags): string {
  const magnitude = Math.abs(value);
  const negative = value < 0 || Object.is(value, -0);
  const sign = negative ? "-" : flags.plus ? "+" : flags.space ? " " : "";
  if (!Number.isFinite(value)) {
    const text = Number.isNaN(value) ? "NaN" : `${negative ? "-" : "+"}Inf`;
    return "vgGeEfF".includes(verb) ? pad(text, flags) : bad(value, verb);
  }
  switch (verb) {
    case "v":
    case "g":
    case "G":
      return padNumber(sign, goFloat(magnitude, flags.precision), { ...flags, precision: undefined });
    case "e":
    case "E":
      return padNumber(sign, exponentForm(magnitude, flags.precision ?? 6), {
        ...flags,
        precision: undefined,
      });
    case "f":
    case "F":
      return padNumber(sign, magnitude.toFixed(Math.min(flags.precision ?? 6, 100)), {
        ...flags,
        precision: undefined,
      });
    default:
      return bad(value, verb);
  }
}

/** %g: the shortest form, in exponent notation below 1e-4 and from 1e6 on (or from 10 to the given precision). */
function goFloat(magnitude: number, precision: number | undefined): string {
  if (magnitude === 0) return "0";
  const digits =
    precision === undefined ? magnitude.toExponential() : magnitude.toExponential(Math.max(precision, 1) - 1);
  const exponent = Number(digits.slice(digits.indexOf("e") + 1));
  const limit = precision === undefined ? 6 : Math.max(precision, 1);
  const point = digits.includes(".");
  if (exponent < -4 || exponent >= limit) {
    const mantissa = digits.slice(0, digits.indexOf("e")).replace(/\.?0+$/, (zeros) => (point ? "" : zeros));
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const plain =
    precision === undefined
      ? plainDecimal(magnitude)
      : Number(digits).toFixed(Math.max(limit - 1 - exponent, 0));
  return precision === undefined
    ? plain
    : plain.replace(/\.?0+$/, (zeros) => (plain.includes(".") ? "" : zeros));
}

function plainDecimal(magnitude: number): string {
  const text = String(magnitude);
  return text.includes("e-") ? magnitude.toFixed(20).replace(/0+$/, "") : text;
}

function exponentForm(magnitude: number, precision: number): string {
  const [mantissa = "0", exponent = "+0"] = magnitude.toExponential(Math.min(precision, 100)).split("e");
  return `${mantissa}e${exponent.charAt(0)}${exponent.slice(1).padStart(2, "0")}`;
}

function padNumber(prefix: string, digits: string, flags: Flags): string {
  let body = digits;
  if (flags.precision !== undefined) body = body.padStart(flags.precision, "0");
  else if (flags.zero && flags.width !== undefined) body = body.padStart(flags.width - prefix.length, "0");
  return pad(`${prefix}${body}`, flags);
}

function pad(text: string, flags: Flags): string {
  if (flags.width === undefined) return text;
  const missing = flags.width - [...text].length;
  if (missing <= 0) return text;
  if (flags.minus) return text + " ".repeat(missing);
  return (flags.zero ? "0" : " ").repeat(missing) + text;
}

function bad(value: unknown, verb: string): string {
  return `%!${verb}(${typeName(value)}=${formatValue(value, "v")})`;
}
