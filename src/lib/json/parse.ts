// Reads JSON from outside: bounded nesting, Go's error sentences, and integers beyond 2^53 kept exact on demand.
// Writes JSON with bigints. Not a schema decoder: schema/decode.ts judges the values.

import { Fault, messageOf } from "../errors.ts";
import { findJsonProblem } from "./scan.ts";

/** Deepest nesting accepted; more than any of Docker's or OCI's documents has. */
const MAX_DEPTH = 200;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Returns the deepest nesting of brackets outside strings; the text need not be valid. */
function nestingOf(source: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < source.length; i++) {
    const c = source.charCodeAt(i);
    if (c === QUOTE) {
      i = endOfString(source, i + 1);
      if (i < 0) break; // it does not end
    } else if (c === 0x7b || c === 0x5b) {
      depth++;
      if (depth > deepest) deepest = depth;
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
  return deepest;
}

/** Returns where the quote is that ends a string, -1 without one. Most of a text is strings: the runtime's search is faster than ours. */
function endOfString(source: string, from: number): number {
  for (let end = source.indexOf('"', from); end >= 0; end = source.indexOf('"', end + 1)) {
    let start = end;
    while (start > from && source.charCodeAt(start - 1) === BACKSLASH) start--;
    if ((end - start) % 2 === 0) return end;
  }
  return -1;
}

/** Returns the value of a JSON text. Throws Fault(invalidParameter) with Go's sentence. */
export function parseJson(source: string): unknown {
  if (nestingOf(source) > MAX_DEPTH)
    throw new Fault("invalidParameter", "exceeded max depth", { code: "json.too-deep" });
  try {
    return JSON.parse(source);
  } catch (cause) {
    const problem = findJsonProblem(source);
    throw new Fault("invalidParameter", problem?.text ?? messageOf(cause), {
      code: "json.syntax",
      detail: { kind: problem?.kind ?? "syntax" },
      cause,
    });
  }
}

/** Returns a JSON text without blanks between its tokens, everything else as it is. Throws Fault(invalidParameter). */
export function compactJson(source: string): string {
  parseJson(source);
  return source.replace(/("(?:[^"\\]|\\.)*")|[ \t\r\n]+/g, (_, text: string | undefined) => text ?? "");
}

const LONG_INTEGER = /^-?[0-9]{16,}$/;

type SourceReviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

/**
 * As JSON.parse, but integers under the named keys become bigints where a number would lose digits.
 * Throws SyntaxError.
 */
export function parseExactJson(source: string, keys: readonly string[]): unknown {
  const keepExact: SourceReviver = (key, value, context) =>
    typeof value === "number" && keys.includes(key) && LONG_INTEGER.test(context?.source ?? "")
      ? BigInt(context?.source ?? 0)
      : value;
  return JSON.parse(source, keepExact as (key: string, value: unknown) => unknown);
}

// rawJSON: ES2026, present in Bun 1.4; TypeScript's library does not know it yet.
const rawJson = (JSON as { rawJSON?: (text: string) => unknown }).rawJSON;

function writeBigint(_key: string, value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  return rawJson ? rawJson(value.toString()) : Number(value);
}

/** Returns the JSON text of a value whose bigints are printed as integers. */
export function stringifyJson(value: unknown): string {
  return JSON.stringify(value, writeBigint);
}
