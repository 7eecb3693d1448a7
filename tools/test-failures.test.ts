import assert from "node:assert/strict";
import { test } from "node:test";
import { failuresOf } from "./test-failures.ts";

test("each failed test comes with its file and what was printed since the test before it", () => {
  const report = [
    "bun test v1",
    "src/a.test.ts:",
    "(pass) one [1.00ms]",
    "said by two",
    "error: two is not two",
    "(fail) two [2.00ms]",
    "(pass) three [1.00ms]",
    "",
    "src/b.test.ts:",
    "error: four",
    "(fail) four [2.00ms]",
    "",
    "2 tests failed:",
    "(fail) two [2.00ms]",
    "(fail) four [2.00ms]",
  ];
  assert.deepEqual(failuresOf(report), [
    ["src/a.test.ts:", "said by two", "error: two is not two", "(fail) two [2.00ms]"],
    ["src/b.test.ts:", "error: four", "(fail) four [2.00ms]"],
  ]);
});

test("of a failure that said much the end is shown", () => {
  const [failure] = failuresOf([...Array.from({ length: 500 }, (_, i) => `line ${i}`), "(fail) loud"]);
  assert.equal(failure?.length, 61);
  assert.deepEqual(failure?.slice(-2), ["line 499", "(fail) loud"]);
});
