// A container's life: created, started, waited for, stopped, killed, removed, and the exit codes that tell how it went.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

for (const client of clients)
  describe(`${client.name}: life of a container`, () => {
    const text = (...args: string[]) => daemon.text(client, args);
    const outcome = (...args: string[]) => daemon.run(client, args);

    test("run prints the program's output and ends with its exit code", async () => {
      assert.equal(await text("run", "--rm", "busybox", "echo", "hello"), "hello");
      assert.equal((await outcome("run", "--rm", "busybox", "sh", "-c", "exit 42")).status, 42);
    });

    test("run --rm leaves no container", async () => {
      await text("run", "--rm", "--name", "gone", "busybox", "true");
      assert.equal(await text("ps", "-aq", "--filter", "name=gone"), "");
    });

    test("create, start, wait and rm go through the states that inspect shows", async () => {
      const id = await text("create", "--name", "steps", "busybox", "sh", "-c", "echo out; exit 3");
      assert.match(id, /^[0-9a-f]{64}$/);
      assert.equal((await daemon.inspect("steps")).State.Status, "created");
      assert.equal(await text("start", "steps"), "steps");
      assert.equal(await text("wait", "steps"), "3");
      const { State } = await daemon.inspect("steps");
      assert.deepEqual([State.Status, State.Running, State.Pid, State.ExitCode], ["exited", false, 0, 3]);
      assert.ok(Date.parse(State.FinishedAt) >= Date.parse(State.StartedAt));
      assert.equal(await text("logs", "steps"), "out");
      assert.equal(await text("rm", "steps"), "steps");
      assert.equal((await daemon.request("GET", "/containers/steps/json")).status, 404);
    });

    test("start -a shows the output and ends with the exit code", async () => {
      await text("create", "--name", "attached", "busybox", "sh", "-c", "echo again; exit 5");
      for (const _ of [1, 2]) {
        const started = await outcome("start", "-a", "attached");
        assert.deepEqual([started.status, started.stdout], [5, "again\n"]);
      }
      await text("rm", "attached");
    });

    test("stop asks with SIGTERM and lets the program end by itself", async () => {
      const script = "trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
      await text("run", "-d", "--name", "polite", "busybox", "sh", "-c", script);
      const logs = daemon.live(client, ["logs", "-f", "polite"]);
      await logs.prints("ready");
      assert.equal(await text("stop", "polite"), "polite");
      assert.match((await logs.ended).stdout, /asked/);
      assert.equal((await daemon.inspect("polite")).State.ExitCode, 7);
      await text("rm", "polite");
    });

    test("stop kills what does not end in time: exit code 137", async () => {
      await text("run", "-d", "--name", "deaf", "busybox", "sleep", "1000");
      const began = Date.now();
      await text("stop", "-t", "1", "deaf");
      assert.ok(Date.now() - began < 10_000, "not the ten seconds that a container has otherwise");
      assert.equal((await daemon.inspect("deaf")).State.ExitCode, 137);
      await text("rm", "deaf");
    });

    test("--stop-signal is what stop sends", async () => {
      const script = "trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done";
      await text("run", "-d", "--name", "usr1", "--stop-signal", "USR1", "busybox", "sh", "-c", script);
      await daemon.live(client, ["logs", "-f", "usr1"]).prints("ready");
      await text("stop", "usr1");
      assert.equal((await daemon.inspect("usr1")).State.ExitCode, 9);
      await text("rm", "usr1");
    });

    test("kill ends with 137, kill -s sends the signal", async () => {
      await text(
        "run",
        "-d",
        "--name",
        "victim",
        "busybox",
        "sh",
        "-c",
        "trap 'exit 4' HUP; echo up; while :; do sleep 0.05; done",
      );
      await daemon.live(client, ["logs", "-f", "victim"]).prints("up");
      await text("kill", "-s", "HUP", "victim");
      assert.equal(await text("wait", "victim"), "4");
      await text("start", "victim");
      assert.equal(await text("kill", "victim"), "victim");
      assert.equal((await daemon.inspect("victim")).State.ExitCode, 137);
      const again = await outcome("kill", "victim");
      assert.deepEqual([again.status, /is not running/.test(again.stderr)], [1, true]);
      await text("rm", "victim");
    });

    test("a container killed by a signal from inside has 128 + signal", async () => {
      // The first process of a pid namespace gets no signal of its own namespace, so a child takes it.
      const { status } = await outcome("run", "--rm", "--init", "busybox", "sh", "-c", "kill -9 $$");
      assert.equal(status, 137);
    });

    test("run forwards signals to the container", async () => {
      const live = daemon.live(client, [
        "run",
        "--rm",
        "busybox",
        "sh",
        "-c",
        "trap 'exit 11' TERM; echo up; while :; do sleep 0.05; done",
      ]);
      await live.prints("up");
      live.kill("SIGTERM");
      assert.equal((await live.ended).status, 11);
    });

    test("a command that is not there: 127; one that cannot be executed: 126; nothing is left", async () => {
      const missing = await outcome("run", "--rm", "busybox", "nosuch");
      assert.equal(missing.status, 127);
      assert.match(missing.stderr, /exec: "nosuch": executable file not found in \$PATH/);
      const path = await outcome("run", "--rm", "busybox", "/no/such");
      assert.equal(path.status, 127);
      assert.match(path.stderr, /\/no\/such.*no such file or directory/);
      const refused = await outcome("run", "--rm", "busybox", "/etc/passwd");
      assert.equal(refused.status, 126);
      assert.match(refused.stderr, /permission denied/);
      const directory = await outcome("run", "--rm", "busybox", "/etc");
      // Docker's older clients look for "permission denied" only.
      assert.ok(directory.status === 126 || (client.name === "docker" && directory.status === 125));
      assert.equal(await text("ps", "-aq"), "");
    });

    test("a container whose command is missing stays created, and says why", async () => {
      const { status } = await outcome("run", "--name", "stays", "busybox", "nosuch");
      assert.equal(status, 127);
      const { State } = await daemon.inspect("stays");
      assert.deepEqual([State.Status, State.ExitCode, State.Pid], ["created", 127, 0]);
      assert.match(State.Error, /nosuch/);
      await text("rm", "stays");
    });

    test("rm refuses a running container, rm -f removes it", async () => {
      await text("run", "-d", "--name", "busy", "busybox", "sleep", "1000");
      const refused = await outcome("rm", "busy");
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /container is running/);
      assert.equal(await text("rm", "-f", "busy"), "busy");
      assert.equal(await text("ps", "-aq"), "");
    });

    test("start of a running container and stop of a stopped one succeed", async () => {
      await text("run", "-d", "--name", "twice", "busybox", "sleep", "1000");
      assert.equal(await text("start", "twice"), "twice");
      await text("stop", "-t", "0", "twice");
      assert.equal(await text("stop", "twice"), "twice");
      await text("rm", "twice");
    });

    test("restart gives a new process and the old file system", async () => {
      const script = "echo x >> /count; echo counted; exec sleep 1000";
      // A start has succeeded before the program has done anything.
      const counted = (times: number) =>
        daemon.live(client, ["logs", "-f", "re"]).prints(new RegExp(`(counted[^]*){${times}}`));
      await text("run", "-d", "--name", "re", "busybox", "sh", "-c", script);
      await counted(1);
      const first = (await daemon.inspect("re")).State.Pid;
      await text("restart", "-t", "0", "re");
      await counted(2);
      const second = (await daemon.inspect("re")).State.Pid;
      assert.notEqual(first, second);
      assert.equal(await text("exec", "re", "cat", "/count"), "x\nx");
      await text("rm", "-f", "re");
    });

    test("pause holds every process, unpause lets them go on", async () => {
      await text(
        "run",
        "-d",
        "--name",
        "cold",
        "busybox",
        "sh",
        "-c",
        "while :; do echo tick; sleep 0.02; done",
      );
      await text("pause", "cold");
      assert.equal((await daemon.inspect("cold")).State.Status, "paused");
      const size = (await text("logs", "cold")).length;
      assert.equal((await outcome("exec", "cold", "true")).status, 1);
      assert.equal((await text("logs", "cold")).length, size);
      const more = daemon.live(client, ["logs", "-f", "--tail", "0", "cold"]);
      await text("unpause", "cold");
      await more.prints("tick");
      await text("rm", "-f", "cold");
    });

    test("rename keeps the id and frees the old name", async () => {
      const id = await text("create", "--name", "old", "busybox", "true");
      await text("rename", "old", "new");
      assert.equal((await daemon.inspect("new")).Id, id);
      await text("create", "--name", "old", "busybox", "true");
      await text("rm", "old", "new");
    });
  });
