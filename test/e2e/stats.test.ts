// Resource use: what is told of a container's processor time, memory and processes must agree with what it does.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

/** Processor time that a container has used so far, and when, in nanoseconds. */
async function kernelsView(name: string): Promise<{ usedNs: number; atNs: number }> {
  const { Id } = await daemon.inspect(name);
  const v2 = `/sys/fs/cgroup/docker/${Id}/cpu.stat`;
  const usedNs = existsSync(v2)
    ? Number(/^usage_usec (\d+)/m.exec(readFileSync(v2, "utf8"))?.[1]) * 1000
    : Number(readFileSync(`/sys/fs/cgroup/cpuacct/docker/${Id}/cpuacct.usage`, "utf8"));
  return { usedNs, atNs: performance.now() * 1e6 };
}

for (const c of clients) {
  test(`stats tell what a busy and a stopped container use (${c.name})`, async () => {
    const name = `busy-${c.name}`;
    const flags = ["-d", "--name", name, "--cpus", "0.3", "-m", "64m", "--pids-limit", "50"];
    await daemon.text(c, ["run", ...flags, "busybox", "sh", "-c", "while :; do :; done"]);
    const earlier = await kernelsView(name);
    const format = "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}} {{.NetIO}}";
    const line = await daemon.text(c, ["stats", "--no-stream", "--format", format, name]);
    const found = new RegExp(`^${name} ([\\d.]+)% \\S+ / 64MiB 1 \\S+ / \\S+$`).exec(line);
    assert.ok(found, line);
    // A third of a processor, unless the machine is so busy that it gets less: what the kernel has counted meanwhile.
    const later = await kernelsView(name);
    const percent = ((later.usedNs - earlier.usedNs) / (later.atNs - earlier.atNs)) * 100;
    assert.ok(percent < 38, `${percent}`);
    assert.ok(Math.abs(Number(found[1]) - percent) < 10, `${line}, the kernel says ${percent}`);
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
