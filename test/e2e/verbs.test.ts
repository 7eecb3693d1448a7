// What each verb answers in each state of a container: status, words, state, events. The words are those of Docker Engine.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { after, afterEach, before, describe, test } from "node:test";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start({
    // Removal at once: what it does when it fails is looked at.
    config: { undo: false },
    expectedErrors: /cannot be removed|unable to remove filesystem/,
  });
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const berth = clients[0] as Client;

async function create(name: string, cmd: string[], more: object = {}, host: object = {}): Promise<string> {
  const body = { Image: "busybox", Cmd: cmd, HostConfig: host, ...more };
  const answer = await daemon.request("POST", `/containers/create?name=${name}`, body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return (answer.body as { Id: string }).Id;
}

async function start(name: string, cmd: string[], more: object = {}, host: object = {}): Promise<string> {
  const id = await create(name, cmd, more, host);
  assert.equal((await daemon.request("POST", `/containers/${name}/start`)).status, 204);
  return id;
}

/** Status and message of a request on a container. */
async function ask(method: string, path: string, body?: unknown): Promise<string> {
  const answer = await daemon.request(method, `/containers/${path}`, body);
  const { message } = (answer.body ?? {}) as { message?: string };
  return message === undefined ? String(answer.status) : `${answer.status} ${message}`;
}

const SLEEP = ["sleep", "1000"];
const POLITE = ["sh", "-c", "trap 'exit 4' HUP; trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done"];

/** Waits until the program has said that it is ready for signals. */
async function isUp(name: string): Promise<void> {
  const logs = daemon.live(berth, ["logs", "-f", name]);
  await logs.prints("up");
  logs.kill("SIGKILL");
}

/** The actions of a container's events while `work` runs, up to and with the one that matches `last`. */
async function eventsOf(name: string, last: RegExp, work: () => Promise<unknown>): Promise<string[]> {
  const events = daemon.events();
  await work();
  await events.prints(last);
  events.kill("SIGKILL");
  return events.output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { Action: string; Actor: { Attributes: Record<string, string> } })
    .filter((e) => e.Actor.Attributes["name"] === name)
    .map(({ Action, Actor }) => (Action === "kill" ? `kill ${Actor.Attributes["signal"]}` : Action));
}

const action = (name: string): RegExp => new RegExp(`"Action":"${name}"`);

test("a container that was never started", async () => {
  const id = await create("c1", SLEEP);
  assert.deepEqual(
    [
      await ask("POST", "c1/stop"),
      await ask("POST", "c1/kill"),
      await ask("POST", "c1/pause"),
      await ask("POST", "c1/unpause"),
      await ask("POST", "c1/resize?h=1&w=1"),
      await ask("GET", "c1/top"),
      await ask("POST", "c1/exec", { Cmd: ["true"] }),
      await ask("POST", "c1/wait"),
    ],
    [
      "304",
      `409 cannot kill container: c1: container ${id} is not running`,
      `409 container ${id} is not running`,
      `500 Container ${id} is not paused`,
      `409 container ${id} is not running`,
      `409 container ${id} is not running`,
      `409 container ${id} is not running`,
      "200",
    ],
  );
  assert.match(await ask("POST", "c1/start", { Binds: ["/a:/b"] }), /^400 starting container with non-empty/);
  assert.equal(await ask("POST", "c1/restart?t=0"), "204");
  assert.equal(
    await ask("DELETE", "c1"),
    '409 cannot remove container "c1": container is running: stop the container before removing or force remove',
  );
});

test("a paused container", async () => {
  const id = await start("p1", SLEEP, { StopSignal: "TERM" });
  assert.equal(await ask("POST", "p1/pause"), "204");
  assert.deepEqual(
    [
      await ask("POST", "p1/pause"),
      await ask("POST", "p1/start"),
      await ask("POST", "p1/exec", { Cmd: ["true"] }),
      await ask("DELETE", "p1"),
      await ask("POST", "p1/rename?name=q1"),
      await ask("POST", "q1/kill?signal=CONT"),
    ],
    [
      `409 container ${id} is already paused`,
      "409 cannot start a paused container, try unpause instead",
      "409 Container p1 is paused, unpause the container before exec",
      '409 cannot remove container "p1": container is paused and must be unpaused first',
      "204",
      "204",
    ],
  );
  assert.equal(await ask("POST", "q1/unpause"), "204", "a signal that does not end it leaves it paused");
});

test("stop, kill and restart of a paused container let it go on", async () => {
  await start("p1", SLEEP);
  await ask("POST", "p1/pause");
  const stopped = await eventsOf("p1", action("stop"), () => ask("POST", "p1/stop?t=0"));
  assert.deepEqual(stopped, ["kill 15", "unpause", "kill 9", "die", "stop"]);
  await ask("POST", "p1/start");
  await ask("POST", "p1/pause");
  assert.deepEqual(await eventsOf("p1", action("die"), () => ask("POST", "p1/kill")), ["kill 9", "die"]);
  await ask("POST", "p1/start");
  await ask("POST", "p1/pause");
  assert.equal(await ask("POST", "p1/restart?t=0"), "204");
  assert.equal((await daemon.inspect("p1")).State.Status, "running");
});

