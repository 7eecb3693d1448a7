// `berth runtime --systemd-cgroup` of an ordinary user: the scope is the user's own systemd's, which is a service of a machine's whose
// init is systemd (test/e2e/systemd-host.ts).
import assert from "node:assert/strict";
import { chmod, chown } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import type { Outcome } from "../e2e/command.ts";
import { RUNTIME, RuntimeBed } from "../e2e/runtime-bed.ts";
import { SystemdHost } from "../e2e/systemd-host.ts";

/** `daemon`: systemd starts services of users that there are only. */
const USER = 1;
const HOME = "/run/berth-user";
const CGROUP = "/system.slice/berth-user.service";
const SERVICE = [
  ...["--unit=berth-user.service", `--uid=${USER}`, `--gid=${USER}`, `--setenv=XDG_RUNTIME_DIR=${HOME}`],
  ...["-p", "Delegate=yes", "-p", "Type=notify"],
];

let bed: RuntimeBed;
let machine: SystemdHost;
before(async () => {
  bed = await RuntimeBed.open();
  machine = await SystemdHost.boot([bed.dir, dirname(dirname(RUNTIME[0] ?? ""))]);
  await ok(machine.call(["install", "-d", "-o", String(USER), "-m", "0700", HOME]));
  await ok(machine.call(["systemd-run", ...SERVICE, "/lib/systemd/systemd", "--user"]));
  await configure();
});
after(async () => {
  await machine?.[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

/** A bundle that the user may run, in the user namespace of one id. */
async function configure(): Promise<void> {
  await chmod(bed.bundle, 0o755);
  await chown(bed.rootfs, USER, USER);
  await bed.configure((spec) => {
    spec.root = { path: "rootfs", readonly: false };
    spec.linux.namespaces = (["pid", "ipc", "uts", "mount", "cgroup", "user"] as const).map((type) => ({
      type,
    }));
    spec.linux.uidMappings = [{ containerID: 0, hostID: USER, size: 1 }];
    spec.linux.gidMappings = [{ containerID: 0, hostID: USER, size: 1 }];
    spec.linux.cgroupsPath = "app.slice:box:one";
    spec.linux.resources = { memory: { limit: 64 << 20 }, pids: { limit: 50 } };
    // that machine's /proc is covered in part: a user may make no whole one
    const proc = { destination: "/proc", type: "none", source: "/proc", options: ["rbind"] };
    const kept = (spec.mounts ?? []).filter(({ destination: d }) => d === "/dev" || d === "/dev/shm");
    spec.mounts = [proc, ...kept];
    delete spec.linux.maskedPaths;
    delete spec.linux.readonlyPaths;
  });
}

async function ok(outcome: Promise<Outcome>): Promise<string> {
  const { stdout, stderr, status } = await outcome;
  assert.equal(status, 0, stderr);
  return stdout;
}

/** Runs a program as the user, in a cgroup of that machine's. */
const asUser = (argv: readonly string[], cgroup = `${CGROUP}/init.scope`): Promise<Outcome> =>
  machine.call(
    [
      ...["sh", "-ec", `echo $$ >/sys/fs/cgroup${cgroup}/cgroup.procs; exec "$@"`, "sh"],
      ...["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups"],
      ...["env", `XDG_RUNTIME_DIR=${HOME}`, ...argv],
    ],
    { cwd: bed.bundle },
  );

const runtime = (args: readonly string[], cgroup?: string): Promise<Outcome> =>
  asUser([...RUNTIME, "--root", join(HOME, "state"), "--systemd-cgroup", ...args], cgroup);

const show = (unit: string, ...names: string[]): Promise<string> =>
  ok(asUser(["systemctl", "--user", "show", unit, ...names.flatMap((name) => ["-p", name])]));

/** Its output is nobody's, so that the call ends. */
function runDetached(id: string): Promise<Outcome> {
  const script = 'out=$1; shift; "$@" </dev/null >/dev/null 2>"$out"; code=$?; cat "$out" >&2; exit $code';
  const argv = [...RUNTIME, "--root", join(HOME, "state"), "--systemd-cgroup", "run", "--detach", id];
  return asUser(["sh", "-c", script, "sh", join(HOME, "run.err"), ...argv]);
}

test("a container is a scope of the user's systemd, with its limits, and gone with it", async () => {
  const unit = "box-one.scope";
  const cgroup = `${CGROUP}/app.slice/${unit}`;
  const inCgroup = (file: string) => ok(machine.call(["cat", `/sys/fs/cgroup${cgroup}/${file}`]));
  await ok(runDetached("one"));
  assert.equal(
    await show(unit, "ActiveState", "ControlGroup", "Delegate", "MemoryMax", "TasksMax"),
    `ControlGroup=${cgroup}\nDelegate=yes\nMemoryMax=${64 << 20}\nTasksMax=50\nActiveState=active\n`,
  );
  assert.equal((await inCgroup("cgroup.procs")).trim().split("\n").length, 1);
  assert.equal(await inCgroup("memory.max"), `${64 << 20}\n`);
  await ok(runtime(["update", "--memory", String(32 << 20), "one"]));
  assert.equal(await show(unit, "MemoryMax"), `MemoryMax=${32 << 20}\n`);
  assert.equal(await inCgroup("memory.max"), `${32 << 20}\n`);
  assert.match(await ok(runtime(["exec", "one", "cat", "/proc/self/cgroup"])), /^0::\/\n/m);
  await ok(runtime(["delete", "--force", "one"]));
  assert.equal(await show(unit, "LoadState", "ActiveState"), "LoadState=not-found\nActiveState=inactive\n");
});

test("outside of the user's units it is refused, with what to do", async () => {
  const { status, stderr } = await runtime(["run", "two"], "/init.scope");
  assert.equal(status, 1);
  assert.match(stderr, /has to be called from one of the user's own units .* systemd-run --user --scope/);
});
