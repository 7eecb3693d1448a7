import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, integer, message, sub, text, boolean } from "../protobuf/message.ts";
import { encodePluginEntry } from "./plugin-entry.ts";

const metadata = message({ last: boolean(1), id: text(2), ordinal: integer(3) });
const entry = message({
  source: text(1),
  line: bytes(3),
  partial: boolean(4),
  piece: sub(5, () => metadata),
});

test("an entry for a log plugin is a frame with Docker's message", () => {
  const frame = encodePluginEntry({
    source: "stderr",
    timeNano: 1_795_980_552_279_488_760n,
    line: Buffer.from("héllo"),
    piece: { id: "abc", ordinal: 3, isLast: true },
  });
  assert.equal(frame.readUInt32BE(0), frame.length - 4);
  const decoded = entry.decode(frame.subarray(4));
  assert.equal(decoded.source, "stderr");
  assert.equal(Buffer.from(decoded.line).toString(), "héllo");
  assert.equal(decoded.partial, true);
  assert.deepEqual({ ...decoded.piece }, { last: true, id: "abc", ordinal: 3 });
});

test("the time of an entry keeps its nanoseconds", () => {
  const frame = encodePluginEntry({ source: "", timeNano: 2n ** 62n + 1n, line: Buffer.alloc(0) });
  // Field 2: eight groups of seven bits and the rest, the lowest first.
  assert.deepEqual([...frame.subarray(4)], [16, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);
});
