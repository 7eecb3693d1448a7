// Containers that many clients start at once: a few of those of `make torture`.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../e2e/command.ts";
import type { Report } from "./load.ts";

test("what many clients start at once all runs, and nothing of it stays behind", async () => {
  const argv = ["--containers", "60", "--clients", "8"];
  const program = [process.execPath, join(import.meta.dirname, "load.ts"), ...argv];
  const { status, stdout, stderr } = await run(program, { timeoutMs: 170_000 });
  assert.equal(status, 0, stdout + stderr);
  const report = JSON.parse(stdout) as Report;
  assert.deepEqual([report.containers, report.failures, report.leaks], [60, [], []]);
});
