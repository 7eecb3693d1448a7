// The daemon comes and goes: containers go on without it, a new one finds them, restart policies hold across it, and
// being killed at any moment costs nothing.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { run } from "./command.ts";
import { type Client, clients, isAlive, procStatus, TestDaemon } from "./harness.ts";
import { NetworkNamespace } from "./namespace.ts";

const client = (clients.find((c) => c.name === "berth") ?? clients[0]) as Client;
let daemon: TestDaemon;
const text = (...args: string[]) => daemon.text(client, args);
const outcome = (...args: string[]) => daemon.run(client, args);
const stateOf = async (name: string) => (await daemon.inspect(name)).State;

/** Resolves when the daemon has published `count` events of the container with that action. */
async function during(pattern: RegExp, work: () => Promise<unknown>): Promise<void> {
  const events = daemon.events();
  await work();
  await events.prints(pattern);
  events.kill("SIGKILL");
}

const ENDS = [
  ["SIGTERM", () => daemon.terminate()],
  ["SIGKILL", () => daemon.kill()],
] as const;

describe("live restore", () => {
  before(async () => {
    daemon = await TestDaemon.start();
  });
  afterEach(() => daemon.removeContainers());
  after(() => daemon.close());

  for (const [signal, end] of ENDS) {
    test(`${signal} leaves containers running; the next daemon has their logs, streams, execs and ports`, async () => {
      const program =
        "echo page > /tmp/index.html; httpd -p 80 -h /tmp; echo ready; while read -r line; do echo heard $line; done";
      await text("run", "-d", "-i", "--name", "kept", "-p", "18080:80", "busybox", "sh", "-c", program);
      const logs = daemon.live(client, ["logs", "-f", "kept"]);
      await logs.prints("ready");
      const attached = daemon.live(client, ["attach", "kept"]);
      attached.stdin.write("one\n");
      await attached.prints("heard one");
      const watched = ["run", "--name", "watched", "busybox", "sh", "-c", "echo up; exec sleep 1000"];
      const running = daemon.live(client, watched);
      await running.prints("up");
      const before = await stateOf("kept");
      await end();
      await Promise.all([attached.ended, logs.ended]);
      assert.equal((await running.ended).status, 125);
      assert.match(running.errors, /^error waiting for container: /i);
      assert.ok(await isAlive(before.Pid), "it runs without a daemon");
      const page = ["curl", "-s", "--max-time", "2", "http://127.0.0.1:18080/"];
      assert.equal((await daemon.network.run(page)).stdout, "page\n", "its port answers without a daemon");

      await daemon.up();
      const state = await stateOf("kept");
      assert.deepEqual([state.Running, state.Pid, state.StartedAt], [true, before.Pid, before.StartedAt]);
      assert.equal((await stateOf("watched")).Running, true);
      assert.equal((await daemon.network.run(page)).stdout, "page\n");
      assert.equal(await text("port", "kept"), "80/tcp -> 0.0.0.0:18080\n80/tcp -> [::]:18080");
      assert.equal(await text("exec", "kept", "echo", "inside"), "inside");
      const again = daemon.live(client, ["attach", "kept"]);
      again.stdin.write("two\n");
      await again.prints("heard two");
      assert.equal(await text("logs", "kept"), "ready\nheard one\nheard two");
      const other = await outcome("run", "--rm", "-p", "18080:80", "busybox", "true");
      assert.equal(other.status, 125, "its port is still taken");
      await text("rm", "-f", "kept");
      await again.ended;
      assert.equal((await daemon.network.run(page)).stdout, "");
    });

    test(`what ends while the daemon is away (${signal}) has its exit code, --rm is removed`, async () => {
      await text(
        "run",
        "-d",
        "-i",
        "--name",
        "ends",
        "busybox",
        "sh",
        "-c",
        "echo up; cat > /dev/null; exit 33",
      );
      await text("run", "-d", "--name", "vanishes", "--rm", "busybox", "sleep", "1000");
      const pids = [(await stateOf("ends")).Pid, (await stateOf("vanishes")).Pid];
      await end();
      for (const pid of pids) process.kill(pid, "SIGKILL");
      await daemon.up();
      // Its shim may not have noticed yet when the daemon comes.
      await daemon.run(client, ["wait", "ends", "vanishes"]);
      const { Status, ExitCode, Pid } = await stateOf("ends");
      assert.deepEqual([Status, ExitCode, Pid], ["exited", 137, 0]);
      while ((await text("ps", "-a", "--format", "{{.Names}}")) !== "ends");
      assert.equal(await text("start", "ends"), "ends");
      await text("rm", "-f", "ends");
    });
  }

  test("addresses of containers that went on are not given twice", async () => {
    await text("run", "-d", "--name", "a1", "busybox", "sleep", "1000");
    await daemon.kill();
    await daemon.up();
    await text("run", "-d", "--name", "b1", "busybox", "sleep", "1000");
    const addresses = await Promise.all(
      ["a1", "b1"].map(async (n) => (await daemon.inspect(n)).NetworkSettings.Networks["bridge"]?.IPAddress),
    );
    assert.notEqual(addresses[0], addresses[1]);
    await text("rm", "-f", "a1", "b1");
  });

  test("stopped containers, images and names are remembered", async () => {
    await text("run", "--name", "old", "busybox", "sh", "-c", "echo kept > /file; echo said");
    await daemon.kill();
    await daemon.up();
    assert.equal((await stateOf("old")).Status, "exited");
    assert.equal(await text("logs", "old"), "said");
    assert.equal(await text("images", "--format", "{{.Repository}}"), "busybox");
    assert.equal((await outcome("create", "--name", "old", "busybox")).status, 1);
    await text("rm", "old");
  });

  test("a second daemon on the same directories is refused and says who has them", async () => {
    const holder = daemon.pid;
    const second = daemon.launch(["-H", `unix://${daemon.path("second.sock")}`]);
    const { status, stderr } = await second.ended;
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(String(holder)));
    assert.equal(await text("run", "--rm", "busybox", "echo", "still here"), "still here");
  });

  test("killed in the middle of starts it comes up again and nothing is half there", async () => {
    for (let round = 0; round < 3; round++) {
      const runs = Array.from({ length: 4 }, (_, i) =>
        outcome("run", "-d", "--name", `r${round}-${i}`, "busybox", "sleep", "1000"),
      );
      await Promise.race(runs);
      await daemon.kill();
      await Promise.all(runs);
      await daemon.up();
      for (const name of (await text("ps", "-a", "--format", "{{.Names}}"))
        .split("\n")
        .filter((n) => n !== "")) {
        const { Status, Pid } = await stateOf(name);
        assert.equal(Status === "running", Pid > 0 && (await isAlive(Pid)), `${name} ${Status} ${Pid}`);
        await text("rm", "-f", name);
      }
    }
    assert.equal(await text("run", "--rm", "busybox", "echo", "fine"), "fine");
  });

  test("killed in the middle of a build it ends the step, and the build works the second time", async () => {
    const dockerfile = `FROM busybox\nRUN echo first > /a\nRUN echo begun; sleep ${1000 + process.pid}\n`;
    const build = daemon.live(client, ["build", "-"]);
    build.stdin.end(dockerfile);
    await build.prints(/^begun$/m);
    const pids = (await run(["pgrep", "-f", `^sleep ${1000 + process.pid}$`])).stdout
      .trim()
      .split("\n")
      .map(Number);
    assert.equal(pids.length, 1);
    await daemon.kill();
    assert.notEqual((await build.ended).status, 0);
    await daemon.up();
    assert.equal(await isAlive(pids[0] ?? 0), false);
    const again = await daemon.run(client, ["build", "-"], { input: dockerfile.replace(/sleep.*/, "true") });
    assert.equal(again.status, 0, again.stderr);
    assert.match(again.stdout, /Using cache/);
    const left = (await readdir(daemon.path("run"))).filter((name) => name.startsWith("step-"));
    assert.deepEqual(left, [], "files of the step");
  });

  test("a killed shim takes its container with it, and the daemon notices", async () => {
    await text("run", "-d", "--name", "bare", "-p", "18081:80", "busybox", "sleep", "1000");
    const { Pid } = await stateOf("bare");
    const shim = Number(await procStatus(Pid, "PPid"));
    assert.ok(shim > 1);
    await during(/"Action":"die"/, async () => process.kill(shim, "SIGKILL"));
    const state = await stateOf("bare");
    assert.deepEqual([state.Status, state.Running], ["exited", false]);
    assert.notEqual(state.ExitCode, 0);
    assert.equal(await isAlive(Pid), false);
    await text("start", "bare");
    assert.equal((await stateOf("bare")).Running, true);
    await text("rm", "-f", "bare");
  });
});

