import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../lib/errors.ts";
import type { IdMap } from "../../../linux/idmap.ts";
import { IdRanges } from "./id-ranges.ts";

const poolOf = (...ranges: [first: number, size: number][]) => {
  const list = ranges.map(([first, size]) => ({ first, size }));
  return () => ({ uids: list, gids: list });
};
const first = (map: IdMap): number => map.uids[0]?.outside ?? -1;
const mapAt = (outside: number, size: number): IdMap => ({
  uids: [{ inside: 0, outside, size }],
  gids: [{ inside: 0, outside, size }],
});

test("a range that was given up comes back unless somebody has it", () => {
  const given: IdMap[] = [];
  const ranges = new IdRanges(poolOf([1000, 45]), () => given);
  const { map } = ranges.reserve(20);
  assert.throws(() => ranges.reserveAgain(map), { code: "container.ids-taken" });
  const other = {
    uids: [{ inside: 0, outside: 1020, size: 5 }],
    gids: [{ inside: 0, outside: 1020, size: 5 }],
  };
  using _ = ranges.reserveAgain(other);
  given.push(other);
  assert.throws(() => ranges.reserveAgain(other), { kind: "conflict" });
});

test("each container gets a range of its own, and a gap is filled again", () => {
  const given = [mapAt(1000, 10), mapAt(1020, 10)];
  const ranges = new IdRanges(poolOf([1000, 45]), () => given);
  using a = ranges.reserve(10);
  assert.equal(first(a.map), 1010);
  {
    using b = ranges.reserve(10);
    assert.equal(first(b.map), 1030);
    assert.throws(
      () => ranges.reserve(10),
      (e) => e instanceof Fault && /used up/.test(e.message),
    );
  }
  assert.equal(first(ranges.reserve(5).map), 1030);
});

test("ids come from every part of the pool, and from nowhere else", () => {
  assert.equal(first(new IdRanges(poolOf([10, 5], [100, 50]), () => []).reserve(20).map), 100);
  assert.throws(
    () => new IdRanges(poolOf(), () => []).reserve(1),
    (e) => e instanceof Fault && e.kind === "unavailable" && /containers:2147483647/.test(e.message),
  );
});

test("no two reservations share an id", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 20 }), (sizes) => {
      const ranges = new IdRanges(poolOf([5, 100], [200, 400]), () => []);
      const seen = new Set<number>();
      for (const size of sizes) {
        let map: IdMap;
        try {
          map = ranges.reserve(size).map;
        } catch {
          continue; // used up
        }
        for (let i = 0; i < size; i++) {
          assert.equal(seen.has(first(map) + i), false);
          seen.add(first(map) + i);
        }
      }
    }),
  );
});
