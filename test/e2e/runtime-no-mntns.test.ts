// Containers without a mount namespace: what is mounted for them is in the tree of who calls the runtime, and goes with them; nobody
// else's mounts do. The caller is in a mount namespace of the test's own whose mounts are shared, as systemd has them, among themselves.
import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import type { OciHook } from "../../src/runtime/spec/oci.ts";
import { Live, run } from "./command.ts";
import { type Change, FRONT, RuntimeBed } from "./runtime-bed.ts";

/** A container's id that no other copy of this test has: its cgroups are the host's. */
const named = (name: string): string => `nm-${process.pid}-${name}`;

let bed: RuntimeBed;
let holder: Live;
let untouched: string[];

before(async () => {
  const script = "mount --make-rshared / && echo ready && exec cat >/dev/null";
  holder = new Live(["unshare", "--mount", "sh", "-c", script], { timeoutMs: 600_000 });
  await holder.prints("ready");
  bed = await RuntimeBed.open();
  bed.program = inside(FRONT);
});
beforeEach(async () => {
  untouched = await mounts();
});
after(async () => {
  await bed[Symbol.asyncDispose]();
  holder.stdin.end();
  await holder.ended;
});

const inside = (...argv: string[]): string[] => [
  "nsenter",
  `--mount=/proc/${holder.pid}/ns/mnt`,
  "--",
  ...argv,
];

/** A command in the caller's mount namespace that has to succeed. */
async function caller(...argv: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(inside(...argv));
  assert.equal(status, 0, `${argv.join(" ")}: ${stderr}`);
  return stdout;
}

/** The caller's mounts. */
async function mounts(): Promise<string[]> {
  return (await caller("cat", "/proc/self/mountinfo")).split("\n").sort();
}

const configure = (change: Change): Promise<void> =>
  bed.configure((spec) => {
    spec.linux.namespaces = (spec.linux.namespaces ?? []).filter(({ type }) => type !== "mount");
    spec.linux.maskedPaths = spec.linux.readonlyPaths = [];
    change(spec);
  });

async function start(id: string): Promise<void> {
  const { status, stderr } = await bed.detached(["run", "--detach", "--bundle", bed.bundle, id]);
  assert.equal(status, 0, stderr);
}

async function remove(id: string): Promise<void> {
  const { status, stderr } = await bed.call(["delete", "--force", id]);
  assert.equal(status, 0, stderr);
}

test("it runs in its root, whose mounts the caller sees; hooks run in their order around them", async () => {
  const order = join(bed.dir, "order");
  const hook = (kind: string, said: string): OciHook[] => [
    { path: "/bin/sh", args: ["sh", "-c", `echo ${kind} ${said} >> ${order}`], env: ["PATH=/usr/bin:/bin"] },
  ];
  await configure((spec) => {
    spec.process.args = ["sh", "-c", "readlink /proc/self/exe; ls -d /etc /order; pwd"];
    spec.root = { path: "rootfs", readonly: false };
    spec.hooks = {
      createRuntime: hook("createRuntime", `"$(ls ${bed.rootfs}/proc | grep -c ^self)"`),
      createContainer: hook("createContainer", '"$(ls -d proc/self)"'),
      startContainer: [{ path: "/bin/sh", args: ["sh", "-c", "echo started > /order"] }],
      poststart: hook("poststart", ""),
      poststop: hook("poststop", `"$(grep -c '${bed.rootfs}' /proc/self/mountinfo)"`),
    };
  });
  const { status, stdout, stderr } = await bed.call(["run", "--bundle", bed.bundle, named("hooks")]);
  assert.equal(status, 0, stderr);
  assert.deepEqual(stdout.split("\n").slice(1), ["/etc", "/order", "/", ""]);
  assert.deepEqual(
    (await readFile(order, "utf8")).split("\n").map((line) => line.trim()),
    ["createRuntime 1", "createContainer proc/self", "poststart", "poststop 0", ""],
  );
  await rm(join(bed.rootfs, "order"));
  assert.deepEqual(await mounts(), untouched);
});

test("an exec is in the same root; with the container goes what it has mounted, and nothing of the host's", async () => {
  await configure((spec) => {
    spec.mounts?.push({ destination: "/host", type: "bind", source: "/", options: ["rbind", "rshared"] });
    const capabilities = spec.process.capabilities as Record<string, string[]>;
    for (const set of ["bounding", "effective", "permitted"]) capabilities[set]?.push("CAP_SYS_ADMIN");
  });
  await start(named("exec"));
  const shown = await bed.call([
    "exec",
    named("exec"),
    "sh",
    "-c",
    "mount -t tmpfs own /tmp && pwd && ls -d /host/usr",
  ]);
  assert.equal(shown.stdout, "/\n/host/usr\n", shown.stderr);
  const during = (await mounts()).filter((line) => line.includes(` ${bed.rootfs}`));
  for (const at of ["", "/proc", "/dev/pts", "/tmp", "/host", "/host/proc"])
    assert.ok(
      during.some((line) => line.split(" ")[4] === `${bed.rootfs}${at}`),
      at,
    );
  await remove(named("exec"));
  assert.deepEqual(await mounts(), untouched);
});

test("a container that cannot be made leaves no mount", async () => {
  const broken: Change[] = [
    (spec) => (spec.process.args = ["/no/such/program"]),
    (spec) => (spec.hooks = { createContainer: [{ path: "/bin/false" }] }),
    (spec) => spec.mounts?.push({ destination: "/x", type: "no-such-type", source: "x" }),
  ];
  for (const change of broken) {
    await configure(change);
    const { status } = await bed.call(["run", "--bundle", bed.bundle, named("broken")]);
    assert.equal(status, 1);
    assert.deepEqual(await mounts(), untouched);
  }
});

test("what somebody else mounts at its root stays: below it as ever, over it the container cannot be deleted", async () => {
  const other = (size: string) => caller("mount", "-t", "tmpfs", "-o", `size=${size}`, "other", bed.rootfs);
  await configure(() => undefined);
  await start(named("over"));
  await other("64k");
  const refused = await bed.call(["delete", "--force", named("over")]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /something else is mounted over the container's root: unmount that first/);
  await caller("umount", bed.rootfs);
  await remove(named("over"));
  assert.deepEqual(await mounts(), untouched);

  await other("8m");
  await caller("cp", "-a", "/bin/busybox", bed.rootfs);
  const below = await mounts();
  await configure((spec) => (spec.process.args = ["/busybox", "sleep", "1000"]));
  await start(named("below"));
  await remove(named("below"));
  assert.deepEqual(await mounts(), below);
  await caller("umount", bed.rootfs);
});

test("refused without it: a user namespace, a propagation of the root", async () => {
  const wrong: [Change, RegExp][] = [
    [(spec) => (spec.linux.rootfsPropagation = "shared"), /rootfsPropagation needs a mount namespace/],
    [
      (spec) => {
        spec.linux.namespaces?.push({ type: "user" });
        spec.linux.uidMappings = spec.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 1000 }];
      },
      /a container with a user namespace needs a mount namespace/,
    ],
  ];
  for (const [change, message] of wrong) {
    await configure(change);
    const { status, stderr } = await bed.call(["create", "--bundle", bed.bundle, named("wrong")]);
    assert.equal(status, 1);
    assert.match(stderr, message);
  }
  assert.deepEqual(await mounts(), untouched);
});
