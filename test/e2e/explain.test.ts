// `berth explain`: the causes that it names are those that the test has brought about.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";

const berth = clients[0] as Client;
let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const text = (...args: string[]) => daemon.text(berth, args);

interface Explanation {
  Subject: string;
  Verdict: string;
  Because: string[];
  Facts: string[];
  Log: string[];
  Advice: string[];
  Unknown: string[];
}

/** Explains a container in the form for programs; its lists as text. */
async function explain(...args: string[]): Promise<Explanation & { because: string; advice: string }> {
  const answer = JSON.parse(await text("explain", ...args, "--format", "json")) as
    | Explanation
    | Explanation[];
  const [one] = [answer].flat() as [Explanation];
  return { ...one, because: one.Because.join("\n"), advice: one.Advice.join("\n") };
}

test("a program's own error comes with its code, its last lines and what to do", async () => {
  await daemon.run(berth, ["run", "--name", "own", "busybox", "sh", "-c", "echo no database >&2; exit 3"]);
  const { Verdict, Log, because, advice } = await explain("container", "own");
  assert.match(Verdict, /^exited with code 3 /);
  assert.match(because, /reported an error of its own \(3\)/);
  assert.deepEqual(Log, ["no database"]);
  assert.match(advice, /logs own/);
  assert.match(
    await text("explain", "container", "own"),
    /^container own exited with code 3 [^\n]*\n {2}because its program/,
  );
});

