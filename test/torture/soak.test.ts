// Work of every kind, and what stays of it: some seconds of what `make torture` does for minutes.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../e2e/command.ts";
import type { Report } from "./soak.ts";

test("work of every kind succeeds, descriptors do not grow by it, and nothing stays behind", async () => {
  const argv = ["--minutes", "0.25", "--seed", "20261130"];
  const program = [process.execPath, join(import.meta.dirname, "soak.ts"), ...argv];
  const { status, stdout, stderr } = await run(program, { timeoutMs: 170_000 });
  assert.equal(status, 0, stdout + stderr);
  const report = JSON.parse(stdout) as Report;
  assert.deepEqual([report.failures, report.leaks], [[], []]);
  assert.equal(Object.keys(report.deeds).length > 0, true, stdout);
});
