// `berth-runtime`: what it carries out by itself and what it leaves to `berth` beside it. A copy of it without `berth` shows which.
import assert from "node:assert/strict";
import { copyFile, chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { type Outcome, run } from "./command.ts";
import { type Change, FRONT, RUNTIME, RuntimeBed } from "./runtime-bed.ts";

/** A container's id that no other copy of this test has: its cgroups are the host's. */
const named = (name: string): string => `rf-${process.pid}-${name}`;

let bed: RuntimeBed;
/** The program without `berth` beside it. */
let alone: string[];
before(async () => {
  bed = await RuntimeBed.open();
  const dir = join(bed.dir, "alone");
  await mkdir(dir);
  alone = [join(dir, "berth-runtime")];
  await copyFile(FRONT, alone[0] as string);
});
after(() => bed[Symbol.asyncDispose]());

function call(program: readonly string[], args: readonly string[]): Promise<Outcome> {
  bed.program = program;
  return bed.call(args);
}

async function ok(program: readonly string[], args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await call(program, args);
  assert.deepEqual([status, stderr], [0, ""], args.join(" "));
  return stdout;
}

async function create(
  program: readonly string[],
  id: string,
  change: Change = () => undefined,
): Promise<void> {
  await bed.configure(change);
  bed.program = program;
  const { status, stderr } = await bed.detached(["create", id]);
  assert.equal(status, 0, stderr);
}

const statusOf = async (program: readonly string[], id: string): Promise<string> =>
  (JSON.parse(await ok(program, ["state", id])) as { status: string }).status;

/** It had to be left to `berth`, which is not there. */
async function leaves(args: readonly string[]): Promise<void> {
  const { status, stderr } = await call(alone, args);
  assert.equal(
    stderr,
    `berth-runtime: cannot execute ${bed.dir}/alone/berth: No such file or directory (it has to be installed in the same directory)\n`,
    args.join(" "),
  );
  assert.equal(status, 1);
}

test("start, state, kill and delete of a plain container need no berth", async () => {
  await create(RUNTIME, named("plain"), (spec) => {
    spec.process.args = ["sh", "-c", "trap 'echo told > /tmp/told' USR1; while :; do sleep 0.01; done"];
    spec.root = { path: "rootfs", readonly: false };
  });
  assert.equal(await ok(alone, ["state", named("plain")]), await ok(RUNTIME, ["state", named("plain")]));
  await ok(alone, ["start", named("plain")]);
  assert.equal(await ok(alone, ["state", named("plain")]), await ok(RUNTIME, ["state", named("plain")]));
  assert.equal(await statusOf(alone, named("plain")), "running");
  await ok(alone, ["kill", named("plain"), "SIGKILL"]);
  while ((await statusOf(alone, named("plain"))) !== "stopped");
  assert.equal(await ok(alone, ["state", named("plain")]), await ok(RUNTIME, ["state", named("plain")]));
  await ok(alone, ["delete", named("plain")]);
  assert.deepEqual(bed.cgroupsOf(named("plain")), []);
  assert.match((await call(RUNTIME, ["state", named("plain")])).stderr, /container does not exist/);
});

test("a running container is deleted by force, with the cgroups it has made", async () => {
  await create(RUNTIME, named("force"));
  await ok(alone, ["start", named("force")]);
  for (const dir of bed.cgroupsOf(named("force"))) await mkdir(join(dir, "below/it"), { recursive: true });
  await leaves(["delete", named("force")]);
  const log = join(bed.dir, "force.log");
  await ok(alone, [
    "--log",
    log,
    "--log-format=json",
    "--systemd-cgroup",
    "delete",
    "--force",
    named("force"),
  ]);
  assert.equal(await readFile(log, "utf8"), "");
  assert.deepEqual(bed.cgroupsOf(named("force")), []);
});

test("a container is made by one name and started by the other", async () => {
  for (const [maker, user] of [
    [RUNTIME, [FRONT]],
    [[FRONT], RUNTIME],
  ] as const) {
    await create(maker, named("both"));
    await ok(user, ["start", named("both")]);
    await ok(user, ["kill", named("both"), "0"]);
    assert.equal(await statusOf(maker, named("both")), "running");
    await ok(user, ["delete", "-f", named("both")]);
  }
});

test("what it does not know is left to berth: other commands, flags, signals, containers", async () => {
  await create(RUNTIME, named("left"));
  for (const args of [
    ["--version"],
    [],
    ["list"],
    ["create", named("more")],
    ["exec", named("left"), "true"],
    ["start", named("left"), "more"],
    ["start", "--help", named("left")],
    ["kill", "--all", named("left")],
    ["kill", named("left"), "RTMIN"],
    ["delete", "--frob", named("left")],
    ["--debug", "start", named("left")],
    ["--log-format", "xml", "start", named("left")],
    ["--log", join(bed.dir, "no/such/log"), "start", named("left")],
    ["--root", "/nowhere", "start", named("left")],
    ["start", "nobody"],
    ["start", "."],
    ["start", `../root/${named("left")}`],
  ])
    await leaves(args);
  assert.equal(await statusOf(alone, named("left")), "created");
  await ok(alone, ["delete", named("left")]);
});

test("hooks that run at start and delete are left to berth, and see nothing of the way there", async () => {
  const log = join(bed.dir, "hooks");
  const hook = [
    { path: "/bin/sh", args: ["sh", "-c", `echo "$1 \${BUN_JSC_useJIT-unset}" >> ${log}`, "sh"] },
  ];
  const told = (kind: string) => hook.map((h) => ({ ...h, args: [...h.args, kind] }));
  await create([FRONT], named("hooks"), (spec) => {
    spec.hooks = {
      createRuntime: told("createRuntime"),
      poststart: told("poststart"),
      poststop: told("poststop"),
    };
  });
  await leaves(["start", named("hooks")]);
  await leaves(["delete", "--force", named("hooks")]);
  await ok([FRONT], ["start", named("hooks")]);
  await ok([FRONT], ["delete", "--force", named("hooks")]);
  assert.equal(await readFile(log, "utf8"), "createRuntime unset\npoststart unset\npoststop unset\n");
});

test("without a pid namespace of its own, and frozen, a container is left to berth", async () => {
  await create(RUNTIME, named("pid"), (spec) => {
    spec.linux.namespaces = spec.linux.namespaces?.filter(({ type }) => type !== "pid") ?? [];
  });
  await ok(alone, ["start", named("pid")]);
  await leaves(["kill", named("pid"), "KILL"]);
  await leaves(["delete", "--force", named("pid")]);
  await ok([FRONT], ["delete", "--force", named("pid")]);
  await create(RUNTIME, named("ice"));
  await ok(alone, ["start", named("ice")]);
  await ok([FRONT], ["pause", named("ice")]);
  await leaves(["state", named("ice")]);
  await leaves(["kill", named("ice"), "KILL"]);
  assert.equal(await statusOf([FRONT], named("ice")), "paused");
  await ok([FRONT], ["delete", "--force", named("ice")]);
});

test("failures are told in berth's words", async () => {
  await create(RUNTIME, named("words"));
  await ok(alone, ["start", named("words")]);
  const words = async (program: readonly string[], args: readonly string[]) => {
    const { status, stderr } = await call(program, args);
    return [status, stderr.replace(/time="\S+"/, "")];
  };
  for (const args of [
    ["start", named("words")],
    ["start", "nobody"],
    ["delete", named("words")],
    ["delete", "nobody"],
    ["kill", "nobody", "KILL"],
    ["kill", named("words"), "NOSUCH"],
    ["state", "nobody"],
  ]) {
    const [status, told] = await words([FRONT], args);
    assert.deepEqual([status, told], await words(RUNTIME, args));
    assert.match(String(told), /level=error/);
  }
  await ok([FRONT], ["kill", named("words"), "KILL"]);
  while ((await statusOf([FRONT], named("words"))) !== "stopped");
  assert.deepEqual(
    await words([FRONT], ["kill", named("words")]),
    await words(RUNTIME, ["kill", named("words")]),
  );
  await ok([FRONT], ["delete", named("words")]);
});

test("plans that are cut off or that others could have written are not carried out", async () => {
  await create(RUNTIME, named("plan"));
  const file = join(bed.root, named("plan"), "commands");
  const bytes = await readFile(file);
  for (const bad of [
    bytes.subarray(0, -1),
    Buffer.concat([bytes, Buffer.of(0)]),
    Buffer.alloc(0),
    Buffer.alloc(100, 0xff),
  ]) {
    await writeFile(file, bad);
    await leaves(["start", named("plan")]);
  }
  await writeFile(file, bytes);
  await chmod(file, 0o620);
  await leaves(["start", named("plan")]);
  await chmod(file, 0o600);
  // somebody who is gone was at work; only berth knows that
  await writeFile(join(bed.root, named("plan"), ".lock"), "1 1");
  await leaves(["delete", named("plan")]);
  await ok(alone, ["start", named("plan")]);
  await ok([FRONT], ["delete", "--force", named("plan")]);
});

test("it is found through links, and berth is the runtime under the name runc", async () => {
  const runc = join(bed.dir, "runc");
  await symlink(FRONT, runc);
  const version = await run([runc, "--version"]);
  assert.match(version.stdout, /^runc version /);
  const other = join(bed.dir, "my-runtime");
  await symlink(FRONT, other);
  assert.match((await run([other, "--version"])).stdout, /^berth-runtime version /);
  const direct = join(bed.dir, "direct");
  await mkdir(direct);
  await symlink(RUNTIME[0] as string, join(direct, "runc"));
  assert.equal((await run([join(direct, "runc"), "--version"])).stdout, version.stdout);
  assert.equal(basename(FRONT), "berth-runtime");
});
