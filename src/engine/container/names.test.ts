import assert from "node:assert/strict";
import { test } from "node:test";
import { generateName, parseName } from "./names.ts";

test("generateName avoids taken names however many there are", () => {
  const taken = new Set<string>();
  for (let i = 0; i < 2000; i++) {
    const name = generateName((n) => taken.has(n));
    assert.equal(parseName(name), name);
    assert.ok(!taken.has(name));
    taken.add(name);
  }
});

test("parseName takes a leading slash off and refuses what Docker refuses", () => {
  assert.equal(parseName("/web"), "web");
  for (const bad of ["", "a", "-a", "a b", "a/b", "ä1", "/"])
    assert.throws(() => parseName(bad), /Invalid container name/);
});
