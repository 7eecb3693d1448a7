// The daemon's wall clock jumps by hours, there and back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TestDaemon } from "../e2e/harness.ts";
import { jumpAround, ShiftedClock } from "./clock.ts";

const clock = new ShiftedClock();
let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start({ wrap: (argv) => clock.wrap(argv) });
});
after(async () => {
  await daemon.close();
  clock[Symbol.dispose]();
});

const systemTime = async (): Promise<number> =>
  Date.parse(((await daemon.request("GET", "/info")).body as { SystemTime: string }).SystemTime);

test("the clock under test is the daemon's", async () => {
  const before = await systemTime();
  clock.set(7200);
  assert.equal((await systemTime()) - before > 7_000_000, true);
  clock.set(0);
  assert.equal(Math.abs((await systemTime()) - Date.now()) < 600_000, true);
});

test("when the clock jumps nothing waits for ever, and nothing that waits is done at once", async () => {
  await jumpAround(daemon, clock.set);
});

test("events are told with the time that it is, and found by it", async () => {
  clock.set(6 * 3600);
  await daemon.request("POST", "/images/busybox/tag?repo=late&tag=1");
  clock.set(0);
  await daemon.request("POST", "/images/busybox/tag?repo=late&tag=2");
  const now = Math.ceil((await systemTime()) / 1000) + 1;
  const { body } = await daemon.request(
    "GET",
    `/events?since=${now - 600}&until=${now}&filters={"event":["tag"]}`,
  );
  assert.match(String(typeof body === "string" ? body : JSON.stringify(body)), /late:2/);
});
