// Logs that are kept on this host: what is in them, how much of it is kept, and how it is read.
import assert from "node:assert/strict";
import { appendFile, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join("");

/** The names of a container's log files. */
async function logFiles(id: string): Promise<string[]> {
  const names = await readdir(join(daemon.dataRoot, "containers", id));
  return names.filter((n) => /\.log|\.gz|shipped/.test(n)).sort();
}

/** Bytes that the daemon has read from files and pipes so far. */
async function bytesRead(): Promise<number> {
  return Number(/^rchar: (\d+)$/m.exec(await readFile(`/proc/${daemon.pid}/io`, "utf8"))?.[1]);
}

for (const client of clients)
  describe(`${client.name}: logs`, () => {
    const text = (...args: string[]) => daemon.text(client, args);
    const outcome = (...args: string[]) => daemon.run(client, args);
    const shell = (name: string, options: string[], script: string) =>
      outcome("run", "--name", name, ...options, "busybox", "sh", "-c", script);

    test("a container that asks for nothing has json-file, without invented options", async () => {
      await text("create", "--name", "plain", "busybox", "true");
      const logs = await outcome("logs", "-f", "plain");
      assert.deepEqual([logs.status, logs.stdout, logs.stderr], [0, "", ""], "nothing was written yet");
      await text("start", "-a", "plain");
      const { HostConfig, Id, LogPath } = await daemon.inspect("plain");
      assert.deepEqual(HostConfig["LogConfig"], { Type: "json-file", Config: {} });
      assert.equal(LogPath, join(daemon.dataRoot, "containers", Id, `${Id}-json.log`));
      assert.equal(
        await text("info", "--format", "{{.LoggingDriver}} {{json .Plugins.Log}}"),
        'json-file ["fluentd","gelf","journald","json-file","local","syslog"]',
      );
    });

    test("local keeps every byte, json-file what JSON can hold", async () => {
      const script = "printf 'a\\377b\\303\\n\\nx'";
      for (const [driver, expected] of [
        ["local", "a\xffb\xc3\n\nx"],
        ["json-file", "a\xef\xbf\xbdb\xef\xbf\xbd\n\nx"],
      ] as const) {
        await shell(driver, ["--log-driver", driver], script);
        assert.equal((await outcome("logs", driver)).bytes.toString("latin1"), expected);
      }
      assert.equal((await daemon.inspect("local")).LogPath, "");
    });

    // Recorded from Docker Engine 20.10: also the repeated time within a line of several pieces.
    test("--details and -t stand before every line, and before every piece of a long one", async () => {
      const options = ["--label", "a=1", "--label", "b=x y&z!*", "-e", "FOO=bar", "--log-opt", "labels=b,a"];
      const more = ["--log-opt", "env=FOO", "--log-opt", "tag={{.Name}}/{{.ImageName}}/{{.DaemonName}}"];
      for (const driver of ["json-file", "local"]) {
        const script = "head -c 40000 /dev/zero | tr '\\0' x; echo; echo short; printf rest";
        await shell(`long-${driver}`, ["--log-driver", driver, ...options, ...more], script);
        const logs = await outcome("logs", "-t", "--details", `long-${driver}`);
        const shown = logs.stdout
          .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z/g, "TIME")
          .replaceAll(/x{100,}/g, (xs) => `<${xs.length}>`);
        const details = `FOO=bar,a=1,b=x+y%26z%21%2A,tag=long-${driver}%2Fbusybox%2Fdocker`;
        const head = `TIME ${details} `;
        assert.equal(shown, `${head}<16384>${head}<16384>${head}<7232>\n${head}short\n${head}rest`);
        const tail = await outcome("logs", "--tail", "3", "-t", `long-${driver}`);
        assert.match(tail.stdout, /^\S{30} x{7232}\n\S{30} short\n\S{30} rest$/);
      }
      await shell("bare", [], "echo x");
      assert.equal((await outcome("logs", "--details", "bare")).stdout, " x\n");
    });

    test("rotation keeps max-file files, compressed where that is asked for, and logs read all of them", async () => {
      for (const [name, options, ending] of [
        ["plainly", ["--log-opt", "max-size=50k"], /\.log\.\d$/],
        ["packed", ["--log-opt", "max-size=50k", "--log-opt", "compress=true"], /\.log\.\d\.gz$/],
        ["local", ["--log-driver", "local", "--log-opt", "max-size=50k"], /\.log\.\d\.gz$/],
      ] as const) {
        await text(
          "run",
          "--name",
          name,
          "--log-opt",
          "max-file=4",
          ...options,
          "busybox",
          "seq",
          "1",
          "20000",
        );
        const { Id } = await daemon.inspect(name);
        const isReady = async () => (await logFiles(Id)).filter((n) => ending.test(n)).length === 3;
        while (!(await isReady())) await new Promise((resolve) => setTimeout(resolve, 10));
        assert.equal((await logFiles(Id)).length, 4, "three rotated files and the current one");
        const { stdout } = await outcome("logs", name);
        const first = Number(stdout.split("\n", 1)[0]);
        assert.ok(first > 1, "the oldest are gone");
        assert.equal(stdout, lines(first, 20_000));
        for (const count of [1, 700, 20_000 - first])
          assert.equal(
            (await outcome("logs", "--tail", `${count}`, name)).stdout,
            lines(20_001 - count, 20_000),
          );
        const { stdout: both } = await outcome("start", "-a", name);
        assert.equal(both, lines(1, 20_000), "and it goes on");
        await text("rm", name);
        await assert.rejects(stat(join(daemon.dataRoot, "containers", Id)), /ENOENT/);
      }
    });

    test("what a running container leaves is compressed, too, and nobody misses a line of it", async () => {
      const options = ["--log-opt", "max-size=100k", "--log-opt", "max-file=4", "--log-opt", "compress=true"];
      const program = "read go; seq 1 2500; echo half; read go; seq 2501 5000; exec sleep 1000";
      await text("run", "-d", "-i", "--name", "packs", ...options, "busybox", "sh", "-c", program);
      const { Id } = await daemon.inspect("packs");
      const packed = async (count: number) => {
        while ((await logFiles(Id)).filter((n) => /\.log\.\d\.gz$/.test(n)).length < count)
          await new Promise((resolve) => setTimeout(resolve, 10));
      };
      const attached = daemon.live(client, ["attach", "packs"]);
      const follower = daemon.live(client, ["logs", "-f", "packs"]);
      attached.stdin.write("go\n");
      await packed(1);
      await daemon.kill(); // a daemon that comes later compresses what was left by then
      await daemon.up();
      const again = daemon.live(client, ["attach", "packs"]);
      again.stdin.write("go\n");
      await packed(3);
      assert.equal((await logFiles(Id)).length, 4);
      const { stdout } = await outcome("logs", "--tail", "4000", "packs");
      assert.equal(stdout, `${lines(1002, 2500)}half\n${lines(2501, 5000)}`);
      await text("rm", "-f", "packs");
      await Promise.all([attached, follower, again].map((live) => live.ended));
    });

    test("a follower that is not slower than the container has every line, over all rotations", async () => {
      const options = ["--log-opt", "max-size=100k", "--log-opt", "max-file=3"];
      const program = "for i in $(seq 0 19); do read go; seq $((i*1500+1)) $((i*1500+1500)); done";
      await text("run", "-d", "-i", "--name", "busy", ...options, "busybox", "sh", "-c", program);
      const followers = [1, 2, 3].map(() => daemon.live(client, ["logs", "-f", "busy"]));
      const attached = daemon.live(client, ["attach", "busy"]);
      for (let i = 1; i <= 20; i++) {
        attached.stdin.write("go\n");
        await Promise.all(followers.map((follower) => follower.prints(`\n${i * 1500}\n`)));
      }
      for (const follower of followers) {
        const { stdout, status } = await follower.ended;
        assert.equal(status, 0);
        assert.equal(stdout === lines(1, 30_000), true, `${stdout.length} bytes`);
      }
      await attached.ended;
    });

    test("-f with --until ends when that time has come, although the container runs on", async () => {
      await text("run", "-d", "--name", "on", "busybox", "sh", "-c", "echo up; exec sleep 1000");
      const logs = await outcome("logs", "-f", "--until", `${Date.now() / 1000 + 0.5}`, "on");
      assert.deepEqual([logs.status, logs.stdout], [0, "up\n"]);
    });

    test("the last five lines of a million are found without reading the others", async () => {
      await text("run", "--name", "million", "busybox", "seq", "1", "1000000");
      const before = await bytesRead();
      assert.equal((await outcome("logs", "--tail", "5", "million")).stdout, lines(999_996, 1_000_000));
      assert.ok((await bytesRead()) - before < 2 << 20, "bytes read");
    });

    test("a line that a power cut has torn is passed over, and the next run goes on behind it", async () => {
      for (const driver of ["json-file", "local"]) {
        await text("run", "--name", "torn", "--log-driver", driver, "busybox", "echo", "first");
        const { Id } = await daemon.inspect("torn");
        const file = (await logFiles(Id)).find((n) => n.endsWith(".log")) as string;
        const path = join(daemon.dataRoot, "containers", Id, file);
        await appendFile(path, Buffer.concat([Buffer.from('{"log":"to'), Buffer.alloc(5000)]));
        assert.equal((await outcome("logs", "torn")).stdout, "first\n");
        await text("start", "-a", "torn");
        assert.equal((await outcome("logs", "torn")).stdout, "first\nfirst\n");
        assert.equal((await readFile(path)).includes(0), false, "nothing of it is left in the file");
        await text("rm", "torn");
      }
    });

    test("none writes nothing and cannot be read", async () => {
      await shell("mute", ["--log-driver", "none"], "echo x");
      const { Id, LogPath, HostConfig } = await daemon.inspect("mute");
      assert.deepEqual([LogPath, HostConfig["LogConfig"]], ["", { Type: "none", Config: {} }]);
      assert.deepEqual(await logFiles(Id), []);
      const refused = await outcome("logs", "mute");
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /configured logging driver does not support reading/);
      const attached = await daemon.request("POST", `/containers/${Id}/attach?logs=1&stdout=1`);
      assert.equal(attached.status, 501);
    });

    test("drivers and options that there are not leave no container behind", async () => {
      for (const [options, words] of [
        [["--log-driver", "splunk"], /logger: no log driver named 'splunk' is registered$/m],
        [["--log-opt", "colour=red"], /unknown log opt 'colour' for json-file log driver/],
        [["--log-opt", "max-size=abc"], /failed to initialize logging driver: invalid size: 'abc'/],
        [["--log-opt", "tag={{.Nope}}"], /can't evaluate field Nope in type \*logger\.Info/],
        [["--log-opt", "labels-regex=("], /error parsing regexp/],
        [["--log-driver", "gelf"], /gelf-address is a required parameter/],
        [["--log-driver", "none", "--log-opt", "a=b"], /invalid logging opts for driver none/],
      ] as const) {
        const refused = await outcome("run", "--rm", ...options, "busybox", "true");
        assert.equal(refused.status, 125, options.join(" "));
        assert.match(refused.stderr, words);
      }
      const variable = ["-e", `BIG=${"x".repeat(40_000)}`, "--log-opt", "env=BIG"];
      const large = await outcome("create", ...variable, "busybox", "true");
      assert.match(large.stderr, /larger than 32768 bytes: name fewer/);
      assert.equal(await text("ps", "-aq"), "");
    });

    test("mode and max-buffer-size are accepted as Docker accepts them", async () => {
      const options = ["--log-opt", "mode=non-blocking", "--log-opt", "max-buffer-size=4m"];
      await shell("buffered", options, "echo x");
      assert.equal((await outcome("logs", "buffered")).stdout, "x\n");
      const refused = await outcome("create", "--log-opt", "max-buffer-size=4m", "busybox", "true");
      assert.match(refused.stderr, /only supported with 'mode=non-blocking'/);
    });
  });

