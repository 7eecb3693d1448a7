import assert from "node:assert/strict";
import { test } from "node:test";
import { escapeHtml, goJson, withSortedMembers } from "./go-json.ts";

test("goJson escapes what Go escapes, and nothing else", () => {
  const text = goJson({ "a<b": "é & \u2028\u2029 > / ' \\u003c" });
  assert.equal(text, '{"a\\u003cb":"é \\u0026 \\u2028\\u2029 \\u003e / \' \\\\u003c"}');
  assert.equal(escapeHtml('"<"'), '"\\u003c"');
});

test("withSortedMembers sorts objects at every depth and leaves lists as they are", () => {
  const value = { b: [{ z: 1, a: 2 }, 3], a: { d: null, c: "x" } };
  assert.equal(JSON.stringify(withSortedMembers(value)), '{"a":{"c":"x","d":null},"b":[{"a":2,"z":1},3]}');
});