describe("what interrupted work has left", () => {
  before(async () => {
    daemon = await TestDaemon.start();
  });
  after(() => daemon.close());

  test("is removed by the next daemon; what images need stays", async () => {
    const content = "nobody's blob";
    const hex = createHash("sha256").update(content).digest("hex");
    const blob = daemon.path("data/content/sha256", hex);
    const layers = (await readdir(daemon.path("data/layers"))).sort();
    await daemon.kill();
    await writeFile(blob, content);
    await daemon.up();
    await daemon.logs(`removed ${content.length} bytes of layers and blobs that nobody needed`);
    assert.equal(existsSync(blob), false);
    assert.deepEqual((await readdir(daemon.path("data/layers"))).sort(), layers);
    assert.equal(await text("run", "--rm", "busybox", "echo", "still here"), "still here");
  });
});

describe("restart policies", () => {
  before(async () => {
    daemon = await TestDaemon.start();
  });
  afterEach(() => daemon.removeContainers());
  after(() => daemon.close());

  test("on-failure:2 tries three times and gives up", async () => {
    await during(/("Action":"die"[^]*){3}/, () =>
      text(
        "run",
        "-d",
        "--name",
        "failing",
        "--restart",
        "on-failure:2",
        "busybox",
        "sh",
        "-c",
        "echo try; exit 9",
      ),
    );
    await text("wait", "failing");
    const { RestartCount, State } = await daemon.inspect("failing");
    assert.deepEqual([RestartCount, State.Status, State.ExitCode], [2, "exited", 9]);
    assert.equal(await text("logs", "failing"), "try\ntry\ntry");
    await text("rm", "failing");
  });

  test("on-failure leaves a success alone", async () => {
    await text("run", "-d", "--name", "good", "--restart", "on-failure", "busybox", "true");
    await text("wait", "good");
    assert.deepEqual(
      [(await stateOf("good")).Status, (await daemon.inspect("good")).RestartCount],
      ["exited", 0],
    );
    await text("rm", "good");
  });

  test("always starts again until it is stopped, and keeps its address book clean", async () => {
    await during(/("Action":"start"[^]*){3}/, () =>
      text("run", "-d", "--name", "forever", "--restart", "always", "busybox", "true"),
    );
    await text("stop", "forever");
    assert.equal((await stateOf("forever")).Status, "exited");
    const { RestartCount } = await daemon.inspect("forever");
    assert.ok(RestartCount >= 2);
    await text("rm", "forever");
  });

  test("after a restart of the daemon: always runs again, unless-stopped only when nobody stopped it, no stays", async () => {
    for (const policy of ["always", "unless-stopped", "no"])
      for (const what of ["stopped", "killed"])
        await text(
          "run",
          "-d",
          "--name",
          `${policy}-${what}`,
          "--restart",
          policy,
          "busybox",
          "sleep",
          "1000",
        );
    await Promise.all(["always", "unless-stopped", "no"].map((p) => text("stop", "-t", "0", `${p}-stopped`)));
    const pids = await Promise.all(
      ["always", "unless-stopped", "no"].map(async (p) => (await stateOf(`${p}-killed`)).Pid),
    );
    await daemon.kill();
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await daemon.up();
    const running = async (): Promise<string[]> =>
      (await text("ps", "--filter", "status=running", "--format", "{{.Names}}")).split("\n").sort();
    // Those that died meanwhile are started after their delay.
    while ((await running()).length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(await running(), ["always-killed", "always-stopped", "unless-stopped-killed"]);
    const ids = (await text("ps", "-aq")).split("\n");
    await text("rm", "-f", ...ids);
  });

  test("a container with --rm and one with a policy cannot be the same", async () => {
    const refused = await outcome("run", "--rm", "--restart", "always", "busybox", "true");
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /--restart and --rm|Conflicting options/i);
  });
});

