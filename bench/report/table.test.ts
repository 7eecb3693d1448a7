import assert from "node:assert/strict";
import { test } from "node:test";
import type { Result } from "../runner.ts";
import { cell, goalSummary, markdownTables, short } from "./table.ts";

const RESULTS: Result[] = [
  {
    group: "run",
    row: "run.bridge",
    what: "`run`",
    unit: "ms",
    goal: { faster: 10 },
    samples: { berth: [30, 31, 32], docker: [290, 300, 310], podman: [400] },
  },
  { group: "port", row: "port", what: "rate", unit: "1/s", samples: { berth: [20_000], docker: [10_000] } },
  {
    group: "bundle",
    row: "bundle",
    what: "bundle",
    unit: "ms",
    samples: { "berth-runtime": [19], crun: [34], runc: [134] },
  },
  {
    group: "growth",
    row: "start.1",
    what: "start, 1",
    unit: "ms",
    curve: { title: "start", x: 1 },
    samples: { berth: [10] },
  },
  {
    group: "growth",
    row: "start.1000",
    what: "start, 1000",
    unit: "ms",
    curve: { title: "start", x: 1000 },
    goal: { growth: 1.5, from: "start.1" },
    samples: { berth: [12] },
  },
];

test("short keeps three digits and writes thousands in full", () => {
  assert.deepEqual([0.1234, 12.345, 123.45, 123456, Number.NaN].map(short), [
    "0.12",
    "12.3",
    "123",
    "123\u202f456",
    "–",
  ]);
});

test("cell shows the spread of several measurements only", () => {
  assert.equal(cell([5]), "5.00");
  assert.equal(cell([10, 20, 30]), "20.0 (12.0–28.0)");
  assert.equal(cell(undefined), "");
});

test("markdownTables has a table of each kind, with ratio, goal and verdict", () => {
  const text = markdownTables(RESULTS, { berth: "Berth 1", docker: "Docker 2" });
  assert.match(
    text,
    /\| what \| unit \| Berth 1 \| Docker 2 \| podman \| better than Docker \| goal \| met \|/,
  );
  assert.match(text, /\| `run` \| ms \| 31\.0 .* \| 9\.68 × \| 10 × better than Docker \| \*\*no\*\* \|/);
  assert.match(text, /\| rate \| 1\/s ↑ \| 20.000 \| 10.000 \|  \| 2\.00 × \|  \|  \|/);
  assert.match(text, /\| bundle \| ms \| 19\.0 \| 34\.0 \| 134 \| 7\.05 × \|/);
  assert.match(text, /start, 1000 .* ≤ 1\.5 × the cost with one: 1\.20 × \| yes \|/);
});

test("every line of a table has as many cells as its head", () => {
  for (const section of markdownTables(RESULTS, {}).split("\n\n## ")) {
    const widths = section
      .split("\n")
      .filter((l) => l.startsWith("|"))
      .map((l) => l.split("|").length);
    assert.equal(new Set(widths).size, 1, section);
  }
});

test("goalSummary counts and names what is missed", () => {
  assert.equal(goalSummary(RESULTS), "1 of 2 goals are met.\n- `run`: 10 × better than Docker, reached 9.68");
});
