// kill -9 of daemon, agent, shims, containers and clients under load: a few of those of `make torture`.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../e2e/command.ts";
import type { Report } from "./kill/run.ts";

test("whatever is killed, promises are kept, nobody else stops, and nothing stays behind", async () => {
  const argv = ["--kills", "10", "--workers", "4", "--seed", "20261129"];
  const { status, stdout, stderr } = await run(
    [process.execPath, join(import.meta.dirname, "kill/run.ts"), ...argv],
    { timeoutMs: 170_000 },
  );
  assert.equal(status, 0, stdout + stderr);
  const report = JSON.parse(stdout) as Report;
  assert.deepEqual([report.failures, report.leaks], [[], []]);
  assert.equal(report.deeds > 0 && report.lines > 0, true, stdout);
});
