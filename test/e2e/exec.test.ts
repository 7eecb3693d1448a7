// Further processes in running containers: exit codes, streams, terminals, users, directories, environments.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { FrameDecoder } from "../../src/lib/frames.ts";
import { clients, TestDaemon } from "./harness.ts";
import { hijack, readToEnd } from "./raw.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
  const create = [
    "run",
    "-d",
    "--name",
    "host",
    "-e",
    "FROM=container",
    "-w",
    "/var",
    "busybox",
    "sleep",
    "1000",
  ];
  await daemon.text(clients[0] ?? { name: "berth", argv: [] }, create);
});
after(() => daemon.close());

for (const client of clients)
  describe(`${client.name}: exec`, () => {
    const text = (...args: string[]) => daemon.text(client, args);
    const outcome = (...args: string[]) => daemon.run(client, args);

    test("ends with the program's exit code", async () => {
      assert.equal((await outcome("exec", "host", "sh", "-c", "exit 17")).status, 17);
      assert.equal((await outcome("exec", "host", "sh", "-c", "kill -9 $$")).status, 137);
      assert.equal((await outcome("exec", "host", "true")).status, 0);
    });

    test("keeps output and errors apart and loses nothing of a short program", async () => {
      const ended = await outcome("exec", "host", "sh", "-c", "echo o; echo e >&2");
      assert.deepEqual([ended.stdout, ended.stderr], ["o\n", "e\n"]);
      for (let i = 0; i < 5; i++) assert.equal(await text("exec", "host", "echo", `${i}`), `${i}`);
    });

    test("-i passes any bytes in both directions and the end of the input", async () => {
      const input = randomBytes(2 << 20);
      const echoed = await daemon.run(client, ["exec", "-i", "host", "cat"], { input });
      assert.equal(echoed.status, 0);
      assert.equal(echoed.bytes.length, input.length);
      assert.ok(echoed.bytes.equals(input));
    });

    test("-t gives a terminal of the user's size", async () => {
      // Docker's older clients send the size a moment after the start.
      const program = "tty; until stty size | grep '31 99'; do sleep 0.02; done";
      const script = `stty rows 31 cols 99; exec ${client.argv.join(" ")} exec -it host sh -c "${program}"`;
      const shell = daemon.onTerminal({ name: "docker", argv: ["sh", "-c"] }, [script]);
      const { status, stdout } = await shell.ended;
      assert.equal(status, 0);
      assert.match(stdout, /\/dev\/pts\/\d+\r+\n[^]*31 99/);
    });

    test("-u, -w, -e and the container's own settings", async () => {
      assert.equal(await text("exec", "host", "pwd"), "/var");
      assert.equal(await text("exec", "-w", "/tmp", "host", "pwd"), "/tmp");
      assert.equal(await text("exec", "host", "sh", "-c", "echo $FROM $HOME"), "container /root");
      assert.equal(
        await text("exec", "-e", "FROM=exec", "-e", "X=y z", "host", "sh", "-c", "echo $FROM $X"),
        "exec y z",
      );
      assert.equal(
        await text("exec", "-u", "dev", "host", "sh", "-c", "id; echo $HOME"),
        "uid=1000(dev) gid=1000(dev) groups=1000(dev),2000(extra)\n/home/dev",
      );
      assert.equal(await text("exec", "-u", "7:8", "host", "sh", "-c", "id -u; id -g"), "7\n8");
    });

    test("a command that is not there: 127, not executable: 126", async () => {
      const missing = await outcome("exec", "host", "nosuch");
      assert.equal(missing.status, 127);
      assert.match(missing.stdout + missing.stderr, /exec: "nosuch": executable file not found in \$PATH/);
      assert.equal((await outcome("exec", "host", "/etc/passwd")).status, 126);
    });

    test("an unknown user and a missing directory are errors", async () => {
      for (const [user, kind, name, file] of [
        ["nobodyknows", "user", "nobodyknows", "passwd"],
        ["nobodyknows:0", "user", "nobodyknows", "passwd"],
        ["dev:nogroups", "group", "nogroups", "group"],
        ["1:nogroups", "group", "nogroups", "group"],
      ] as const) {
        const refused = await outcome("exec", "-u", user, "host", "true");
        assert.equal(refused.status, 1);
        const why = `Error response from daemon: unable to find ${kind} ${name}: no matching entries in ${file} file`;
        assert.equal(refused.stderr.trim(), why);
      }
      assert.deepEqual((await daemon.inspect("host")).ExecIDs, null);
      assert.equal(await text("exec", "-u", "dev:extra", "host", "id", "-g"), "2000");
      const directory = await outcome("exec", "-w", "/no/such", "host", "true");
      assert.notEqual(directory.status, 0);
      assert.match(directory.stdout + directory.stderr, /\/no\/such/);
    });

    test("of a container that does not run, or is not there, is refused", async () => {
      await text("create", "--name", "idle", "busybox", "true");
      const idle = await outcome("exec", "idle", "true");
      assert.equal(idle.status, 1);
      assert.match(idle.stderr, /is not running/);
      await text("rm", "idle");
      const unknown = await outcome("exec", "nobody", "true");
      assert.equal(unknown.status, 1);
      assert.match(unknown.stderr, /No such container: nobody/);
    });

    test("-d returns at once and the program goes on", async () => {
      await text("exec", "host", "mkfifo", "/tmp/pipe");
      assert.equal(await text("exec", "-d", "host", "sh", "-c", "echo from the background > /tmp/pipe"), "");
      assert.equal(await text("exec", "host", "cat", "/tmp/pipe"), "from the background");
      await text("exec", "host", "rm", "/tmp/pipe");
    });

    test("ten at once have ten answers", async () => {
      const script = (i: number): string => `echo ${i}; exit ${i}`;
      const all = await Promise.all(
        Array.from({ length: 10 }, (_, i) => outcome("exec", "host", "sh", "-c", script(i))),
      );
      assert.deepEqual(
        all.map((o) => [o.status, o.stdout]),
        Array.from({ length: 10 }, (_, i) => [i, `${i}\n`]),
      );
    });

    test("the processes of an exec are the container's: same namespaces, cgroup, capabilities and seccomp filter", async () => {
      const facts =
        "for n in pid mnt net uts ipc; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup; grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/self/status";
      assert.equal(
        await text("exec", "host", "sh", "-c", facts),
        await text("exec", "host", "sh", "-c", facts.replaceAll("self", "1")),
      );
      assert.equal(
        await text(
          "exec",
          "--privileged",
          "host",
          "sh",
          "-c",
          "grep CapEff /proc/self/status | grep -c 00000000a80425fb || true",
        ),
        "0",
      );
    });

    test("execs end with their container", async () => {
      await text("run", "-d", "--name", "short", "busybox", "sleep", "1000");
      const exec = daemon.live(client, ["exec", "short", "sh", "-c", "echo in; sleep 1000"]);
      await exec.prints("in");
      assert.equal((await daemon.inspect("short")).ExecIDs?.length, 1);
      await text("kill", "short");
      assert.equal((await exec.ended).status, 137);
      await text("rm", "short");
    });
  });

