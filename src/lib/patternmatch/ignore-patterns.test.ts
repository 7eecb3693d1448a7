import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileIgnorePatterns, type ParentMatch, parseIgnoreFile } from "./ignore-patterns.ts";

const isIgnored = (patterns: readonly string[], path: string) =>
  compileIgnorePatterns(patterns).match(path).isMatch;

const TABLE: [patterns: string[], path: string, isIgnored: boolean][] = [
  [["**"], "file", true],
  [["**"], "dir/file", true],
  [["**/"], "dir/file", true],
  [["**/**"], "dir/file", true],
  [["dir/**"], "dir/file", true],
  [["dir/**"], "dir", false],
  [["dir/**"], "dir/dir2/file", true],
  [["**/dir"], "dir/file", true],
  [["**/dir2/*"], "dir/dir2/file", true],
  [["**/dir2/**"], "dir/dir2/dir2/file", true],
  [["**file"], "file", true],
  [["**file"], "dir/file", true],
  [["**/file"], "dir/file", true],
  [["**file*"], "dir/dir/filetxt", true],
  [["**file*.txt"], "dir/dir/file.txt", true],
  [["**/**/*.txt"], "file.txt", true],
  [["a**/*.txt"], "a/dir/file.txt", true],
  [["a**/*.txt"], "b/file.txt", false],
  [["a/*.txt"], "a/dir/file.txt", false],
  [["a/b/**/z"], "a/b/z", true],
  [[".*"], ".foo", true],
  [[".*"], "foo", false],
  [["abc.def"], "abcZdef", false],
  [["abc?def"], "abcZdef", true],
  [["a(b)c+d{1}$|^"], "a(b)c+d{1}$|^", true],
  [["foo[a-c]"], "food", false],
  [["**/foo/bar"], "foo/bar", true],
  [["abc/**"], "abc/def/ghi", true],
  [["**/.foo"], "bar.foo", false],
  [["docs"], "docs/README", true],
  [["docs", "!docs/README"], "docs/README", false],
  [["docs", "!docs/README", "docs/README"], "docs/README", true],
  [["!docs/README"], "docs/README", false],
  [["*", "!a/b"], "a/b", false],
  [["*", "!a/b"], "a/c", true],
  [["/a"], "a", false],
  [["./a/"], "a", true],
];

for (const [patterns, path, expected] of TABLE) {
  test(`${patterns.join(" ")} ${expected ? "ignores" : "keeps"} ${path}`, () => {
    assert.equal(isIgnored(patterns, path), expected);
  });
}

/** The answer of a walk that hands every directory's result down to what is in it. */
function walk(patterns: readonly string[], parts: readonly string[]): boolean {
  const compiled = compileIgnorePatterns(patterns);
  let parent: ParentMatch | undefined;
  let last = false;
  for (let i = 1; i <= parts.length; i++) {
    const result = compiled.match(parts.slice(0, i).join("/"), parent);
    last = result.isMatch;
    parent = result.forChildren;
  }
  return last;
}

test("without exceptions, matching with the directory's result is the same as matching all parents", () => {
  const piece = fc.constantFrom("*", "**", "a", "b", "?");
  const pattern = fc.array(piece, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  const path = fc.array(fc.constantFrom("a", "b", "ab"), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 5 }), path, (patterns, parts) => {
      assert.equal(walk(patterns, parts), compileIgnorePatterns(patterns).match(parts.join("/")).isMatch);
    }),
  );
});

test("an exception that fits a kept directory is not looked for again below it, as in moby's walk", () => {
  assert.equal(walk(["*/*", "!*"], ["a", "a"]), true);
  assert.equal(compileIgnorePatterns(["*/*", "!*"]).match("a/a").isMatch, false);
});

test("compileIgnorePatterns refuses what is no pattern", () => {
  assert.throws(() => compileIgnorePatterns(["["]), { message: "syntax error in pattern" });
  assert.throws(() => compileIgnorePatterns(["!"]), { message: 'illegal exclusion pattern: "!"' });
});

test("hasExceptions tells about !", () => {
  assert.equal(compileIgnorePatterns(["a", "!b"]).hasExceptions, true);
  assert.equal(compileIgnorePatterns(["a"]).hasExceptions, false);
});

test("parseIgnoreFile drops comments, blanks and leading slashes", () => {
  assert.deepEqual(parseIgnoreFile("\uFEFF# comment\n\n /a/../b/ \r\n! /c\n#d\n\\#e\n//\n!\n"), [
    "b",
    "!c",
    "\\#e",
    "/",
    "!",
  ]);
});
