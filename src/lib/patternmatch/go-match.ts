// Shell patterns as Go's path/filepath.Match reads them on Unix: `*` and `?` stop at `/`, `[a-z]` and `[^a-z]`
// are classes, `\` takes the next character literally. COPY and ADD match names in the build context with it.
// A pattern is compiled once; matching is linear in pattern times name, whatever the pattern.

import { Fault } from "../errors.ts";
import { type Program, ProgramBuilder, runProgram } from "./program.ts";

/** Longest pattern that is compiled, in UTF-16 units; PATH_MAX. */
export const MAX_PATTERN_LENGTH = 4096;

/** A compiled pattern: tells whether it matches the whole name. */
export type NameMatcher = (name: string) => boolean;

/** The error that filepath.Match calls ErrBadPattern. */
export function badPattern(): Fault {
  return new Fault("invalidParameter", "syntax error in pattern", { code: "pattern.bad" });
}

/** Reads one character of a class, honouring `\`; returns it with the index behind it. */
function classCharacter(chars: readonly string[], at: number): [string, number] {
  let i = at;
  let c = chars[i];
  if (c === undefined || c === "-" || c === "]") throw badPattern();
  if (c === "\\") {
    i++;
    c = chars[i];
    if (c === undefined) throw badPattern();
  }
  if (i + 1 >= chars.length) throw badPattern();
  return [c, i + 1];
}

/** Reads the class that starts behind `[` at `at`; returns its test and the index behind `]`. */
export function parseClass(chars: readonly string[], at: number): [(c: string) => boolean, number] {
  let i = at;
  const isNegated = chars[i] === "^";
  if (isNegated) i++;
  const ranges: [number, number][] = [];
  while (!(chars[i] === "]" && ranges.length > 0)) {
    let low: string;
    [low, i] = classCharacter(chars, i);
    let high = low;
    if (chars[i] === "-") [high, i] = classCharacter(chars, i + 1);
    ranges.push([low.codePointAt(0) as number, high.codePointAt(0) as number]);
  }
  const test = (c: string): boolean => {
    const code = c.codePointAt(0) as number;
    return ranges.some(([low, high]) => low <= code && code <= high) !== isNegated;
  };
  return [test, i + 1];
}

function compile(pattern: string): Program {
  if (pattern.length > MAX_PATTERN_LENGTH) throw badPattern();
  const chars = [...pattern];
  const program = new ProgramBuilder();
  for (let i = 0; i < chars.length; ) {
    const c = chars[i] as string;
    i++;
    if (c === "*") program.star((x) => x !== "/");
    else if (c === "?") program.one((x) => x !== "/");
    else if (c === "[") {
      const [test, next] = parseClass(chars, i);
      program.one(test);
      i = next;
    } else if (c === "\\") {
      const literal = chars[i];
      if (literal === undefined) throw badPattern();
      program.one((x) => x === literal);
      i++;
    } else program.one((x) => x === c);
  }
  return program.finish();
}

/** Compiles a pattern; throws Fault `pattern.bad` for a malformed one, as filepath.Match does. */
export function compileGoPattern(pattern: string): NameMatcher {
  const program = compile(pattern);
  return (name) => runProgram(program, name);
}

/** Tells whether a text contains a pattern character that is not escaped. */
export function hasWildcards(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "\\") i++;
    else if (c === "*" || c === "?" || c === "[") return true;
  }
  return false;
}
