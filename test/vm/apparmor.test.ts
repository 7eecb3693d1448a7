// AppArmor: the default profile is loaded and enforced, others are taken, and nothing runs with less confinement than it was given.
// Run by `make test-vm`.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { renderProfile } from "../../src/runtime/apparmor/profile.ts";
import { type Client, clients, TestDaemon } from "../e2e/harness.ts";

const client = clients[0] as Client;
const PARSER = "/usr/sbin/apparmor_parser";
const LABEL = "cat /proc/self/attr/apparmor/current";
const DEFAULT = "berth-default (enforce)";

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
const profiles = () => readFileSync("/sys/kernel/security/apparmor/profiles", "utf8").split("\n");
const unload = () =>
  execFileSync(PARSER, ["-R"], { input: 'profile "berth-default" {}', stdio: ["pipe", "ignore", "inherit"] });

test("the profile is text that the parser takes, with and without the distribution's includes", () => {
  for (const hasInclude of [() => false, (path: string) => existsSync(`/etc/apparmor.d/${path}`)]) {
    const input = renderProfile({ name: "berth-test", daemonProfile: "a b", hasInclude });
    const { status, stderr } = spawnSync(PARSER, ["-QK"], { input });
    assert.equal(status, 0, stderr.toString());
  }
});

test("the default profile is enforced on a container, its execs and its health checks", async () => {
  assert.ok(profiles().includes(DEFAULT));
  assert.equal(await inside(LABEL), DEFAULT);
  assert.equal(await inside(LABEL, "--security-opt", "no-new-privileges", "-u", "dev"), DEFAULT);
  const probe = ["--health-cmd", `${LABEL} > /probed && test -s /probed`, "--health-interval", "200ms"];
  const program = "trap 'exit 7' TERM; while :; do sleep 1 & wait; done";
  await text("run", "-d", "--name", "one", ...probe, "busybox", "sh", "-c", program);
  assert.equal(await text("exec", "one", "sh", "-c", LABEL), DEFAULT);
  assert.equal(await text("exec", "--privileged", "one", "sh", "-c", LABEL), DEFAULT, "as Docker has it");
  const events = daemon.events();
  if ((await text("inspect", "-f", "{{.State.Health.Status}}", "one")) !== "healthy")
    await events.prints(/health_status: healthy/);
  events.kill("SIGTERM");
  assert.equal(await text("exec", "one", "cat", "/probed"), DEFAULT);
  assert.equal((await daemon.inspect("one"))["AppArmorProfile"], "berth-default");
  await text("stop", "-t", "60", "one");
  assert.equal((await daemon.inspect("one")).State.ExitCode, 7, "signals of the shim arrive");
});

test("privileged and unconfined containers have none, by name any other", async () => {
  assert.equal(await inside(LABEL, "--privileged"), "unconfined");
  assert.equal(await inside(LABEL, "--security-opt", "apparmor=unconfined"), "unconfined");
  assert.equal(await inside(LABEL, "--security-opt", "apparmor=docker-default"), DEFAULT);
  assert.equal(await inside(LABEL, "--privileged", "--security-opt", "apparmor=berth-default"), DEFAULT);
  const id = await text("create", "--privileged", "busybox", "true");
  assert.equal((await daemon.inspect(id))["AppArmorProfile"], "unconfined");
  const own = 'profile "berth-vm own" flags=(attach_disconnected) { file, deny /etc/passwd r, }';
  execFileSync(PARSER, ["-Kr"], { input: own, stdio: ["pipe", "ignore", "inherit"] });
  const refused = await outcome(
    ...["run", "--rm", "--security-opt", "apparmor=berth-vm own", "busybox"],
    ...["sh", "-c", `${LABEL}; cat /etc/passwd`],
  );
  assert.equal(refused.stdout, "berth-vm own (enforce)\n");
  assert.match(refused.stderr, /passwd.*Permission denied/);
});

test("a profile that is not loaded keeps the container from starting", async () => {
  const run = await outcome("run", "--name", "lost", "--security-opt", "apparmor=nowhere", "busybox", "true");
  assert.match(run.stderr, /unable to apply apparmor profile: .*"nowhere".*no such file or directory/);
  assert.ok([125, 127].includes(run.status), String(run.status));
  assert.equal((await daemon.inspect("lost")).State.Status, "created");
});

test("the profile is a lock of its own: it holds where capabilities, seccomp and masks are off", async () => {
  const open = [
    "--cap-add",
    "ALL",
    "--security-opt",
    "seccomp=unconfined",
    "--security-opt",
    "systempaths=unconfined",
  ];
  const free = [...open, "--security-opt", "apparmor=unconfined"];
  const tries: readonly (readonly [string, string])[] = [
    ["a mount", "mount -t tmpfs none /tmp"],
    ["sysrq", "echo h > /proc/sysrq-trigger"],
    [
      "kernel settings",
      "cat /proc/sys/kernel/core_pattern > /tmp/p && cat /tmp/p > /proc/sys/kernel/core_pattern",
    ],
    ["the modules' own files", "ls /sys/kernel/security/apparmor"],
  ];
  for (const [what, script] of tries) {
    const refused = await outcome("run", "--rm", ...open, "-v", "/sys:/sys", "busybox", "sh", "-c", script);
    assert.match(refused.stderr, /[Pp]ermission denied/, what);
    assert.equal(
      (await outcome("run", "--rm", ...free, "-v", "/sys:/sys", "busybox", "sh", "-c", script)).status,
      0,
      what,
    );
  }
  assert.equal(
    await inside("echo 100 > /proc/sys/kernel/shmmni && cat /proc/sys/kernel/shmmni", ...open),
    "100",
  );
});

test("signals go within a profile, not to others of the host", async () => {
  const host = spawn("sleep", ["600"], { stdio: "ignore" });
  try {
    const signal = `kill -CONT ${host.pid}`;
    const refused = await outcome("run", "--rm", "--pid", "host", "busybox", "sh", "-c", signal);
    assert.match(refused.stderr, /[Pp]ermission denied/);
    await inside(signal, "--pid", "host", "--security-opt", "apparmor=unconfined");
    assert.equal(await inside("sleep 60 & kill $! && wait $! || echo gone"), "gone");
  } finally {
    host.kill("SIGKILL");
  }
});

test("a profile that was unloaded meanwhile is loaded again", async () => {
  unload();
  assert.ok(!profiles().includes(DEFAULT));
  assert.equal(await inside(LABEL), DEFAULT);
});

test("without a parser the daemon says so and its containers run without a profile", async () => {
  unload();
  const hide = `mount --bind /bin/false ${PARSER} && exec "$@"`;
  const other = await TestDaemon.start({
    wrap: (argv) => ["unshare", "--mount", "--propagation", "private", "sh", "-c", hide, "sh", ...argv],
  });
  try {
    assert.match(
      other.log,
      /level=warn.*berth-default could not be loaded, containers run without an AppArmor profile/,
    );
    const line = await other.text(client, ["run", "--rm", "busybox", "sh", "-c", LABEL]);
    assert.equal(line, "unconfined");
  } finally {
    await other.close();
  }
});
