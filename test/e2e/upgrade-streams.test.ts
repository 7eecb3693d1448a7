// Another build of the daemon takes over a running set of containers while clients have streams attached through a proxy: terminals, input
// and output, logs, events and waits go on where they were, byte for byte, and what ends while there is no daemon is told when there is one.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Live } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { buildNewer } from "./newer-build.ts";
import { ReconnectingProxy } from "./reconnecting-proxy.ts";

const [berth, docker = berth] = clients as [Client, Client?];
const LIFE_MS = 170_000;

let daemon: TestDaemon;
let proxy: ReconnectingProxy;
let scratch: string;
let newer: string;
before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "berth-upgrade-"));
  newer = await buildNewer(scratch);
  daemon = await TestDaemon.start();
  proxy = await ReconnectingProxy.listen(proxySocket(), daemon.socket);
});
after(async () => {
  await proxy.close(proxySocket());
  await daemon.close();
  await rm(scratch, { recursive: true, force: true });
});

const proxySocket = (): string => daemon.path("proxy.sock");
const text = (...args: string[]) => daemon.text(berth, args);
/** A client whose connections are the proxy's. */
const env = () => ({ DOCKER_HOST: `unix://${proxySocket()}` });
const live = (client: Client, ...args: string[]): Live =>
  daemon.live(client, args, { env: env(), timeoutMs: LIFE_MS });

const COUNTS = `i=0; trap 'echo over; exit 7' TERM
while :; do i=$((i+1)); echo $i; [ $((i % 3)) = 0 ] && echo $i >&2; [ $((i % 50)) = 0 ] && sleep 0.05; done`;
const ANSWERS = "echo ready; while read -r line; do echo heard $line; done; echo no more; exec sleep 1000";

async function create(name: string, body: Record<string, unknown>): Promise<void> {
  const { status, body: said } = await daemon.request("POST", `/containers/create?name=${name}`, {
    Image: "busybox",
    ...body,
  });
  assert.equal(status, 201, JSON.stringify(said));
}

const pidOf = async (name: string): Promise<number> => (await daemon.inspect(name)).State.Pid;

/** Ends the daemon, has `meanwhile` done without one, and starts another build. */
async function takeOver(how: "terminate" | "kill", program: readonly string[], meanwhile: () => unknown) {
  await daemon[how]();
  await meanwhile();
  daemon.program = program;
  await daemon.up();
}

/** The times of events, which no two share. */
const shown = (lines: string): string[] =>
  lines
    .trim()
    .split("\n")
    .map((line) => /"timeNano":(\d+)/.exec(line)?.[1] ?? line);

/** The numbers that a counting container has written to one of its streams, each once and in order. */
function numbersIn(output: string, step: number): number {
  const numbers = output.split("\n").filter((line) => /^\d+$/.test(line));
  for (const [i, number] of numbers.entries()) assert.equal(Number(number), (i + 1) * step);
  return numbers.length;
}

