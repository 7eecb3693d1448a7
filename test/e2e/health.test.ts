// Health checks: what the shim probes, what the daemon says about it, and that neither needs the other to be there all the time.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";

interface Health {
  Status: string;
  FailingStreak: number;
  Log: { Start: string; End: string; ExitCode: number; Output: string }[];
}

interface Event {
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
}

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const berth = clients[0] as Client;

async function healthOf(name: string): Promise<Health | undefined> {
  return (await daemon.inspect(name)).State["Health" as never] as Health | undefined;
}

/** Follows events while `work` goes on. */
async function withEvents(
  work: (events: ReturnType<TestDaemon["events"]>) => Promise<void>,
): Promise<Event[]> {
  const events = daemon.events();
  try {
    await work(events);
  } finally {
    events.kill("SIGKILL");
  }
  return events.output
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Event);
}

/** Waits for the event of a status. */
const until = (events: ReturnType<TestDaemon["events"]>, status: string, count = 1): Promise<void> =>
  events.prints(new RegExp(`(health_status: ${status}[^]*){${count}}`));

/** Resolves when there is a file of this name in the directory. */
async function appears(dir: string, name: string): Promise<void> {
  const watcher = watch(dir);
  try {
    const changes = once(watcher, "change");
    if (existsSync(join(dir, name))) return;
    for (let change = changes; ; change = once(watcher, "change")) {
      await change;
      if (existsSync(join(dir, name))) return;
    }
  } finally {
    watcher.close();
  }
}

/** Makes a container sick that looks for this file, and waits until its check has noticed. */
async function infectFromOutside(marks: string): Promise<void> {
  await writeFile(join(marks, "sick"), "");
  await appears(marks, "seen");
}

const every = (ms: number): string[] => ["--health-interval", `${ms}ms`];

