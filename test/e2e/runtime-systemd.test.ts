// `berth runtime --systemd-cgroup` on a machine whose init is systemd: the real one (systemd-host.ts), on this machine's cgroup version.
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { after, before, test } from "node:test";
import type { Outcome } from "./command.ts";
import { type Change, RUNTIME, RuntimeBed } from "./runtime-bed.ts";
import { isUnified, SystemdHost } from "./systemd-host.ts";

let bed: RuntimeBed;
let machine: SystemdHost;
before(async () => {
  bed = await RuntimeBed.open();
  machine = await SystemdHost.boot([bed.dir, dirname(dirname(RUNTIME[0] ?? ""))]);
});
after(async () => {
  await machine?.[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

/** Only there: on a file system that is gone with that machine. */
const ROOT = "/run/berth-test";
const call = (args: readonly string[]) =>
  machine.call([...RUNTIME, "--root", ROOT, "--systemd-cgroup", ...args], { cwd: bed.bundle });

async function ok(args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await call(args);
  assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function fails(args: readonly string[], message: RegExp): Promise<void> {
  const { status, stderr } = await call(args);
  assert.match(stderr.replaceAll('\\"', '"'), message);
  assert.equal(status, 1);
}

/** Its output is nobody's, so that the call ends. */
function runDetached(id: string): Promise<Outcome> {
  const log = `/run/${id}.log`;
  const script = 'log=$1; shift; "$@" </dev/null >/dev/null 2>&1; code=$?; cat "$log"; exit $code';
  const argv = [...RUNTIME, "--root", ROOT, "--log", log, "--systemd-cgroup", "run", "--detach", id];
  return machine.call(["sh", "-c", script, "sh", log, ...argv], { cwd: bed.bundle });
}

async function started(id: string, change: Change = () => undefined): Promise<void> {
  await bed.configure(change);
  const { status, stdout } = await runDetached(id);
  assert.equal(status, 0, stdout);
}

async function propertiesOf(unit: string, names: readonly string[]): Promise<Record<string, string>> {
  const { stdout, stderr, status } = await machine.call([
    ...["systemctl", "show", unit],
    ...names.flatMap((name) => ["-p", name]),
  ]);
  assert.equal(status, 0, stderr);
  const lines = stdout.trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
}

async function readThere(
  cgroup: string,
  v1: { controller: string; file: string },
  v2: string,
): Promise<string> {
  const path = isUnified ? `${cgroup}/${v2}` : `/${v1.controller}${cgroup}/${v1.file}`;
  const { stdout, stderr, status } = await machine.call(["cat", `/sys/fs/cgroup${path}`]);
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

const memoryLimit = (cgroup: string) =>
  readThere(cgroup, { controller: "memory", file: "memory.limit_in_bytes" }, "memory.max");
const MEMORY_LIMIT = isUnified ? "MemoryMax" : "MemoryLimit";

async function gone(unit: string): Promise<void> {
  assert.deepEqual(await propertiesOf(unit, ["LoadState", "ActiveState"]), {
    LoadState: "not-found",
    ActiveState: "inactive",
  });
  const { stdout } = await machine.call(["find", "/sys/fs/cgroup", "-name", unit]);
  assert.equal(stdout, "");
}

test("a container is a scope of systemd's, with its limits, and gone with it", async () => {
  await started("sd-one", (spec) => {
    spec.linux.cgroupsPath = "machine-test.slice:libpod:one";
    spec.linux.resources = {
      ...spec.linux.resources,
      memory: { limit: 64 << 20 },
      cpu: { quota: 25_000, period: 100_000, shares: 512 },
      pids: { limit: 50 },
    };
    spec.annotations = {
      "org.systemd.property.TimeoutStopSec": "7",
      "org.systemd.property.CollectMode": "'inactive-or-failed'",
    };
  });
  const unit = "libpod-one.scope";
  const cgroup = `/machine.slice/machine-test.slice/${unit}`;
  const expected = {
    ActiveState: "active",
    Slice: "machine-test.slice",
    Delegate: "yes",
    ControlGroup: cgroup,
    TasksMax: "50",
    CPUQuotaPerSecUSec: "250ms",
    TimeoutStopUSec: "7s",
    CollectMode: "inactive-or-failed",
    DevicePolicy: "strict",
    [MEMORY_LIMIT]: String(64 << 20),
  };
  assert.deepEqual(await propertiesOf(unit, Object.keys(expected)), expected);
  assert.equal(await memoryLimit(cgroup), String(64 << 20));
  const inside = await ok(["exec", "sd-one", "cat", "/proc/self/cgroup"]);
  for (const line of inside.trim().split("\n"))
    assert.match(line, isUnified ? /:\/$/ : new RegExp(`:${cgroup}$`));
  const [pid] = JSON.parse(await ok(["ps", "--format", "json", "sd-one"])) as number[];
  assert.equal(
    await ok(["ps", "--format", "json", "sd-one"]),
    `[${pid}]\n`,
    "no process of ours is left in it",
  );

  await ok(["update", "--memory", "32M", "--pids-limit", "20", "sd-one"]);
  const changed = { TasksMax: "20", [MEMORY_LIMIT]: String(32 << 20) };
  assert.deepEqual(await propertiesOf(unit, Object.keys(changed)), changed);
  assert.equal((await machine.call(["systemctl", "daemon-reload"])).status, 0);
  assert.equal(await memoryLimit(cgroup), String(32 << 20), "systemd writes what we have told it");
  await ok(["pause", "sd-one"]);
  assert.match(await ok(["state", "sd-one"]), /"status": "paused"/);
  await ok(["delete", "--force", "sd-one"]);
  await gone(unit);
});

test("no program is refused a device while systemd is told of other limits", async () => {
  await started("sd-devices", (spec) => {
    spec.root = { path: "rootfs", readonly: false };
    spec.process.args = ["sh", "-c", "while echo x >/dev/null; do :; done; echo lost >/lost; sleep 1000"];
  });
  for (let limit = 20; limit < 30; limit++) await ok(["update", "--pids-limit", String(limit), "sd-devices"]);
  const { stdout } = await call(["exec", "sd-devices", "sh", "-c", "cat /lost 2>&1 || true"]);
  assert.match(stdout, /No such file/);
  await ok(["delete", "--force", "sd-devices"]);
});

test("without a cgroupsPath the unit has the container's name; one that has ended is deleted all the same", async () => {
  await started("sd-two", (spec) => {
    delete spec.linux.cgroupsPath;
    spec.process.args = ["true"];
  });
  await ok(["delete", "--force", "sd-two"]);
  await gone("berth-sd-two.scope");
  await started("sd-two");
  assert.deepEqual(await propertiesOf("berth-sd-two.scope", ["ActiveState", "Slice"]), {
    ActiveState: "active",
    Slice: "system.slice",
  });
  await ok(["delete", "--force", "sd-two"]);
  await gone("berth-sd-two.scope");
});

test("what cannot be is refused, and leaves no unit", async () => {
  const create = ["create", "sd-bad"];
  await bed.configure((spec) => {
    spec.linux.cgroupsPath = "/some/path";
  });
  await fails(create, /of format "slice:prefix:name" for systemd cgroups, got "\/some\/path" instead/);
  await bed.configure((spec) => {
    spec.linux.cgroupsPath = "a.slice:p:n";
    spec.annotations = { "org.systemd.property.NoSuchThing": "1" };
  });
  await fails(create, /systemd cannot start unit p-n\.scope: .*NoSuchThing/);
  await gone("p-n.scope");
  await bed.configure((spec) => {
    spec.linux.cgroupsPath = "a.slice:p:n";
    spec.process.args = ["/no/such/program"];
  });
  await fails(create, /no such file or directory/);
  await gone("p-n.scope");
  const { stdout } = await machine.call(["ls", ROOT]);
  assert.equal(stdout, "");
});

test("where systemd is not the init the flag is refused", async () => {
  await bed.configure(() => undefined);
  const { stderr, status } = await machine.call(
    [
      ...["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh"],
      ...[...RUNTIME, "--systemd-cgroup", "create", "sd-none"],
    ],
    { cwd: bed.bundle },
  );
  assert.match(
    stderr,
    /systemd cgroup flag passed, but systemd support for managing cgroups is not available/,
  );
  assert.equal(status, 1);
});