test("output, logs, input, terminals, events and waits go on through two changes of the daemon", async () => {
  const older = daemon.program;
  const names = ["counting", "asked", "once", "terminal"];
  const events = live(docker, "events", "--format", "{{json .}}");
  await create("counting", { Cmd: ["sh", "-c", COUNTS], AttachStdout: true, AttachStderr: true });
  await create("asked", { Cmd: ["sh", "-c", ANSWERS], OpenStdin: true });
  await create("once", { Cmd: ["sh", "-c", ANSWERS], OpenStdin: true, StdinOnce: true });
  await create("terminal", { Cmd: ["sh", "-c", `stty -echo; ${ANSWERS}`], OpenStdin: true, Tty: true });
  const counting = live(docker, "start", "-a", "counting");
  const asked = live(berth, "start", "-ai", "asked");
  const oneTime = live(docker, "start", "-ai", "once");
  const terminal = daemon.onTerminal(docker, ["start", "-ai", "terminal"], {
    env: env(),
    timeoutMs: LIFE_MS,
  });
  const speaking = [asked, oneTime, terminal];
  await Promise.all(speaking.map((stream) => stream.prints("ready")));
  await counting.prints(/^100$/m);
  const logs = live(docker, "logs", "-f", "counting");
  const wait = live(docker, "wait", "counting");
  await logs.prints(/^100$/m);
  const say = async (word: string): Promise<void> => {
    for (const stream of speaking) {
      stream.stdin.write(`${word}\n`);
      await stream.prints(`heard ${word}`);
    }
  };
  await say("before");
  const pids = await Promise.all(names.map(pidOf));
  const grows = async (): Promise<void> => {
    const more = Number(/(\d+)\n$/.exec(counting.output)?.[1] ?? 0) + 500;
    for (const stream of [counting, logs]) await stream.prints(new RegExp(`^${more}$`, "m"));
  };

  for (const [how, program] of [
    ["terminate", [newer]],
    ["kill", older],
  ] as const) {
    // What is said while there is no daemon waits in the proxy.
    await takeOver(how, program, () => {
      for (const stream of speaking) stream.stdin.write(`without ${how}\n`);
    });
    for (const stream of speaking) await stream.prints(`heard without ${how}`);
    await say(`after ${how}`);
    await grows();
    assert.deepEqual(await Promise.all(names.map(pidOf)), pids);
  }
  assert.equal(proxy.resumptions >= 6, true, `${proxy.resumptions} streams were resumed`);

  // It ends while there is no daemon.
  const [pid = 0] = pids;
  await takeOver("terminate", [newer], () => process.kill(pid, "SIGTERM"));
  const all = await Promise.all([counting, logs, wait].map((client) => client.ended));
  assert.deepEqual(
    all.map(({ status }) => status),
    [7, 0, 0],
  );
  assert.equal(wait.output, "7\n");
  assert.equal((await daemon.inspect("counting")).State.ExitCode, 7);
  const { stdout, stderr } = await daemon.run(berth, ["logs", "counting"]);
  assert.equal(stdout.endsWith("\nover\n"), true);
  assert.equal(numbersIn(stdout, 1) > 1000, true);
  assert.equal(numbersIn(stderr, 3) > 300, true);
  for (const client of [counting, logs]) {
    assert.equal(client.output === stdout, true, "every byte of stdout, once");
    assert.equal(client.errors === stderr, true, "every byte of stderr, once");
  }
  for (const { output } of [asked, oneTime])
    assert.match(output, /^ready\nheard before\n(heard [a-z ]+\n){4}$/);
  assert.match(terminal.output, /^ready\r\nheard before\r\n(heard [a-z ]+\r\n){4}$/);

  await text("rm", "-f", ...names);
  for (const name of names) await events.prints(new RegExp(`"destroy"[^\n]*"name":"${name}"[^\n]*\n`));
  const told = shown(events.output);
  const [since, until] = [told[0], told.at(-1)].map((nano = "") => `${nano.slice(0, -9)}.${nano.slice(-9)}`);
  const history = (await daemon.request("GET", `/events?since=${since}&until=${until}`)).body as string;
  assert.deepEqual(told, shown(history), "every event, once and in order");
  events.kill("SIGKILL");
  for (const stream of speaking) stream.kill("SIGKILL");
  daemon.program = older;
  await takeOver("kill", older, () => {});
});

test("checks, policies, --rm and execs are the next daemon's, with what has happened in between", async () => {
  const older = daemon.program;
  const box = ["busybox", "sh", "-c", "exec sleep 1000"];
  const check = ["--health-cmd", "test ! -e /ill", "--health-interval", "100ms", "--health-retries", "1"];
  await text("run", "-d", "--name", "checked", ...check, ...box);
  await text("run", "-d", "--name", "always", "--restart", "always", ...box);
  await text("run", "-d", "--name", "stays", "--rm", ...box);
  await text("run", "-d", "--name", "goes", "--rm", ...box);
  const events = live(
    docker,
    "events",
    "--since",
    "1",
    "--format",
    "{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}",
  );
  await events.prints("health_status: healthy checked");
  const [checked = 0, always = 0, goes = 0] = await Promise.all(["checked", "always", "goes"].map(pidOf));
  const removed = live(berth, "wait", "stays");
  // The shell's input is the client's: it ends with the daemon that carried it. What it is doing it goes on doing.
  const typed = live(
    docker,
    "exec",
    "-i",
    "checked",
    "sh",
    "-c",
    "read -r x; echo $x; read -r x; until test -e /go; do sleep 0.05; done; exit 3",
  );
  typed.stdin.write("word\n");
  await typed.prints("word");
  await text("exec", "-d", "checked", "sh", "-c", "until test -e /go; do sleep 0.05; done; exit 4");

  await takeOver("terminate", [newer], () => {
    writeFileSync(`/proc/${checked}/root/ill`, "");
    for (const pid of [always, goes]) process.kill(pid, "SIGKILL");
  });
  assert.notEqual((await typed.ended).status, 0, "a client whose exec is gone hears of it");
  await events.prints("health_status: unhealthy checked");
  await text("exec", "checked", "rm", "/ill");
  await events.prints(/unhealthy checked[^]*health_status: healthy checked/);
  await events.prints(/die always 137[^]*start always/);
  assert.notEqual(await pidOf("always"), always);
  await events.prints(/die goes 137[^]*destroy goes/);
  await text("exec", "checked", "touch", "/go");
  await events.prints(/exec_die checked 3\n/);
  await events.prints(/exec_die checked 4\n/);
  const healthy = events.output.split("\n").filter((line) => line.startsWith("health_status: healthy"));
  assert.equal(healthy.length, 2, "a status is told when it changes");

  await takeOver("kill", older, () => {});
  assert.equal(await pidOf("checked"), checked, "the same process");
  assert.equal((await daemon.inspect("checked")).RestartCount, 0);
  await text("stop", "-t", "0", "stays");
  assert.deepEqual([(await removed.ended).status, removed.output], [0, "137\n"]);
  await events.prints("destroy stays");
  assert.equal(await text("ps", "-a", "--format", "{{.Names}}"), "always\nchecked");
  events.kill("SIGKILL");
});