for (const client of clients)
  describe(`${client.name}: health checks`, () => {
    const text = (...args: string[]) => daemon.text(client, args);
    const start = (name: string, flags: string[], ...command: string[]) =>
      text(
        "run",
        "-d",
        "--name",
        name,
        ...flags,
        "busybox",
        ...(command.length > 0 ? command : ["sleep", "1000"]),
      );

    test("a container is starting, healthy, unhealthy and healthy again; ps, inspect and events say so", async () => {
      const flags = ["--health-cmd", "cat /tmp/ok", ...every(100), "--health-retries", "2"];
      const events = await withEvents(async (live) => {
        await start("one", ["--health-cmd", "true", "--health-interval", "1h"]);
        assert.match(await text("ps", "--format", "{{.Status}}"), /^Up .* \(health: starting\)$/);
        assert.deepEqual(await healthOf("one"), { Status: "starting", FailingStreak: 0, Log: [] });
        await text("rm", "-f", "one");
        await start("one", flags, "sh", "-c", "echo fine >/tmp/ok; sleep 1000");
        await until(live, "healthy");
        assert.match(await text("ps", "--format", "{{.Status}}"), /^Up .* \(healthy\)$/);
        await text("exec", "one", "rm", "/tmp/ok");
        await until(live, "unhealthy");
        assert.match(await text("ps", "--format", "{{.Status}}"), /^Up .* \(unhealthy\)$/);
        const sick = (await healthOf("one")) as Health;
        assert.equal(sick.Status, "unhealthy");
        assert.ok(sick.FailingStreak >= 2);
        const last = sick.Log.at(-1);
        assert.equal(last?.ExitCode, 1);
        assert.equal(last.Output, "cat: can't open '/tmp/ok': No such file or directory\n");
        assert.ok(Date.parse(last.End) >= Date.parse(last.Start));
        await text("exec", "one", "touch", "/tmp/ok");
        await until(live, "healthy", 2);
        const { Status, FailingStreak, Log } = (await healthOf("one")) as Health;
        assert.deepEqual([Status, FailingStreak, Log.length <= 5], ["healthy", 0, true]);
      });
      const states = events.filter((e) => e.Action.startsWith("health_status")).map((e) => e.Action);
      assert.deepEqual(
        states,
        ["healthy", "unhealthy", "healthy"].map((s) => `health_status: ${s}`),
      );
      const probe = events.find((e) => e.Action === "exec_create: /bin/sh -c cat /tmp/ok") as Event;
      const { execID } = probe.Actor.Attributes;
      assert.match(execID ?? "", /^[0-9a-f]{64}$/);
      const [, began, ended] = events.filter((e) => e.Actor.Attributes["execID"] === execID);
      assert.equal(began?.Action, "exec_start: /bin/sh -c cat /tmp/ok");
      assert.equal(ended?.Action, "exec_die");
      assert.equal(ended.Actor.Attributes["exitCode"], "0");
      assert.equal(ended.Actor.Attributes["name"], "one");
    });

    test("ps --filter health=… selects, and refuses what is no status", async () => {
      await withEvents(async (live) => {
        await start("well", ["--health-cmd", "true", ...every(50)]);
        await start("sick", ["--health-cmd", "false", ...every(50), "--health-retries", "1"]);
        await start("slow", ["--health-cmd", "true", "--health-interval", "1h"]);
        await start("plain", []);
        await until(live, "healthy");
        await until(live, "unhealthy");
      });
      const names = (status: string) => text("ps", "--filter", `health=${status}`, "--format", "{{.Names}}");
      assert.equal(await names("healthy"), "well");
      assert.equal(await names("unhealthy"), "sick");
      assert.equal(await names("starting"), "slow");
      assert.equal(await names("none"), "plain");
      const refused = await daemon.run(client, ["ps", "--filter", "health=fine"]);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /invalid filter 'health=fine'/);
    });

    test("a check that takes too long fails, and is killed with everything it has started", async () => {
      const script = "echo thinking; sleep 3341 & setsid sleep 3342 & sleep 3343";
      await withEvents(async (live) => {
        // The start interval makes this the only probe.
        await daemon.request("POST", "/v1.56/containers/create?name=late", {
          Image: "busybox",
          Cmd: ["sleep", "3340"],
          Healthcheck: {
            Test: ["CMD-SHELL", script],
            Interval: 3600e9,
            StartPeriod: 1e6,
            StartInterval: 1e6,
            Timeout: 2e9,
            Retries: 1,
          },
        });
        await text("start", "late");
        await until(live, "unhealthy");
      });
      const { Log } = (await healthOf("late")) as Health;
      assert.deepEqual(
        Log.map((r) => [r.ExitCode, r.Output]),
        [[-1, "Health check exceeded timeout (2s): thinking\n"]],
      );
      assert.doesNotMatch(await text("top", "late"), /334[123]/);
    });

    test("failures in the start period do not count; a success ends it", async () => {
      const flags = ["--health-cmd", "test -e /tmp/ok", ...every(50), "--health-retries", "1"];
      await withEvents(async (live) => {
        await start("late", [...flags, "--health-start-period", "1h", "--health-start-interval", "50ms"]);
        await live.prints(/(exec_die[^]*){4}/);
        const early = (await healthOf("late")) as Health;
        assert.deepEqual([early.Status, early.FailingStreak, early.Log[0]?.ExitCode], ["starting", 0, 1]);
        await text("exec", "late", "touch", "/tmp/ok");
        await until(live, "healthy");
        await text("exec", "late", "rm", "/tmp/ok");
        await until(live, "unhealthy");
      });
    });

    test("--no-healthcheck and HEALTHCHECK NONE switch the image's check off", async () => {
      const dockerfile = (...lines: string[]) => ({ input: ["FROM busybox", ...lines].join("\n") });
      const build = (tag: string, ...lines: string[]) =>
        daemon.text(client, ["build", "-q", "-t", tag, "-"], dockerfile(...lines));
      await build(
        "checked",
        'SHELL ["/bin/sh", "-ec"]',
        "HEALTHCHECK --interval=50ms --retries=7 CMD echo $0 $-",
      );
      await build("unchecked", "HEALTHCHECK NONE");
      const run = (name: string, image: string, ...flags: string[]) =>
        text("run", "-d", "--name", name, ...flags, image, "sleep", "1000");
      await run("without", "unchecked");
      await run("off", "checked", "--no-healthcheck");
      for (const name of ["without", "off"]) assert.equal(await healthOf(name), undefined);
      assert.doesNotMatch(await text("ps"), /health/);
      await withEvents(async (live) => {
        await run("on", "checked", "--health-timeout", "5s");
        await until(live, "healthy");
      });
      const config = (await daemon.inspect("on")).Config["Healthcheck"];
      const Test = ["CMD-SHELL", "echo $0 $-"];
      assert.deepEqual(config, { Test, Interval: 50e6, Timeout: 5e9, Retries: 7 });
      assert.match((await healthOf("on"))?.Log[0]?.Output ?? "", /^\/bin\/sh c?e/);
      await text("rm", "-f", "on", "off", "without");
      await text("rmi", "checked", "unchecked");
    });

    test("a program that is not there, and output that is too long, are told as Docker tells them", async () => {
      await withEvents(async (live) => {
        await daemon.request("POST", "/containers/create?name=missing", {
          Image: "busybox",
          Cmd: ["sleep", "1000"],
          Healthcheck: { Test: ["CMD", "nosuch"], Interval: 50e6, Retries: 1 },
        });
        await text("start", "missing");
        await until(live, "unhealthy");
        assert.match(live.output, /"exec_start: nosuch "/);
        assert.doesNotMatch(live.output, /exec_die/);
        await start("long", ["--health-cmd", "yes äö | head -c 5000; printf '\\xff'", ...every(50)]);
        await until(live, "healthy");
      });
      const missing = ((await healthOf("missing")) as Health).Log[0];
      assert.deepEqual(
        [missing?.ExitCode, missing?.Output],
        [
          -1,
          'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown',
        ],
      );
      const long = ((await healthOf("long")) as Health).Log[0]?.Output ?? "";
      assert.ok(long.endsWith("..."));
      assert.equal(Buffer.from(long.replaceAll("\ufffd", "x")).length, 4096 + 3);
    });

    test("a probe is the container's user, in its directory, with its environment", async () => {
      await withEvents(async (live) => {
        const flags = [
          "-u",
          "dev",
          "-w",
          "/var",
          "-e",
          "COLOUR=green",
          "--health-cmd",
          "id -un; pwd; echo $COLOUR",
        ];
        await start("mine", [...flags, ...every(50)]);
        await until(live, "healthy");
      });
      assert.equal(((await healthOf("mine")) as Health).Log[0]?.Output, "dev\n/var\ngreen\n");
    });

    test("a paused container is not probed, and its health is not touched", async () => {
      await withEvents(async (live) => {
        await start("one", ["--health-cmd", "true", ...every(50), "--health-timeout", "100ms"]);
        await until(live, "healthy");
        await text("pause", "one");
        const before = (await healthOf("one")) as Health;
        await new Promise((resolve) => setTimeout(resolve, 500));
        const { Status, Log } = (await healthOf("one")) as Health;
        // One that was on its way when the container froze may still come in.
        assert.ok(Log.filter((r) => r.Start > (before.Log.at(-1)?.Start ?? "")).length <= 1);
        assert.equal(Status, "healthy");
        await text("unpause", "one");
        const probes = live.output.split("exec_die").length;
        await live.prints(new RegExp(`(exec_die[^]*){${probes + 1}}`));
      });
      assert.equal((await healthOf("one"))?.Status, "healthy");
    });

    test("a new run begins with starting, and remembers the results of the one before", async () => {
      await withEvents(async (live) => {
        // The second probe does not end: the log stands still, and the second run stays as it begins.
        const check = "[ -e /tmp/seen ] && sleep 1000; touch /tmp/seen";
        await start("one", ["--health-cmd", check, ...every(50)]);
        await until(live, "healthy");
        await text("stop", "-t", "0", "one");
        const ended = (await healthOf("one")) as Health;
        assert.equal(ended.Status, "unhealthy", "what is not checked any more");
        assert.equal(ended.Log.length, 1);
        await text("start", "one");
        const again = (await healthOf("one")) as Health;
        assert.deepEqual([again.Status, again.FailingStreak], ["starting", 0]);
        assert.deepEqual(again.Log, ended.Log);
      });
    });

    test("commit keeps the check, and older clients see and say what their version of the API knows", async () => {
      await start("one", [
        "--health-cmd",
        "true",
        "--health-interval",
        "1h",
        "--health-start-interval",
        "7s",
      ]);
      await text("commit", "one", "committed");
      const format = "{{json .Config.Healthcheck}}";
      assert.deepEqual(JSON.parse(await text("image", "inspect", "-f", format, "committed")), {
        Test: ["CMD-SHELL", "true"],
        Interval: 3600e9,
        StartInterval: 7e9,
      });
      await text("rmi", "committed");
      const list = async (version: string) => {
        const { body } = await daemon.request("GET", `/v${version}/containers/json`);
        return (body as { Health?: unknown }[])[0]?.Health;
      };
      assert.deepEqual(await list("1.52"), { Status: "starting", FailingStreak: 0 });
      assert.equal(await list("1.51"), undefined);
      const Healthcheck = { Test: ["CMD", "true"], Interval: 2e9, StartInterval: 3e9 };
      const wish = { Image: "busybox", Cmd: ["true"], Healthcheck };
      assert.equal((await daemon.request("POST", "/v1.43/containers/create?name=old", wish)).status, 201);
      assert.deepEqual((await daemon.inspect("old")).Config["Healthcheck"], {
        Test: ["CMD", "true"],
        Interval: 2e9,
      });
    });

    test("what cannot be a check is refused before there is a container", async () => {
      const refused = async (...flags: string[]) => {
        const { status, stderr } = await daemon.run(client, ["create", ...flags, "busybox"]);
        assert.notEqual(status, 0);
        return stderr;
      };
      assert.match(
        await refused("--health-interval", "1us", "--health-cmd", "true"),
        /Interval in Healthcheck cannot be less than 1ms/,
      );
      assert.match(await refused("--health-retries", "-1"), /--health-retries cannot be negative/);
      assert.match(
        await refused("--no-healthcheck", "--health-cmd", "x"),
        /--no-healthcheck conflicts with --health-\* options/,
      );
      const { status, body } = await daemon.request("POST", "/containers/create", {
        Image: "busybox",
        Healthcheck: { Retries: -1 },
      });
      assert.deepEqual([status, body], [400, { message: "Retries in Healthcheck cannot be negative" }]);
      assert.equal(await text("ps", "-aq"), "");
    });
  });

