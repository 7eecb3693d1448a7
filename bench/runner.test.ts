import assert from "node:assert/strict";
import { test } from "node:test";
import type { Group } from "./rows/row.ts";
import { runGroup } from "./runner.ts";

function groupOf(rows: Group["rows"], log: string[]): Group {
  return {
    name: "g",
    open: async () => ({
      contenders: [
        { kind: "a", name: "A 1" },
        { kind: "b", name: "B 2" },
      ],
      [Symbol.asyncDispose]: async () => void log.push("closed"),
    }),
    setUp: ({ kind }) => void log.push(`set up ${kind}`),
    rows,
  };
}

const quiet = { isQuick: false, say: () => {} };

test("runGroup takes the contenders in turn and does not count the first round", async () => {
  const log: string[] = [];
  const row = {
    name: "r",
    what: "r",
    unit: "ms" as const,
    rounds: { full: 2, quick: 1 },
    sample: ({ kind }: { kind: string }, round: number) => {
      log.push(`${kind}${round}`);
      return round;
    },
  };
  const { results, contenders } = await runGroup(groupOf([row], log), quiet);
  assert.deepEqual(log, ["set up a", "set up b", "a-1", "b-1", "a0", "b0", "a1", "b1", "closed"]);
  assert.deepEqual(results[0]?.samples, { a: [0, 1], b: [0, 1] });
  assert.deepEqual(contenders, { a: "A 1", b: "B 2" });
});

test("runGroup leaves out what a quick run leaves out, and contenders that a row does not name", async () => {
  const base = { what: "", unit: "ms" as const, hasWarmUp: false, sample: () => 1 };
  const rows = [
    { ...base, name: "slow", rounds: { full: 1, quick: 0 } },
    { ...base, name: "one", rounds: { full: 3, quick: 1 }, only: ["b"] },
  ];
  const { results } = await runGroup(groupOf(rows, []), { ...quiet, isQuick: true });
  assert.deepEqual(
    results.map(({ row, samples }) => ({ row, samples })),
    [{ row: "one", samples: { b: [1] } }],
  );
});

test("runGroup goes on after a row that fails, says so and closes the contenders", async () => {
  const log: string[] = [];
  const base = { what: "", unit: "ms" as const, rounds: { full: 1, quick: 1 } };
  const rows = [
    {
      ...base,
      name: "bad",
      sample: (): number => {
        throw new Error("no such thing");
      },
    },
    { ...base, name: "good", sample: () => 1 },
  ];
  const { results, failures } = await runGroup(groupOf(rows, log), quiet);
  assert.deepEqual(failures, ["bad: no such thing"]);
  assert.deepEqual(
    results.map(({ row }) => row),
    ["good"],
  );
  assert.equal(log.at(-1), "closed");
});
