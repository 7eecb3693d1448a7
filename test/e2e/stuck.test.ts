// A container whose shim does not answer: nothing else waits for it, what is asked of it has an answer in the end, and it can
// be killed and removed. Docker would wait for ever with some of these.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { type Client, clients, isAlive, procStatus, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
const client = clients[0] as Client;
const text = (...args: string[]) => daemon.text(client, args, { timeoutMs: 60_000 });
/** Shims that were stopped, to be let go on whatever becomes of the test. */
let stopped: number[] = [];

before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(async () => {
  for (const pid of stopped) if (await isAlive(pid)) process.kill(pid, "SIGCONT");
  stopped = [];
  await daemon.removeContainers();
});
after(() => daemon.close());

async function ask(method: string, path: string, body?: unknown): Promise<string> {
  const answer = await daemon.request(method, path, body);
  const { message } = (answer.body ?? {}) as { message?: string };
  return message === undefined ? String(answer.status) : `${answer.status} ${message}`;
}

/** Starts a container and stops its shim; returns the container's first process. */
async function startStuck(...args: string[]): Promise<number> {
  await text("run", "-d", "--name", "stuck", ...args, "busybox", "sleep", "1000");
  const { Pid } = (await daemon.inspect("stuck")).State;
  const shim = Number(await procStatus(Pid, "PPid"));
  assert.equal((await readFile(`/proc/${shim}/comm`, "utf8")).trim(), "keel-shim");
  stopped.push(shim);
  process.kill(shim, "SIGSTOP");
  return Pid;
}

const SLOW = /its shim does not answer: it is stopped, or held by the kernel/;

test("nothing but the stuck container waits for it, and what is asked of it fails in the end", async () => {
  await startStuck();
  // The freezer is the kernel's, not the shim's.
  assert.deepEqual([await text("pause", "stuck"), await text("unpause", "stuck")], ["stuck", "stuck"]);
  const { body } = await daemon.request("POST", "/containers/stuck/exec", { Cmd: ["true"] });
  const { Id: id } = body as { Id: string };
  // These take as long as the shim's patience.
  const asked = Promise.all([
    ask("POST", "/containers/stuck/kill?signal=HUP"),
    ask("POST", `/exec/${id}/start`, { Detach: true }),
    ask("POST", "/containers/stuck/resize?h=1&w=1"),
  ]);
  let isAnswered = false;
  void asked.then(() => {
    isAnswered = true;
  });
  const events = daemon.events();
  assert.equal(await text("ps", "--format", "{{.Names}} {{.State}}"), "stuck running");
  assert.equal((await daemon.inspect("stuck")).State.Status, "running");
  assert.equal(await text("run", "--rm", "--name", "other", "busybox", "echo", "fine"), "fine");
  await events.prints(/"Action":"destroy"/);
  events.kill("SIGKILL");
  assert.equal(await text("logs", "stuck"), "");
  assert.equal(isAnswered, false, "all of this while the others wait");
  for (const answer of await asked) {
    assert.match(answer, /^500 /);
    assert.match(answer, SLOW);
  }
  assert.equal(await ask("POST", "/containers/stuck/rename?name=renamed"), "204");
  for (const pid of stopped) process.kill(pid, "SIGCONT");
  assert.equal(await text("exec", "renamed", "echo", "again"), "again", "a shim that goes on is used again");
  assert.equal(await text("kill", "renamed"), "renamed");
  assert.equal((await daemon.inspect("renamed")).State.ExitCode, 137);
});

for (const [verb, args] of [
  ["kill", []],
  ["stop", ["-t", "1"]],
  ["rm", ["-f"]],
] as const)
  test(`${verb} ends it although its shim is stuck`, async () => {
    const pid = await startStuck("-p", "18091:80");
    assert.equal(await text(verb, ...args, "stuck"), "stuck");
    assert.equal(await isAlive(pid), false);
    if (verb !== "rm") {
      const { State } = await daemon.inspect("stuck");
      assert.deepEqual([State.Status, State.ExitCode, State.Pid], ["exited", 137, 0]);
      assert.equal(await text("start", "stuck"), "stuck");
    } else assert.equal(await text("ps", "-aq"), "");
  });

test("a new daemon does not wait for it, and has it", async () => {
  const pid = await startStuck();
  await text("run", "-d", "--name", "other", "busybox", "sleep", "1000");
  await daemon.kill();
  await daemon.up();
  assert.equal(await text("exec", "other", "echo", "fine"), "fine");
  const { State } = await daemon.inspect("stuck");
  assert.deepEqual([State.Status, State.Pid], ["running", pid]);
  for (const shim of stopped) process.kill(shim, "SIGCONT");
  assert.equal(await text("exec", "stuck", "echo", "again"), "again");
});