describe("the exec's own resource", () => {
  test("is created, runs once, and keeps its exit code", async () => {
    const created = await daemon.request("POST", "/containers/host/exec", {
      Cmd: ["sh", "-c", "exit 4"],
      AttachStdout: true,
    });
    assert.equal(created.status, 201);
    const { Id } = created.body as { Id: string };
    const before = (await daemon.request("GET", `/exec/${Id}/json`)).body as Record<string, unknown>;
    assert.deepEqual(
      [before["Running"], before["ExitCode"], before["OpenStdout"], before["OpenStdin"]],
      [false, null, true, false],
    );
    await daemon.request("POST", `/exec/${Id}/start`, { Detach: false });
    const ended = (await daemon.request("GET", `/exec/${Id}/json`)).body as Record<string, unknown>;
    assert.deepEqual([ended["Running"], ended["ExitCode"]], [false, 4]);
    assert.equal((await daemon.request("POST", `/exec/${Id}/start`, { Detach: false })).status, 409);
    assert.equal((await daemon.request("GET", "/exec/nosuch/json")).status, 404);
  });

  test("tells its exit code in the stream's last frame to whoever asks, and to nobody else", async () => {
    const framesOf = async (how: object): Promise<[number, string][]> => {
      const { body } = await daemon.request("POST", "/containers/host/exec", {
        Cmd: ["sh", "-c", "echo said; exit 5"],
        AttachStdout: true,
      });
      const path = `/exec/${(body as { Id: string }).Id}/start`;
      const { socket } = await hijack(daemon.socket, path, { body: { Detach: false, ...how } });
      socket.end();
      const frames = new FrameDecoder().push(await readToEnd(socket));
      return frames.map(({ type, data }) => [type, Buffer.from(data).toString()]);
    };
    assert.deepEqual(await framesOf({ ExitFrame: true }), [
      [1, "said\n"],
      [4, "5"],
    ]);
    assert.deepEqual(await framesOf({}), [[1, "said\n"]]);
  });

  test("is created and started by one request of a client that asks for it, and its failure is an answer as any", async () => {
    const headers = { Connection: "Upgrade", Upgrade: "exec" };
    const begin = (container: string, body: object) =>
      hijack(daemon.socket, `/containers/${container}/exec`, { body, headers });
    const {
      status,
      headers: head,
      socket,
    } = await begin("host", {
      Cmd: ["sh", "-c", "cat; exit 6"],
      AttachStdin: true,
      AttachStdout: true,
    });
    assert.deepEqual([status, head["upgrade"]], ["HTTP/1.1 101 UPGRADED", "exec"]);
    socket.end("from stdin");
    const frames = new FrameDecoder().push(await readToEnd(socket));
    assert.deepEqual(
      frames.map(({ type, data }) => [type, Buffer.from(data).toString()]),
      [
        [1, "from stdin"],
        [4, "6"],
      ],
    );
    const { body } = await daemon.request("GET", `/exec/${head["exec-id"]}/json`);
    assert.equal((body as { ExitCode: number }).ExitCode, 6);
    const refused = await begin("nosuch", { Cmd: ["true"] });
    assert.equal(refused.status, "HTTP/1.1 404 Not Found");
    assert.match((await readToEnd(refused.socket)).toString(), /"No such container: nosuch"/);
  });
});