test("control characters of a log do not reach the terminal", async () => {
  await daemon.run(berth, ["run", "--name", "esc", "busybox", "sh", "-c", "printf '\\033[2Jx\\n'; exit 1"]);
  assert.match(await text("explain", "container", "esc"), /\| \\x1b\[2Jx/);
});

test("a stop that ran into its time limit names both signals and the cure", async () => {
  await text(
    "run",
    "-d",
    "--name",
    "deaf",
    "busybox",
    "sh",
    "-c",
    "trap '' TERM; echo up; while :; do sleep 1; done",
  );
  const logs = daemon.live(berth, ["logs", "-f", "deaf"]);
  await logs.prints("up");
  logs.kill("SIGKILL");
  await text("stop", "-t", "1", "deaf");
  const { because, advice } = await explain("container", "deaf");
  assert.match(because, /SIGTERM at [\d:]+ and SIGKILL at [\d:]+ through the daemon's API \(stop\)/);
  assert.match(because, /did not end within/);
  assert.match(advice, /--init/);
});

test("a kill and a crash are told apart", async () => {
  await text("run", "-d", "--name", "shot", "busybox", "sleep", "1000");
  await text("kill", "-s", "KILL", "shot");
  assert.match(
    (await explain("container", "shot")).because,
    /SIGKILL at [\d:]+ through the daemon's API \(kill\)/,
  );
  await daemon.run(berth, ["run", "--init", "--name", "crash", "busybox", "sh", "-c", "kill -SEGV $$"]);
  assert.match((await explain("container", "crash")).because, /SIGSEGV ended it: .*\(a crash\)/);
});

test("want of memory is named with the limit", async () => {
  const eat = "x=a; while :; do x=$x$x; done";
  await daemon.run(berth, ["run", "--name", "oom", "--memory", "16m", "busybox", "sh", "-c", eat]);
  const { because, advice } = await explain("container", "oom");
  assert.match(because, /killed a process of it for want of memory \(OOM\): it may have 16MiB/);
  assert.match(advice, /--memory/);
});

test("a start that failed says why and what to change", async () => {
  await daemon.run(berth, ["run", "--name", "typo", "busybox", "nonesuch"]);
  const typo = await explain("container", "typo");
  assert.match(typo.Verdict, /could not be started \(exit code 127\)/);
  assert.match(typo.because, /nonesuch/);
  assert.match(typo.advice, /not in the image's PATH/);
  await text("run", "-d", "--name", "first", "-p", "18090:80", "busybox", "sleep", "1000");
  await daemon.run(berth, ["run", "-d", "--name", "second", "-p", "18090:80", "busybox", "sleep", "1000"]);
  assert.match((await explain("container", "second")).advice, /explain port/);
});

test("what never ran, runs, or is paused is said to", async () => {
  await text("create", "--name", "idle", "busybox", "true");
  assert.match((await explain("container", "idle")).Verdict, /was created and never started/);
  await text("run", "-d", "--name", "busy", "busybox", "sleep", "1000");
  assert.match((await explain("container", "busy")).Verdict, /^runs since/);
  await text("pause", "busy");
  assert.match((await explain("container", "busy")).Verdict, /is paused/);
  assert.equal((await daemon.run(berth, ["explain", "container", "nobody"])).status, 1);
});

/** Starts a container that serves HTTP at an address and says so when it does. */
async function serve(name: string, address: string, ...flags: string[]): Promise<void> {
  const program = `httpd -p ${address} -h /tmp && echo ready; exec sleep 1000`;
  await text("run", "-d", "--name", name, ...flags, "busybox", "sh", "-c", program);
  const logs = daemon.live(berth, ["logs", "-f", name]);
  await logs.prints("ready");
  logs.kill("SIGKILL");
}

test("a port whose program listens on loopback only is found out", async () => {
  await serve("lo", "127.0.0.1:80", "-p", "18091:80");
  for (const asked of ["18091", "lo:80", "lo"]) {
    const { Verdict, because, advice } = await explain("port", asked);
    assert.match(Verdict, /does not answer/, asked);
    assert.match(because, /httpd[^\n]*127\.0\.0\.1:80 listens on the container's own loopback only/);
    assert.match(advice, /0\.0\.0\.0/);
  }
});

test("a port behind which nothing listens names what does", async () => {
  await serve("other", "8080", "-p", "18092:80");
  assert.match(
    (await explain("port", "18092")).because,
    /nothing in the container listens on 80\/tcp; it listens on httpd[^\n]*:8080/,
  );
});

test("a port that should answer is said to, and where it is bound", async () => {
  await serve("web", "80", "-p", "18093:80", "-p", "127.0.0.1:18094:80");
  const { Verdict, Facts, Because } = await explain("port", "18093");
  assert.match(Verdict, /should answer on 0\.0\.0\.0:18093/);
  assert.deepEqual(Because, []);
  assert.match(Facts.join("\n"), /in the container httpd/);
});

test("rules are read from the kernel", async () => {
  await serve("bare", "80", "-p", "127.0.0.1:18095:80");
  const ports = async () =>
    (await daemon.request("GET", "/berth/ports/18095")).body as { Rules: { HostIp: string }[] };
  assert.deepEqual(
    (await ports()).Rules.map((r) => r.HostIp),
    ["127.0.0.1"],
  );
});

test("a stopped container, an unpublished port, an internal network are the causes where they are", async () => {
  await serve("gone", "80", "-p", "18096:80");
  await text("stop", "-t", "0", "gone");
  assert.match((await explain("port", "18096")).because, /container gone, which publishes it, is exited/);
  assert.match((await explain("port", "gone:80")).because, /does not run: it is exited/);
  await serve("shy", "80", "--expose", "80");
  const shy = await explain("port", "shy");
  assert.match(shy.because, /the port is not published/);
  assert.match(shy.advice, /--publish-add 80\/tcp shy/);
  await text("network", "create", "--internal", "inner");
  await serve("inside", "80", "--network", "inner", "-p", "18097:80");
  assert.match((await explain("port", "inside:80")).because, /its network inner is internal/);
  await daemon.removeContainers();
  await text("network", "rm", "inner");
});

test("a port of the host's own programs, and one of nobody, are told", async () => {
  const held = daemon.network.run(["bash", "-c", "exec timeout 20 busybox nc -l -p 18098 127.0.0.1"]);
  for (;;) {
    const { body } = await daemon.request("GET", "/berth/ports/18098");
    if ((body as { Listeners: unknown[] }).Listeners.length > 0) break;
  }
  assert.match((await explain("port", "18098")).Facts.join("\n"), /on the host .*nc -l -p 18098.* listens/);
  await daemon.network.run(["bash", "-c", "echo > /dev/tcp/127.0.0.1/18098"]);
  await held;
  assert.match((await explain("port", "18099")).because, /no container publishes it/);
  assert.equal((await daemon.request("GET", "/berth/ports/0")).status, 400);
});

test("an image is explained by its layers and users", async () => {
  await text("create", "--name", "user", "busybox", "true");
  const { Verdict, Facts, advice } = await explain("image", "busybox");
  assert.match(Verdict, /^takes .* in 1 layers/);
  assert.match(Facts.join("\n"), /removed by force only: user stands on it/);
  assert.match(advice, /remove user first/);
});

test("the disk is explained by what is on it, the big ones first, with what frees each", async () => {
  const write = "dd if=/dev/zero of=/big bs=1M count=40; dd if=/dev/zero of=/v/mid bs=1M count=20";
  await text(
    "run",
    "--name",
    "fat",
    "-v",
    "heap:/v",
    "busybox",
    "sh",
    "-c",
    `${write}; yes | head -c 300000`,
  );
  const disk = JSON.parse(await text("explain", "disk", "--format", "json")) as {
    FreeBytes: number;
    Uses: { Kind: string; Name: string; SizeBytes: number; FreedBy: string }[];
  };
  assert.ok(disk.FreeBytes > 0);
  const sizes = disk.Uses.map((u) => u.SizeBytes);
  assert.deepEqual(
    sizes,
    [...sizes].sort((a, b) => b - a),
  );
  const use = (kind: string, name: string) => disk.Uses.find((u) => u.Kind === kind && u.Name === name);
  assert.equal(use("container", "fat")?.SizeBytes, 40 << 20);
  assert.match(use("container", "fat")?.FreedBy ?? "", /rm fat$/);
  assert.equal(use("volume", "heap")?.SizeBytes, 20 << 20);
  assert.ok((use("log", "fat")?.SizeBytes ?? 0) > 300_000);
  assert.match(
    await text("explain", "disk", "fat"),
    /^[^\n]+\n\nSIZE +WHAT +WHY +FREED BY\n41\.94MB +container fat/,
  );
  await text("rm", "fat");
  await text("volume", "rm", "heap");
});
