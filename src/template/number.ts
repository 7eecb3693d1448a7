// Numeric and rune literals of a template, read as Go's parser reads them (strconv.ParseInt base 0, ParseFloat).

import type { NumberNode } from "./nodes.ts";
import { unquote } from "./quote.ts";

const intPattern =
  /^[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)$/;
const floatPattern = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const hexFloatPattern = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?[pP]([+-]?[0-9]+)$/;

/** Reads a numeric literal; on failure returns Go's error text instead of a node. */
export function parseNumber(
  text: string,
  pos: number,
  type: "number" | "charConstant" | "complex",
): NumberNode | string {
  if (type === "charConstant") return parseRune(text, pos);
  if (type === "complex" || text.endsWith("i")) {
    return { kind: "number", pos, text, int: undefined, float: Number.NaN, isFloat: false, isComplex: true };
  }
  const int = parseInteger(text);
  if (int !== undefined) {
    return { kind: "number", pos, text, int, float: Number(int), isFloat: false, isComplex: false };
  }
  const float = parseFloatLiteral(text);
  if (float === undefined) return `illegal number syntax: ${JSON.stringify(text)}`;
  if (!/[.eEpP]/.test(text)) return `integer overflow: ${JSON.stringify(text)}`;
  const whole = Number.isSafeInteger(float) ? BigInt(float) : undefined;
  return { kind: "number", pos, text, int: whole, float, isFloat: true, isComplex: false };
}

function parseRune(text: string, pos: number): NumberNode | string {
  const value = unquote(text);
  if (value === undefined || [...value].length !== 1) {
    return value === undefined ? "invalid syntax" : `malformed character constant: ${text}`;
  }
  const code = value.codePointAt(0) ?? 0;
  return { kind: "number", pos, text, int: BigInt(code), float: code, isFloat: false, isComplex: false };
}

function parseInteger(text: string): bigint | undefined {
  if (!intPattern.test(text)) return undefined;
  const plain = text.replaceAll("_", "").replace(/^\+/, "");
  const digits = plain.replace(/^-/, "");
  const octal = /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits;
  const value = BigInt(octal) * (plain.startsWith("-") ? -1n : 1n);
  return value >= -(2n ** 63n) && value < 2n ** 64n ? value : undefined;
}

function parseFloatLiteral(text: string): number | undefined {
  const plain = text.replace(/(?<=[0-9])_(?=[0-9])/g, "");
  if (floatPattern.test(plain)) {
    const value = Number(plain);
    return Number.isFinite(value) ? value : undefined;
  }
  const hex = hexFloatPattern.exec(plain);
  if (hex === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = hex;
  if (whole === "" && fraction === "") return undefined;
  const mantissa = Number.parseInt(`${whole}${fraction}`, 16);
  return (sign === "-" ? -1 : 1) * mantissa * 2 ** (Number(exponent) - 4 * fraction.length);
}
