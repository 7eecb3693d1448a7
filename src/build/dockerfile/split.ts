// Takes one logical line apart: keyword, flags, and the rest in the form its instruction wants (words, pairs, JSON
// array). Text only; what the parts mean is parse.ts. Each rule here is one of BuildKit's parser, oddities included.

import { isSpace } from "./space.ts";
import { syntaxError } from "./syntax-error.ts";

/** A line without its keyword and flags. */
export interface SplitLine {
  /** As written. */
  readonly keyword: string;
  /** `--name` or `--name=value`, quotes removed. */
  readonly flags: readonly string[];
  readonly rest: string;
}

/** Separates keyword, flags and the rest of a logical line. */
export function splitLine(line: string, escape: string): SplitLine {
  const match = /^([^\t\v\f\r ]+)(?:[\t\v\f\r ]+([^]*))?$/.exec(line.trim());
  if (match === null) return { keyword: line.trim(), flags: [], rest: "" };
  const { flags, rest } = takeFlags(match[2] ?? "", escape);
  return { keyword: match[1] as string, flags, rest: rest.trim() };
}

/** Reads leading words that start with `--`; a lone `--` ends them. */
function takeFlags(text: string, escape: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpace(text[at] as string)) at++;
    if (!text.startsWith("--", at)) return { flags, rest: text.slice(at) };
    const word = readFlag(text, at, escape);
    at = word.end;
    if (word.text === "--") return { flags, rest: text.slice(at) };
    flags.push(word.text);
  }
}

function readFlag(text: string, start: number, escape: string): { text: string; end: number } {
  let word = "";
  let quote = "";
  let i = start;
  for (; i < text.length; i++) {
    let c = text[i] as string;
    if (quote === "" && isSpace(c)) break;
    if (quote === "" && (c === "'" || c === '"')) {
      quote = c;
      continue;
    }
    if (c === quote) {
      quote = "";
      continue;
    }
    if (c === escape) {
      if (i + 1 === text.length) continue;
      c = text[++i] as string;
    }
    word += c;
  }
  return { text: word, end: i };
}

/** Splits at blanks outside quotes; quotes and escapes stay in the words. */
export function splitWords(text: string, escape: string): string[] {
  const words: string[] = [];
  let word = "";
  let isWord = false;
  let quote = "";
  const chars = [...text];
  for (let i = 0; i < chars.length; i++) {
    const c = chars[i] as string;
    if (quote === "" && isSpace(c)) {
      if (isWord || word !== "") words.push(word);
      word = "";
      isWord = false;
      continue;
    }
    if (quote === "" && (c === "'" || c === '"')) {
      quote = c;
      isWord = true;
    } else if (c === quote) quote = "";
    else if (c === escape && quote !== "'") {
      // An escape character at the very end is dropped.
      if (i + 1 === chars.length) break;
      word += c;
      i++;
    }
    word += chars[i] as string;
  }
  if (isWord || word !== "") words.push(word);
  return words;
}

/** One `name=value`; `isLegacy` is the form `ENV name value`. */
export interface Pair {
  readonly name: string;
  readonly value: string;
  readonly isLegacy: boolean;
}

/** Reads `name=value …`, or one `name value` when the first word has no `=`. */
export function splitPairs(text: string, keyword: string, escape: string): Pair[] {
  const words = splitWords(text, escape);
  const first = words[0];
  if (first === undefined) return [];
  if (!first.includes("=")) {
    const match = /^([^\t\v\f\r ]*)[\t\v\f\r ]+([^]*)$/.exec(text);
    if (match === null) throw syntaxError(`${keyword} must have two arguments`);
    return [{ name: match[1] as string, value: match[2] as string, isLegacy: true }];
  }
  return words.map((word) => {
    const equals = word.indexOf("=");
    if (equals < 0) {
      throw syntaxError(
        `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      );
    }
    return { name: word.slice(0, equals), value: word.slice(equals + 1), isLegacy: false };
  });
}

/** Splits at blanks, quotes being nothing special. */
export function splitBlanks(text: string): string[] {
  return text === "" ? [] : text.split(/[\t\v\f\r ]+/);
}

/** Returns the strings of a JSON array, undefined when the text is not one. Throws when an element is no string. */
export function parseJsonWords(text: string): string[] | undefined {
  const trimmed = text.trimStart();
  if (!trimmed.startsWith("[")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(trimmed);
  } catch {
    return undefined; // ignored: what is not JSON is the shell form
  }
  if (!Array.isArray(value)) return undefined;
  if (!value.every((item) => typeof item === "string")) {
    throw syntaxError("when using JSON array syntax, arrays must be comprised of strings only");
  }
  return value as string[];
}