test("the events of a whole life, and of a restart", async () => {
  assert.deepEqual(
    await eventsOf("m1", action("destroy"), async () => {
      await start("l1", SLEEP);
      await ask("POST", "l1/resize?h=20&w=80");
      await ask("POST", "l1/restart?t=0");
      await ask("POST", "l1/rename?name=m1");
      await ask("DELETE", "m1?force=1");
    }),
    ["rename", "kill 9", "die", "destroy"],
  );
});

test("a --rm container survives a restart and is removed by a stop", async () => {
  await start("r1", SLEEP, {}, { AutoRemove: true });
  assert.equal(await ask("POST", "r1/restart?t=0"), "204");
  assert.equal((await daemon.inspect("r1")).State.Status, "running");
  assert.deepEqual(await eventsOf("r1", action("destroy"), () => ask("POST", "r1/stop?t=0")), [
    "kill 15",
    "kill 9",
    "die",
    "stop",
    "destroy",
  ]);
});

test("signals: by name and number; what is none of Linux is refused", async () => {
  await start("s1", ["sh", "-c", "trap '' HUP; sleep 1000 & wait"]);
  for (const signal of ["HUP", "sighup", "1", "SIGHUP", "CHLD", "CLD"])
    assert.equal(await ask("POST", `s1/kill?signal=${signal}`), "204", signal);
  for (const [signal, why] of [
    ["0", "invalid signal: 0"],
    ["FOO", "invalid signal: FOO"],
    ["RTMIN%2b99", "invalid signal: RTMIN+99"],
    ["65", "the linux daemon does not support signal 65"],
    ["33", "the linux daemon does not support signal 33"],
  ])
    assert.equal(await ask("POST", `s1/kill?signal=${signal}`), `400 cannot kill container: s1: ${why}`);
  assert.equal(await ask("POST", "s1/stop?signal=FOO"), "400 cannot stop container: s1: invalid signal: FOO");
  await start("s0", ["sleep", "1000"]);
  assert.equal(await ask("POST", "s0/kill"), "204");
  assert.equal(await ask("POST", "s0/restart?signal=FOO"), "204", "there is nobody to send it to");
  assert.match(await ask("POST", "s0/restart?signal=FOO"), /^500 .*invalid signal: FOO/);
});

test("stop's signal parameter is known since API 1.42", async () => {
  for (const [version, exitCode] of [
    ["v1.41", 0],
    ["v1.42", 4],
  ] as const) {
    await start("s1", POLITE);
    await isUp("s1");
    const answer = await daemon.request("POST", `/${version}/containers/s1/stop?signal=HUP`);
    assert.equal(answer.status, 204);
    assert.equal((await daemon.inspect("s1")).State.ExitCode, exitCode, version);
    await daemon.removeContainers();
  }
});

