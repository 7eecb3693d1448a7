import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf, digested, environmentInputs, listed } from "./inputs.ts";

test("what differs is told by name, files instead of the source they are in, values never", () => {
  const before = digested({
    ...environmentInputs(["TOKEN=hunter2", "A=1"]),
    "source .": "x",
    "file a.js": "1",
    "file old": "1",
  });
  const now = digested({
    ...environmentInputs(["TOKEN=hunter3", "A=1"]),
    "source .": "y",
    "file a.js": "2",
    "file new": "1",
  });
  const changes = changesOf(now, before);
  assert.deepEqual(changes, [
    "variable TOKEN changed",
    "file a.js changed",
    "file new is new",
    "file old is gone",
  ]);
  assert.doesNotMatch(JSON.stringify([before, now]), /hunter/);
  assert.deepEqual(changesOf(digested({ "source lib": "2" }), digested({ "source lib": "1" })), [
    "source lib changed",
  ]);
});

test("of many changes the first are told", () => {
  const many = Array.from({ length: 11 }, (_, i) => `c${i}`);
  assert.equal(listed(many.slice(0, 2)), "c0; c1");
  assert.match(listed(many), /^c0; .*; c7; and 3 more$/);
});
