// Standard streams of containers: attached before the start, byte for byte in both directions, on terminals, and as logs.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "./command.ts";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const FIVE_MEGABYTES = randomBytes(5 << 20);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

for (const client of clients)
  describe(`${client.name}: streams`, () => {
    const text = (...args: string[]) => daemon.text(client, args);
    const outcome = (...args: string[]) => daemon.run(client, args);
    const live = (...args: string[]) => daemon.live(client, args);

    test("five megabytes of any bytes come back from cat as they went in", async () => {
      const echoed = await daemon.run(client, ["run", "--rm", "-i", "busybox", "cat"], {
        input: FIVE_MEGABYTES,
      });
      assert.equal(echoed.status, 0, echoed.stderr);
      assert.equal(echoed.bytes.length, FIVE_MEGABYTES.length);
      assert.equal(sha256(echoed.bytes), sha256(FIVE_MEGABYTES));
    });

    test("output and errors come on their own streams, none of it is lost", async () => {
      const script = "i=0; while [ $i -lt 2000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done";
      const ended = await outcome("run", "--rm", "busybox", "sh", "-c", script);
      const expected = (name: string): string =>
        Array.from({ length: 2000 }, (_, i) => `${name} ${i}\n`).join("");
      assert.equal(ended.stdout, expected("out"));
      assert.equal(ended.stderr, expected("err"));
    });

    test("a program that prints and ends at once is heard", async () => {
      for (let i = 0; i < 5; i++) assert.equal(await text("run", "--rm", "busybox", "echo", `${i}`), `${i}`);
    });

    test("the end of the client's input is the end of the program's input", async () => {
      const counted = await daemon.run(
        client,
        ["run", "--rm", "-i", "busybox", "sh", "-c", "wc -c; echo after"],
        {
          input: "four",
        },
      );
      assert.deepEqual([counted.status, counted.stdout], [0, "4\nafter\n"]);
    });

    test("a client whose reader has gone ends, with and without input that goes on", async () => {
      await text("run", "-d", "--name", "talker", "busybox", "sleep", "600");
      const command = client.argv.map((word) => `'${word}'`).join(" ");
      // The shell itself holds the other end of the input.
      const script = `f=$(mktemp -u); mkfifo $f; exec 9<>$f; rm $f
        ${command} exec -i talker yes <&9 | head -1; echo "\${PIPESTATUS[0]}"
        ${command} exec talker yes | head -1; echo "\${PIPESTATUS[0]}"`;
      const { stdout, status } = await run(["bash", "-c", script], {
        env: daemon.environment,
        timeoutMs: 30_000,
      });
      assert.equal(status, 0);
      const [first, exec, second, alone] = stdout.split("\n");
      assert.deepEqual([first, second], ["y", "y"]);
      for (const code of [exec, alone]) assert.ok(["141", "1"].includes(code ?? ""), stdout);
    });

    test("without -i the program's input is empty", async () => {
      const read = await daemon.run(client, ["run", "--rm", "busybox", "wc", "-c"], { input: "ignored" });
      assert.equal(read.stdout, "0\n");
    });

    test("-a stdout shows no errors", async () => {
      const ended = await outcome("run", "--rm", "-a", "stdout", "busybox", "sh", "-c", "echo o; echo e >&2");
      assert.deepEqual([ended.stdout, ended.stderr], ["o\n", ""]);
    });

    test("a client that is killed is the end of run -i's input, and whatever is said afterwards holds nobody up", async () => {
      const program =
        "while read -r line; do echo $line; done; head -c 3000000 /dev/zero | tr '\\0' x; exit 5";
      const killed = live("run", "-i", "--name", "left", "busybox", "sh", "-c", program);
      killed.stdin.write("one\n");
      await killed.prints("one");
      killed.kill("SIGKILL");
      assert.equal(await text("wait", "left"), "5");
      assert.equal((await outcome("logs", "left")).stdout.length, 4 + 3_000_000);
      await text("rm", "left");
    });

    test("a container that runs can be attached to by several clients", async () => {
      await text("run", "-d", "-i", "--name", "shared", "busybox", "cat");
      const events = daemon.events();
      const [writer, reader] = [live("attach", "shared"), live("attach", "--no-stdin", "shared")];
      await events.prints(/("Action":"attach"[^]*){2}/);
      events.kill("SIGKILL");
      writer.stdin.write("one\n");
      await Promise.all([writer.prints("one"), reader.prints("one")]);
      await text("rm", "-f", "shared");
      assert.deepEqual([(await writer.ended).status, (await reader.ended).status], [137, 137]);
    });

    test("-t gives a terminal: one stream, carriage returns, the size of the user's terminal", async () => {
      const ended = await daemon.onTerminal(client, [
        "run",
        "--rm",
        "-t",
        "busybox",
        "sh",
        "-c",
        "tty; echo e >&2",
      ]).ended;
      // Without -i the user's own terminal stays as it is and adds carriage returns, too.
      assert.match(ended.stdout, /^\/dev\/pts\/0\r+\ne\r+\n$/);
      assert.equal(ended.status, 0);
      // Docker's older clients send the size a moment after the start.
      const program = "until stty size | grep '33 111'; do sleep 0.02; done";
      const script = `stty rows 33 cols 111; exec ${client.argv.join(" ")} run --rm -t busybox sh -c "${program}"`;
      const sized = await daemon.onTerminal({ name: "docker", argv: ["sh", "-c"] }, [script]).ended;
      assert.match(sized.stdout, /33 111/);
    });

    test("-t without a terminal to read from still has a terminal inside", async () => {
      assert.equal((await outcome("run", "--rm", "-t", "busybox", "tty")).stdout, "/dev/pts/0\r\n");
    });

    test("-i -t refuses input that is no terminal", async () => {
      const refused = await outcome("run", "--rm", "-i", "-t", "busybox", "true");
      assert.notEqual(refused.status, 0);
      assert.match(refused.stderr, /the input device is not a TTY/);
      assert.equal(await text("ps", "-aq"), "");
    });

    test("-it passes keys and the new size when the terminal changes", async () => {
      // A signal that has a trap ends `read` with an error: the loop goes on, since the client sends the first size, too.
      // One that comes just before the shell waits does not end it; the trap runs when its time is over.
      const loop = "until [ x$key = xq ]; do read -t 1 -r key && echo got $key; done";
      const program = `trap 'stty size' WINCH; echo ready; ${loop}`;
      const command = `exec ${client.argv.join(" ")} run --rm -it --name keys busybox sh -c "${program}"`;
      const shell = daemon.onTerminal({ name: "docker", argv: ["sh", "-c"] }, [
        `tty; stty rows 24 cols 80; ${command.replaceAll("$key", "\\$key")}`,
      ]);
      await shell.prints("ready");
      shell.stdin.write("a\r");
      await shell.prints("got a");
      const pts = /(\/dev\/pts\/\d+)/.exec(shell.output)?.[1] ?? "";
      // Docker's client looks for changes a moment after it has told the first size: one that comes between is lost to it, and a user pulls on.
      let isSeen = false;
      const seen = shell.prints("50 132").finally(() => {
        isSeen = true;
      });
      while (!isSeen) {
        for (const columns of ["131", "132"])
          assert.equal((await run(["stty", "-F", pts, "rows", "50", "cols", columns])).status, 0);
        await Promise.race([seen, sleep(500)]);
      }
      await seen;
      shell.stdin.write("q\r");
      assert.equal((await shell.ended).status, 0);
    });

    test("ctrl-p ctrl-q leaves the container running", async () => {
      const shell = daemon.onTerminal(client, [
        "run",
        "-it",
        "--name",
        "left",
        "busybox",
        "sh",
        "-c",
        "echo up; exec cat",
      ]);
      await shell.prints("up");
      shell.stdin.write("\x10\x11");
      const { status } = await shell.ended;
      assert.equal(status, 0);
      assert.equal((await daemon.inspect("left")).State.Running, true);
      await text("rm", "-f", "left");
    });

    test("ctrl-c on a terminal ends the program inside", async () => {
      const shell = daemon.onTerminal(client, [
        "run",
        "--rm",
        "-it",
        "busybox",
        "sh",
        "-c",
        "trap 'exit 6' INT; echo up; while :; do sleep 0.05; done",
      ]);
      await shell.prints("up");
      shell.stdin.write("\x03");
      assert.equal((await shell.ended).status, 6);
    });

    test("a client that is killed does not end the container", async () => {
      const started = live("run", "--name", "orphan", "busybox", "sh", "-c", "echo up; exec sleep 1000");
      await started.prints("up");
      started.kill("SIGKILL");
      await started.ended;
      assert.equal((await daemon.inspect("orphan")).State.Running, true);
      await text("rm", "-f", "orphan");
    });

    describe("logs", () => {
      beforeEach(() =>
        text(
          "run",
          "--name",
          "talker",
          "busybox",
          "sh",
          "-c",
          "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; sleep 0.03; done",
        ),
      );

      test("of a container that has ended have both streams in order", async () => {
        const logs = await outcome("logs", "talker");
        assert.equal(logs.stdout, "out 1\nout 2\nout 3\nout 4\nout 5\n");
        assert.equal(logs.stderr, "err 1\nerr 2\nerr 3\nerr 4\nerr 5\n");
      });

      test("--tail shows the last lines only", async () => {
        const logs = await outcome("logs", "--tail", "3", "talker");
        assert.equal(logs.stdout + logs.stderr, "out 5\nerr 4\nerr 5\n");
        assert.equal((await outcome("logs", "--tail", "0", "talker")).stdout, "");
      });

      test("-t puts a time before each line; --since and --until cut by it", async () => {
        const lines = (await outcome("logs", "-t", "talker")).stdout.trim().split("\n");
        assert.equal(lines.length, 5);
        const times = lines.map(
          (line) => /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) out \d$/.exec(line)?.[1] ?? "",
        );
        assert.deepEqual(times, [...times].sort());
        const since = await outcome("logs", "--since", times[2] ?? "", "talker");
        assert.equal(since.stdout, "out 3\nout 4\nout 5\n");
        const until = await outcome("logs", "--until", times[1] ?? "", "talker");
        assert.equal(until.stdout, "out 1\nout 2\n");
      });

      test("-f follows until the container ends", async () => {
        await text("run", "-d", "-i", "--name", "growing", "busybox", "cat");
        const attached = live("attach", "growing");
        const logs = live("logs", "-f", "growing");
        attached.stdin.write("first\n");
        await logs.prints("first");
        attached.stdin.write("second\n");
        await logs.prints("second");
        await text("kill", "growing");
        assert.deepEqual([(await logs.ended).status, logs.output], [0, "first\nsecond\n"]);
        await attached.ended;
        await text("rm", "growing");
      });

      test("of a long line without an end are whole", async () => {
        const program = "head -c 100000 /dev/zero | tr '\\0' x";
        await text("run", "--name", "long", "busybox", "sh", "-c", program);
        assert.equal((await outcome("logs", "long")).stdout, "x".repeat(100_000));
        await text("rm", "long");
      });

      test("rotate by max-size and max-file", async () => {
        const options = ["--log-opt", "max-size=10k", "--log-opt", "max-file=2"];
        await text("run", "--name", "rotated", ...options, "busybox", "seq", "1", "1000");
        const { stdout } = await outcome("logs", "rotated");
        assert.ok(stdout.endsWith("999\n1000\n"));
        assert.ok(!stdout.startsWith("1\n"), "the oldest are gone");
        assert.ok(stdout.length < 20_000);
        await text("rm", "rotated");
      });

      test("of a container with the log driver none cannot be read", async () => {
        await text("run", "--name", "mute", "--log-driver", "none", "busybox", "echo", "x");
        const refused = await outcome("logs", "mute");
        assert.equal(refused.status, 1);
        assert.match(refused.stderr, /configured logging driver does not support reading/);
        await text("rm", "mute");
      });
    });
  });
