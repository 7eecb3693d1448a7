// The patterns of a .dockerignore file, with the meaning Docker's client, classic builder and BuildKit share: each line is
// a Go pattern plus `**` (any number of directories), a leading `!` takes files back, the last match wins, and what is
// below an ignored directory is ignored. Oddities of the original that files rely on are kept and marked.

import { compileGoPattern, MAX_PATTERN_LENGTH, badPattern, parseClass } from "./go-match.ts";
import { Fault } from "../errors.ts";
import { isNotNewline, ProgramBuilder, runProgram } from "./program.ts";
import { cleanPath } from "./clean-path.ts";

/** Most patterns that one file may hold. */
export const MAX_PATTERNS = 10_000;

interface Pattern {
  isException: boolean;
  matches: (path: string) => boolean;
}

/** What is known of a directory, handed to the test of its children so that parents are not matched again. */
export interface ParentMatch {
  readonly patterns: readonly boolean[];
}

/** Whether a path is ignored, and what its children need to know. */
export interface MatchResult {
  isMatch: boolean;
  forChildren: ParentMatch;
}

type Shape = "exact" | "prefix" | "suffix" | "program";

function compilePattern(pattern: string): (path: string) => boolean {
  const chars = [...pattern];
  const program = new ProgramBuilder();
  let shape: Shape = "exact";
  for (let i = 0, item = 0; i < chars.length; item++) {
    const c = chars[i] as string;
    i++;
    if (c === "*" && chars[i] === "*") {
      i++;
      if (chars[i] === "/") i++;
      if (i >= chars.length) {
        if (shape === "exact") shape = "prefix";
        else {
          program.star(isNotNewline);
          shape = "program";
        }
      } else {
        program.optionalDirectories();
        shape = "program";
      }
      // compat: a leading `**` compares the end of the path as text, so `**foo` matches `xfoo`.
      if (item === 0) shape = "suffix";
    } else if (c === "*") {
      program.star((x) => x !== "/");
      shape = "program";
    } else if (c === "?") {
      program.one((x) => x !== "/");
      shape = "program";
    } else if (c === "[") {
      const [test, next] = parseClass(chars, i);
      program.one(test);
      i = next;
      shape = "program";
    } else if (c === "\\") {
      const literal = chars[i] as string;
      program.one((x) => x === literal);
      i++;
      shape = "program";
    } else program.one((x) => x === c);
  }
  if (shape === "exact") return (path) => path === pattern;
  if (shape === "prefix") return (path) => path.startsWith(pattern.slice(0, -2));
  if (shape === "suffix") {
    const suffix = pattern.slice(2);
    return (path) => path.endsWith(suffix) || (suffix.startsWith("/") && path === suffix.slice(1));
  }
  const code = program.finish();
  return (path) => runProgram(code, path);
}

/** An ordered list of patterns; build it with `compileIgnorePatterns`. */
export class IgnorePatterns {
  private readonly patterns: readonly Pattern[];
  /** Whether a `!` pattern exists, so that ignored directories must be looked into. */
  readonly hasExceptions: boolean;

  constructor(patterns: readonly Pattern[]) {
    this.patterns = patterns;
    this.hasExceptions = patterns.some((p) => p.isException);
  }

  /**
   * Tests a slash-separated relative path. With the result of its directory only the path itself is matched;
   * without, every parent is.
   */
  match(path: string, parent?: ParentMatch): MatchResult {
    let isMatch = false;
    const forChildren: boolean[] = [];
    for (const [i, pattern] of this.patterns.entries()) {
      let hit = parent?.patterns[i] ?? false;
      if (!hit && pattern.isException === isMatch) {
        hit = pattern.matches(path) || (parent === undefined && parentsOf(path).some(pattern.matches));
      }
      forChildren.push(hit);
      if (hit) isMatch = !pattern.isException;
    }
    return { isMatch, forChildren: { patterns: forChildren } };
  }
}

function parentsOf(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join("/"));
}

/** Compiles patterns as they stand in the file, each cleaned as filepath.Clean would; blank ones are skipped. */
export function compileIgnorePatterns(lines: readonly string[]): IgnorePatterns {
  if (lines.length > MAX_PATTERNS) {
    throw new Fault("invalidParameter", `too many patterns: at most ${MAX_PATTERNS} are allowed`);
  }
  const patterns: Pattern[] = [];
  for (const line of lines) {
    const trimmed = line.trim();
    if (trimmed === "") continue;
    if (trimmed.length > MAX_PATTERN_LENGTH) throw badPattern();
    let text = cleanPath(trimmed);
    const isException = text.startsWith("!");
    if (isException) {
      if (text === "!")
        throw new Fault("invalidParameter", 'illegal exclusion pattern: "!"', { code: "pattern.bad" });
      text = text.slice(1);
    }
    compileGoPattern(text);
    patterns.push({ isException, matches: compilePattern(text) });
  }
  return new IgnorePatterns(patterns);
}

/** Reads the lines of a .dockerignore: comments and blanks dropped, leading slashes removed, paths cleaned. */
export function parseIgnoreFile(text: string): string[] {
  const patterns: string[] = [];
  for (const line of text.replace(/^\uFEFF/, "").split("\n")) {
    if (line.startsWith("#")) continue;
    let pattern = line.trim();
    if (pattern === "") continue;
    const isException = pattern.startsWith("!");
    if (isException) pattern = pattern.slice(1).trim();
    if (pattern !== "") {
      pattern = cleanPath(pattern);
      if (pattern.length > 1 && pattern.startsWith("/")) pattern = pattern.slice(1);
    }
    patterns.push(isException ? `!${pattern}` : pattern);
  }
  return patterns;
}
