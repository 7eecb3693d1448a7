// Limits, devices, pauses and numbers on a kernel that has cgroup v2 alone: what is written is read back from the kernel's files, and what
// is told agrees with them. Run by `make test-vm`.
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmdirSync } from "node:fs";
import { after, afterEach, before, describe, test } from "node:test";
import { type Client, clients, isAlive, TestDaemon } from "../e2e/harness.ts";

const client = clients[0] as Client;

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const text = (...args: string[]) => daemon.text(client, args);
const outcome = (...args: string[]) => daemon.run(client, args);
const inside = (script: string, ...flags: string[]) =>
  text("run", "--rm", ...flags, "busybox", "sh", "-c", script);

/** A file of a container's cgroup, as the host sees it. */
async function cgroupFile(name: string, file: string): Promise<string> {
  const { Id } = await daemon.inspect(name);
  return readFileSync(`/sys/fs/cgroup/docker/${Id}/${file}`, "utf8").trim();
}

test("the machine is what these tests are for, and info says so", async () => {
  assert.ok(existsSync("/sys/fs/cgroup/cgroup.controllers"), "cgroup v2 at its place");
  const { body } = await daemon.request("GET", "/info");
  const { CgroupVersion, CgroupDriver, SecurityOptions, OomKillDisable } = body as Record<string, unknown>;
  assert.deepEqual([CgroupVersion, CgroupDriver, OomKillDisable], ["2", "cgroupfs", false]);
  assert.deepEqual(SecurityOptions, ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"]);
});

describe("limits", () => {
  const read = (...files: string[]) => `cd /sys/fs/cgroup && cat ${files.join(" ")}`;

  test("memory: swap is what is above the memory, the soft limit is protection", async () => {
    const files = read("memory.max", "memory.swap.max", "memory.low");
    const [max, swap, low] = [64 << 20, 32 << 20, 16 << 20];
    const flags = ["-m", "64m", "--memory-swap", "96m", "--memory-reservation", "16m"];
    assert.equal(await inside(files, ...flags), `${max}\n${swap}\n${low}`);
    assert.equal(await inside(files, "-m", "64m"), `${max}\n${max}\n0`, "as much swap as memory");
    assert.equal(await inside(files, "-m", "64m", "--memory-swap", "64m"), `${max}\n0\n0`);
    assert.equal(await inside(files, "-m", "64m", "--memory-swap", "-1"), `${max}\nmax\n0`);
    assert.equal(await inside(files), "max\nmax\n0");
  });

  test("cpu: shares become a weight, quota and period one line", async () => {
    const files = read("cpu.weight", "cpu.max", "cpuset.cpus", "cpuset.mems");
    assert.equal(await inside(files, "--cpu-shares", "1024", "--cpus", "0.5"), "100\n50000 100000\n\n");
    const flags = ["--cpu-shares", "2", "--cpu-period", "50000", "--cpu-quota", "20000"];
    const sets = ["--cpuset-cpus", "0", "--cpuset-mems", "0"];
    assert.equal(await inside(files, ...flags, ...sets), "1\n20000 50000\n0\n0");
    assert.equal(await inside(read("cpu.weight"), "--cpu-shares", "262144"), "10000");
  });

  test("processes and block I/O", async () => {
    const disk = /^\S*?(\d+):(\d+)/.exec(readFileSync("/sys/block/vda/dev", "utf8").trim())?.[0] ?? "";
    assert.equal(await inside(read("pids.max"), "--pids-limit", "17"), "17");
    assert.equal(await inside(read("pids.max"), "--pids-limit", "-1"), "max");
    const rates = ["--device-read-bps", "/dev/vda:2mb", "--device-write-iops", "/dev/vda:100"];
    const said = await inside(read("io.weight", "io.max"), "--blkio-weight", "300", ...rates);
    assert.equal(said, `default 2930\n${disk} rbps=2097152 wbps=max riops=max wiops=100`);
  });

  test("what v2 lacks is discarded with Docker's warnings", async () => {
    const flags = ["--memory-swappiness", "10", "--oom-kill-disable"];
    const made = await outcome("create", ...flags, "busybox", "true");
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stderr, /memory swappiness capabilities/);
    assert.match(made.stderr, /does not support OomKillDisable/);
  });

  test("a process that takes too much is killed, and this is an event", async () => {
    const events = daemon.events();
    const eat = "x=a; while :; do x=$x$x; done";
    assert.equal(
      (await outcome("run", "--name", "fat", "-m", "16m", "busybox", "sh", "-c", eat)).status,
      137,
    );
    await events.prints(/"Action":"oom"/);
    events.kill("SIGTERM");
    assert.equal((await daemon.inspect("fat")).State.OOMKilled, true);
  });
});

