// The machine's clock jumps by hours, there and back, for the daemon, its shims and its containers alike. Run by `make test-vm`.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { hostname } from "node:os";
import { after, before, test } from "node:test";
import { TestDaemon } from "../e2e/harness.ts";
import { jumpAround } from "../faults/clock.ts";

const startedMs = Date.now() - performance.now();
/** Sets the clock so many seconds ahead of what it was at first. */
const setClock = (aheadSeconds: number): void => {
  assert.equal(hostname(), "berth-vm", "the clock is set in the test machine only (tools/vm/init)");
  const nowMs = startedMs + performance.now() + aheadSeconds * 1000;
  execFileSync("date", ["-s", `@${(nowMs / 1000).toFixed(3)}`], { stdio: ["ignore", "ignore", "inherit"] });
};

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(async () => {
  await daemon.close();
  setClock(0);
});

test("when the machine's clock jumps nothing waits for ever, and nothing that waits is done at once", async () => {
  await jumpAround(daemon, setClock);
});
