// New limits for a container that runs: the kernel must have them at once, and the container after its next start, too.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

interface Stats {
  memory_stats: { limit: number };
  pids_stats: { limit?: number };
}

for (const c of clients)
  test(`update changes a running container and its record (${c.name})`, async () => {
    const name = `changed-${c.name}`;
    await daemon.text(c, ["run", "-d", "--name", name, "-m", "64m", "busybox", "sleep", "600"]);
    const limits = ["--memory", "96m", "--memory-swap", "192m", "--pids-limit", "33", "--cpu-shares", "512"];
    await daemon.text(c, ["update", ...limits, "--restart", "on-failure:3", name]);
    const seen = async (): Promise<unknown> => {
      const { body } = await daemon.request("GET", `/containers/${name}/stats?stream=0&one-shot=1`);
      const { memory_stats, pids_stats } = body as Stats;
      return [memory_stats.limit, pids_stats.limit];
    };
    assert.deepEqual(await seen(), [96 << 20, 33]);
    await daemon.text(c, ["restart", "-t", "0", name]);
    assert.deepEqual(await seen(), [96 << 20, 33]);
    const { HostConfig } = await daemon.inspect(name);
    assert.deepEqual(HostConfig["RestartPolicy"], { Name: "on-failure", MaximumRetryCount: 3 });
    assert.equal(HostConfig["CpuShares"], 512);
    const refused = await daemon.run(c, ["update", "--memory", "1m", name]);
    assert.match(refused.stderr, /Minimum memory limit allowed is 6MB/);
    assert.deepEqual(await seen(), [96 << 20, 33]);
  });