describe("where the cgroup is", () => {
  test("below /docker, in a namespace of its own, read-only unless privileged", async () => {
    assert.equal(await inside("cat /proc/self/cgroup"), "0::/");
    assert.match(await inside("cat /proc/self/cgroup", "--cgroupns", "host"), /^0::\/docker\/[0-9a-f]{64}$/);
    const line = "grep ' /sys/fs/cgroup ' /proc/mounts";
    assert.match(await inside(line), /^cgroup \/sys\/fs\/cgroup cgroup2 ro,nosuid,nodev,noexec,relatime/);
    assert.match(await inside(line, "--privileged"), / cgroup2 rw,/);
    const mine = "mkdir /sys/fs/cgroup/mine && rmdir /sys/fs/cgroup/mine && echo made";
    assert.equal(await inside(mine, "--security-opt", "writable-cgroups=true"), "made");
  });

  test("every level of --cgroup-parent passes the controllers on", async () => {
    const limits = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max";
    const parent = ["--cgroup-parent", "/berth-vm/deep/er"];
    assert.equal(await inside(limits, ...parent, "-m", "32m", "--pids-limit", "9"), `${32 << 20}\n9`);
    const at = await inside("cat /proc/self/cgroup", ...parent, "--cgroupns", "host");
    assert.match(at, /^0::\/berth-vm\/deep\/er\/[0-9a-f]{64}$/);
    for (const dir of ["/berth-vm/deep/er", "/berth-vm/deep", "/berth-vm"]) rmdirSync(`/sys/fs/cgroup${dir}`);
  });
});

describe("cgroups that a container makes below its own", () => {
  const gone = (id: string) => assert.equal(existsSync(`/sys/fs/cgroup/docker/${id}`), false);

  test("go with it", async () => {
    const nested = "mkdir -p /sys/fs/cgroup/a/b/c && echo 0 > /sys/fs/cgroup/a/b/cgroup.procs; sleep 600";
    const id = await text("run", "-d", "--privileged", "busybox", "sh", "-c", `${nested} & wait`);
    const made = `/sys/fs/cgroup/docker/${id}/a/b/c`;
    while (!existsSync(made)) await text("top", id);
    await text("rm", "-f", id);
    gone(id);
  });

  test("do not hide processes from the container's end where it has no process namespace of its own", async () => {
    const hide = "mkdir /sys/fs/cgroup/a; (echo 0 > /sys/fs/cgroup/a/cgroup.procs; exec sleep 98765) & wait";
    const id = await text("run", "-d", "--privileged", "--pid", "host", "busybox", "sh", "-c", hide);
    const procs = `/sys/fs/cgroup/docker/${id}/a/cgroup.procs`;
    const hidden = () => (existsSync(procs) ? readFileSync(procs, "utf8").trim() : "");
    while (hidden() === "") await text("top", id);
    const pid = Number(hidden().split("\n")[0]);
    await text("kill", id);
    await text("wait", id);
    assert.equal(await isAlive(pid), false);
    gone(id);
  });
});

