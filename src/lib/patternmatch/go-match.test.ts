import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../errors.ts";
import { cleanPath } from "./clean-path.ts";
import { compileGoPattern, hasWildcards } from "./go-match.ts";

const MATCHES: [pattern: string, name: string, matches: boolean][] = [
  ["abc", "abc", true],
  ["*", "anything", true],
  ["*", "any/thing", false],
  ["*c", "abc", true],
  ["a*/b", "abc/b", true],
  ["a*/b", "a/c/b", false],
  ["a*b*c*d*e*/f", "axbxcxdxe/f", true],
  ["a*b?c*x", "abxbbxdbxebxczzx", true],
  ["a*b?c*x", "abxbbxdbxebxczzy", false],
  ["ab[c]", "abc", true],
  ["ab[b-d]", "abc", true],
  ["ab[e-g]", "abc", false],
  ["ab[^c]", "abc", false],
  ["a?b", "a☺b", true],
  ["a???b", "a☺b", false],
  ["[a-ζ]*", "α", true],
  ["*[a-ζ]", "A", false],
  ["a\\*b", "a*b", true],
  ["a\\*b", "ab", false],
  ["[\\]a]", "]", true],
  ["[\\-x]", "-", true],
  ["[x\\-]", "z", false],
  ["*x", "xxx", true],
  ["", "", true],
  ["", "x", false],
];

for (const [pattern, name, matches] of MATCHES) {
  test(`compileGoPattern says ${matches} for ${pattern} and ${name}`, () => {
    assert.equal(compileGoPattern(pattern)(name), matches);
  });
}

test("compileGoPattern refuses malformed patterns", () => {
  for (const pattern of [
    "[]a]",
    "[-]",
    "[x-]",
    "[-x]",
    "[",
    "[^",
    "[^bc",
    "a[",
    "\\",
    "[\\",
    "[a-b-c]",
    "x".repeat(5000),
  ]) {
    assert.throws(() => compileGoPattern(pattern), { message: "syntax error in pattern" }, pattern);
  }
});

test("compileGoPattern agrees with a regular expression", () => {
  const piece = fc.constantFrom("*", "?", "a", "b", "/", "[ab]", "[^a]", "\\*");
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 8 }),
      fc.string({ unit: fc.constantFrom("a", "b", "/", "*"), maxLength: 8 }),
      (pieces, name) => {
        const source = pieces.map((p) => (p === "*" ? "[^/]*" : p === "?" ? "[^/]" : p)).join("");
        assert.equal(compileGoPattern(pieces.join(""))(name), new RegExp(`^${source}$`).test(name));
      },
    ),
  );
});

test("compileGoPattern is not slowed down by a pattern made for backtracking", () => {
  const started = performance.now();
  assert.equal(compileGoPattern("a*".repeat(200) + "b")("a".repeat(2000)), false);
  assert(performance.now() - started < 2000);
});

test("compileGoPattern throws nothing but Faults", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."[]^-\\*?ab/") }), (pattern) => {
      try {
        compileGoPattern(pattern)("ab");
      } catch (error) {
        assert(error instanceof Fault);
      }
    }),
  );
});

test("hasWildcards looks at unescaped characters", () => {
  for (const text of ["*", "a?", "x[a]"]) assert.equal(hasWildcards(text), true);
  for (const text of ["abc", "a\\*", "\\?", "\\["]) assert.equal(hasWildcards(text), false);
});

test("cleanPath is filepath.Clean", () => {
  const table = {
    "": ".",
    "a//b/": "a/b",
    "./a/./b": "a/b",
    "a/../b": "b",
    "../a": "../a",
    "a/../..": "..",
    "/..": "/",
    "/../a": "/a",
    "/": "/",
  };
  for (const [path, clean] of Object.entries(table)) assert.equal(cleanPath(path), clean);
});
