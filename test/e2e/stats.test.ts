// Resource use: what is told of a container's processor time, memory and processes must agree with what it does.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

for (const c of clients) {
  test(`stats tell what a busy and a stopped container use (${c.name})`, async () => {
    const name = `busy-${c.name}`;
    const flags = ["-d", "--name", name, "--cpus", "0.3", "-m", "64m", "--pids-limit", "50"];
    await daemon.text(c, ["run", ...flags, "busybox", "sh", "-c", "while :; do :; done"]);
    const format = "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}} {{.NetIO}}";
    const line = await daemon.text(c, ["stats", "--no-stream", "--format", format, name]);
    const found = new RegExp(`^${name} ([\\d.]+)% \\S+ / 64MiB 1 \\S+ / \\S+$`).exec(line);
    assert.ok(found, line);
    assert.ok(Math.abs(Number(found[1]) - 30) < 8, line);
    await daemon.text(c, ["kill", name]);
    await daemon.text(c, ["wait", name]);
    const { body } = await daemon.request("GET", `/containers/${name}/stats?stream=0`);
    const stats = body as {
      read: string;
      memory_stats: object;
      cpu_stats: { cpu_usage: { total_usage: number } };
    };
    assert.equal(stats.cpu_stats.cpu_usage.total_usage, 0);
    assert.deepEqual(stats.memory_stats, {});
    assert.match(stats.read, /^0001/);
  });
}
