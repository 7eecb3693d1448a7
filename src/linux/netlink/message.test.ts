import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import {
  type Attr,
  NLM_F,
  be16,
  be32,
  decodeAttrList,
  decodeAttrs,
  decodeMessages,
  descriptor,
  encodeMessages,
  flag,
  nest,
  nestAfter,
  netlinkOp,
  raw,
  readText,
  readU32,
  text,
  u16,
  u32,
  u8,
} from "./message.ts";
import { defaultRoute } from "./route.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("encodeMessages writes headers, alignment, nests and sequence numbers", () => {
  const { bytes, patches } = encodeMessages([
    { type: 0x10, flags: 0x605, header: Uint8Array.of(1, 2, 3, 4), attrs: [text(3, "br0"), u8(4, 7)] },
    {
      type: 0x11,
      flags: 5,
      header: new Uint8Array(0),
      attrs: [nest(18, [u16(1, 0x0203), descriptor(28, 9)])],
    },
  ]);
  assert.equal(
    hex(bytes),
    "2400000010000506" +
      "01000000" +
      "00000000" +
      "01020304" +
      "0800030062723000" +
      "0500040007000000" +
      "2400000011000500" +
      "02000000" +
      "00000000" +
      "14001280" +
      "0600010003020000" +
      "08001c0000000000",
  );
  assert.deepEqual(patches, [[68, 9]]);
});

test("numbers are written in the order their name says", () => {
  const [, ...attrs] = [flag(0), be16(1, 0x0102), be32(2, 0x01020304), u32(3, 0x01020304), be32(4, -1)];
  assert.deepEqual(
    attrs.map((a) => hex((a as { bytes: Uint8Array }).bytes)),
    ["0102", "01020304", "04030201", "ffffffff"],
  );
});

test("a nest behind a header carries no nest flag and patches inside it are found", () => {
  const { bytes, patches } = encodeMessages([
    {
      type: 16,
      flags: 0,
      header: new Uint8Array(0),
      attrs: [nestAfter(1, Uint8Array.of(9, 9, 9, 9), [descriptor(2, 1)])],
    },
  ]);
  assert.equal(hex(bytes.subarray(16)), "1000010009090909" + "0800020000000000");
  assert.deepEqual(patches, [[28, 1]]);
});

test("the default route is the message that ip(8) sends", () => {
  // Recorded: strace -e sendmsg ip route add default via 172.17.0.1 dev eth0 (index 5), without padding differences.
  const { bytes } = encodeMessages([defaultRoute("172.17.0.1", 5)]);
  assert.equal(hex(bytes.subarray(16)), "02000000fe03000100000000" + "08000500ac110001" + "0800040005000000");
  assert.equal(bytes[6]! | (bytes[7]! << 8), NLM_F.request | NLM_F.ack | NLM_F.create | NLM_F.excl);
});

test("an attribute that does not fit is refused", () => {
  const attrs = [raw(1, new Uint8Array(0x10000))];
  assert.throws(() => encodeMessages([{ type: 16, flags: 0, header: new Uint8Array(0), attrs }]), Fault);
});

test("netlinkOp carries bytes and patches to keel", () => {
  const op = netlinkOp(0, 3, [{ type: 16, flags: 0, header: new Uint8Array(4), attrs: [descriptor(28, 7)] }]);
  assert.deepEqual([op[1], op[2], op[4]], [0, 3, [[24, 7]]]);
});

const attribute: fc.Arbitrary<Attr> = fc.letrec<{ attr: Attr }>((tie) => ({
  attr: fc.oneof(
    { maxDepth: 3 },
    fc.record({ type: fc.integer({ min: 1, max: 100 }), bytes: fc.uint8Array({ maxLength: 40 }) }),
    fc.record({ type: fc.integer({ min: 1, max: 100 }), nest: fc.array(tie("attr"), { maxLength: 4 }) }),
  ),
})).attr;

const sameAttrs = (bytes: Uint8Array, attrs: readonly Attr[]): void => {
  const list = decodeAttrList(bytes);
  assert.equal(list.length, attrs.length);
  attrs.forEach((a, i) => {
    const [type, value] = list[i] as [number, Uint8Array];
    assert.equal(type, a.type);
    if ("nest" in a) sameAttrs(value, a.nest);
    else if ("bytes" in a) assert.equal(hex(value), hex(a.bytes));
  });
};

test("decoding is the inverse of encoding", () => {
  fc.assert(
    fc.property(fc.array(fc.array(attribute, { maxLength: 4 }), { minLength: 1, maxLength: 4 }), (lists) => {
      const { bytes } = encodeMessages(
        lists.map((attrs) => ({ type: 20, flags: 1, header: new Uint8Array(0), attrs })),
      );
      const received = decodeMessages(bytes);
      assert.deepEqual(
        received.map((m) => m.seq),
        lists.map((_, i) => i + 1),
      );
      received.forEach((m, i) => sameAttrs(m.body, lists[i] as Attr[]));
    }),
  );
});

test("decoders answer any bytes with a value or a Fault", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const decode of [decodeMessages, decodeAttrs])
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(error instanceof Fault);
        }
    }),
  );
});

test("readers give empty values for missing attributes", () => {
  assert.deepEqual([readU32(undefined), readText(undefined), readText(Buffer.from("ab\0c"))], [0, "", "ab"]);
});
