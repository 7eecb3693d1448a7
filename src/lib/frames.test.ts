import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../lib/errors.ts";
import { encodeFrames, type Frame, FrameDecoder, type FrameType } from "./frames.ts";

const frames = fc.array(
  fc.record({
    type: fc.constantFrom<FrameType>(0, 1, 2, 3),
    data: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  }),
);

function join(pieces: readonly Frame[]): [number, number[]][] {
  const result: [number, number[]][] = [];
  for (const { type, data } of pieces) {
    const last = result.at(-1);
    if (last?.[0] === type) last[1].push(...data);
    else result.push([type, [...data]]);
  }
  return result;
}

test("frames survive any cutting of the byte stream", () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 20 })), (list, cuts) => {
      const bytes = encodeFrames(list);
      const decoder = new FrameDecoder();
      const pieces: Frame[] = [];
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        pieces.push(...decoder.push(bytes.subarray(at, at + cut)));
        at += cut;
      }
      assert.deepEqual(join(pieces), join(list));
      assert.ok(decoder.isAtBoundary);
    }),
  );
});

test("hostile bytes never throw anything but a Fault and are not hoarded", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const decoder = new FrameDecoder();
      try {
        const given = decoder.push(bytes).reduce((sum, frame) => sum + frame.data.length, 0);
        assert.ok(given <= bytes.length);
      } catch (error) {
        assert.ok(error instanceof Fault && error.kind === "dataLoss");
      }
    }),
  );
});

test("the header is Docker's", () => {
  assert.deepEqual(
    [...encodeFrames([{ type: 2, data: Buffer.from("hi") }])],
    [2, 0, 0, 0, 0, 0, 0, 2, 104, 105],
  );
});
