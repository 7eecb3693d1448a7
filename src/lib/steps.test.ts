import assert from "node:assert/strict";
import { test } from "node:test";
import { followSteps } from "./steps.ts";

test("followSteps writes one line with the operation, its whole and its steps in their order", () => {
  const lines: string[] = [];
  const steps = followSteps("start", { isOn: true, write: (line) => lines.push(line) });
  steps.done("plan");
  steps.done("keel");
  steps.end();
  assert.equal(lines.length, 1);
  assert.match(lines[0] as string, /^times start total=\d+\.\d\d plan=\d+\.\d\d keel=\d+\.\d\d\n$/);
});

test("followSteps writes nothing when nobody asked", () => {
  const lines: string[] = [];
  const steps = followSteps("start", { isOn: false, write: (line) => lines.push(line) });
  steps.done("plan");
  steps.end();
  assert.deepEqual(lines, []);
});
