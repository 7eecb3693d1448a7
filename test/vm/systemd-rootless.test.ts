// A rootless daemon with `native.cgroupdriver=systemd`: its containers are scopes of the user's own systemd, which is a service of a machine's
// whose init is systemd (test/e2e/systemd-host.ts).
import assert from "node:assert/strict";
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { baseImageTar } from "../e2e/base-image.ts";
import type { CommandOptions, Outcome } from "../e2e/command.ts";
import { SystemdHost } from "../e2e/systemd-host.ts";

const ROOT = dirname(dirname(import.meta.dirname));
const BERTH = join(ROOT, "dist/berth");
/** `daemon`: systemd starts services of users that there are only. */
const USER = 1;
const RUNTIME_DIR = "/run/berth-user";
const CGROUP = "/system.slice/berth-user.service";
const MANAGER = [
  ...[
    "--unit=berth-user.service",
    `--uid=${USER}`,
    `--gid=${USER}`,
    `--setenv=XDG_RUNTIME_DIR=${RUNTIME_DIR}`,
  ],
  ...["-p", "Delegate=yes", "-p", "Type=notify"],
];

let dir: string;
let machine: SystemdHost;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "berth-driver-"));
  await chmod(dir, 0o755);
  await mkdir(join(dir, "home"), { mode: 0o700 });
  await chown(join(dir, "home"), USER, USER);
  await writeFile(join(dir, "ids"), "daemon:1200000:65536\n");
  await writeFile(join(dir, "daemon.json"), '{ "exec-opts": ["native.cgroupdriver=systemd"] }');
  machine = await SystemdHost.boot([dir, ROOT]);
  const script = [
    `for f in subuid subgid; do mount --bind ${dir}/ids /etc/$f; done`,
    "umount /proc/sys", // a daemon has settings of its own network to make
    `install -d -o ${USER} -m 0700 ${RUNTIME_DIR}`,
  ];
  await ok(machine.call(["sh", "-ec", script.join("\n")]));
  await ok(machine.call(["systemd-run", ...MANAGER, "/lib/systemd/systemd", "--user"]));
  // Before the first service systemd-tmpfiles gives nodes the modes that it wants them to have.
  const device = [
    "modprobe -q tun || true",
    "[ -e /dev/net/tun ] || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }",
    `mknod -m 666 ${dir}/tun c 10 200; mount --bind ${dir}/tun /dev/net/tun`,
  ];
  await ok(machine.call(["sh", "-ec", device.join("\n")]));
});
after(async () => {
  await machine?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

async function ok(outcome: Promise<Outcome>): Promise<string> {
  const { stdout, stderr, status } = await outcome;
  assert.equal(status, 0, stdout + stderr);
  return stdout.trim();
}

/** Runs a program as the user, in a cgroup of that machine's. */
const asUser = (argv: readonly string[], cgroup = `${CGROUP}/init.scope`): Promise<Outcome> =>
  machine.call([
    ...["sh", "-ec", `echo $$ >/sys/fs/cgroup${cgroup}/cgroup.procs; exec "$@"`, "sh"],
    ...["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups"],
    ...["env", `XDG_RUNTIME_DIR=${RUNTIME_DIR}`, `HOME=${dir}/home`, ...argv],
  ]);

const DAEMON = (name: string) => [
  ...[BERTH, "daemon", "-H", `unix://${dir}/home/${name}.sock`, "--config-file", `${dir}/daemon.json`],
  ...["--data-root", `${dir}/home/${name}`, "--exec-root", `${RUNTIME_DIR}/${name}`],
  ...["--pidfile", `${RUNTIME_DIR}/${name}.pid`],
];

const berth = (args: readonly string[], options: CommandOptions = {}) =>
  ok(
    machine.call(["env", `HOME=${dir}`, BERTH, "-H", `unix://${dir}/home/main.sock`, ...args], {
      timeoutMs: 120_000,
      ...options,
    }),
  );

const show = (unit: string, ...names: string[]): Promise<string> =>
  ok(asUser(["systemctl", "--user", "show", unit, ...names.flatMap((name) => ["-p", name])]));

test("a rootless daemon's containers are scopes of the user's systemd, with their limits, and gone with it", async () => {
  const unit = ["systemd-run", "--user", "--unit=berth.service", "-p", "Delegate=yes"];
  const env = [`--setenv=HOME=${dir}/home`, "--setenv=PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
  await ok(asUser([...unit, ...env, "-p", `StandardError=file:${dir}/home/log`, ...DAEMON("main")]));
  const retry = ["--retry", "30", "--retry-delay", "1", "--retry-all-errors"];
  const ping = ["--unix-socket", `${dir}/home/main.sock`, "http://localhost/_ping"];
  await ok(machine.call(["curl", "-sf", ...retry, ...ping], { timeoutMs: 120_000 }));
  await berth(["import", "-", "busybox"], { input: await baseImageTar() });
  assert.equal(await berth(["info", "--format", "{{.CgroupDriver}}"]), "systemd");

  const id = await berth(["run", "-d", "--pids-limit", "50", "busybox", "sleep", "1000"]);
  const scope = `docker-${id}.scope`;
  const cgroup = `${CGROUP}/user.slice/${scope}`;
  assert.equal(
    await show(scope, "ActiveState", "ControlGroup", "Delegate", "TasksMax", "Slice"),
    `Slice=user.slice\nControlGroup=${cgroup}\nDelegate=yes\nTasksMax=50\nActiveState=active`,
  );
  assert.match(await berth(["top", id]), /sleep 1000/);
  await berth(["update", "--pids-limit", "20", id]);
  assert.equal(await show(scope, "TasksMax"), "TasksMax=20");
  await berth(["rm", "-f", id]);
  assert.equal(await show(scope, "LoadState", "ActiveState"), "LoadState=not-found\nActiveState=inactive");
  await ok(asUser(["systemctl", "--user", "stop", "berth.service"]));
});

test("outside of the user's units it does not start, and says what to do", async () => {
  const { status, stderr } = await asUser(DAEMON("other"), "/init.scope");
  assert.equal(status, 1);
  assert.match(
    stderr,
    /native\.cgroupdriver=systemd of an ordinary user has to be called from one of the user's own units .* systemd-run --user --scope/,
  );
});