describe("health without a daemon", () => {
  const start = (name: string, flags: string[], ...command: string[]) =>
    daemon.text(berth, ["run", "-d", "--name", name, ...flags, "busybox", ...command]);

  test("is known to the daemon that comes after a kill -9, with the results in between and one event", async () => {
    const marks = daemon.path("marks");
    // Once there is `sick` two probes fail, and the one after them does not end.
    const script =
      "cd /marks; [ -e sick ] || exit 0; [ -e two ] && { touch seen; sleep 1000; }; [ -e one ] && touch two; touch one; exit 1";
    const flags = ["-v", `${marks}:/marks`, "--health-cmd", script, ...every(50), "--health-retries", "2"];
    await withEvents(async (live) => {
      await start("one", flags, "sleep", "1000");
      await live.prints("health_status: healthy");
    });
    const { State } = await daemon.inspect("one");
    await daemon.kill();
    await infectFromOutside(marks);
    const began = Date.now() / 1000;
    await daemon.up();
    const { Status, FailingStreak, Log } = (await healthOf("one")) as Health;
    assert.deepEqual([Status, FailingStreak], ["unhealthy", 2]);
    assert.deepEqual(
      Log.slice(-2).map((r) => r.ExitCode),
      [1, 1],
    );
    assert.equal((await daemon.inspect("one")).State.Pid, State.Pid, "the same run");
    const past = await daemon.request("GET", `/events?since=${began}&until=${Date.now() / 1000}`);
    assert.equal(JSON.stringify(past.body).split("health_status: unhealthy").length, 2);
  });

  test("is kept over an orderly restart of the daemon without a change", async () => {
    await withEvents(async (live) => {
      await start("one", ["--health-cmd", "echo fine", ...every(50)], "sleep", "1000");
      await live.prints("health_status: healthy");
    });
    await daemon.terminate();
    await daemon.up();
    assert.match(await daemon.text(berth, ["ps", "--format", "{{.Status}}"]), /\(healthy\)$/);
    const health = (await healthOf("one")) as Health;
    assert.equal(health.Log.at(-1)?.Output, "fine\n");
  });
});