test("the API: which streams, which times, which container", async () => {
  await daemon.berth("run", "--name", "both", "busybox", "sh", "-c", "echo out; echo err >&2");
  const get = (query: string) => daemon.request("GET", `/containers/both/logs?${query}`);
  assert.deepEqual(await get("stdout=0&stderr=0"), {
    status: 400,
    body: { message: "must specify at least one of 'stdout' or 'stderr'" },
  });
  assert.equal((await get("stdout=1&since=abc")).status, 400);
  assert.equal((await get("stdout=1&until=0&since=0&tail=nonsense")).body, "\u0001\0\0\0\0\0\0\u0004out\n");
  assert.equal((await get("stderr=1")).body, "\u0002\0\0\0\0\0\0\u0004err\n");
  assert.equal((await daemon.request("GET", "/containers/nobody/logs?stdout=1")).status, 404);
});

test("daemon.json chooses driver and options for containers that do not", async () => {
  await using other = await startedWith({
    "log-driver": "local",
    "log-opts": { "max-size": "1m", "max-file": "2" },
  });
  const config = async (...options: string[]) => {
    const { stdout } = await other.daemon.berth("create", ...options, "busybox", "true");
    return (await other.daemon.inspect(stdout.trim())).HostConfig["LogConfig"];
  };
  assert.deepEqual(await config(), { Type: "local", Config: { "max-size": "1m", "max-file": "2" } });
  assert.deepEqual(await config("--log-driver", "local", "--log-opt", "max-file=3"), {
    Type: "local",
    Config: { "max-size": "1m", "max-file": "3" },
  });
  assert.deepEqual(await config("--log-driver", "json-file"), { Type: "json-file", Config: {} });
  const info = await other.daemon.berth("info", "--format", "{{.LoggingDriver}}");
  assert.equal(info.stdout, "local\n");
});

