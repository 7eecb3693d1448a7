import assert from "node:assert/strict";
import { test } from "node:test";
import { joinBytes, latin1Text, utf8Bytes, utf8Text } from "./bytes.ts";

test("latin1Text has a character for each byte, however many", () => {
  const bytes = Uint8Array.from({ length: 20_001 }, (_, i) => i % 256);
  assert.equal(latin1Text(bytes), Buffer.from(bytes).toString("latin1"));
  assert.equal(latin1Text(new Uint8Array(0)), "");
});

test("utf8Bytes and utf8Text are inverse, a byte order mark included", () => {
  for (const text of ["", "plain", "é€🚢", "\uFEFFmarked"]) {
    assert.deepEqual([...utf8Bytes(text)], [...Buffer.from(text)]);
    assert.equal(utf8Text(utf8Bytes(text)), text);
  }
  assert.equal(utf8Text(Uint8Array.of(0x61, 0xff)), "a\uFFFD");
});

test("joinBytes puts pieces one behind the other, and copies none that is alone", () => {
  const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  assert.deepEqual([...joinBytes([a, new Uint8Array(0), b])], [1, 2, 3]);
  assert.equal(joinBytes([a]), a);
  assert.equal(joinBytes([]).length, 0);
});
