// Containers that runc, crun and `berth runtime` make through their command lines: whatever holds for our own containers holds for them, a
// daemon that dies included, and nothing of a bundle is left behind. The whole is run once for each of the three.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { chmod, readdir, symlink, writeFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { type Client, clients, isAlive, procStatus, TestDaemon } from "./harness.ts";

const client = clients.at(-1) as Client;

/** crun knows version 1 and version 2, not both at once: it gets to see version 1 alone. */
const hidesUnified = (argv: string[]): string[] => [
  "unshare",
  "-m",
  "sh",
  "-c",
  'mount --make-rprivate / && umount /sys/fs/cgroup/unified && exec "$@"',
  "sh",
  ...argv,
];
const isHybrid =
  existsSync("/sys/fs/cgroup/unified/cgroup.controllers") &&
  readFileSync("/sys/fs/cgroup/unified/cgroup.controllers", "utf8").trim() !== "";

/** A file that tells which runtime has made a container, in what it keeps of it. */
const TRACES = { runc: "state.json", crun: "status", "berth-runtime": "state.json" } as const;

for (const program of ["runc", "crun", "berth-runtime"] as const)
  describe(`with ${program}`, () => {
    let daemon: TestDaemon;
    /** What is asked for: a name, or the path of our own executable under the name that makes it a runtime. */
    let runtime: string = program;
    const text = (...args: string[]) => daemon.text(client, args, { timeoutMs: 60_000 });
    const run = (...args: string[]) => text("run", "--runtime", runtime, ...args);
    const start = (name: string, ...args: string[]) => run("-d", "--name", name, ...args);

    before(async () => {
      const wrap = program === "crun" && isHybrid ? { wrap: hidesUnified } : {};
      daemon = await TestDaemon.start(wrap);
      if (program !== "berth-runtime") return;
      runtime = daemon.path(program);
      await symlink(daemon.program[0] ?? "", runtime);
    });
    afterEach(() => daemon.removeContainers());
    after(() => daemon.close());

    test("the runtime makes the container, and what was asked for is there", async () => {
      const options = ["-m", "64m", "-u", "dev", "--group-add", "extra", "-w", "/home/dev/new", "--init"];
      await start(
        "web",
        ...options,
        "-e",
        "A=b",
        "--tmpfs",
        "/scratch",
        "busybox",
        "sh",
        "-c",
        "echo hi; sleep 1000",
      );
      const { Id, HostConfig, State } = await daemon.inspect("web");
      assert.equal(HostConfig["Runtime"], runtime);
      assert.ok(
        existsSync(daemon.path("run/c", Id, "runtime", Id, TRACES[program])),
        "the runtime keeps its state",
      );
      const limits = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
      const script = `id -u; id -G; pwd; echo $A $HOME; hostname; ${limits}; mount | grep -c scratch`;
      const inside = await text("exec", "web", "sh", "-c", script);
      assert.match(readFileSync(`/proc/${State.Pid}/cmdline`, "latin1"), /^\/sbin\/docker-init\0--\0sh\0/);
      assert.deepEqual(inside.split("\n"), [
        "1000",
        "1000 2000",
        "/home/dev/new",
        "b /home/dev",
        Id.slice(0, 12),
        String(64 << 20),
        "1",
      ]);
      assert.equal(await text("logs", "web"), "hi");
      assert.match(await text("run", "--rm", "--runtime", runtime, "busybox", "ip", "addr"), /inet 172\./);
    });

    test("an exit status, a signal and running out of memory are told", async () => {
      assert.equal(
        (await daemon.run(client, ["run", "--runtime", runtime, "busybox", "sh", "-c", "exit 7"])).status,
        7,
      );
      await start("a1", "busybox", "sh", "-c", "trap 'exit 3' USR1; while :; do sleep 0.1; done");
      assert.equal(await text("kill", "-s", "USR1", "a1"), "a1");
      assert.equal(await text("wait", "a1"), "3");
      await start("a2", "busybox", "sleep", "1000");
      await text("kill", "a2");
      assert.equal((await daemon.inspect("a2")).State.ExitCode, 137);
      await daemon.run(client, [
        "run",
        "--name",
        "a3",
        "--runtime",
        runtime,
        "-m",
        "16m",
        "busybox",
        "sh",
        "-c",
        "a=x; while :; do a=$a$a; done",
      ]);
      const { OOMKilled, ExitCode } = (await daemon.inspect("a3")).State;
      assert.deepEqual([OOMKilled, ExitCode], [true, 137]);
    });

    test("exec: stdin, a terminal, users, and what cannot be executed", async () => {
      await start("web", "busybox", "sleep", "1000");
      assert.equal(
        await daemon.text(client, ["exec", "-i", "web", "cat"], { input: Buffer.from("data") }),
        "data",
      );
      const terminal = daemon.onTerminal(client, [
        "exec",
        "-it",
        "-u",
        "dev",
        "web",
        "sh",
        "-c",
        "tty; id -G; exit 4",
      ]);
      const { stdout, status } = await terminal.ended;
      assert.deepEqual([stdout.replaceAll("\r", ""), status], ["/dev/pts/0\n1000 2000\n", 4]);
      const missing = await daemon.run(client, ["exec", "web", "nosuch"]);
      assert.equal(missing.status, 127);
      assert.match(missing.stdout + missing.stderr, /OCI runtime exec failed: .*nosuch.*not found in \$PATH/);
      const stranger = await daemon.run(client, ["exec", "-u", "nouser", "web", "true"]);
      assert.match(
        stranger.stdout + stranger.stderr,
        /unable to find user nouser: no matching entries in passwd file/,
      );
      const { Id } = await daemon.inspect("web");
      // Files of calls go when the calls are over, without anybody waiting for it.
      const hasFiles = async () =>
        (await readdir(daemon.path("run/c", Id))).some((f) => f.startsWith("exec-"));
      while (await hasFiles()) await new Promise((resolve) => setImmediate(resolve));
      const attached = daemon.onTerminal(client, ["run", "-it", "--runtime", runtime, "busybox", "sh"]);
      await attached.prints(/# /);
      attached.stdin.write("tty; exit 5\n");
      assert.equal((await attached.ended).status, 5);
      assert.match(attached.output, /\/dev\/pts\/0|\/dev\/console/);
    });

    test("pause, update, top, stats and cp", async () => {
      await start("web", "-m", "64m", "busybox", "sh", "-c", "sleep 1000 & wait");
      await text("pause", "web");
      assert.equal((await daemon.inspect("web")).State.Status, "paused");
      await text("unpause", "web");
      await text("update", "-m", "128m", "--memory-swap", "-1", "web");
      const limits = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
      assert.equal(await text("exec", "web", "sh", "-c", `${limits} || true`), String(128 << 20));
      assert.match(await text("top", "web", "-o", "pid,comm"), /^PID +COMMAND\n\d+ +sh\n\d+ +sleep$/);
      assert.match(
        await text("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "web"),
        /\/ 128MiB 2$/,
      );
      await text("exec", "web", "sh", "-c", "echo inside > /tmp/file");
      assert.equal((await daemon.run(client, ["cp", "web:/tmp/file", daemon.path("copied")])).status, 0);
      assert.equal(readFileSync(daemon.path("copied"), "utf8"), "inside\n");
    });

    test("a health check is made, and says why it could not be", async () => {
      const events = daemon.events();
      await start(
        "well",
        "--health-cmd",
        "echo fine",
        "--health-interval",
        "100ms",
        "busybox",
        "sleep",
        "1000",
      );
      const check = { Test: ["CMD", "nosuch"], Interval: 100_000_000, Retries: 1 };
      const HostConfig = { Runtime: runtime };
      await daemon.request("POST", "/containers/create?name=ill", {
        Image: "busybox",
        Cmd: ["sleep", "1000"],
        Healthcheck: check,
        HostConfig,
      });
      await text("start", "ill");
      await events.prints(/health_status: unhealthy/);
      await events.prints(/health_status: healthy/);
      events.kill("SIGKILL");
      const logOf = async (name: string) =>
        (
          (await daemon.inspect(name)).State as unknown as {
            Health: { Log: { ExitCode: number; Output: string }[] };
          }
        ).Health.Log[0];
      const [well, ill] = [await logOf("well"), await logOf("ill")];
      assert.deepEqual([well?.ExitCode, well?.Output], [0, "fine\n"]);
      assert.match(ill?.Output ?? "", /nosuch.*not found in \$PATH/);
    });

    test("containers outlive a daemon that is killed, and are taken over", async () => {
      await start(
        "web",
        "--restart",
        "always",
        "busybox",
        "sh",
        "-c",
        "echo begun; trap 'exit 6' TERM; while :; do sleep 0.1; done",
      );
      const before = (await daemon.inspect("web")).State.Pid;
      await start("brief", "busybox", "sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 9");
      const { Pid } = (await daemon.inspect("brief")).State;
      await daemon.kill();
      await writeFile(`/proc/${Pid}/root/tmp/go`, "");
      while (await isAlive(Pid)) await new Promise((resolve) => setImmediate(resolve));
      await daemon.up();
      assert.equal((await daemon.inspect("web")).State.Pid, before);
      assert.equal((await daemon.inspect("brief")).State.ExitCode, 9, "who ended meanwhile");
      assert.equal(await text("exec", "web", "echo", "again"), "again");
      await text("restart", "-t", "5", "web");
      const logs = daemon.live(client, ["logs", "-f", "web"]);
      await logs.prints(/begun\nbegun/);
      logs.kill("SIGKILL");
      await text("stop", "web");
      assert.equal((await daemon.inspect("web")).State.ExitCode, 6);
    });

    test("a shim that is killed takes its container along, and the next start finds nothing in its way", async () => {
      await start("web", "busybox", "sleep", "1000");
      const { Pid } = (await daemon.inspect("web")).State;
      const shim = Number(await procStatus(Pid, "PPid"));
      assert.equal(readFileSync(`/proc/${shim}/comm`, "utf8").trim(), "keel-shim");
      process.kill(shim, "SIGKILL");
      assert.equal(await text("wait", "web"), "255");
      assert.equal(await isAlive(Pid), false);
      await text("start", "web");
      assert.equal(await text("exec", "web", "echo", "new"), "new");
    });

    test("namespaces of others, parts of volumes and of images are joined and mounted", async () => {
      await start("donor", "--ipc", "shareable", "busybox", "sh", "-c", "touch /dev/shm/mine; sleep 1000");
      const joined = ["--ipc", "container:donor", "--pid", "container:donor", "--network", "container:donor"];
      assert.match(
        await run("--rm", ...joined, "busybox", "sh", "-c", "ls /dev/shm; ps"),
        /^mine\n[^]*sleep 1000/,
      );
      await run(
        "--rm",
        "--mount",
        "type=volume,source=data,target=/v",
        "busybox",
        "sh",
        "-c",
        "mkdir /v/sub; touch /v/sub/file",
      );
      const part = "type=volume,source=data,target=/w,volume-subpath=sub";
      assert.equal(await run("--rm", "--mount", part, "busybox", "ls", "/w"), "file");
      const image = { Type: "image", Source: "busybox", Target: "/i", ImageOptions: { Subpath: "home" } };
      const body = { Image: "busybox", Cmd: ["ls", "/i"], HostConfig: { Runtime: runtime, Mounts: [image] } };
      await daemon.request("POST", "/v1.49/containers/create?name=part", body);
      assert.equal(await text("start", "-a", "part"), "dev");
      await text("volume", "rm", "data");
    });

    test("a start that fails leaves nothing and says why", async () => {
      const missing = await daemon.run(client, [
        "run",
        "--name",
        "none",
        "--runtime",
        runtime,
        "busybox",
        "nosuch",
      ]);
      assert.notEqual(missing.status, 0); // which one is the client's choice, by the runtime's words
      assert.match(missing.stderr, /OCI runtime create failed: .*nosuch.*not found in \$PATH/);
      const { Id, State } = await daemon.inspect("none");
      assert.deepEqual([State.Status, State.ExitCode], ["created", 127]);
      assert.equal(existsSync(daemon.path("run/c", Id)), false);
      assert.equal(await text("logs", "none"), "", "what the runtime says is not the container's output");
    });
  });

describe("names of runtimes", () => {
  let daemon: TestDaemon;
  const wrapper = () => daemon.path("wrapped-runc");

  before(async () => {
    daemon = await TestDaemon.start({
      args: ["--add-runtime", "Mine=./nowhere", "--default-runtime", "mine"],
    });
  });
  afterEach(() => daemon.removeContainers());
  after(() => daemon.close());

  const create = (Runtime?: string) =>
    daemon.request("POST", "/containers/create", {
      Image: "busybox",
      Cmd: ["true"],
      HostConfig: { Runtime },
    });

  test("a name that nobody knows is refused, a program that is not there fails the start", async () => {
    assert.deepEqual(await create("nosuch"), {
      status: 400,
      body: { message: "unknown or invalid runtime name: nosuch" },
    });
    const { body } = await create("/nonexistent/runtime");
    const { Id } = body as { Id: string };
    const { status, body: answer } = await daemon.request("POST", `/containers/${Id}/start`);
    assert.equal(status, 400);
    assert.match(
      (answer as { message: string }).message,
      /^failed to create task for container: failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime error \(open .*\): fork\/exec \/nonexistent\/runtime: no such file or directory: unknown$/,
    );
    assert.equal((await daemon.inspect(Id)).State.ExitCode, 127);
  });

  test("the default is used by who asks for nothing, and shown", async () => {
    const { body } = await create();
    const { Id } = body as { Id: string };
    assert.equal((await daemon.inspect(Id)).HostConfig["Runtime"], "mine");
    const info = (await daemon.request("GET", "/info")).body as {
      Runtimes: Record<string, unknown>;
      DefaultRuntime: string;
    };
    assert.equal(info.DefaultRuntime, "mine");
    assert.deepEqual(info.Runtimes["mine"], { path: "./nowhere" });
    assert.equal(
      await daemon.text(client, ["run", "--rm", "--runtime", "berth", "busybox", "echo", "own"]),
      "own",
    );
  });

  test("a process that ends while its runtime still makes it is a failed start, and nothing waits for it", async () => {
    const brief = daemon.path("brief");
    // Its process is the shim's by then, and is gone before `create` has ended.
    const make = "(sleep 0.1 & echo $! > pid); sleep 0.5";
    await writeFile(brief, `#!/bin/sh\ncase "$*" in *create*) ${make};; esac\nexit 0\n`);
    await chmod(brief, 0o755);
    const { status, stderr } = await daemon.run(client, [
      "run",
      "--name",
      "brief",
      "--runtime",
      brief,
      "busybox",
      "true",
    ]);
    assert.notEqual(status, 0);
    assert.equal((await daemon.inspect("brief")).State.Status, "created", stderr);
    await daemon.text(client, ["rm", "-f", "brief"]);
  });

  test("a path is a runtime, too, with what else the call has", async () => {
    const calls = daemon.path("calls");
    await writeFile(wrapper(), `#!/bin/sh\necho "$@" >> ${calls}\nexec runc "$@"\n`);
    await chmod(wrapper(), 0o755);
    assert.equal(
      await daemon.text(client, ["run", "--rm", "--runtime", wrapper(), "busybox", "echo", "hi"]),
      "hi",
    );
    assert.match(readFileSync(calls, "utf8"), / create --bundle [^]* start [^]* delete --force /);
  });
});