describe("live-restore: false", () => {
  before(async () => {
    daemon = await TestDaemon.start({ config: { "live-restore": false } });
  });
  afterEach(() => daemon.removeContainers());
  after(() => daemon.close());

  test("containers are asked to stop when the daemon ends; the next one starts those of policy always", async () => {
    const program = "trap 'exit 12' TERM; echo up; while :; do sleep 0.05; done";
    for (const [name, policy] of [
      ["once", "no"],
      ["ever", "always"],
    ] as const) {
      await text("run", "-d", "--name", name, "--restart", policy, "busybox", "sh", "-c", program);
      const logs = daemon.live(client, ["logs", "-f", name]);
      await logs.prints("up");
      logs.kill("SIGKILL");
    }
    const pids = await Promise.all(["once", "ever"].map(async (n) => (await stateOf(n)).Pid));
    await daemon.terminate();
    for (const pid of pids) assert.equal(await isAlive(pid), false);
    await daemon.up();
    const once = await stateOf("once");
    assert.deepEqual([once.Status, once.ExitCode], ["exited", 12]);
    assert.equal((await stateOf("ever")).Running, true);
    await text("rm", "-f", "once", "ever");
  });

  test("what a killed daemon left running is stopped by the next one, and runs again by its policy", async () => {
    const program = "trap 'exit 12' TERM; echo up; while :; do sleep 0.05; done";
    for (const [name, policy] of [
      ["once", "no"],
      ["ever", "always"],
    ] as const) {
      await text("run", "-d", "--name", name, "--restart", policy, "busybox", "sh", "-c", program);
      const logs = daemon.live(client, ["logs", "-f", name]);
      await logs.prints("up");
      logs.kill("SIGKILL");
    }
    const pids = await Promise.all(["once", "ever"].map(async (n) => (await stateOf(n)).Pid));
    await daemon.kill();
    for (const pid of pids) assert.equal(await isAlive(pid), true);
    await daemon.up();
    for (const pid of pids) assert.equal(await isAlive(pid), false);
    const once = await stateOf("once");
    assert.deepEqual([once.Status, once.ExitCode], ["exited", 12]);
    assert.equal((await stateOf("ever")).Running, true);
    await text("rm", "-f", "once", "ever");
  });

  test("SIGHUP takes the key over from daemon.json", async () => {
    assert.equal(await text("info", "--format", "{{.LiveRestoreEnabled}}"), "false");
    await writeFile(daemon.path("daemon.json"), '{"live-restore": true}');
    process.kill(daemon.pid, "SIGHUP");
    await daemon.logs("configuration reloaded");
    assert.equal(await text("info", "--format", "{{.LiveRestoreEnabled}}"), "true");
    await text("run", "-d", "--name", "stays", "busybox", "sleep", "1000");
    const { Pid } = await stateOf("stays");
    await daemon.terminate();
    assert.ok(await isAlive(Pid));
    await daemon.up();
    await text("rm", "-f", "stays");
  });
});

