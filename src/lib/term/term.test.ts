// Column layout against what Go's text/tabwriter wrote for the same input ([min width, padding, input, output]),
// widths and shortening against Docker's rules.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { layoutTabs } from "./tabwriter.ts";
import { ellipsis, textWidth } from "./width.ts";

const layouts: [number, number, string, string][] = JSON.parse(
  readFileSync(new URL("./testdata/tabwriter.json", import.meta.url), "utf8"),
);

for (const [minWidth, padding, input, output] of layouts) {
  test(`layoutTabs lays out ${JSON.stringify(input)} at ${minWidth}+${padding} as Go does`, () => {
    assert.equal(layoutTabs(input, { minWidth, padding }), output);
  });
}

test("textWidth counts wide characters twice", () => {
  assert.equal(textWidth("abc"), 3);
  assert.equal(textWidth("é"), 1);
  assert.equal(textWidth("世界"), 4);
  assert.equal(textWidth("🐳"), 2);
});

test("ellipsis shortens only what does not fit", () => {
  const cases: [string, number, string][] = [
    ["hello", 5, "hello"],
    ["hello!", 5, "hell…"],
    ["hello", 1, "h"],
    ["hello", 0, ""],
    ["世界世界", 8, "世界世界"],
    ["世界世界", 7, "世界世…"],
    ["世界世界", 6, "世界…"],
    ["", 3, ""],
  ];
  for (const [text, columns, expected] of cases) assert.equal(ellipsis(text, columns), expected);
});
