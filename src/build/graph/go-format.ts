// Values as Go's fmt prints them, for the `created_by` texts of the history, which tools compare.

import { table } from "../../lib/table.ts";

const ESCAPES: Readonly<Record<string, string>> = table({
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
});

function escapeCharacter(c: string, quote: string): string {
  if (c === quote) return `\\${quote}`;
  const known = ESCAPES[c];
  if (known !== undefined) return known;
  const code = c.codePointAt(0) as number;
  // strconv.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII space.
  if (c === " " || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(c)) return c;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\U${code.toString(16).padStart(8, "0")}`;
}

/** `%q` of a string. */
export function quoteGo(text: string): string {
  return `"${[...text].map((c) => escapeCharacter(c, '"')).join("")}"`;
}

/** `%q` of a list of strings. */
export function quoteGoList(words: readonly string[]): string {
  return `[${words.map(quoteGo).join(" ")}]`;
}

/** `%v` of a list of strings. */
export function showGoList(words: readonly string[]): string {
  return `[${words.join(" ")}]`;
}

/** `%q` of an integer: the character of that code. */
export function quoteGoInteger(value: number): string {
  if (value < 0 || value > 0x10ffff) return "'\uFFFD'";
  return `'${escapeCharacter(String.fromCodePoint(value), "'")}'`;
}