describe("reactions to an unhealthy container", () => {
  const start = (name: string, reaction: string, ...more: string[]) =>
    daemon.text(berth, [
      ...["run", "-d", "--name", name, "--health-cmd", "test ! -e /tmp/sick", ...every(50)],
      ...["--health-retries", "1", "--health-on-failure", reaction, "--stop-timeout", "0", ...more],
      ...["busybox", "sh", "-c", "rm -f /tmp/sick; touch /tmp/began; sleep 1000"],
    ]);
  /** Not before its program has begun, which makes it healthy. */
  const infect = (name: string) =>
    daemon.text(berth, [
      ...["exec", name, "sh", "-c"],
      "until [ -e /tmp/began ]; do sleep 0.01; done; touch /tmp/sick",
    ]);

  test("restart starts it anew", async () => {
    await withEvents(async (live) => {
      await start("one", "restart");
      await live.prints("health_status: healthy");
      await infect("one");
      await live.prints(/health_status: unhealthy[^]*"restart"[^]*health_status: healthy/);
    });
    const { RestartCount, State } = await daemon.inspect("one");
    assert.deepEqual([RestartCount, State.Status], [1, "running"]);
  });

  test("stop ends it for good, whatever the restart policy", async () => {
    await withEvents(async (live) => {
      await start("one", "stop", "--restart", "always");
      await infect("one");
      await live.prints(/health_status: unhealthy[^]*"stop"/);
    });
    const { State } = await daemon.inspect("one");
    assert.deepEqual([State.Status, State.ExitCode], ["exited", 137]);
  });

  test("kill leaves the rest to the restart policy", async () => {
    await withEvents(async (live) => {
      await start("one", "kill", "--restart", "on-failure");
      await infect("one");
      await live.prints(/health_status: unhealthy[^]*"die"[^]*"start"[^]*health_status: healthy/);
      await start("two", "kill");
      await infect("two");
      await daemon.text(berth, ["wait", "two"]);
    });
    assert.equal((await daemon.inspect("two")).State.ExitCode, 137);
  });

  test("none leaves it alone, and the log does not speak of it", async () => {
    await withEvents(async (live) => {
      await start("one", "none");
      await infect("one");
      await live.prints(/health_status: unhealthy[^]*(exec_die[^]*){3}/);
    });
    assert.equal((await daemon.inspect("one")).State.Status, "running");
  });

  test("is made up for by the daemon that comes back", async () => {
    const marks = daemon.path("marks-of-reaction");
    await withEvents(async (live) => {
      await daemon.text(berth, [
        ...["run", "-d", "--name", "one", "-v", `${marks}:/marks`, ...every(50), "--health-retries", "1"],
        ...["--health-cmd", "test ! -e /marks/sick || { touch /marks/seen; exit 1; }"],
        ...["--health-on-failure", "stop", "--stop-timeout", "0", "busybox", "sleep", "1000"],
      ]);
      await live.prints("health_status: healthy");
    });
    await daemon.kill();
    await infectFromOutside(marks);
    await daemon.up();
    assert.equal(await daemon.text(berth, ["wait", "one"]), "137");
  });
});

