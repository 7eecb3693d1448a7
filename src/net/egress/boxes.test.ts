import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Box, disjoint } from "./boxes.ts";

const side = fc
  .tuple(fc.bigInt({ min: 0n, max: 5n }), fc.bigInt({ min: 0n, max: 5n }))
  .map(([a, b]) => (a < b ? ([a, b] as const) : ([b, a] as const)));
const box: fc.Arbitrary<Box> = fc.tuple(side, side, side);

const holds = (b: Box, point: readonly bigint[]): boolean =>
  b.every(([first, last], i) => first <= (point[i] as bigint) && (point[i] as bigint) <= last);

test("disjoint boxes cover every point of the given ones once, and no other", () => {
  const points = Array.from({ length: 216 }, (_, n) =>
    [n % 6, Math.floor(n / 6) % 6, Math.floor(n / 36)].map(BigInt),
  );
  fc.assert(
    fc.property(fc.array(box, { maxLength: 6 }), (boxes) => {
      const pieces = disjoint(boxes);
      for (const point of points) {
        const count = pieces.filter((p) => holds(p, point)).length;
        assert.equal(count, boxes.some((b) => holds(b, point)) ? 1 : 0);
      }
    }),
    { seed: 7 },
  );
});

test("a box within another adds nothing", () => {
  const all: Box = [
    [0n, 255n],
    [0n, 2n ** 32n - 1n],
    [0n, 65_535n],
  ];
  assert.deepEqual(
    disjoint([
      [
        [6n, 6n],
        [1n, 1n],
        [443n, 443n],
      ],
      all,
    ]),
    [all],
  );
});
