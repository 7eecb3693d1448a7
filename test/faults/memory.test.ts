// Memory that a container's cgroup does not have: what needs it is refused or killed and says so, everybody else goes on, and there is room again when it is freed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clients, TestDaemon } from "../e2e/harness.ts";

const berth = clients[0] as (typeof clients)[number];
const LIMIT = ["-m", "8m", "--memory-swap", "8m"];

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

const run = (...args: string[]) => daemon.run(berth, args);
const text = (...args: string[]) => daemon.text(berth, args);

test("a limit in which nothing fits is refused", async () => {
  const { status, stderr } = await run("run", "--rm", "-m", "1m", "busybox", "true");
  assert.equal(status, 125);
  assert.match(stderr, /Minimum memory limit/);
  assert.equal(await text("ps", "-aq"), "");
});

test("what does not fit into a container that is nearly full is killed and told so, and nothing else is", async () => {
  const script = "head -c 6000000 /dev/zero > /fill/most; echo filled; exec sleep 100000";
  await text("run", "-d", "--name", "full", "--tmpfs", "/fill", ...LIMIT, "busybox", "sh", "-c", script);
  const logs = daemon.live(berth, ["logs", "-f", "full"]);
  await logs.prints("filled");
  logs.kill("SIGTERM");
  const { State: before } = await daemon.inspect("full");
  const hungry = Array.from({ length: 5 }, () => run("exec", "full", "tail", "-c", "30000000", "/dev/zero"));
  for (const { status } of await Promise.all(hungry)) assert.equal(status, 137);
  assert.equal(await text("exec", "full", "echo", "inside"), "inside");
  await text("exec", "full", "rm", "/fill/most");
  assert.equal((await daemon.inspect("full")).State.Pid, before.Pid);
  assert.equal(
    await text("exec", "full", "sh", "-c", "head -c 3000000 /dev/zero | tail -c 3000000 | wc -c"),
    "3000000",
  );
  await text("rm", "-f", "full");
});

test("a container whose first program does not fit is said to have been killed for it, and the next one starts", async () => {
  await text(
    "create",
    "--name",
    "hungry",
    ...LIMIT,
    "busybox",
    "sh",
    "-c",
    "exec tail -c 15000000 /dev/zero",
  );
  assert.equal((await run("start", "-a", "hungry")).status, 137);
  const { State } = await daemon.inspect("hungry");
  assert.deepEqual([State.Status, State.ExitCode, State.OOMKilled], ["exited", 137, true]);
  await text("rm", "hungry");
  assert.equal(await text("run", "--rm", ...LIMIT, "busybox", "echo", "there"), "there");
});
