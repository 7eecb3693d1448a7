import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, timesBetter } from "./goals.ts";
import type { Goal, Unit } from "./rows/row.ts";
import type { Result } from "./runner.ts";

const result = (unit: Unit, samples: Record<string, number[]>, goal?: Goal, row = "r"): Result => ({
  group: "g",
  row,
  what: "",
  unit,
  samples,
  ...(goal === undefined ? {} : { goal }),
});

test("timesBetter divides so that more than one is better, whatever the unit", () => {
  assert.equal(timesBetter(result("ms", { berth: [10], docker: [30] })), 3);
  assert.equal(timesBetter(result("1/s", { berth: [30], docker: [10] })), 3);
  assert.equal(timesBetter(result("ms", { "berth-runtime": [10], crun: [15], runc: [40] })), 4);
  assert.ok(Number.isNaN(timesBetter(result("ms", { berth: [1] }))));
});

test("judge compares with Docker, with a limit, and with the row that a growth starts from", () => {
  const faster = judge(result("ms", { berth: [10], docker: [99] }, { faster: 10 }), []);
  assert.equal(faster?.isMet, false);
  assert.equal(judge(result("ms", { berth: [10], docker: [100] }, { faster: 10 }), [])?.isMet, true);
  const equal = judge(result("µs", { berth: [104], docker: [100] }, { faster: 0.95 }), []);
  assert.deepEqual(equal?.goal, "as good as Docker, within 5 %");
  assert.equal(equal?.isMet, true);
  assert.equal(judge(result("µs", { berth: [106], docker: [100] }, { faster: 0.95 }), [])?.isMet, false);
  assert.equal(judge(result("kB", { berth: [300] }, { atMost: 300 }), [])?.isMet, true);
  assert.equal(judge(result("% of direct", { berth: [89] }, { atLeast: 90 }), [])?.isMet, false);
  const first = result("ms", { berth: [10] }, undefined, "first");
  const grown = result("ms", { berth: [16] }, { growth: 1.5, from: "first" });
  assert.deepEqual(judge(grown, [first, grown]), {
    goal: "≤ 1.5 × the cost with one",
    reached: 1.6,
    isMet: false,
  });
});

test("judge compares runtimes with runc", () => {
  const runtimes = result("ms", { "berth-runtime": [10], runc: [20] }, { faster: 1 });
  assert.deepEqual(judge(runtimes, []), { goal: "better than runc", reached: 2, isMet: true });
});

test("judge has no word for a row without a goal, and does not call a row met that was not measured", () => {
  assert.equal(judge(result("ms", { berth: [1] }), []), undefined);
  assert.equal(judge(result("ms", { berth: [1] }, { faster: 1 }), [])?.isMet, false);
});
