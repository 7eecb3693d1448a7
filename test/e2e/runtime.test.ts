// `berth runtime` and `berth-runtime` over the real executables: what engines and people ask of an OCI runtime, and that nothing is left of
// what failed.
import assert from "node:assert/strict";
import { existsSync, readdirSync, statfsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Live, run } from "./command.ts";
import { FRONT, RUNTIME, RuntimeBed } from "./runtime-bed.ts";

/** A container's id that no other copy of this test has: its cgroups are the host's. */
const named = (name: string): string => `rt-${process.pid}-${name}`;

/** What statfs(2) says of an overlay. */
const OVERLAYFS = 0x794c7630;

const PROGRAMS = { berth: RUNTIME, "berth-runtime": [FRONT] };

const beds = new Map<string, RuntimeBed>();
before(async () => {
  for (const [program, argv] of Object.entries(PROGRAMS)) beds.set(program, await RuntimeBed.open(argv));
});
after(async () => {
  for (const each of beds.values()) await each[Symbol.asyncDispose]();
});

/** Of the test that runs: the bed, and how its program calls itself. */
let bed: RuntimeBed;
let name: string;

/** A test with each of the programs. */
function each(title: string, body: () => Promise<void>): void {
  for (const program of Object.keys(PROGRAMS))
    test(`${program}: ${title}`, async () => {
      bed = beds.get(program) as RuntimeBed;
      name = program;
      await body();
    });
}