test("a daemon in a cgroup of its own makes room there, so that its containers have limits", async () => {
  const own = "/sys/fs/cgroup/berth-vm-inner";
  const inner = 'umount /sys/fs/cgroup && mount -t cgroup2 cgroup /sys/fs/cgroup && exec "$@"';
  const enter = [
    "echo '+cpu +cpuset +io +memory +pids' > /sys/fs/cgroup/cgroup.subtree_control",
    `mkdir ${own} && echo 0 > ${own}/cgroup.procs`,
    `exec unshare --cgroup --mount --propagation private sh -c '${inner}' sh "$@"`,
  ].join(" && ");
  const other = await TestDaemon.start({ wrap: (argv) => ["sh", "-c", enter, "sh", ...argv] });
  try {
    assert.match(other.log, /moved the processes of this cgroup into a leaf/);
    const limits = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max";
    const flags = ["--rm", "-m", "32m", "--pids-limit", "9"];
    const said = await other.text(client, ["run", ...flags, "busybox", "sh", "-c", limits]);
    assert.equal(said, `${32 << 20}\n9`);
  } finally {
    await other.close();
    for (const dir of [`${own}/init`, own]) if (existsSync(dir)) rmdirSync(dir);
  }
});

describe("devices", () => {
  const node = "mknod /disk b $(cut -d: -f1 /sys/block/vda/dev) $(cut -d: -f2 /sys/block/vda/dev)";
  const peek = "head -c 1 /disk | wc -c";

  test("a node of any device can be made, but only the harmless ones can be used", async () => {
    assert.equal(
      await inside("head -c 4 /dev/zero | wc -c; echo x > /dev/null; echo y > /dev/tty || true"),
      "4",
    );
    const refused = await outcome("run", "--rm", "busybox", "sh", "-c", `${node} && ${peek}`);
    assert.match(refused.stderr, /Operation not permitted/);
  });

  test("--device gives the access that it says, for execs, too", async () => {
    await text("run", "-d", "--name", "reader", "--device", "/dev/vda:/disk:r", "busybox", "sleep", "600");
    assert.equal(await text("exec", "reader", "sh", "-c", peek), "1");
    const write = await outcome("exec", "reader", "sh", "-c", "echo > /disk");
    assert.match(write.stderr, /Operation not permitted/);
    const kmsg = await outcome("exec", "reader", "sh", "-c", "mknod /kmsg c 1 11 && head -c 1 /kmsg");
    assert.match(kmsg.stderr, /Operation not permitted/);
  });

  test("--device-cgroup-rule adds, --privileged lifts, and updates leave the rules alone", async () => {
    assert.equal(await inside(`${node} && ${peek}`, "--device-cgroup-rule", "b *:* r"), "1");
    assert.equal(await inside("head -c 1 /dev/vda | wc -c", "--privileged"), "1");
    await text("run", "-d", "--name", "kept", "busybox", "sleep", "600");
    await text("update", "-m", "64m", "--memory-swap", "-1", "kept");
    const refused = await outcome("exec", "kept", "sh", "-c", `${node} && ${peek}`);
    assert.match(refused.stderr, /Operation not permitted/);
  });
});

describe("pause", () => {
  test("freezes the cgroup; top still sees its processes, and kill ends them", async () => {
    await text("run", "-d", "--name", "busy", "busybox", "sh", "-c", "while :; do :; done");
    await text("pause", "busy");
    assert.match(await cgroupFile("busy", "cgroup.events"), /frozen 1/);
    assert.equal((await daemon.inspect("busy")).State.Status, "paused");
    assert.match(await text("top", "busy"), /while :/);
    const used = await cgroupFile("busy", "cpu.stat");
    assert.equal(await cgroupFile("busy", "cpu.stat"), used);
    await text("unpause", "busy");
    assert.match(await cgroupFile("busy", "cgroup.events"), /frozen 0/);
    await text("pause", "busy");
    await text("rm", "-f", "busy");
  });
});

interface Stats {
  cpu_stats: {
    cpu_usage: {
      total_usage: number;
      usage_in_kernelmode: number;
      usage_in_usermode: number;
      percpu_usage?: number[];
    };
    system_cpu_usage: number;
    online_cpus: number;
    throttling_data: { periods: number; throttled_periods: number; throttled_time: number };
  };
  memory_stats: { usage: number; limit: number; max_usage?: number; stats: Record<string, number> };
  pids_stats: { current: number; limit?: number };
  blkio_stats: Record<string, { major: number; minor: number; op: string; value: number }[] | null>;
}