test("a container that takes its time to stop can be renamed, updated and killed meanwhile", async () => {
  await start("slow", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.02; done"]);
  await isUp("slow");
  const events = daemon.events();
  const stopping = ask("POST", "slow/stop?t=-1");
  await events.prints(/"signal":"15"/);
  events.kill("SIGKILL");
  assert.equal(await ask("POST", "slow/rename?name=slower"), "204");
  assert.equal(await ask("POST", "slower/update", { RestartPolicy: { Name: "always" } }), "200");
  assert.equal(await ask("POST", "slower/kill"), "204");
  assert.equal(await stopping, "204");
  assert.equal((await daemon.inspect("slower")).State.Status, "exited");
});

test("rename: Docker's rules and words", async () => {
  const id = await create("one", SLEEP);
  const other = await create("two", SLEEP);
  assert.deepEqual(
    [
      await ask("POST", "one/rename?name=two"),
      await ask("POST", "one/rename?name=one"),
      await ask("POST", "one/rename?name=/one"),
      await ask("POST", "one/rename"),
      await ask("POST", "one/rename?name=-bad"),
      await ask("POST", "none/rename?name=three"),
    ],
    [
      `409 Error when allocating new name: Conflict. The container name "/two" is already in use by container "${other}". You have to remove (or rename) that container to be able to reuse that name.`,
      "400 Renaming a container with the same name as its current name",
      "400 Renaming a container with the same name as its current name",
      "400 Neither old nor new names may be empty",
      "400 Error when allocating new name: Invalid container name (/-bad), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
      "404 No such container: none",
    ],
  );
  for (const step of ["one/rename?name=tmp", "two/rename?name=one", "tmp/rename?name=/two"])
    assert.equal(await ask("POST", step), "204");
  assert.deepEqual([(await daemon.inspect("two")).Id, (await daemon.inspect("one")).Id], [id, other]);
});

test("an id may be cut short as long as it is the only one", async () => {
  const ids: string[] = [];
  while (new Set(ids.map((id) => id[0])).size === ids.length) ids.push(await create(`n${ids.length}`, SLEEP));
  const prefix = (ids.at(-1) as string).slice(0, 1);
  for (const [method, verb] of [
    ["GET", "json"],
    ["POST", "start"],
    ["POST", "wait"],
  ] as const)
    assert.equal(
      await ask(method, `${prefix}/${verb}`),
      `400 multiple IDs found with provided prefix: ${prefix}`,
    );
  assert.equal((await daemon.inspect((ids[0] as string).slice(0, 12))).Id, ids[0]);
});

describe("wait", () => {
  test("answers its head at once; next-exit, not-running and removed end when they should", async () => {
    await create("w1", ["sh", "-c", "exit 7"]);
    const wait = async (condition: string): Promise<string> => {
      const url = `http://localhost/containers/w1/wait?condition=${condition}`;
      return (await run(["curl", "-sN", "-X", "POST", "--unix-socket", daemon.socket, url])).stdout.trim();
    };
    const [next, removed] = [wait("next-exit"), wait("removed")];
    assert.equal(await wait("not-running"), '{"StatusCode":0}');
    // Clients start the container when they have the head, which says that the wait is registered.
    const socket = connect(daemon.socket);
    socket.write(
      "POST /containers/w1/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n",
    );
    const [head] = (await once(socket, "data")) as [Buffer];
    assert.match(head.toString(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/);
    socket.destroy();
    await ask("POST", "w1/start");
    assert.equal(await next, '{"StatusCode":7}');
    assert.equal(await ask("DELETE", "w1"), "204");
    assert.equal(await removed, '{"StatusCode":7}');
  });

  test("says why a container could not be started", async () => {
    await create("w1", ["nosuch"]);
    assert.match(await ask("POST", "w1/start"), /^400 .*executable file not found in \$PATH/);
    const { body } = await daemon.request("POST", "/containers/w1/wait");
    const { StatusCode, Error: failure } = body as { StatusCode: number; Error: { Message: string } };
    assert.equal(StatusCode, 127);
    assert.match(failure.Message, /executable file not found/);
    assert.match(await ask("POST", "w1/restart"), /^500 Cannot restart container w1: .*executable file not/);
    assert.match(await ask("POST", "w1/wait?condition=foo"), /^400 invalid condition: "foo"/);
  });
});

describe("removal", () => {
  test("of many at once removes once: the others hear that it is in progress, or that it is gone", async () => {
    await start("r1", SLEEP);
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask("DELETE", "r1?force=1")));
    assert.equal(answers.filter((a) => a === "204").length, 1, answers.join("\n"));
    for (const answer of answers.filter((a) => a !== "204"))
      assert.match(
        answer,
        /^409 removal of container r1 is already in progress$|^404 No such container: r1$/,
      );
  });

  test("that fails leaves a dead container with the reason, which can be removed again", async () => {
    const id = await create("r1", SLEEP);
    const upper = daemon.path("data/containers", id, "upper");
    assert.ok(existsSync(upper));
    // A mount point cannot be moved away.
    const mount = ["mount", "-t", "tmpfs", "none", upper];
    const inDaemon = ["nsenter", `--mount=/proc/${daemon.pid}/ns/mnt`];
    assert.equal((await run([...inDaemon, ...mount])).status, 0);
    try {
      assert.match(
        await ask("DELETE", "r1"),
        /^500 cannot remove container "r1": unable to remove filesystem: /,
      );
      const { State } = await daemon.inspect("r1");
      assert.deepEqual([State.Status, (State as unknown as { Dead: boolean }).Dead], ["dead", true]);
      assert.match(State.Error, /unable to remove filesystem/);
      const listed = await daemon.text(berth, [
        "ps",
        "-a",
        "--filter",
        "status=dead",
        "--format",
        "{{.Status}}",
      ]);
      assert.equal(listed, "Dead");
      assert.equal(
        await ask("POST", "r1/start"),
        "409 container is marked for removal and cannot be started",
      );
    } finally {
      assert.equal((await run([...inDaemon, "umount", upper])).status, 0);
    }
    await daemon.kill();
    await daemon.up();
    assert.equal((await daemon.inspect("r1")).State.Status, "dead", "a new daemon leaves it to the user");
    assert.equal(await ask("DELETE", "r1"), "204");
    assert.equal(await ask("GET", "r1/json"), "404 No such container: r1");
  });
});

for (const client of clients)
  describe(`${client.name}: several containers in one command`, () => {
    test("what succeeds is printed, what fails is told, the exit status is 1", async () => {
      await start("a1", POLITE);
      await create("b1", SLEEP);
      for (const verb of ["stop", "kill", "restart", "pause", "rm -f"]) {
        if (verb === "kill") await ask("POST", "a1/start");
        const outcome = await daemon.run(client, [...verb.split(" "), "a1", "none"]);
        assert.equal(outcome.stdout, "a1\n", verb);
        assert.match(outcome.stderr, /No such container: none/, verb);
        // What is not there need not be removed by force.
        assert.equal(outcome.status, verb === "rm -f" ? 0 : 1, verb);
        if (verb === "pause") await ask("POST", "a1/unpause");
      }
      const waited = await daemon.run(client, ["wait", "b1", "none", "b1"]);
      assert.deepEqual([waited.status, waited.stdout], [1, "0\n0\n"]);
    });
  });
