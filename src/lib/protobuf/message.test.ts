import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../errors.ts";
import { boolean, bytes, explicit, integer, list, map, message, numberBytes, sub, text } from "./message.ts";

const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { noNullPrototype: true });
const inner = message({ name: text(1), size: integer(2) });
const outer = message({
  id: integer(1),
  isOn: boolean(2),
  data: bytes(3),
  one: sub(4, () => inner),
  many: list(sub(5, () => inner)),
  words: list(text(6)),
  attrs: map(7, text(2)),
});

test("messages have proto3's bytes", () => {
  assert.deepEqual(
    [...inner.encode({ name: "testing", size: 150 })],
    [0x0a, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67, 0x10, 0x96, 0x01],
  );
  assert.equal(inner.encode({ name: "", size: 0 }).length, 0);
  // -1 as int64 has ten bytes.
  assert.deepEqual([...inner.encode({ size: -1 })], [0x10, ...Array.from({ length: 9 }, () => 0xff), 0x01]);
  assert.equal(inner.decode(inner.encode({ size: -1 })).size, -1);
  assert.deepEqual([...outer.encode({ attrs: { a: "b" } })], [0x3a, 6, 0x0a, 1, 0x61, 0x12, 1, 0x62]);
});

test("a number can be overwritten where it is", () => {
  const placed = message({ one: sub(1, () => message({ size: numberBytes(2) })) });
  const whole = Uint8Array.of(0x0a, 3, 0x10, 0xac, 0x02);
  placed.decode(whole).one?.size?.set([0x80, 0x00]);
  assert.deepEqual([...whole], [0x0a, 3, 0x10, 0x80, 0x00]);
  assert.deepEqual(placed.decode(Uint8Array.of(0x0a, 0)).one?.size?.length, 0);
});

test("what is explicit is written when it is zero, and only when it is given", () => {
  const proto2 = message({ fd: explicit(integer(2)), path: explicit(text(3)), isOn: explicit(boolean(4)) });
  assert.deepEqual([...proto2.encode({ fd: 0, path: "", isOn: false })], [0x10, 0, 0x1a, 0, 0x20, 0]);
  assert.deepEqual([...proto2.encode({ fd: 7 })], [0x10, 7]);
  assert.deepEqual(proto2.decode(Uint8Array.of(0x10, 0)), { fd: 0, path: undefined, isOn: undefined });
});

test("what is encoded is decoded", () => {
  fc.assert(
    fc.property(
      fc.record({
        id: fc.integer({ min: -(2 ** 31), max: 2 ** 52 }),
        isOn: fc.boolean(),
        data: fc.uint8Array(),
        one: fc.option(plain({ name: fc.string(), size: fc.nat() }), { nil: undefined }),
        many: fc.array(plain({ name: fc.string(), size: fc.nat() })),
        words: fc.array(fc.string()),
        attrs: fc.dictionary(
          fc.string().filter((k) => k !== "__proto__"),
          fc.string(),
        ),
      }),
      (value) => {
        const back = outer.decode(outer.encode(value));
        assert.deepEqual(
          { ...back, data: [...back.data] },
          {
            ...value,
            attrs: { ...value.attrs },
            data: [...value.data],
          },
        );
      },
    ),
  );
});

test("unknown fields are skipped, and no bytes do more than be refused", () => {
  const newer = message({ name: text(1), extra: text(9), more: integer(10) });
  assert.deepEqual(inner.decode(newer.encode({ name: "n", extra: "x", more: 3 })), { name: "n", size: 0 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
      try {
        outer.decode(noise);
      } catch (error) {
        assert(error instanceof Fault && error.kind === "invalidParameter", String(error));
      }
    }),
  );
});
