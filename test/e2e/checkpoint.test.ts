// Checkpoints of containers and starts from them: with criu itself where it works on this machine, and for all that is decided before
// criu is asked. The reason is printed where criu does not work.
import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { run } from "./command.ts";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  // Docker's client asks for checkpoints only where the daemon has its experiments on.
  daemon = await TestDaemon.start({ config: { experimental: true } });
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const why = await run(["criu", "check"]).then(
  ({ status, stderr }) =>
    status === 0 ? undefined : `criu does not work here: ${stderr.trim().split("\n")[0]}`,
  () => "criu is not installed",
);
const works = why === undefined ? {} : { skip: why };
if (why !== undefined) console.log(why);

/** Counts the lines that it gets through a fifo, of which it has both ends: another writer's end is not the end. */
const COUNTER =
  'n=0; mkfifo /tmp/in; exec 3<>/tmp/in; echo ready; while read line <&3; do n=$((n+1)); echo "$n $line"; done';

for (const client of clients)
  describe(client.name, () => {
    const text = (...args: string[]) => daemon.text(client, args);
    const outcome = (...args: string[]) => daemon.run(client, args);

    /** Says a line to the counter and waits until it has counted it. */
    async function say(line: string, expected: string): Promise<void> {
      await text("exec", "counter", "sh", "-c", `echo ${line} > /tmp/in`);
      const logs = daemon.live(client, ["logs", "-f", "counter"]);
      await logs.prints(expected);
      logs.kill("SIGKILL");
      await logs.ended;
    }

    async function startCounter(...flags: string[]): Promise<void> {
      await text("run", "-d", "--name", "counter", ...flags, "busybox", "sh", "-c", COUNTER);
      const logs = daemon.live(client, ["logs", "-f", "counter"]);
      await logs.prints("ready");
      logs.kill("SIGKILL");
      await logs.ended;
    }

    test(
      "a container goes on where it was at its checkpoint, with limits, volumes and network",
      works,
      async () => {
        await text("network", "create", "saved");
        const flags = [
          "--network",
          "saved",
          "-m",
          "64m",
          "-v",
          "kept:/kept",
          "--restart",
          "always",
          "--init",
        ];
        await startCounter(...flags, "--tmpfs", "/fast", "-p", "80");
        await say("one", "1 one");
        assert.equal(await text("checkpoint", "create", "--leave-running", "counter", "first"), "first");
        await say("two", "2 two");
        assert.equal(await text("checkpoint", "create", "counter", "second"), "second");
        const ended = await daemon.inspect("counter");
        assert.deepEqual([ended.State.Status, ended.State.ExitCode], ["exited", 137]);
        assert.equal(ended.RestartCount, 0, "no policy brings back what a checkpoint has ended");
        assert.equal(await text("checkpoint", "ls", "counter"), "CHECKPOINT NAME\nfirst\nsecond");

        await text("start", "--checkpoint", "second", "counter");
        await say("three", "3 three");
        const restored = await daemon.inspect("counter");
        assert.equal(restored.State.Status, "running");
        assert.match(restored.NetworkSettings.Networks["saved"]?.IPAddress ?? "", /^\d/);
        assert.match(await text("exec", "counter", "ip", "-o", "addr"), /eth0/);
        assert.equal(await text("exec", "counter", "sh", "-c", "touch /kept/x /fast/x; echo done"), "done");
        await text("pause", "counter");
        await text("unpause", "counter");
        assert.match(await text("stats", "--no-stream", "counter"), /64MiB/);
        // A daemon that dies leaves it alone, and the next one finds it.
        await daemon.kill();
        await daemon.up();
        await say("four", "4 four");
        await text("stop", "-t", "0", "counter");
        await text("start", "--checkpoint", "first", "counter");
        await say("again", "2 again");
        await text("rm", "-f", "counter");
        await text("network", "rm", "saved");
        await text("volume", "rm", "kept");
      },
    );

    test("the next plain start is a new one, by the usual runtime", works, async () => {
      await startCounter();
      await say("one", "1 one");
      await text("checkpoint", "create", "counter", "it");
      await text("start", "--checkpoint", "it", "counter");
      await text("restart", "-t", "0", "counter");
      await text("exec", "counter", "rm", "-f", "/tmp/in");
      assert.equal((await daemon.inspect("counter")).HostConfig["Runtime"], "runc");
    });

    test("what was restored and is paused can be killed and removed", works, async () => {
      await startCounter();
      await text("checkpoint", "create", "--leave-running", "counter", "it");
      const again = await outcome("checkpoint", "create", "counter", "it");
      assert.match(
        again.stderr,
        /cannot checkpoint container counter: checkpoint with name it already exists for container counter/,
      );
      for (const command of [["kill"], ["rm", "-f"]]) {
        await text("stop", "-t", "0", "counter");
        await text("start", "--checkpoint", "it", "counter");
        await text("pause", "counter");
        assert.equal(await text(...command, "counter"), "counter");
      }
    });

    test("a checkpoint directory of the user's", works, async () => {
      const dir = daemon.path(`checkpoints-${client.name}`);
      await startCounter();
      const flag = ["--checkpoint-dir", dir];
      await text("checkpoint", "create", ...flag, "counter", "mine");
      assert.equal(await text("checkpoint", "ls", ...flag, "counter"), "CHECKPOINT NAME\nmine");
      assert.equal(await text("checkpoint", "ls", "counter"), "CHECKPOINT NAME");
      await text("start", "--checkpoint", "mine", ...flag, "counter");
      await say("one", "1 one");
      assert.equal(await text("checkpoint", "rm", ...flag, "counter", "mine"), "");
      assert.equal(await text("checkpoint", "ls", ...flag, "counter"), "CHECKPOINT NAME");
    });

    test("a restore that fails says why, and the container is as before", works, async () => {
      await startCounter();
      const dir = daemon.path(`broken-${client.name}`);
      await mkdir(`${dir}/it`, { recursive: true });
      await writeFile(`${dir}/it/descriptors.json`, "[]");
      await text("stop", "-t", "0", "counter");
      const { status, stderr } = await outcome(
        "start",
        "--checkpoint",
        "it",
        "--checkpoint-dir",
        dir,
        "counter",
      );
      assert.equal(status, 1);
      assert.match(stderr, /criu failed to restore container/);
      assert.equal((await daemon.inspect("counter")).State.Status, "exited");
      await rm(dir, { recursive: true });
    });

    test("names and directories", async () => {
      await text("create", "--name", "counter", "busybox", "true");
      const dir = daemon.path(`named-${client.name}`);
      await mkdir(`${dir}/aa`, { recursive: true });
      await writeFile(`${dir}/file`, "");
      const fails = async (words: RegExp, ...args: string[]): Promise<void> => {
        const { status, stderr } = await outcome(...args);
        assert.deepEqual([status, words.test(stderr)], [1, true], `${args.join(" ")}: ${stderr}`);
      };
      await fails(/container .* is not running/, "checkpoint", "create", "counter", "xx");
      await fails(/No such container: nobody/, "checkpoint", "ls", "nobody");
      for (const verb of ["create", "rm"]) {
        await fails(/No such container: nobody/, "checkpoint", verb, "nobody", "xx");
        await fails(/invalid checkpoint ID "x"/, "checkpoint", verb, "nobody", "x");
      }
      await fails(/checkpoint xx does not exist for container counter/, "checkpoint", "rm", "counter", "xx");
      await fails(
        /checkpoint xx does not exist for container \/counter/,
        "start",
        "--checkpoint",
        "xx",
        "counter",
      );
      for (const name of ["..", ".x", "x.", "-"])
        await fails(/invalid checkpoint ID/, "start", "--checkpoint", name, "counter");
      const named = ["--checkpoint-dir", dir];
      assert.equal(await text("checkpoint", "ls", ...named, "counter"), "CHECKPOINT NAME\naa");
      await fails(/exists and is not a directory/, "checkpoint", "rm", ...named, "counter", "file");
      await fails(
        /exists but is not a directory/,
        "checkpoint",
        "ls",
        "--checkpoint-dir",
        `${dir}/file`,
        "counter",
      );
      await fails(
        /does not exist for container/,
        "checkpoint",
        "ls",
        "--checkpoint-dir",
        `${dir}/none`,
        "counter",
      );
      await fails(/has to be an absolute path/, "checkpoint", "ls", "--checkpoint-dir", "rel", "counter");
      assert.equal(await text("checkpoint", "rm", ...named, "counter", "aa"), "");
    });

    test("what could not be restored is refused, and goes on", async () => {
      for (const [flag, words] of [
        ["-t", /has a terminal/],
        ["--pid=host", /the host's process numbers/],
        ["--read-only", /a read-only root file system/],
      ] as const) {
        await text("run", "-d", "--name", "odd", flag, "busybox", "sleep", "600");
        const { status, stderr } = await outcome("checkpoint", "create", "odd", "xx");
        assert.deepEqual([status, words.test(stderr)], [1, true], stderr);
        assert.equal((await daemon.inspect("odd")).State.Status, "running");
        await text("rm", "-f", "odd");
      }
    });
  });

test("without criu its absence is named, and nothing is left of the checkpoint", async () => {
  const bare = await TestDaemon.start({
    wrap: (argv) => ["env", "PATH=/nowhere", ...argv],
    expectedErrors: /needs the program criu/,
  });
  try {
    const [berth] = clients;
    assert.ok(berth);
    await bare.text(berth, ["run", "-d", "--name", "runs", "--restart", "always", "busybox", "sleep", "600"]);
    const { status, stderr } = await bare.run(berth, ["checkpoint", "create", "runs", "xx"]);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /cannot checkpoint container runs: .*needs the program criu, which is not installed/,
    );
    assert.equal(await bare.text(berth, ["checkpoint", "ls", "runs"]), "CHECKPOINT NAME");
    assert.equal((await bare.inspect("runs")).State.Status, "running");
  } finally {
    await bare.close();
  }
});