/** A command that has to succeed. */
async function ok(args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await bed.call(args);
  assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function fails(args: readonly string[], message: RegExp, status = 1): Promise<void> {
  const outcome = await bed.call(args);
  assert.match(outcome.stderr.replaceAll('\\"', '"'), message);
  assert.equal(outcome.status, status, outcome.stderr);
}

async function create(id: string, args: readonly string[] = []): Promise<void> {
  const { status, stderr } = await bed.detached(["create", ...args, id]);
  assert.equal(status, 0, stderr);
}

async function gone(id: string): Promise<void> {
  await fails(["state", id], /container does not exist/);
  assert.deepEqual(bed.cgroupsOf(id), []);
  assert.ok(!existsSync(join(bed.root, id)));
}

const busy = named("life");

each("a container goes from created over running to stopped, and away", async () => {
  await bed.configure((spec) => {
    spec.process.args = ["sh", "-c", "echo started > /tmp/mark; sleep 1000"];
    spec.root = { path: "rootfs", readonly: false };
  });
  await create(busy, ["--pid-file", "pid"]);
  const mark = join(bed.rootfs, "tmp/mark");
  const { status, pid } = await bed.state(busy);
  assert.equal(status, "created");
  assert.equal(await readFile(join(bed.bundle, "pid"), "utf8"), String(pid));
  assert.ok(!existsSync(mark), "the program waits for start");
  assert.ok(bed.cgroupsOf(busy).length > 0);
  await fails(["create", busy], /container with given ID already exists/);
  await ok(["start", busy]);
  assert.equal((await bed.state(busy)).status, "running");
  await fails(["start", busy], /cannot start an already running container/);
  await fails(["delete", busy], new RegExp(`cannot delete container ${busy} that is not stopped: running`));
  assert.match(
    await ok(["list"]),
    new RegExp(`^ID +PID +STATUS +BUNDLE +CREATED +OWNER\\n${busy} +\\d+ +running +\\S+bundle `),
  );
  const [listed] = JSON.parse(await ok(["list", "--format", "json"])) as Record<string, unknown>[];
  assert.deepEqual(Object.keys(listed ?? {}), [
    ..."ociVersion id pid status bundle rootfs created owner".split(" "),
  ]);
  assert.equal(await ok(["exec", busy, "cat", "/tmp/mark"]), "started\n");
  await ok(["kill", busy, "KILL"]);
  await bed.call(["delete", "--force", busy]);
  await gone(busy);
  await fails(["kill", busy], /container does not exist/);
  await fails(["delete", busy], /container does not exist/);
  await ok(["delete", "--force", busy]);
});

each("run stays in the foreground: input, output, exit code and signals are the container's", async () => {
  await bed.configure((spec) => {
    spec.process.args = ["sh", "-c", "read line; echo got $line; echo bad >&2; exit 7"];
  });
  const { status, stdout, stderr } = await bed.call(["run", named("fg")], { input: "words\n" });
  assert.deepEqual({ status, stdout, stderr }, { status: 7, stdout: "got words\n", stderr: "bad\n" });
  await gone(named("fg"));
  await bed.configure((spec) => {
    spec.process.args = [
      "sh",
      "-c",
      "trap 'echo told; exit 3' TERM; echo ready; while :; do sleep 0.1; done",
    ];
  });
  const live = bed.live(["run", named("fg")]);
  await live.prints("ready");
  live.kill("SIGTERM");
  const ended = await live.ended;
  assert.deepEqual({ status: ended.status, stdout: ended.stdout }, { status: 3, stdout: "ready\ntold\n" });
  await bed.configure((spec) => {
    spec.process.args = ["sh", "-c", "kill -9 $$; sleep 5"];
    spec.linux.namespaces = spec.linux.namespaces?.filter(({ type }) => type !== "pid") ?? [];
  });
  assert.equal((await bed.call(["run", named("fg")])).status, 137);
  await gone(named("fg"));
});

each("exec has the container's process with what its flags change", async () => {
  await bed.configure(() => undefined);
  await create(named("exec"));
  await ok(["start", named("exec")]);
  const say = "id -u; id -g; pwd; echo $A; exit 5";
  const outcome = await bed.call([
    ..."exec --cwd /tmp --env A=b --user 1000:1001".split(" "),
    named("exec"),
    "sh",
    "-c",
    say,
  ]);
  assert.equal(outcome.stderr, "");
  assert.deepEqual([outcome.status, outcome.stdout], [5, "1000\n1001\n/tmp\nb\n"]);
  assert.equal((await bed.call(["exec", named("exec"), "cat"], { input: "in" })).stdout, "in");
  await fails(
    ["exec", named("exec"), "nosuch"],
    /exec failed: .*exec: "nosuch": executable file not found in \$PATH/,
    255,
  );
  const caps = await ok([
    "exec",
    "--cap",
    "CAP_SYS_ADMIN",
    named("exec"),
    "grep",
    "CapEff",
    "/proc/self/status",
  ]);
  assert.match(caps, /CapEff:\t0000000020200420/);
  const file = join(bed.dir, "process.json");
  await writeFile(
    file,
    JSON.stringify({ user: { uid: 7, gid: 8 }, args: ["id"], env: ["PATH=/bin"], cwd: "/" }),
  );
  assert.match(await ok(["exec", "--process", file, named("exec")]), /^uid=7.* gid=8/);
  const pidFile = join(bed.dir, "exec.pid");
  const detached = await bed.detached(["exec", "-d", "--pid-file", pidFile, named("exec"), "sleep", "999"]);
  assert.equal(detached.status, 0, detached.stderr);
  const pid = Number(await readFile(pidFile, "utf8"));
  assert.ok((JSON.parse(await ok(["ps", "-f", "json", named("exec")])) as number[]).includes(pid));
  assert.match(await ok(["ps", named("exec")]), /^UID +PID .*\n.*sleep 1000\n.*sleep 999\n$/);
  await ok(["kill", "-a", named("exec"), "KILL"]);
  await ok(["delete", "--force", named("exec")]);
  await gone(named("exec"));
});

each("limits change, the container pauses, numbers are told", async () => {
  await bed.configure((spec) => {
    spec.linux.resources = { ...spec.linux.resources, pids: { limit: 20 } };
  });
  await create(named("cg"));
  await ok(["start", named("cg")]);
  const stats = async () =>
    (
      JSON.parse(await ok(["events", "--stats", named("cg")])) as {
        data: { pids: object; memory: { usage: { limit: number } } };
      }
    ).data;
  assert.deepEqual((await stats()).pids, { current: 1, limit: 20 });
  await ok(["update", "--pids-limit", "30", "--memory", "64M", named("cg")]);
  assert.deepEqual((await stats()).pids, { current: 1, limit: 30 });
  assert.equal((await stats()).memory.usage.limit, 64 << 20);
  const resources = await bed.call(["update", "-r", "-", named("cg")], { input: '{"pids":{"limit":40}}' });
  assert.equal(resources.status, 0, resources.stderr);
  assert.deepEqual((await stats()).pids, { current: 1, limit: 40 });
  await fails(["update", "--memory", "lots", named("cg")], /invalid value for memory/);
  await ok(["pause", named("cg")]);
  assert.equal((await bed.state(named("cg"))).status, "paused");
  await fails(["exec", named("cg"), "true"], /cannot exec in a paused container/, 255);
  await fails(["pause", named("cg")], /container not running: paused/);
  await ok(["resume", named("cg")]);
  assert.equal((await bed.state(named("cg"))).status, "running");
  await ok(["pause", named("cg")]);
  await ok(["delete", "--force", named("cg")]);
  await gone(named("cg"));
});

const HOOKS = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const;

each("hooks run in their order and namespaces, with the state on stdin", async () => {
  const log = join(bed.dir, "hooks.log");
  const inside = join(bed.rootfs, "tmp/hooks.log");
  await writeFile(log, "");
  await bed.configure((spec) => {
    spec.root = { path: "rootfs", readonly: false };
    spec.hostname = "inside";
    spec.process.args = ["sh", "-c", "echo program >> /tmp/hooks.log"];
    spec.hooks = {};
    for (const kind of HOOKS) {
      const file = kind === "startContainer" ? "/tmp/hooks.log" : log;
      const where = kind === "createContainer" ? `; pwd > ${log}.where` : "";
      const script = `read -r state; echo "${kind} $(cat /proc/sys/kernel/hostname) $1 $V $state" >> ${file}${where}`;
      spec.hooks[kind] = [
        { path: "/bin/sh", args: ["sh", "-c", script, "sh", "arg"], env: ["V=v", "PATH=/bin:/usr/bin"] },
      ];
    }
  });
  const { status, stderr } = await bed.call(["run", named("hooks")]);
  assert.equal(status, 0, stderr);
  const host = (await readFile("/proc/sys/kernel/hostname", "utf8")).trim();
  const lines = (await readFile(log, "utf8")).trim().split("\n");
  const seen = lines.map((line) => {
    const [, kind, hostname, rest, state] = /^(\w+) (\S+) (arg v) (\{.*\})$/.exec(line) ?? [];
    const { id, status: is, pid } = JSON.parse(state ?? "{}") as { id: string; status: string; pid?: number };
    return [kind, hostname, rest, id, is, pid !== undefined && pid > 0];
  });
  assert.deepEqual(seen, [
    ["prestart", host, "arg v", named("hooks"), "creating", true],
    ["createRuntime", host, "arg v", named("hooks"), "creating", true],
    // compat: the container's name is set when its root is entered
    ["createContainer", host, "arg v", named("hooks"), "creating", true],
    ["poststart", host, "arg v", named("hooks"), "running", true],
    ["poststop", host, "arg v", named("hooks"), "stopped", false],
  ]);
  assert.equal(await readFile(`${log}.where`, "utf8"), `${bed.rootfs}\n`);
  const own = (await readFile(inside, "utf8")).trim().split("\n");
  assert.match(
    own[0] ?? "",
    new RegExp(`^startContainer inside arg v \\{.*"id":"${named("hooks")}","status":"created".*\\}$`),
  );
  assert.deepEqual(own.slice(1), ["program"]);
});

each("a hook that fails, or takes too long, ends the container and leaves nothing", async () => {
  for (const kind of HOOKS.slice(0, 5)) {
    await bed.configure((spec) => {
      spec.hooks = {
        [kind]: [{ path: "/bin/true" }, { path: "/bin/sh", args: ["sh", "-c", "echo why >&2; exit 4"] }],
      };
    });
    await fails(
      ["run", named("bad")],
      new RegExp(`error running ${kind} hook #1: exit status 4, stdout: , stderr: why`),
    );
    await gone(named("bad"));
  }
  await bed.configure((spec) => {
    spec.hooks = { createRuntime: [{ path: "/bin/sleep", args: ["sleep", "100"], timeout: 1 }] };
  });
  await fails(["run", named("bad")], /createRuntime hook #0: hook ran past specified timeout of 1.0s/);
  await gone(named("bad"));
});

each("a create that fails at any point leaves nothing behind", async () => {
  const mistakes: readonly [RegExp, Parameters<RuntimeBed["configure"]>[0]][] = [
    [/executable file not found in \$PATH/, (spec) => void (spec.process.args = ["nosuch"])],
    [/no such file or directory/i, (spec) => void (spec.process.args = ["/no/such"])],
    [
      /no\/source/,
      (spec) =>
        void spec.mounts?.push({ destination: "/x", type: "bind", source: "/no/source", options: ["bind"] }),
    ],
    [
      /nosuchfs|no such device/i,
      (spec) => void spec.mounts?.push({ destination: "/mnt", type: "nosuchfs", source: "x" }),
    ],
    [/rootfs/, (spec) => void (spec.root = { path: "no-rootfs" })],
    [/ns\/net/, (spec) => void spec.linux.namespaces?.splice(1, 1, { type: "network", path: "/no/ns/net" })],
    [
      /write .*blkio|io\.max/,
      (spec) =>
        void (spec.linux.resources = {
          blockIO: { throttleReadBpsDevice: [{ major: 4095, minor: 9, rate: 1 }] },
        }),
    ],
    [/args must not be empty|no command/, (spec) => void (spec.process.args = [])],
  ];
  for (const [message, change] of mistakes) {
    await bed.configure(change);
    await fails(["create", named("fail")], message);
    await gone(named("fail"));
  }
  await bed.configure(() => undefined);
  await fails(["create", "--bundle", "/nowhere", named("fail")], /JSON specification file .* not found/);
  await fails(["create", "--pid-file", "/no/dir/pid", named("fail")], /no\/dir/);
  await fails(["create", "--preserve-fds", "3", named("fail")], /unable to stat preserved-fd 0 \(of 3\)/);
  await fails(["create", "../fail"], /invalid container ID format/);
  await fails(["create", "--console-socket", "/no/socket", named("fail")], /cannot use console socket if/);
  await gone(named("fail"));
});

each("a terminal is handed to the console socket, with the size that was asked for", async () => {
  await bed.configure((spec) => {
    spec.process.terminal = true;
    spec.process.consoleSize = { height: 33, width: 77 };
    spec.process.args = ["sh", "-c", "stty size; tty; ls -l /dev/console | cut -c1; sleep 1000"];
  });
  await fails(
    ["run", "--detach", named("tty")],
    /cannot allocate tty if runc will detach without setting console socket/,
  );
  const socket = join(bed.dir, "console.sock");
  const receiver = new Live([
    "python3",
    "-c",
    `import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); print("listening", flush=True)
c, _ = s.accept(); _, fds, _, _ = socket.recv_fds(c, 100, 1)
text = b""
while text.count(b"\\n") < 3: text += os.read(fds[0], 1000)
print(text.decode().replace("\\r", ""), flush=True)
sys.stdin.read()`,
    socket,
  ]);
  await receiver.prints("listening");
  const { status, stderr } = await bed.call(["run", "--detach", "--console-socket", socket, named("tty")]);
  assert.equal(status, 0, stderr);
  await receiver.prints(/33 77\n\/dev\/(console|pts\/0)\nc\n/);
  await ok(["delete", "--force", named("tty")]);
  receiver.stdin.end();
  await receiver.ended;
  await gone(named("tty"));
});

each("in the foreground a terminal is relayed", async () => {
  await bed.configure((spec) => {
    spec.process.terminal = true;
    spec.process.args = ["sh", "-c", "tty; read a; echo got $a; exit 9"];
  });
  const script = `import os, pty, sys
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
os.write(fd, b"word\\n")
text = b""
try:
  while True:
    part = os.read(fd, 1000)
    if not part: break
    text += part
except OSError: pass
print(text.decode().replace("\\r", ""), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;
  const { stdout, stderr } = await run(["python3", "-c", script, ...bed.argv(["run", named("relay")])], {
    cwd: bed.bundle,
  });
  assert.match(stdout, /\/dev\/(console|pts\/0)\n[^]*got word\n 9\n$/, stderr);
  await gone(named("relay"));
});

each("descriptors are passed on, those of socket activation first", async () => {
  await bed.configure((spec) => {
    spec.process.args = ["sh", "-c", "echo $LISTEN_FDS; cat <&3; cat <&4; ls /proc/self/fd | wc -l"];
  });
  const file = join(bed.dir, "words");
  await writeFile(file, "one\n");
  const { stdout, stderr } = await run(
    [
      "sh",
      "-c",
      'exec 3<"$0" 4<"$0" 5<"$0"; LISTEN_FDS=1 exec "$@"',
      file,
      ...bed.argv(["run", "--preserve-fds", "1", named("fds")]),
    ],
    { cwd: bed.bundle },
  );
  // stdio, the two, and the directory that ls reads
  assert.equal(stdout, "1\none\none\n6\n", stderr);
});

each("of many starts at once one succeeds", async () => {
  await bed.configure(() => undefined);
  await create(named("race"));
  const starts = await Promise.all(Array.from({ length: 4 }, () => bed.call(["start", named("race")])));
  assert.deepEqual(
    starts.map(({ status }) => status).sort((a, b) => a - b),
    [0, 1, 1, 1],
  );
  const deletes = await Promise.all(
    Array.from({ length: 3 }, () => bed.call(["delete", "--force", named("race")])),
  );
  assert.deepEqual(
    deletes.map(({ status, stderr }) => [status, stderr]),
    [
      [0, ""],
      [0, ""],
      [0, ""],
    ],
  );
  await gone(named("race"));
});

each("a container whose first process was killed from outside is stopped", async () => {
  await bed.configure(() => undefined);
  await create(named("dead"));
  const { pid } = await bed.state(named("dead"));
  process.kill(pid, "SIGKILL");
  await bed.call(["delete", named("dead")]);
  await create(named("dead"));
  await ok(["start", named("dead")]);
  process.kill((await bed.state(named("dead"))).pid, "SIGKILL");
  for (let state = "running"; state !== "stopped"; ) state = (await bed.state(named("dead"))).status;
  await fails(["kill", named("dead"), "0"], /container not running/);
  await ok(["kill", "--all", named("dead"), "0"]);
  await ok(["delete", named("dead")]);
  await gone(named("dead"));
});

each("what the container's processes are made with cannot be opened for writing from inside", async () => {
  await bed.configure((spec) => {
    const all = ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"];
    spec.process.capabilities = { bounding: all, effective: all, permitted: all };
    spec.root = { path: "rootfs", readonly: false };
    delete spec.linux.seccomp;
  });
  await create(named("exe")); // its first process still is the runtime's program
  const { stdout } = await bed.call([
    "exec",
    named("exe"),
    "sh",
    "-c",
    "echo x >> /proc/1/exe || echo refused",
  ]);
  assert.equal(stdout, "refused\n");
  await ok(["delete", "--force", named("exe")]);
});

each("the debug log tells the flags of the filter", async () => {
  for (const [flags, number] of [
    [undefined, 4],
    [[], 0],
    [["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"], 2],
  ] as const) {
    await bed.configure((spec) => {
      spec.process.args = ["mkdir", "/dev/shm/x"];
      spec.linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }],
        ...(flags ? { flags: [...flags] } : {}),
      };
    });
    // the second time the filter is one that was made before
    for (let i = 0; i < 2; i++) {
      const { stderr } = await bed.call(["--debug", "run", named("filter")]);
      assert.match(stderr, new RegExp(`level=debug msg="seccomp filter flags: ${number}"`));
      assert.match(stderr, /mkdir: .*Operation not permitted/);
    }
  }
});

each("what a terminal shows has no carriage returns, from its first line on", async () => {
  await bed.configure((spec) => {
    spec.process.terminal = true;
    spec.process.args = ["echo", "first"];
  });
  for (let i = 0; i < 20; i++) {
    const { stdout, stderr } = await bed.call(["run", named("lines")]);
    assert.equal(stdout, "first\n", stderr);
  }
});

each("a root that is a slave has the master of the bundle's mount", async () => {
  await bed.configure((spec) => {
    spec.process.args = ["grep", "-o", " / / .* - \\| /[^ ]*rootfs / .* - ", "/proc/self/mountinfo"];
    spec.linux.rootfsPropagation = "slave";
  });
  const shared = ["unshare", "--mount", "sh", "-ec", 'mount --make-rshared /; exec "$@"', "sh"];
  const { stdout, stderr } = await run([...shared, ...bed.argv(["run", named("slave")])], {
    cwd: bed.bundle,
  });
  assert.match(stdout, /master:\d+/, stderr);
  assert.doesNotMatch(stdout, /shared:/);
});

each(
  "a bind has the options that it names alone, none where it names none, and keeps what a user namespace may not take away",
  async () => {
    const source = join(bed.dir, "source");
    await mkdir(source, { recursive: true });
    const host = ["unshare", "--mount", "sh", "-ec"];
    const flags = async (options: string[], isUser = false) => {
      await bed.configure((spec) => {
        spec.process.args = ["awk", '$2 == "/mnt" { print $4 }', "/proc/self/mounts"];
        void spec.mounts?.push({ destination: "/mnt", type: "bind", source, options: ["bind", ...options] });
        if (!isUser) return;
        spec.linux.namespaces?.push({ type: "user" });
        spec.linux.uidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
        spec.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
      });
      const mounted = `mount -t tmpfs tmpfs ${source} && mount -o remount,bind,nosuid,noexec,noatime ${source}; exec "$@"`;
      const { stdout, stderr } = await run([...host, mounted, "sh", ...bed.argv(["run", named("flags")])], {
        cwd: bed.bundle,
      });
      return stdout.trim() || stderr.replaceAll('\\"', '"');
    };
    assert.equal(await flags([]), "rw,nosuid,noexec,noatime");
    assert.equal(await flags(["ro"]), "ro,noatime");
    assert.equal(await flags(["nodev", "relatime"]), "rw,nodev,relatime");
    assert.equal(await flags(["ro"], true), "ro,nosuid,noexec,noatime");
    assert.match(
      await flags(["exec"], true),
      /error during container init: error mounting \/mnt: mount_setattr: operation not permitted/,
    );
  },
);

each("the debug log tells what is done, and no environment", async () => {
  await bed.configure((spec) => {
    spec.process.args = ["sleep", "1000"];
    spec.process.env = [...(spec.process.env ?? []), "TOKEN=secret"];
  });
  const log = join(bed.dir, "debug.log");
  const created = await bed.detached(["--debug", "--log", log, "create", named("debug")]);
  assert.equal(created.status, 0, created.stderr);
  await ok(["--debug", "--log", log, "start", named("debug")]);
  await ok(["--debug", "--log", log, "exec", named("debug"), "true"]);
  const text = (await readFile(log, "utf8")).replaceAll('\\"', '"');
  for (const line of ["outside: mkdir", "inside: pivot", "inside: exec"])
    assert.ok(text.includes(`level=debug msg="keel ${line}`), `${line} in ${text}`);
  assert.doesNotMatch(text, /secret/);
  await ok(["delete", "--force", named("debug")]);
});

each("the debug log tells how keel is sealed, in runc's words where they are true", async () => {
  const log = join(bed.dir, "sealed.log");
  await bed.configure((spec) => {
    spec.process.args = ["sleep", "1000"];
  });
  const created = await bed.detached(["--debug", "--log", log, "create", named("sealed")]);
  assert.equal(created.status, 0, created.stderr);
  const { pid } = JSON.parse(await ok(["state", named("sealed")])) as { pid: number };
  const isOverlay = statfsSync(`/proc/${pid}/exe`).type === OVERLAYFS; // it still is keel
  await ok(["start", named("sealed")]);
  await ok(["--debug", "--log", log, "--log-format", "json", "exec", named("sealed"), "true"]);
  const text = await readFile(log, "utf8");
  const said = [...text.matchAll(/level=debug msg="(runc exeseal: [^"]*)"/g)];
  const json = [...text.matchAll(/\{"level":"debug","msg":"(runc exeseal: [^"]*)"/g)];
  const words = [
    ...(isOverlay ? ["runc exeseal: using overlayfs for sealed /proc/self/exe"] : []),
    "runc exeseal: using /proc/self/exe clone",
  ];
  for (const lines of [said, json])
    assert.deepEqual(
      lines.map(([, line]) => line),
      words,
    );
  await ok(["delete", "--force", named("sealed")]);
});

each("messages have the forms that engines parse", async () => {
  const log = join(bed.dir, "log.json");
  const { status, stderr } = await bed.call(["--log", log, "--log-format", "json", "state", "nobody"]);
  assert.deepEqual([status, stderr], [1, "container does not exist\n"]);
  const line = JSON.parse(await readFile(log, "utf8")) as Record<string, string>;
  assert.deepEqual(Object.keys(line), ["level", "msg", "time"]);
  assert.deepEqual([line["level"], line["msg"]], ["error", "container does not exist"]);
  await fails(["state", "nobody"], /^time="\S+" level=error msg="container does not exist"\n$/);
  await fails(["frobnicate"], /No help topic for 'frobnicate'/);
  await fails(["kill", "a", "b", "c"], /"kill" requires a maximum of 2 argument\(s\)/);
  const version = new RegExp(
    `^${name} version \\d+\\.\\d+\\.\\d+\\S*\\ncommit: \\S+\\nspec: 1\\.2\\.\\d+\\n`,
  );
  assert.match(await ok(["--version"]), version);
  const heading = `NAME:\n   ${name}`;
  assert.ok((await ok(["--help"])).startsWith(`${heading} - Open Container Initiative runtime\n`));
  assert.ok((await ok(["exec", "--help"])).startsWith(`${heading} exec - `));
  assert.deepEqual(readdirSync(bed.root), []);
});