describe("checks that only connect", () => {
  const SERVER = "mkdir -p /tmp/w; echo up >/tmp/w/up; exec httpd -f -p 8080 -h /tmp/w";
  const start = (flags: string[], ...command: string[]) =>
    daemon.text(berth, ["run", "-d", "--name", "one", ...flags, ...every(50), "busybox", ...command]);

  test("--health-http asks a server in the container and runs nothing in it", async () => {
    const events = await withEvents(async (live) => {
      await start(["--health-http", "http://localhost:8080/up"], "sh", "-c", SERVER);
      await live.prints("health_status: healthy");
    });
    assert.deepEqual(
      events.filter((e) => e.Action.startsWith("exec_")),
      [],
    );
    const { Log } = (await healthOf("one")) as Health;
    assert.deepEqual([Log.at(-1)?.ExitCode, Log.at(-1)?.Output], [0, "HTTP/1.1 200 OK"]);
    assert.deepEqual(((await daemon.inspect("one")).Config["Healthcheck"] as { Test: string[] }).Test, [
      "HTTP",
      "http://localhost:8080/up",
    ]);
  });

  test("--health-http takes an error of the server, or none to talk to, for a failure", async () => {
    await withEvents(async (live) => {
      const flags = ["--health-http", "http://127.0.0.1:8080/down", "--health-retries", "1"];
      await start(flags, "sh", "-c", `until [ -e /tmp/go ]; do sleep 0.05; done; ${SERVER}`);
      await live.prints("health_status: unhealthy");
      assert.equal((await healthOf("one"))?.Log[0]?.Output, "connect: Connection refused");
      await daemon.text(berth, ["exec", "one", "touch", "/tmp/go"]);
    });
    for (let i = 0; i < 600; i++) {
      if ((await healthOf("one"))?.Log.at(-1)?.Output === "HTTP/1.1 404 Not Found") return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail("the server's answer is not in the log");
  });

  test("--health-tcp takes a connection for health", async () => {
    await withEvents(async (live) => {
      await start(["--health-tcp", "9000"], "nc", "-ll", "-p", "9000", "-e", "true");
      await live.prints("health_status: healthy");
    });
  });

  test("what cannot be reached is refused", async () => {
    const refused = async (...flags: string[]) => {
      const { status, stderr } = await daemon.berth("create", ...flags, "busybox");
      assert.notEqual(status, 0);
      return stderr;
    };
    assert.match(await refused("--health-http", "https://localhost/"), /does not begin with http:\/\//);
    assert.match(await refused("--health-tcp", "db:5432"), /"db" is neither localhost nor an address/);
    assert.match(
      await refused("--health-tcp", "1", "--health-http", "http://localhost"),
      /--health-http conflicts with --health-tcp/,
    );
    assert.match(await refused("--health-on-failure", "pray"), /"pray" is none of none, restart, stop, kill/);
  });
});
