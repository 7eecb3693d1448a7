// The key sequence that detaches: how it is written, and how it is found in what is typed.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DetachWatch, defaultDetachKeys, parseDetachKeys } from "./detach-keys.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

test("parseDetachKeys reads control keys and letters", () => {
  assert.deepEqual(parseDetachKeys("ctrl-p,ctrl-q"), [16, 17]);
  assert.deepEqual(parseDetachKeys("ctrl-a,x"), [1, 120]);
  assert.deepEqual(parseDetachKeys("ctrl-@,ctrl-[,ctrl-_"), [0, 27, 31]);
  assert.throws(() => parseDetachKeys("ctrl-?"), { message: "Unknown character: 'ctrl-?'" });
  assert.throws(() => parseDetachKeys("ab"), { message: "Unknown character: 'ab'" });
});

test("DetachWatch finds the sequence across chunks and passes on what is before it", () => {
  const watch = new DetachWatch(defaultDetachKeys);
  const first = watch.push(Buffer.from("ab\u0010"));
  assert.deepEqual([text(first.pass), first.isDetached], ["ab", false]);
  const second = watch.push(Buffer.from("\u0011cd"));
  assert.deepEqual([text(second.pass), second.isDetached], ["", true]);
});

test("DetachWatch gives back keys of a sequence that is broken off", () => {
  const watch = new DetachWatch(defaultDetachKeys);
  assert.equal(text(watch.push(Buffer.from("\u0010")).pass), "");
  assert.equal(text(watch.push(Buffer.from("x")).pass), "\u0010x");
  assert.equal(watch.push(Buffer.from("\u0010\u0010\u0011")).isDetached, true);
});

test("nothing is lost when the sequence is not typed", () => {
  const key = fc.constantFrom("a", "\u0010", "\r");
  fc.assert(
    fc.property(fc.array(fc.array(key)), (chunks) => {
      const watch = new DetachWatch(defaultDetachKeys);
      const passed = chunks
        .map((chunk) => text(watch.push(Buffer.from(chunk.join(""), "latin1")).pass))
        .join("");
      const typed = chunks.flat().join("");
      // At most the first key of a sequence is still held back.
      assert.ok(passed === typed || `${passed}\u0010` === typed);
    }),
  );
});
