import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../lib/errors.ts";
import { cleanTarget, parseContainerPath } from "./path.ts";
import { goMode } from "./stat.ts";

test("parseContainerPath keeps what says a directory and the base name that Go would give", () => {
  const read = (text: string) => {
    const { clean, saysDirectory, base } = parseContainerPath(text);
    return [clean, saysDirectory, base];
  };
  assert.deepEqual(read("/a/b"), ["a/b", false, "b"]);
  assert.deepEqual(read("a//b/"), ["a/b", true, "b"]);
  assert.deepEqual(read("/a/."), ["a", true, "."]);
  assert.deepEqual(read("/a/../../b"), ["b", false, "b"]);
  assert.deepEqual(read("/"), ["", true, "/"]);
  assert.deepEqual(read("."), ["", true, "."]);
  assert.deepEqual(read("/./"), ["", true, "."]);
  assert.deepEqual(read("a/.//"), ["a", true, "."]);
  for (const bad of [undefined, "", "a\0b", "x".repeat(5000)])
    assert.throws(() => parseContainerPath(bad), Fault);
});

test("cleanTarget never leads above the root", () => {
  assert.equal(cleanTarget("a/l", "../../../etc"), "etc");
  assert.equal(cleanTarget("a/l", "x/./y"), "a/x/y");
  assert.equal(cleanTarget("l", "/"), "");
});

test("goMode has Go's bits for types and flags", () => {
  assert.equal(goMode(0o100644), 0o644);
  assert.equal(goMode(0o041777), 2 ** 31 + 2 ** 20 + 0o777);
  assert.equal(goMode(0o120777), 2 ** 27 + 0o777);
  assert.equal(goMode(0o020620), 2 ** 26 + 2 ** 21 + 0o620);
  assert.equal(goMode(0o104755), 2 ** 23 + 0o755);
});