describe("daemons side by side", () => {
  let second: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start();
    second = await TestDaemon.start({ args: ["--bip", "172.30.5.1/24"], network: daemon.network });
  });
  after(async () => {
    try {
      await second.close();
    } finally {
      await daemon.close();
    }
  });

  test("have bridges, addresses, containers and images of their own and one set of ports", async () => {
    await text("run", "-d", "--name", "same", "-p", "18080:80", "busybox", "sleep", "1000");
    const other = (...args: string[]) => second.run(client, args);
    assert.equal((await other("run", "-d", "--name", "same", "busybox", "sleep", "1000")).status, 0);
    const [mine, theirs] = [await daemon.inspect("same"), await second.inspect("same")];
    assert.match(mine.NetworkSettings.Networks["bridge"]?.IPAddress ?? "", /^172\.17\.0\./);
    assert.match(theirs.NetworkSettings.Networks["bridge"]?.IPAddress ?? "", /^172\.30\.5\./);
    assert.equal(theirs.NetworkSettings.Networks["bridge"]?.IPPrefixLen, 24);
    const taken = await other("run", "--rm", "-p", "18080:80", "busybox", "true");
    assert.equal(taken.status, 125);
    assert.match(taken.stderr, /18080.*(already|in use)/);
    // One that ends takes only its own things with it.
    await second.removeContainers();
    await second.terminate();
    assert.equal(
      await text("exec", "same", "ping", "-c", "1", "-W", "2", "172.17.0.1").then((t) =>
        /1 packets received/.test(t),
      ),
      true,
    );
    await second.up();
    await daemon.removeContainers();
  });
});

describe("the daemon's own processes", () => {
  test("when keel's agent is killed the daemon ends, containers go on, and the next daemon has them", async () => {
    daemon = await TestDaemon.start({
      expectedErrors: /keel agent has ended|what was to be done at the end was not/,
    });
    await text("run", "-d", "--name", "tough", "busybox", "sleep", "1000");
    const { Pid } = await stateOf("tough");
    const children = (await readFile(`/proc/${daemon.pid}/task/${daemon.pid}/children`, "utf8"))
      .trim()
      .split(" ");
    assert.equal(children.length, 1, "one child: the agent");
    process.kill(Number(children[0]), "SIGKILL");
    assert.equal(await daemon.ended(), 1);
    assert.equal(await isAlive(Pid), true);
    await daemon.up();
    assert.equal(await text("exec", "tough", "echo", "alive"), "alive");
    await daemon.close();
  });

  test("it listens on TCP when told to", async () => {
    daemon = await TestDaemon.start({ args: ["-H", "tcp://127.0.0.1:12375"], hasImage: false });
    const ping = await daemon.network.run(["curl", "-s", "http://127.0.0.1:12375/_ping"]);
    assert.equal(ping.stdout, "OK");
    await daemon.close();
  });

  test("a default subnet that the host uses already is not taken", async () => {
    const network = await NetworkNamespace.make();
    for (const args of [
      ["link", "add", "other0", "type", "bridge"],
      ["addr", "add", "172.17.3.4/16", "dev", "other0"],
      ["link", "set", "other0", "up"],
    ])
      assert.equal((await network.run(["ip", ...args])).status, 0);
    daemon = await TestDaemon.start({ network });
    const shown = await text("run", "--rm", "busybox", "ip", "route");
    assert.match(shown, /^default via 172\.18\.0\.1 dev eth0/m);
    await daemon.close();
    await network.close();
  });
});
