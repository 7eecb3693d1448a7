// The patterns of `${name#pattern}`, `##`, `%`, `%%`, `/` and `//`: `*`, `?` and `\`, no classes, as BuildKit reads them.

import { type Program, ProgramBuilder, findMatchEnds, isNotNewline } from "../../lib/patternmatch/program.ts";
import { syntaxError } from "./syntax-error.ts";

/** Matching steps that one substitution may take; far more than any sensible value needs. */
const MAX_STEPS = 5_000_000;

type Item = { kind: "star" } | { kind: "any" } | { kind: "literal"; character: string };

function parsePattern(pattern: string): Item[] {
  const chars = [...pattern];
  const items: Item[] = [];
  for (let i = 0; i < chars.length; i++) {
    const c = chars[i] as string;
    if (c === "*") items.push({ kind: "star" });
    else if (c === "?") items.push({ kind: "any" });
    else if (c === "\\") {
      const escaped = chars[++i];
      if (escaped === undefined || !"*?\\}/".includes(escaped)) {
        throw syntaxError(
          `invalid pattern (${pattern}) in substitution: invalid escape '\\${escaped ?? "\uFFFD"}'`,
        );
      }
      items.push({ kind: "literal", character: escaped });
    } else items.push({ kind: "literal", character: c });
  }
  return items;
}

function compile(items: readonly Item[]): Program {
  const program = new ProgramBuilder();
  for (const item of items) {
    if (item.kind === "star") program.star(isNotNewline);
    else if (item.kind === "any") program.one(isNotNewline);
    else program.one((c) => c === item.character);
  }
  return program.finish();
}

function budget(): () => void {
  let left = MAX_STEPS;
  return () => {
    if (left-- === 0) throw syntaxError("the pattern of a substitution takes too long to match");
  };
}

/** Removes what `pattern` matches at the start of `value`: the shortest match, or the longest. */
export function trimPrefix(value: string, pattern: string, options: { longest: boolean }): string {
  const chars = [...value];
  const ends = findMatchEnds(compile(parsePattern(pattern)), chars, 0, budget());
  if (ends === undefined) return value;
  return chars.slice(options.longest ? ends.longest : ends.shortest).join("");
}

/** Removes what `pattern` matches at the end of `value`: the shortest match, or the longest. */
export function trimSuffix(value: string, pattern: string, options: { longest: boolean }): string {
  const chars = [...value].reverse();
  const ends = findMatchEnds(compile(parsePattern(pattern).reverse()), chars, 0, budget());
  if (ends === undefined) return value;
  return chars
    .slice(options.longest ? ends.longest : ends.shortest)
    .reverse()
    .join("");
}

/** Replaces the first match of `pattern`, or every one; the longest at its place. */
export function replacePattern(
  value: string,
  pattern: string,
  replacement: string,
  options: { all: boolean },
): string {
  const chars = [...value];
  const program = compile(parsePattern(pattern));
  const spend = budget();
  let result = "";
  let lastEnd = -1;
  let i = 0;
  while (i <= chars.length) {
    const end = findMatchEnds(program, chars, i, spend)?.longest;
    // An empty match directly behind the last match is none, as in Go's ReplaceAll.
    if (end === undefined || (end === i && i === lastEnd)) {
      result += chars[i] ?? "";
      i++;
      continue;
    }
    result += replacement;
    lastEnd = end;
    if (!options.all) return result + chars.slice(end).join("");
    if (end === i) {
      result += chars[i] ?? "";
      i++;
    } else i = end;
  }
  return result;
}
