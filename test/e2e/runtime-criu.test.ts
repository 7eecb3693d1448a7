// `berth runtime checkpoint` and `restore`: with criu itself where it works on this machine, and with programs in its place for what it
// answers. The reason is printed where criu does not work.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Live, run } from "./command.ts";
import { RuntimeBed } from "./runtime-bed.ts";

let bed: RuntimeBed;
before(async () => {
  bed = await RuntimeBed.open();
});
after(() => bed[Symbol.asyncDispose]());

const why = await run(["criu", "check"]).then(
  ({ status, stderr }) =>
    status === 0 ? undefined : `criu does not work here: ${stderr.trim().split("\n")[0]}`,
  () => "criu is not installed",
);
const works = why === undefined ? {} : { skip: why };
if (why !== undefined) console.log(why);

async function ok(args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await bed.call(args);
  assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** With nothing of the host's open: no image could hold it. */
async function detached(args: readonly string[]): Promise<void> {
  const log = join(bed.dir, "log");
  const { status } = await run(
    ["sh", "-c", '"$@" </dev/null >/dev/null 2>&1', "sh", ...bed.argv(["--log", log, ...args])],
    { cwd: bed.bundle },
  );
  assert.equal(status, 0, `${args.join(" ")}: ${status === 0 ? "" : await readFile(log, "utf8")}`);
}

async function gone(id: string): Promise<void> {
  const { status, stderr } = await bed.call(["state", id]);
  assert.equal(status, 1);
  assert.match(stderr, /container does not exist/);
  assert.deepEqual(bed.cgroupsOf(id), []);
  assert.ok(!existsSync(join(bed.root, id)));
}

/** A file of the container's that says how far its program has come. */
const mark = () => join(bed.rootfs, "tmp/mark");

/** Waits at a fifo for each line, so that nothing of it depends on time; it has both ends: another writer's end is not the end. */
const PROGRAM =
  "mkfifo /tmp/in; exec 3<>/tmp/in; n=0; while read line <&3; do n=$((n+1)); echo $n $line > /tmp/mark; done";

async function say(line: string, expected: string): Promise<void> {
  const said = await run(["sh", "-c", 'echo "$2" > "$1"', "sh", join(bed.rootfs, "tmp/in"), line]);
  assert.equal(said.status, 0, said.stderr);
  const shown = await run([
    ...["sh", "-c", 'until [ "$(cat "$1" 2>/dev/null)" = "$2" ]; do sleep 0.02; done', "sh"],
    ...[mark(), expected],
  ]);
  assert.equal(shown.status, 0, shown.stderr);
}

async function configureProgram(): Promise<void> {
  await bed.configure((spec) => {
    spec.root = { path: "rootfs", readonly: false };
    spec.process.args = ["sh", "-c", PROGRAM];
    spec.mounts?.push({ destination: "/link", type: "bind", source: bed.dir, options: ["rbind", "ro"] });
  });
  const made = await run(["rm", "-rf", mark(), join(bed.rootfs, "tmp/in"), join(bed.rootfs, "link")]);
  assert.equal(made.status, 0, made.stderr);
  await mkdir(join(bed.rootfs, "real"), { recursive: true });
  await symlink("/real", join(bed.rootfs, "link"));
}

const images = (name: string) => [
  "--image-path",
  join(bed.dir, name),
  "--work-path",
  join(bed.dir, `${name}-work`),
];

test("a container goes on after a restore where it was at its checkpoint", works, async () => {
  await configureProgram();
  await detached(["run", "--detach", "criu-on"]);
  const fifo = await run([
    "sh",
    "-c",
    'until [ -p "$1" ]; do sleep 0.02; done',
    "sh",
    join(bed.rootfs, "tmp/in"),
  ]);
  assert.equal(fifo.status, 0);
  await say("one", "1 one");
  await ok(["checkpoint", "--leave-running", ...images("first"), "criu-on"]);
  assert.equal((await bed.state("criu-on")).status, "running");
  await say("two", "2 two");
  await ok(["checkpoint", ...images("second"), "criu-on"]);
  await gone("criu-on");
  for (const [name, expected] of [
    ["second", "3 three"],
    ["first", "2 three"],
  ] as const) {
    const pidFile = join(bed.dir, "pid");
    await detached(["restore", "--detach", "--pid-file", pidFile, ...images(name), "criu-on"]);
    const { status, pid } = await bed.state("criu-on");
    assert.deepEqual([status, await readFile(pidFile, "utf8")], ["running", String(pid)]);
    await say("three", expected);
    assert.ok(bed.cgroupsOf("criu-on").length > 0);
    assert.match(await readFile(`/proc/${pid}/cgroup`, "utf8"), /criu-on/);
    assert.match(await ok(["exec", "criu-on", "ls", "/real"]), /bundle/, "a bind behind a symbolic link");
    await ok(["pause", "criu-on"]);
    assert.equal((await bed.state("criu-on")).status, "paused");
    await ok(["delete", "--force", "criu-on"]);
    await gone("criu-on");
  }
});

test(
  "in the foreground a restored container has the caller's pipes, and its exit code is ours",
  works,
  async () => {
    await bed.configure((spec) => {
      spec.process.args = ["sh", "-c", "echo ready; read line; echo got $line; exit 7"];
    });
    // pipes without names, as engines have them
    const script = 'id=$1; shift; exec 3>"$id.code"; cat "$FIFO" | { "$@"; echo $? >&3; } 2>&1 | cat';
    const fifo = join(bed.dir, "stdin");
    assert.equal((await run(["mkfifo", fifo])).status, 0);
    const start = (args: readonly string[]) =>
      new Live(["sh", "-c", script, "sh", join(bed.dir, "criu-fg"), ...bed.argv(args)], {
        cwd: bed.bundle,
        env: { ...(process.env as Record<string, string>), FIFO: fifo },
      });
    const holder = () =>
      new Live([
        "sh",
        "-c",
        'exec 3>"$1"; echo open; while read line; do echo "$line" >&3; done',
        "sh",
        fifo,
      ]);
    const first = start(["run", "criu-fg"]);
    const nobody = holder();
    await nobody.prints("open");
    await first.prints("ready");
    await ok(["checkpoint", ...images("fg"), "criu-fg"]);
    nobody.stdin.end();
    await first.ended;
    const second = start(["restore", ...images("fg"), "criu-fg"]);
    const speaker = holder();
    await speaker.prints("open");
    speaker.stdin.write("word\n");
    await second.prints("got word");
    speaker.stdin.end();
    await second.ended;
    assert.equal((await readFile(join(bed.dir, "criu-fg.code"), "utf8")).trim(), "7");
    await gone("criu-fg");
  },
);

test("a restored terminal is handed to the console socket", works, async () => {
  await bed.configure((spec) => {
    spec.process.terminal = true;
    spec.process.args = ["sh", "-c", "while read a; do echo got $a; done"];
  });
  const socket = join(bed.dir, "console.sock");
  const receiver = new Live([
    "python3",
    "-c",
    `import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); print("listening", flush=True)
kept = []
for word in (b"before", b"after"):
  c, _ = s.accept(); _, fds, _, _ = socket.recv_fds(c, 100, 1)
  kept += fds
  os.write(fds[0], word + b"\\n")
  text = b""
  while b"got " + word not in text: text += os.read(fds[0], 1000)
  print("got " + word.decode(), flush=True)
sys.stdin.read()`,
    socket,
  ]);
  await receiver.prints("listening");
  await ok(["run", "--detach", "--console-socket", socket, "criu-tty"]);
  await receiver.prints("got before");
  await ok(["checkpoint", ...images("tty"), "criu-tty"]);
  await ok(["restore", "--detach", "--console-socket", socket, ...images("tty"), "criu-tty"]);
  await receiver.prints("got after");
  await ok(["delete", "--force", "criu-tty"]);
  receiver.stdin.end();
  await receiver.ended;
  await gone("criu-tty");
});

test("a restore that fails says what criu's log says, and leaves nothing", works, async () => {
  await bed.configure(() => undefined);
  await mkdir(join(bed.dir, "empty"));
  await writeFile(join(bed.dir, "empty/descriptors.json"), "[]");
  const { status, stderr } = await bed.detached(["restore", "--detach", ...images("empty"), "criu-bad"]);
  assert.equal(status, 1);
  assert.match(stderr, /criu failed to restore container criu-bad: .+ \(see .*empty-work\/restore\.log\)/);
  await gone("criu-bad");
});

/** A program in criu's place: answers each request with the next of `answers` (octal escapes), and keeps the last request. */
async function standIn(answers: readonly string[]): Promise<Record<string, string>> {
  const bin = join(bed.dir, "bin");
  await mkdir(bin, { recursive: true });
  const cases = answers.map((bytes, i) => `${i}) printf '${bytes}' >&3 ;;`).join("\n");
  await writeFile(join(bin, "count"), "0");
  await writeFile(
    join(bin, "criu"),
    `#!/bin/sh
at=$(cat ${bin}/count); echo $((at + 1)) > ${bin}/count
dd bs=65536 count=1 <&3 >${bin}/request 2>/dev/null
case $at in
${cases}
esac
`,
  );
  await chmod(join(bin, "criu"), 0o755);
  return { ...(process.env as Record<string, string>), PATH: `${bin}:${process.env["PATH"]}` };
}

/** type VERSION, success, version { major, minor } */
const version = (major: number, minor: number) =>
  `\\010\\012\\020\\001\\122\\004\\010\\00${major}\\020\\0${minor.toString(8)}`;

test("checkpoint says what is missing: criu, a newer one, what the kernel has to have", async () => {
  await configureProgram();
  await detached(["run", "--detach", "criu-no"]);
  const none = await bed.call(["checkpoint", "criu-no"], { env: { PATH: "/nowhere" } });
  assert.match(none.stderr, /checkpoint needs the program criu, which is not installed/);
  const flags = (more: readonly string[]) => ["checkpoint", ...images("none"), ...more, "criu-no"];
  const fails = async (answers: readonly string[], more: readonly string[], message: RegExp) => {
    const { status, stderr } = await bed.call(flags(more), { env: await standIn(answers) });
    assert.match(stderr, message);
    assert.equal(status, 1);
    assert.equal((await bed.state("criu-no")).status, "running");
  };
  await fails([version(3, 15)], [], /criu is version 3\.15: 3\.16 or newer is needed/);
  await fails(
    [version(4, 2), "\\010\\011\\020\\001\\102\\002\\010\\000"],
    ["--pre-dump"],
    /CONFIG_MEM_SOFT_DIRTY/,
  );
  // type DUMP, no success, cr_errno 1, cr_errmsg
  const refusal = "\\010\\001\\020\\000\\070\\001\\112\\003why";
  await fails(
    [version(4, 2), refusal],
    [],
    /criu failed to checkpoint container criu-no: why \(see .*dump\.log\)/,
  );
  await fails([version(4, 2), ""], [], /it has ended without an answer/);
  await fails([version(4, 2), "no message"], [], /criu failed to checkpoint/);
  await fails([], ["--page-server", "nowhere"], /Use --page-server ADDRESS:PORT/);
  await fails([], ["--page-server", "10.0.0.1:70000"], /Invalid port number/);
  await fails([], ["--manage-cgroups-mode", "none"], /invalid manage-cgroups-mode value/);
  await fails([], ["--empty-ns", "uts"], /namespace \\*"uts\\*" is not supported/);
  await fails([], ["--parent-path", "/abs"], /--parent-path must be relative/);
  await fails([], ["--parent-path", "no"], /invalid --parent-path/);
  await ok(["delete", "--force", "criu-no"]);
  const restore = await bed.call(["restore", ...images("none"), "criu-no"], { env: { PATH: "/nowhere" } });
  assert.match(restore.stderr, /restore needs the program criu, which is not installed/);
  await bed.configure(() => undefined);
  await detached(["create", "criu-no"]);
  const created = await bed.call(["checkpoint", "criu-no"]);
  assert.match(created.stderr, /Container cannot be checkpointed in created state/);
  await ok(["delete", "criu-no"]);
});
