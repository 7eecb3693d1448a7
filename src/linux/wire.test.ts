import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../lib/errors.ts";
import type { Value } from "./ops.ts";
import {
  asNumber,
  decodeBody,
  encodeFrame,
  encodePieces,
  frameLength,
  MAX_FRAME_BYTES,
  type Reply,
  sizeOfValue,
} from "./wire.ts";

const { list } = fc.letrec<{ value: Value; list: Value[] }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.string({ unit: "binary" }).map((s) => s.toWellFormed()),
    fc.uint8Array(),
    tie("list"),
  ),
  list: fc.array(tie("value"), { maxLength: 6 }),
}));

/** What decoding gives for an encoded value: bytes for strings, numbers where they are exact. */
function expected(value: Value): Reply {
  if (typeof value === "string") return Buffer.from(value);
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value === "number") return value === 0 ? 0 : value;
  return value.map(expected);
}

test("decodeBody gives back what encodeFrame was given", () => {
  fc.assert(
    fc.property(list, (values) => {
      const frame = encodeFrame(values);
      assert.equal(frameLength(frame), frame.length - 4);
      assert.equal(sizeOfValue(values), frame.length - 4);
      assert.deepEqual(decodeBody(frame.subarray(4)), expected(values));
    }),
  );
});

test("decodeBody throws nothing but Fault on random and on damaged bytes", () => {
  const damaged = fc
    .tuple(list, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat())
    .map(([values, changes, cut]) => {
      const body = encodeFrame(values).subarray(4);
      for (const [at, byte] of changes) body[at % body.length] = byte;
      return cut % 3 === 0 ? body.subarray(0, cut % body.length) : body;
    });
  const random = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(random, damaged), (body) => {
      try {
        decodeBody(body);
      } catch (error) {
        assert.ok(error instanceof Fault, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test("frameLength refuses lengths that no frame has", () => {
  for (const head of [
    [0, 0, 0, 0],
    [8, 0, 0, 0],
    [1, 0, 0, 1],
    [255, 255, 255, 255],
  ])
    assert.throws(() => frameLength(Uint8Array.from(head)), Fault);
  assert.equal(frameLength(Uint8Array.of(0, 0, 0, 1)), MAX_FRAME_BYTES);
});

test("encodeFrame refuses what keel would refuse", () => {
  let deep: Value = [];
  for (let i = 0; i < 16; i++) deep = [deep];
  for (const bad of [[1.5], [2 ** 60], [2n ** 63n], [Number.NaN], deep, [new Uint8Array(MAX_FRAME_BYTES)]])
    assert.throws(() => encodeFrame(bad as Value[]), Fault);
});

test("encodeFrame copies, decodeBody does not", () => {
  const bytes = Buffer.from("abc");
  const frame = encodeFrame([bytes]);
  bytes.fill(0);
  const body = frame.subarray(4);
  const [view] = decodeBody(body);
  assert.equal(String(view), "abc");
  assert.equal((view as Buffer).buffer, body.buffer);
  assert.throws(() => asNumber(view), Fault);
});

test("encodePieces gives the same frame, in which large byte strings are views", () => {
  fc.assert(
    fc.property(list, fc.integer({ min: 0, max: 12 }), (values, largeBytes) => {
      const pieces = encodePieces(values, largeBytes);
      assert.ok(Buffer.concat(pieces).equals(encodeFrame(values)));
    }),
  );
  const content = new Uint8Array(5);
  assert.deepEqual(
    encodePieces([1, [content, new Uint8Array(4), "text!"]], 5).map(
      (piece) => piece.buffer === content.buffer,
    ),
    [false, true, false],
  );
});