async function startedWith(
  config: Record<string, unknown>,
): Promise<{ daemon: TestDaemon } & AsyncDisposable> {
  const made = await TestDaemon.start({ config });
  return { daemon: made, [Symbol.asyncDispose]: () => made.close() };
}

test("a daemon whose log options are wrong does not start, and says why", async () => {
  await using other = await startedWith({});
  await other.daemon.terminate();
  for (const [args, words] of [
    [
      ["--log-opt", "colour=red"],
      /failed to set log opts: unknown log opt 'colour' for json-file log driver/,
    ],
    [
      ["--log-driver", "splunk"],
      /failed to set log opts: logger: no log driver named 'splunk' is registered/,
    ],
  ] as const) {
    const { status, stderr } = await other.daemon.launch(args).ended;
    assert.equal(status, 1);
    assert.match(stderr, words);
  }
  await other.daemon.up();
});

test("the log directory is nobody else's: files can be read after the end and go with the container", async () => {
  await daemon.berth("run", "--name", "kept", "busybox", "echo", "x");
  const { LogPath } = await daemon.inspect("kept");
  assert.match(await readFile(LogPath, "utf8"), /^\{"log":"x\\n","stream":"stdout","time":"[^"]+"\}\n$/);
  assert.equal((await stat(LogPath)).mode & 0o777, 0o640);
  await daemon.berth("rm", "kept");
  await assert.rejects(stat(dirname(LogPath)), /ENOENT/);
});
