import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../lib/errors.ts";
import {
  checkIdMap,
  checkIdRanges,
  idMapTexts,
  invertIdMap,
  isMapped,
  outsideId,
  outsideRoot,
  parseIdMap,
} from "./idmap.ts";

const LAST = 2 ** 32 - 1;
const range = (inside: number, outside: number, size: number) => ({ inside, outside, size });

test("checkIdRanges takes what the kernel takes", () => {
  const ranges = [range(0, 100000, 65536), range(65536, 300000, 1)];
  assert.equal(checkIdRanges(ranges, "x"), ranges);
  checkIdRanges([range(0, 0, LAST)], "the whole");
});

test("checkIdRanges refuses ids that overflow, overlap or are none", () => {
  const bad: [string, ReturnType<typeof range>[]][] = [
    ["nothing", []],
    ["empty range", [range(0, 1000, 0)]],
    ["negative", [range(-1, 1000, 1)]],
    ["fraction", [range(0, 1000.5, 1)]],
    ["the id that means none", [range(LAST, 1000, 1)]],
    ["inside beyond the end", [range(LAST - 1, 1000, 2)]],
    ["outside beyond the end", [range(0, LAST - 1, 2)]],
    ["size that wraps around", [range(0, 4294967000, 4294967000)]],
    ["overlap inside", [range(0, 1000, 10), range(9, 5000, 10)]],
    ["overlap outside", [range(0, 1000, 10), range(100, 1005, 10)]],
    ["not a number", [range(Number.NaN, 1000, 1)]],
  ];
  for (const [name, ranges] of bad)
    assert.throws(
      () => checkIdRanges(ranges, "x"),
      (e) => e instanceof Fault && e.kind === "invalidParameter",
      name,
    );
});

test("a map's text is what the kernel shows of it", () => {
  const map = { uids: [range(0, 100000, 65536)], gids: [range(0, 5000, 1), range(1, 200000, 100)] };
  const texts = idMapTexts(map);
  assert.deepEqual(texts, { uids: "0 100000 65536\n", gids: "0 5000 1\n1 200000 100\n" });
  assert.deepEqual(parseIdMap("         0     100000      65536\n"), map.uids);
});

test("an inverted map leads back", () => {
  const map = checkIdMap({ uids: [range(0, 100000, 10), range(10, 7, 5)], gids: [range(0, 1, 1)] });
  const back = invertIdMap(map);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20 }), (id) => {
      const outside = outsideId(map.uids, id);
      assert.equal(
        outside === undefined ? undefined : outsideId(back.uids, outside),
        outside === undefined ? undefined : id,
      );
    }),
  );
});

test("outsideRoot says who root is and fails when nobody is", () => {
  assert.deepEqual(outsideRoot({ uids: [range(0, 100000, 10)], gids: [range(0, 200000, 10)] }), {
    uid: 100000,
    gid: 200000,
  });
  assert.throws(() => outsideRoot({ uids: [range(1, 100000, 10)], gids: [range(0, 200000, 10)] }), /root/);
});

test("isMapped tells the machine's own user namespace from others", () => {
  const whole = [range(0, 0, LAST)];
  assert.equal(isMapped({ uids: whole, gids: whole }), false);
  assert.equal(isMapped({ uids: [range(0, 1000, 1)], gids: whole }), true);
  assert.equal(isMapped({ uids: [range(0, 0, 1000)], gids: whole }), true);
});
