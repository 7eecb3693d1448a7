// The power is cut while containers, images, networks and volumes come and go: the daemon starts from what is left, has kept what it promised,
// and shows nothing that is half there. A few of the moments that `make torture` tries.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../e2e/command.ts";
import type { Report } from "./power-cut/run.ts";

const PROGRAM = join(import.meta.dirname, "power-cut/run.ts");

async function torture(...args: string[]): Promise<{ status: number; reports: Report[]; text: string }> {
  const { status, stdout, stderr } = await run([process.execPath, PROGRAM, ...args], { timeoutMs: 170_000 });
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return { status, reports: lines.map((line) => JSON.parse(line) as Report), text: stdout + stderr };
}

for (const workload of ["containers", "images", "networks", "policies"])
  test(`power cut: ${workload}`, async () => {
    const { status, reports, text } = await torture("--workload", workload, "--cuts", "4");
    assert.equal(status, 0, text);
    assert.deepEqual(reports[0]?.losses, []);
    assert.equal(reports[0].cuts, 20);
  });

test("power cut: a disk that forgets a flush loses what was promised, and it is seen", async () => {
  const args = ["--workload", "containers", "--cuts", "4", "--kinds", "dropped", "--forget", "datasync"];
  const { status, reports, text } = await torture(...args);
  assert.equal(status, 1, text);
  assert.match(reports[0]?.losses.join("\n") ?? "", /is absent, not/);
});
