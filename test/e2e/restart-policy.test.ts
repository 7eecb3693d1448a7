// Restart policies: what ends a container for good, what it may be asked while it waits for its next start, and what a new
// daemon makes of it.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { run } from "./command.ts";
import { type Client, clients, procStatus, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const berth = clients[0] as Client;
const PROGRAM =
  "trap 'exit 4' HUP; trap 'exit 0' TERM; trap 'exit 6' USR1; echo up; while :; do sleep 0.02; done";

async function start(name: string, policy: string, script: string, more: object = {}): Promise<void> {
  const [Name, retries = "0"] = policy.split(":");
  const HostConfig = { RestartPolicy: { Name, MaximumRetryCount: Number(retries) } };
  const body = { Image: "busybox", Cmd: ["sh", "-c", script], HostConfig, ...more };
  const answer = await daemon.request("POST", `/containers/create?name=${name}`, body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  assert.equal((await daemon.request("POST", `/containers/${name}/start`)).status, 204);
}

async function ask(method: string, path: string, body?: unknown): Promise<string> {
  const answer = await daemon.request(method, `/containers/${path}`, body);
  const { message } = (answer.body ?? {}) as { message?: string };
  return message === undefined ? String(answer.status) : `${answer.status} ${message}`;
}

/** Resolves when the container is in the state; polls, since some states have no event. */
async function reaches(name: string, status: string): Promise<void> {
  while ((await daemon.inspect(name)).State.Status !== status)
    await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Starts a container that always fails and waits until its restart is at least a second away. */
async function inBackOff(name: string, policy = "always"): Promise<void> {
  const events = daemon.events();
  await start(name, policy, "exit 3");
  await events.prints(/("Action":"die"[^]*){5}/);
  events.kill("SIGKILL");
  await reaches(name, "restarting");
}

describe("a signal from a user", () => {
  // Without a stop signal of its own any signal is taken for the wish to end the container; with one only that and SIGKILL.
  for (const [policy, signal, stopSignal, expected] of [
    ["always", "HUP", "", "exited"],
    ["always", "TERM", "", "exited"],
    ["always", "KILL", "", "exited"],
    ["always", "HUP", "USR1", "restarted"],
    ["always", "USR1", "USR1", "exited"],
    ["always", "KILL", "USR1", "exited"],
    ["unless-stopped", "HUP", "", "exited"],
    ["unless-stopped", "HUP", "USR1", "exited"],
    ["on-failure", "HUP", "", "exited"],
    ["on-failure", "HUP", "USR1", "restarted"],
    ["on-failure", "TERM", "USR1", "exited"],
  ] as const)
    test(`${signal} to a container with policy ${policy}${stopSignal && ` and stop signal ${stopSignal}`}: ${expected}`, async () => {
      await start("sig", policy, PROGRAM, stopSignal === "" ? {} : { StopSignal: stopSignal });
      const logs = daemon.live(berth, ["logs", "-f", "sig"]);
      await logs.prints("up");
      logs.kill("SIGKILL");
      const events = daemon.events();
      assert.equal(await ask("POST", `sig/kill?signal=${signal}`), "204");
      await events.prints(expected === "exited" ? /"Action":"die"/ : /"Action":"die"[^]*"Action":"start"/);
      events.kill("SIGKILL");
      const { State, RestartCount } = await daemon.inspect("sig");
      assert.deepEqual([State.Status, RestartCount], expected === "exited" ? ["exited", 0] : ["running", 1]);
    });
});

describe("while a container waits for its next start", () => {
  test("it counts as running, has no process, and says so", async () => {
    await inBackOff("b1");
    const { State, RestartCount, Id } = await daemon.inspect("b1");
    const { Restarting } = State as unknown as { Restarting: boolean };
    assert.deepEqual([State.Running, Restarting, State.Pid, State.ExitCode], [true, true, 0, 3]);
    assert.ok(RestartCount >= 4);
    assert.match(await daemon.text(berth, ["ps", "--format", "{{.Status}}"]), /^Restarting \(3\) /);
    const restarting = `409 Container ${Id} is restarting, wait until the container is running`;
    assert.deepEqual(
      [
        await ask("POST", "b1/start"),
        await ask("POST", "b1/pause"),
        await ask("POST", "b1/exec", { Cmd: ["true"] }),
        await ask("GET", "b1/top"),
        await ask("POST", "b1/unpause"),
        await ask("DELETE", "b1"),
      ],
      [
        "304",
        restarting,
        restarting,
        restarting,
        `500 Container ${Id} is not paused`,
        '409 cannot remove container "b1": container is restarting: stop the container before removing or force remove',
      ],
    );
  });

  for (const verb of ["stop", "kill", "kill?signal=HUP"])
    test(`${verb} ends it at once, and whoever waits hears of it`, async () => {
      await inBackOff("b1");
      const waiting = daemon.request("POST", "/containers/b1/wait");
      assert.equal(await ask("POST", `b1/${verb}`), "204");
      assert.deepEqual((await waiting).body, { StatusCode: 3 });
      assert.equal((await daemon.inspect("b1")).State.Status, "exited");
    });

  test("restart starts it at once and counts anew; rm -f removes it", async () => {
    await inBackOff("b1");
    assert.equal(await ask("POST", "b1/restart"), "204");
    assert.ok((await daemon.inspect("b1")).RestartCount < 4);
    await reaches("b1", "restarting");
    assert.equal(await ask("DELETE", "b1?force=1"), "204");
  });

  test("update to another policy holds from the next exit on", async () => {
    await inBackOff("b1");
    assert.equal(await ask("POST", "b1/update", { RestartPolicy: { Name: "no" } }), "200");
    const { State, RestartCount } = await daemon.inspect("b1");
    assert.equal(State.Status, "restarting");
    await reaches("b1", "exited");
    assert.equal((await daemon.inspect("b1")).RestartCount, RestartCount + 1);
  });
});

test("on-failure:N gives up after N restarts; a start by the user counts anew", async () => {
  await start("f1", "on-failure:2", "exit 9");
  for (const _ of [1, 2]) {
    await reaches("f1", "exited");
    assert.equal((await daemon.inspect("f1")).RestartCount, 2);
    await ask("POST", "f1/start");
  }
  await reaches("f1", "exited");
});

test("after a restart of the daemon: by policy, by the last exit code, and by what the user did", async () => {
  for (const [name, policy, script] of [
    ["always", "always", PROGRAM],
    ["unless", "unless-stopped", PROGRAM],
    ["failed", "on-failure", "trap 'exit 5' TERM; echo up; while :; do sleep 0.02; done"],
    ["succeeded", "on-failure", PROGRAM],
    ["runs", "no", PROGRAM],
  ] as const) {
    await start(name, policy, script);
    await daemon.live(berth, ["logs", "-f", name]).prints("up");
  }
  for (const name of ["always", "unless", "failed", "succeeded"]) await ask("POST", `${name}/stop`);
  await inBackOff("waits");
  await daemon.request("POST", "/containers/create?name=never", {
    Image: "busybox",
    HostConfig: { RestartPolicy: { Name: "always" } },
    Cmd: ["true"],
  });
  await daemon.request("POST", "/containers/create?name=fleeting", {
    Image: "busybox",
    HostConfig: { AutoRemove: true },
    Cmd: ["true"],
  });
  const before = await daemon.inspect("runs");
  await daemon.kill();
  await daemon.up();
  const states = Object.fromEntries(
    await Promise.all(
      ["always", "unless", "failed", "succeeded", "runs", "never"].map(
        async (name) => [name, (await daemon.inspect(name)).State.Status] as const,
      ),
    ),
  );
  assert.deepEqual(states, {
    always: "running",
    unless: "exited",
    // Its exit code was not 0, whoever asked it to end.
    failed: "running",
    succeeded: "exited",
    runs: "running",
    never: "created",
  });
  assert.ok((await daemon.inspect("waits")).RestartCount < 4, "its count begins anew");
  assert.equal((await daemon.inspect("runs")).State.Pid, before.State.Pid);
  assert.equal((await daemon.request("GET", "/containers/fleeting/json")).status, 404);
});

test("exits while no daemon is there have their code and time, and the policy's answer", async () => {
  await start("ends", "no", "echo up; read -r x; exit 33", { OpenStdin: true });
  await start("again", "always", PROGRAM);
  const ending = [await daemon.inspect("again"), await daemon.inspect("ends")];
  await daemon.kill();
  const from = Date.now();
  // The shim takes note of an end after the process is gone.
  for (const { Id, State } of ending) {
    process.kill(State.Pid, "SIGKILL");
    const note = daemon.path("run/c", Id, "exit.json");
    while (!existsSync(note)) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const until = Date.now();
  await daemon.up();
  const { State } = await daemon.inspect("ends");
  assert.deepEqual([State.Status, State.ExitCode], ["exited", 137]);
  const finished = Date.parse(State.FinishedAt);
  assert.ok(finished >= from - 5 && finished <= until, `${State.FinishedAt} is not when it ended`);
  await reaches("again", "running");
  const second = Math.floor(from / 1000) - 1;
  const url = `http://localhost/events?since=${second}&until=${Math.ceil(Date.now() / 1000)}`;
  const { stdout } = await run(["curl", "-s", "--unix-socket", daemon.socket, url]);
  const events = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Event);
  const deaths = events.filter(
    (e) => e.Action === "die" && ["again", "ends"].includes(e.Actor.Attributes["name"] ?? ""),
  );
  assert.deepEqual(
    deaths.map((e) => [e.Actor.Attributes["name"], e.Actor.Attributes["exitCode"]]),
    [
      ["again", "137"],
      ["ends", "137"],
    ],
    "in the order of their ends",
  );
  for (const { timeNano } of deaths) assert.ok(timeNano / 1e6 >= from - 5 && timeNano / 1e6 <= until);
});

interface Event {
  Action: string;
  Actor: { Attributes: Record<string, string> };
  timeNano: number;
}

test("after the host went down: nobody saw the ends, what a policy wants runs again", async () => {
  await start("plain", "no", PROGRAM);
  await start("ever", "always", PROGRAM);
  const pids = await Promise.all(["plain", "ever"].map(async (n) => (await daemon.inspect(n)).State.Pid));
  const shims = await Promise.all(pids.map(async (pid) => Number(await procStatus(pid, "PPid"))));
  await daemon.kill();
  for (const shim of shims) process.kill(shim, "SIGKILL");
  while (pids.some((p) => alive(p))) await new Promise((resolve) => setTimeout(resolve, 10));
  // What is under /run does not outlive the host.
  await rm(daemon.path("run/c"), { recursive: true });
  const from = Date.now();
  await daemon.up();
  const { State } = await daemon.inspect("plain");
  assert.deepEqual([State.Status, State.ExitCode], ["exited", 255]);
  assert.ok(Date.parse(State.FinishedAt) >= from - 5);
  const ever = await daemon.inspect("ever");
  assert.deepEqual([ever.State.Status, ever.RestartCount], ["running", 0]);
  assert.ok(!pids.includes(ever.State.Pid));
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
