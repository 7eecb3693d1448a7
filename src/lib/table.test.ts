import assert from "node:assert/strict";
import { test } from "node:test";
import { table } from "./table.ts";

test("a table has what was entered, and nothing of Object's", () => {
  const t = table({ x: 1 });
  assert.equal(t["x"], 1);
  assert.deepEqual(Object.keys(t), ["x"]);
  for (const key of Object.getOwnPropertyNames(Object.prototype)) assert.equal(t[key], undefined, key);
});
