import assert from "node:assert/strict";
import { test } from "node:test";
import { HookSaid } from "./said.ts";

test("what a hook prints is shown as it comes, an unfinished line is ended", () => {
  const shown: string[] = [];
  const said = new HookSaid((text) => shown.push(text));
  said.take(1, Buffer.from("a\nb"));
  assert.equal(said.end(), "a\nb");
  assert.deepEqual(shown, ["a\nb", "\n"]);
});

test("a failure tells the last ten lines of stderr, or of stdout when that is silent", () => {
  const said = new HookSaid(undefined);
  said.take(1, Buffer.from("out\n"));
  assert.equal(said.end(), "out");
  for (let line = 1; line <= 12; line++) said.take(2, Buffer.from(`${line}\n`));
  assert.equal(said.end(), "3\n4\n5\n6\n7\n8\n9\n10\n11\n12");
});

test("of a line that is written over the last state counts, and of a long one its end", () => {
  const said = new HookSaid(undefined);
  said.take(2, Buffer.from(" 10%\r100%\r\n\n"));
  assert.equal(said.end(), "100%");
  said.take(2, Buffer.from("x".repeat(10_000)));
  assert.equal(said.end(), "x".repeat(2048));
});
