import assert from "node:assert/strict";
import { test } from "node:test";
import type { Result } from "../runner.ts";
import { growthChart, ratioChart } from "./chart.ts";

const bar = (what: string, berth: number, docker: number): Result => ({
  group: "g",
  row: what,
  what,
  unit: "ms",
  goal: { faster: 10 },
  samples: { berth: [berth], docker: [docker] },
});
const point = (x: number, berth: number, docker?: number): Result => ({
  group: "growth",
  row: `start.${x}`,
  what: "",
  unit: "ms",
  curve: { title: "start", x },
  samples: { berth: [berth], ...(docker === undefined ? {} : { docker: [docker] }) },
});

/** Elements that are open at the end; a drawing that is well-formed has none. */
function unclosed(text: string): string[] {
  const open: string[] = [];
  for (const [, slash, name, self] of text.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g))
    if (slash === "/") assert.equal(open.pop(), name);
    else if (self !== "/") open.push(name as string);
  return open;
}

test("ratioChart draws a bar and a goal for each row that Docker has, on a logarithmic scale", () => {
  const text = ratioChart([bar("`run <x>`", 10, 100), bar("slow", 20, 10), point(1, 5, 5)], "title");
  assert.deepEqual(unclosed(text), []);
  assert.equal(text.match(/<rect /g)?.length, 2);
  assert.equal(text.match(/stroke="#d29922"/g)?.length, 2);
  assert.match(text, />run &lt;x&gt;</);
  assert.match(text, />0\.50 × \(goal missed\)</);
  const widths = [...text.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, w]) => Number(w));
  assert.ok(Math.abs((widths[0] ?? 0) / (widths[1] ?? 1) - Math.log(10) / Math.log(2)) < 0.01);
});

test("growthChart draws a line for each engine over all its points", () => {
  const text = growthChart([point(1, 10, 50), point(500, 10, 90), point(1000, 11)]);
  assert.deepEqual(unclosed(text), []);
  const lines = [...text.matchAll(/<polyline points="([^"]*)"/g)].map(([, p]) => (p ?? "").split(" ").length);
  assert.deepEqual(lines, [3, 2]);
  assert.equal(text.match(/<circle /g)?.length, 5);
});