describe("stats", () => {
  const statsOf = async (name: string): Promise<Stats> =>
    (await daemon.request("GET", `/containers/${name}/stats?stream=0&one-shot=1`)).body as Stats;

  for (const c of clients)
    test(`the table shows what a busy container uses (${c.name})`, async () => {
      const flags = ["-d", "--name", "busy", "--cpus", "0.3", "-m", "64m", "--pids-limit", "50"];
      await daemon.text(c, ["run", ...flags, "busybox", "sh", "-c", "while :; do :; done"]);
      const format = "{{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.PIDs}}";
      const line = await daemon.text(c, ["stats", "--no-stream", "--format", format, "busy"]);
      const found = /^([\d.]+)% \S+ \/ 64MiB [\d.]+% 1$/.exec(line);
      assert.ok(found, line);
      // no more than it may have; how much less depends on what else the machine does
      const percent = Number(found[1]);
      assert.ok(percent > 1 && percent < 60, line);
    });

  test("the numbers are the kernel's, in Docker's units; what only v1 counts is absent", async () => {
    const work = "dd if=/dev/zero of=/file bs=1M count=8 conv=fsync; sleep 600 & wait";
    await text("run", "-d", "--name", "worker", "-m", "64m", "--cpus", "0.5", "busybox", "sh", "-c", work);
    const written = async (): Promise<number> =>
      Number(/wbytes=(\d+)/.exec(await cgroupFile("worker", "io.stat"))?.[1] ?? 0);
    while ((await written()) < 8 << 20) await text("exec", "worker", "true");
    while ((await cgroupFile("worker", "pids.current")) !== "2") await text("top", "worker");
    await text("pause", "worker");
    const s = await statsOf("worker");
    const cpu = Object.fromEntries(
      (await cgroupFile("worker", "cpu.stat")).split("\n").map((l) => l.split(" ")),
    );
    assert.equal(s.cpu_stats.cpu_usage.total_usage, Number(cpu.usage_usec) * 1000);
    assert.equal(s.cpu_stats.cpu_usage.usage_in_usermode, Number(cpu.user_usec) * 1000);
    assert.equal(s.cpu_stats.cpu_usage.usage_in_kernelmode, Number(cpu.system_usec) * 1000);
    assert.equal(s.cpu_stats.throttling_data.periods, Number(cpu.nr_periods));
    assert.equal(s.cpu_stats.throttling_data.throttled_time, Number(cpu.throttled_usec) * 1000);
    assert.equal(s.cpu_stats.cpu_usage.percpu_usage, undefined);
    assert.equal(s.memory_stats.usage, Number(await cgroupFile("worker", "memory.current")));
    assert.equal(s.memory_stats.limit, 64 << 20);
    assert.equal(s.memory_stats.max_usage, undefined);
    assert.ok((s.memory_stats.stats["file"] ?? 0) >= 8 << 20, "the file is in the page cache");
    assert.ok((s.memory_stats.stats["inactive_file"] ?? -1) >= 0);
    assert.equal(s.pids_stats.current, 2);
    const entries = s.blkio_stats["io_service_bytes_recursive"] ?? [];
    assert.deepEqual([...new Set(entries.map((e) => e.op))], ["read", "write"]);
    assert.equal(entries.find((e) => e.op === "write")?.value, await written());
    assert.equal(s.blkio_stats["io_serviced_recursive"], null);
    assert.equal(s.blkio_stats["io_service_time_recursive"], null);
  });

  test("without limits the machine's memory is the limit, and the number of processes the largest number", async () => {
    await text("run", "-d", "--name", "free", "busybox", "sleep", "600");
    const { memory_stats, pids_stats } = await statsOf("free");
    assert.equal(pids_stats.limit, 2 ** 64, "as near as a double comes to 2^64-1");
    const total = Number(/MemTotal:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024;
    assert.equal(memory_stats.limit, total);
  });
});
