import assert from "node:assert/strict";
import { test } from "node:test";
import { quantile, summarise } from "./stats.ts";

test("quantile interpolates between neighbours and does not depend on the order", () => {
  assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([10, 20], 0.1), 11);
  assert.equal(quantile([7], 0.9), 7);
});

test("quantile of nothing is not a number", () => {
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

test("summarise leaves a list as it was and is not moved by one outlier", () => {
  const values = [5, 1, 2, 3, 4, 6, 7, 8, 9, 10, 1000];
  const copy = [...values];
  const { median, low, high } = summarise(values);
  assert.deepEqual(values, copy);
  assert.deepEqual([median, low, high], [6, 2, 10]);
});
