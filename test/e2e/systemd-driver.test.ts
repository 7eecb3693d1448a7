// A daemon with `native.cgroupdriver=systemd`, on a machine whose init is the real systemd (systemd-host.ts) and this machine's cgroup version.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { isUnified, SystemdHost } from "./systemd-host.ts";

const ROOT = dirname(dirname(import.meta.dirname));
const client = clients.at(-1) as Client;
const SYSTEMD = { "exec-opts": ["native.cgroupdriver=systemd"] };
const MEMORY_LIMIT = isUnified ? "MemoryMax" : "MemoryLimit";

let dir: string;
let machine: SystemdHost;
let daemon: TestDaemon;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "berth-driver-"));
  machine = await SystemdHost.boot([dir, ROOT]);
  daemon = await TestDaemon.start({ config: SYSTEMD, parent: dir, wrap: (argv) => machine.daemon(argv) });
});
afterEach(() => daemon.removeContainers());
after(async () => {
  await daemon?.close();
  await machine?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const text = (...args: string[]) => daemon.text(client, args, { timeoutMs: 60_000 });
const start = (...args: string[]) => text("run", "-d", ...args, "busybox", "sleep", "1000");

async function propertiesOf(unit: string, names: readonly string[]): Promise<Record<string, string>> {
  const { stdout, stderr, status } = await machine.call([
    ...["systemctl", "show", unit],
    ...names.flatMap((name) => ["-p", name]),
  ]);
  assert.equal(status, 0, stderr);
  const lines = stdout.trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
}

async function has(unit: string, expected: Readonly<Record<string, string>>): Promise<void> {
  assert.deepEqual(await propertiesOf(unit, Object.keys(expected)), expected);
}

async function gone(unit: string): Promise<void> {
  await has(unit, { LoadState: "not-found", ActiveState: "inactive" });
  const { stdout } = await machine.call(["find", "/sys/fs/cgroup", "-name", unit]);
  assert.equal(stdout, "");
}

async function memoryLimit(cgroup: string): Promise<string> {
  const file = isUnified ? `${cgroup}/memory.max` : `/memory${cgroup}/memory.limit_in_bytes`;
  const { stdout, stderr, status } = await machine.call(["cat", `/sys/fs/cgroup${file}`]);
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

test("a container is a scope in system.slice, with its limits, and gone with it", async () => {
  assert.equal(await text("info", "--format", "{{.CgroupDriver}}"), "systemd");
  const id = await start("-m", "64m", "--cpus", "0.25", "--cpu-shares", "512", "--pids-limit", "50");
  const unit = `docker-${id}.scope`;
  const cgroup = `/system.slice/${unit}`;
  await has(unit, {
    ActiveState: "active",
    Slice: "system.slice",
    Delegate: "yes",
    ControlGroup: cgroup,
    TasksMax: "50",
    CPUQuotaPerSecUSec: "250ms",
    CollectMode: "inactive-or-failed",
    DevicePolicy: "strict",
    [MEMORY_LIMIT]: String(64 << 20),
  });
  assert.equal(await memoryLimit(cgroup), String(64 << 20));
  const inside = await text("exec", id, "cat", "/proc/self/cgroup");
  for (const line of inside.split("\n"))
    if (isUnified) assert.equal(line, "0::/");
    else if (!line.startsWith("0::")) assert.ok(line.endsWith(`:${cgroup}`), line);
  assert.equal(await text("exec", id, "sh", "-c", "echo x >/dev/null && head -c1 /dev/zero | wc -c"), "1");

  await text("update", "-m", "32m", "--memory-swap", "64m", "--pids-limit", "20", id);
  await has(unit, { TasksMax: "20", [MEMORY_LIMIT]: String(32 << 20) });
  assert.equal((await machine.call(["systemctl", "daemon-reload"])).status, 0);
  assert.equal(await memoryLimit(cgroup), String(32 << 20), "systemd writes what we have told it");
  await text("pause", id);
  await text("unpause", id);
  assert.match(await text("stats", "--no-stream", "--format", "{{.MemUsage}}", id), / \/ 32MiB$/);
  assert.match(await text("top", id), /sleep 1000/);

  await text("restart", "-t", "0", id);
  await has(unit, { ActiveState: "active", TasksMax: "20" });
  await text("rm", "-f", id);
  await gone(unit);
});

test("no program is refused a device while limits change", async () => {
  const script = "while echo x >/dev/null; do :; done; echo lost >/lost; sleep 1000";
  const id = await text("run", "-d", "busybox", "sh", "-c", script);
  for (let limit = 20; limit < 25; limit++) await text("update", "--pids-limit", String(limit), id);
  assert.match(await text("exec", id, "sh", "-c", "cat /lost 2>&1 || true"), /No such file/);
});

test("a container that ends is no unit any more, however it ends", async () => {
  const id = await text("run", "-d", "busybox", "true");
  await text("wait", id);
  await gone(`docker-${id}.scope`);
  const failed = await daemon.run(client, ["run", "--name", "bad", "busybox", "/no/such/program"]);
  assert.equal(failed.status, 127);
  const { Id } = (await daemon.inspect("bad")) as unknown as { Id: string };
  await gone(`docker-${Id}.scope`);
});

test("--cgroup-parent is a slice; what is none is refused", async () => {
  const id = await start("--cgroup-parent", "box-test.slice");
  const unit = `docker-${id}.scope`;
  await has(unit, {
    Slice: "box-test.slice",
    ControlGroup: `/box.slice/box-test.slice/${unit}`,
  });
  const { status, stderr } = await daemon.run(client, ["create", "--cgroup-parent", "/box", "busybox"]);
  assert.match(
    stderr,
    /cgroup-parent for systemd cgroup should be a valid slice named as "xxx\.slice": \/box is none/,
  );
  assert.notEqual(status, 0);
});

test("a container of another runtime's is a scope as well", async () => {
  const id = await start("--runtime", "runc", "--pids-limit", "33");
  const unit = `docker-${id}.scope`;
  await has(unit, { ActiveState: "active", Slice: "system.slice", TasksMax: "33" });
  assert.match(await text("top", id), /sleep 1000/);
  await text("update", "--pids-limit", "22", id);
  await has(unit, { TasksMax: "22" });
  await text("rm", "-f", id);
  await gone(unit);
});

test("a step of a build is a scope as long as it runs", async () => {
  const dockerfile = "FROM busybox\nRUN cat /proc/self/cgroup && echo stepped >/out\n";
  const built = await daemon.text(client, ["build", "-q", "-"], { input: dockerfile, timeoutMs: 60_000 });
  assert.equal(await text("run", "--rm", built, "cat", "/out"), "stepped");
  const { stdout } = await machine.call(["systemctl", "list-units", "--all", "--plain", "docker-*"]);
  assert.doesNotMatch(stdout, /docker-\S+\.scope/);
});

test("containers stay what they are while the daemon's driver changes", async () => {
  const id = await start("--pids-limit", "44");
  const unit = `docker-${id}.scope`;
  await daemon.terminate();
  await daemon.up();
  await text("update", "--pids-limit", "43", id);
  await has(unit, { ActiveState: "active", TasksMax: "43" });
  await daemon.terminate();
  await writeFile(daemon.path("daemon.json"), "{}");
  await daemon.up();
  assert.equal(await text("info", "--format", "{{.CgroupDriver}}"), "cgroupfs");
  assert.match(await text("top", id), /sleep 1000/);
  await daemon.terminate();
  await writeFile(daemon.path("daemon.json"), JSON.stringify(SYSTEMD));
  await daemon.up();
  await text("rm", "-f", id);
  await gone(unit);
});

test("where no systemd answers, the daemon does not start", async () => {
  await using refused = await refusedBy(SYSTEMD, [
    ...["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh"],
  ]);
  assert.match(
    refused.stderr,
    /native\.cgroupdriver=systemd, but systemd support for managing cgroups is not available: systemd is not this machine's init/,
  );
  await using wrong = await refusedBy({ ...SYSTEMD, "cgroup-parent": "/docker" }, []);
  assert.match(wrong.stderr, /should be a valid slice named as "xxx\.slice": \/docker is none/);
});

/** Runs a daemon on that machine, behind `wrap`, that has to end by itself. */
async function refusedBy(config: object, wrap: readonly string[]) {
  const home = await mkdtemp(join(dir, "refused-"));
  await writeFile(join(home, "daemon.json"), JSON.stringify(config));
  const at = (name: string) => join(home, name);
  const argv = [
    ...[...daemon.program, "daemon", "--data-root", at("data"), "--exec-root", at("run")],
    ...["--pidfile", at("pid"), "--config-file", at("daemon.json"), "-H", `unix://${at("s.sock")}`],
  ];
  const outcome = await daemon.network.run(machine.daemon([...wrap, ...argv]));
  assert.equal(outcome.status, 1, outcome.stderr);
  return {
    stderr: outcome.stderr,
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
  };
}
