import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesOf, numberOf, parseEntries } from "./entry.ts";

test("parseEntries passes over what is no entry", () => {
  const good = '{"log":"x\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}';
  const text = [good, '{"log":"torn', "", "null", "7", '{"log":7,"time":"t"}', "\0\0\0", good, '{"lo'].join(
    "\n",
  );
  assert.deepEqual(
    parseEntries(text).map((e) => e.log),
    ["x\n", "x\n"],
  );
});

test("parseEntries throws nothing, whatever the file says", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseEntries(text)));
  fc.assert(fc.property(fc.json(), (text) => void parseEntries(text).map((e) => bytesOf(e.log))));
});

/** What keel writes for these bytes in a spool, as a definition: valid UTF-8 as it is, other bytes as lone surrogates. */
function spoolText(bytes: Buffer): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((n) => {
      const part = bytes.subarray(at, at + n);
      return (
        part.length === n && Buffer.from(part.toString()).equals(part) && [...part.toString()].length === 1
      );
    });
    text +=
      length === undefined
        ? String.fromCharCode(0xdc00 | (bytes[at] as number))
        : bytes.toString("utf8", at, at + length);
    at += length ?? 1;
  }
  return text;
}

test("bytesOf gives back every byte", () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc.string({ unit: "binary", maxLength: 4 }).map((s) => Buffer.from(s)),
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const bytes = Buffer.concat(pieces);
      const read = JSON.parse(JSON.stringify(spoolText(bytes))) as string;
      assert.deepEqual(bytesOf(read), bytes);
    }),
  );
});

test("numberOf reads the beginning of a spool line only", () => {
  assert.equal(numberOf('{"n":12,"log":"'), 12);
  for (const text of [
    "",
    '{"n":12',
    '{"log":"{\\"n\\":1,"',
    ' {"n":1,',
    '{"n":-1,',
    `{"n":${"9".repeat(30)},`,
  ])
    assert.equal(numberOf(text), null, text);
});
