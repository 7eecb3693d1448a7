// The machine's clock jumps by hours, there and back, for the daemon, its shims and its containers alike. Run by `make test-vm`: elsewhere the
// machine is not ours.
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { TestDaemon } from "../e2e/harness.ts";
import { jumpAround } from "../faults/clock.ts";

const startedMs = Date.now() - performance.now();
const setClock = (aheadSeconds: number): void => {
  const nowMs = startedMs + performance.now() + aheadSeconds * 1000;
  execFileSync("date", ["-s", `@${(nowMs / 1000).toFixed(3)}`], { stdio: ["ignore", "ignore", "inherit"] });
};

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(async () => {
  setClock(0);
  await daemon.close();
});

test("when the machine's clock jumps nothing waits for ever, and nothing that waits is done at once", async () => {
  await jumpAround(daemon, setClock);
});
