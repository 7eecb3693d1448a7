// The two-way streams of attach and exec over the raw protocol: heads, detach keys, ends of input, readers that lag or stop,
// websockets.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { after, afterEach, before, describe, test } from "node:test";
import WebSocket from "ws";
import { FrameDecoder } from "../../src/lib/frames.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { hijack, type RawAnswer, type RawRequest, readToEnd, readUntil, unframe } from "./raw.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const berth = clients[0] as Client;
const RAW = "application/vnd.docker.raw-stream";
const MULTIPLEXED = "application/vnd.docker.multiplexed-stream";
/** A terminal that neither echoes nor waits for lines. */
const BARE_CAT = "stty -echo -icanon; echo ready; exec cat";

async function ask(method: string, path: string, body?: unknown): Promise<string> {
  const answer = await daemon.request(method, path, body);
  const { message } = (answer.body ?? {}) as { message?: string };
  return message === undefined ? String(answer.status) : `${answer.status} ${message}`;
}

async function start(name: string, script: string, more: object = {}, host: object = {}): Promise<void> {
  const body = { Image: "busybox", Cmd: ["sh", "-c", script], HostConfig: host, ...more };
  const answer = await daemon.request("POST", `/containers/create?name=${name}`, body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  assert.equal(await ask("POST", `/containers/${name}/start`), "204");
}

const attach = (name: string, query: string, request?: RawRequest, version = "v1.51"): Promise<RawAnswer> =>
  hijack(daemon.socket, `/${version}/containers/${name}/attach?${query}`, request);

async function exec(Cmd: string[], more: object = {}): Promise<string> {
  const body = { Cmd, AttachStdout: true, AttachStderr: true, ...more };
  const answer = await daemon.request("POST", "/containers/host/exec", body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return (answer.body as { Id: string }).Id;
}

const run = (id: string, body: object = {}, request: RawRequest = {}): Promise<RawAnswer> =>
  hijack(daemon.socket, `/v1.51/exec/${id}/start`, { body, ...request });

interface ExecState {
  Running: boolean;
  ExitCode: number | null;
  DetachKeys: string;
}
const execState = async (id: string): Promise<ExecState> =>
  (await daemon.request("GET", `/exec/${id}/json`)).body as ExecState;

/** Resolves when an event with that action has come while `work` ran. */
async function during(action: string, work: () => Promise<unknown>): Promise<void> {
  const events = daemon.events();
  await work();
  await events.prints(`"Action":"${action}`);
  events.kill("SIGKILL");
}

describe("the answer's head", () => {
  test("is 101 for those who ask for an upgrade, 200 for the others; its type depends on version and terminal", async () => {
    await start("plain", "sleep 1000");
    await start("tty", "sleep 1000", { Tty: true });
    for (const [name, version, headers, expected] of [
      ["plain", "v1.41", undefined, ["HTTP/1.1 101 UPGRADED", RAW, "tcp"]],
      ["plain", "v1.42", undefined, ["HTTP/1.1 101 UPGRADED", MULTIPLEXED, "tcp"]],
      ["tty", "v1.42", undefined, ["HTTP/1.1 101 UPGRADED", RAW, "tcp"]],
      ["plain", "v1.42", {}, ["HTTP/1.1 200 OK", RAW, undefined]],
    ] as const) {
      const request = headers === undefined ? {} : { headers };
      const answer = await attach(name, "stream=1&stdout=1", request, version);
      answer.socket.destroy();
      const { status, headers: got } = answer;
      assert.deepEqual([status, got["content-type"], got["upgrade"]], expected, `${name} ${version}`);
    }
  });

  test("of a refusal is plain text, and the detach keys are looked at first", async () => {
    await start("paused", "sleep 1000");
    await ask("POST", "/containers/paused/pause");
    for (const [name, query, expected] of [
      ["none", "", ["HTTP/1.1 404 Not Found", "No such container: none\r\n"]],
      [
        "none",
        "detachKeys=ctrl-A",
        ["HTTP/1.1 400 Bad Request", "Invalid detach keys (ctrl-A) provided\r\n"],
      ],
      ["none", "detachKeys=a,,b", ["HTTP/1.1 400 Bad Request", "Invalid detach keys (a,,b) provided\r\n"]],
      [
        "paused",
        "detachKeys=ctrl-%5B,ctrl-@,ctrl-_,x",
        ["HTTP/1.1 409 Conflict", "container paused is paused, unpause the container before attach\r\n"],
      ],
    ] as const) {
      const { status, headers, socket } = await attach(name, query);
      assert.deepEqual([status, (await readToEnd(socket)).toString()], expected);
      assert.equal(headers["content-type"], RAW);
    }
  });
});

describe("attach", () => {
  test("with logs=1 gives what was said before, with stream=1 what is said from now on", async () => {
    await start("talker", "echo out; echo err >&2; read -r x; echo heard $x", { OpenStdin: true });
    const logs = daemon.live(berth, ["logs", "-f", "talker"]);
    await logs.prints("out");
    await logs.prints("err");
    logs.kill("SIGKILL");
    const past = await attach("talker", "logs=1&stdout=1&stderr=1");
    assert.deepEqual(unframe(await readToEnd(past.socket)), { stdout: "out\n", stderr: "err\n" });
    const errors = await attach("talker", "logs=1&stderr=1");
    assert.deepEqual(unframe(await readToEnd(errors.socket)), { stdout: "", stderr: "err\n" });
    const both = await attach("talker", "logs=1&stream=1&stdin=1&stdout=1");
    both.socket.write("me\n");
    assert.deepEqual(unframe(await readToEnd(both.socket)), { stdout: "out\nheard me\n", stderr: "" });
    assert.equal(
      (await daemon.inspect("talker")).State.Status,
      "exited",
      "its end is settled when the stream ends",
    );
  });

  test("with stdin only gives no output", async () => {
    await start("quiet", "read -r x; echo heard $x; read -r x", { OpenStdin: true });
    const { socket } = await attach("quiet", "stream=1&stdin=1");
    const logs = daemon.live(berth, ["logs", "-f", "quiet"]);
    socket.write("me\n");
    await logs.prints("heard me");
    socket.write("again\n");
    assert.equal((await readToEnd(socket)).length, 0);
    await logs.ended;
  });

  test("before the start loses nothing of a program that is quick", async () => {
    const body = { Image: "busybox", Cmd: ["echo", "early"] };
    await daemon.request("POST", "/containers/create?name=quick", body);
    const { socket } = await attach("quick", "stream=1&stdout=1");
    await ask("POST", "/containers/quick/start");
    assert.equal(unframe(await readToEnd(socket)).stdout, "early\n");
  });

  test("before a start that never comes ends when the container is removed", async () => {
    await daemon.request("POST", "/containers/create?name=never", { Image: "busybox", Cmd: ["true"] });
    const { socket } = await attach("never", "stream=1&stdout=1");
    assert.equal(await ask("DELETE", "/containers/never"), "204");
    assert.equal((await readToEnd(socket)).length, 0);
  });

  for (const [Tty, StdinOnce] of [
    [false, false],
    [true, false],
    [true, true],
  ])
    test(`ends with the client's input when that is not the program's (terminal ${Tty}, once ${StdinOnce})`, async () => {
      await start("cat", "exec cat", { OpenStdin: true, Tty, StdinOnce });
      const first = await attach("cat", "stream=1&stdin=1&stdout=1");
      first.socket.end("one\n");
      await readToEnd(first.socket);
      const second = await attach("cat", "stream=1&stdin=1&stdout=1");
      second.socket.write("two\n");
      assert.match(await readUntil(second.socket, /two/), /two/);
      second.socket.destroy();
    });

  test("hands the end of its input to a program with StdinOnce", async () => {
    await start("count", "wc -c", { OpenStdin: true, StdinOnce: true });
    const { socket } = await attach("count", "stream=1&stdin=1&stdout=1");
    socket.end("four");
    assert.equal(unframe(await readToEnd(socket)).stdout, "4\n");
  });

  test("takes the loss of a client with output on its way for the end of its input", async () => {
    const program = "read -r x; echo got $x; head -c 3000000 /dev/zero; wc -c; exec sleep 1000";
    await start("lost", program, { OpenStdin: true, StdinOnce: true });
    const { socket } = await attach("lost", "stream=1&stdin=1&stdout=1");
    const logs = daemon.live(berth, ["logs", "-f", "lost"]);
    socket.write("word\n");
    await logs.prints("got word");
    socket.destroy(); // unread: the connection is reset rather than ended
    await logs.prints("0\n");
    logs.kill("SIGKILL");
  });
});

describe("a container that is created, attached and started by one request", () => {
  const begin = (body: object, name = "begun"): Promise<RawAnswer> =>
    hijack(daemon.socket, `/containers/create?name=${name}`, {
      body: { Image: "busybox", AttachStdout: true, AttachStderr: true, ...body },
      headers: { Connection: "Upgrade", Upgrade: "run" },
    });
  const framesOf = async ({ socket }: RawAnswer): Promise<[number, string][]> => {
    const frames = new FrameDecoder().push(await readToEnd(socket));
    return frames.map(({ type, data }) => [type, Buffer.from(data).toString()]);
  };

  test("gives its streams, and last the exit code", async () => {
    const input = { AttachStdin: true, OpenStdin: true, StdinOnce: true };
    const begun = await begin({ Cmd: ["sh", "-c", "cat; exit 6"], ...input });
    assert.deepEqual([begun.status, begun.headers["upgrade"]], ["HTTP/1.1 101 UPGRADED", "run"]);
    assert.equal(begun.headers["container-id"], (await daemon.inspect("begun")).Id);
    begun.socket.end("from stdin");
    assert.deepEqual(await framesOf(begun), [
      [1, "from stdin"],
      [4, "6"],
    ]);
  });

  test("gives only the streams that were asked for", async () => {
    const begun = await begin({ Cmd: ["sh", "-c", "echo o; echo e >&2"], AttachStdout: false });
    assert.deepEqual(await framesOf(begun), [
      [2, "e\n"],
      [4, "0"],
    ]);
  });

  test("with AutoRemove is gone when its exit code is told", async () => {
    const begun = await begin({ Cmd: ["sh", "-c", "exit 3"], HostConfig: { AutoRemove: true } });
    assert.deepEqual(await framesOf(begun), [[4, "3"]]);
    assert.match(await ask("GET", "/containers/begun/json"), /^404/);
  });

  test("tells warnings, and why it has not started", async () => {
    const HostConfig = { KernelMemory: 8 << 20 };
    const [[kind, warning] = [], ...rest] = await framesOf(await begin({ Cmd: ["nosuch"], HostConfig }));
    assert.equal(kind, 5);
    assert.match(warning ?? "", /^\{"warning":"[^"]*kernel memory[^"]*"\}\n$/);
    assert.equal(rest.length, 1);
    assert.match(
      rest[0]?.[1] ?? "",
      /^\{"failure":\{"kind":"[a-zA-Z]+","message":".*executable file not found.*"\}\}\n$/,
    );
    assert.equal((await daemon.inspect("begun")).State.Status, "created");
  });

  test("that cannot be created is refused as ever, and one with a terminal, too", async () => {
    const terminal = await begin({ Cmd: ["true"], Tty: true });
    assert.equal(terminal.status, "HTTP/1.1 400 Bad Request");
    assert.match((await readToEnd(terminal.socket)).toString(), /with a terminal/);
    assert.match(await ask("GET", "/containers/begun/json"), /^404/);
    const refused = await begin({ Image: "nosuch", Cmd: ["true"] });
    assert.equal(refused.status, "HTTP/1.1 404 Not Found");
    assert.match((await readToEnd(refused.socket)).toString(), /"No such image: nosuch:latest"/);
  });
});

describe("detach keys", () => {
  for (const [query, keys, what] of [
    ["", "\x10\x11", "ctrl-p,ctrl-q"],
    ["&detachKeys=ctrl-a,x", "\x01x", "ctrl-a,x"],
    ["&detachKeys=ctrl-%5B,ctrl-@", "\x1b\0", "ctrl-[,ctrl-@"],
  ])
    test(`${what} ends the connection and leaves the program on its terminal`, async () => {
      await start("term", BARE_CAT, { OpenStdin: true, Tty: true });
      await daemon.live(berth, ["logs", "-f", "term"]).prints("ready");
      await during("detach", async () => {
        const { socket } = await attach("term", `stream=1&stdin=1&stdout=1${query}`);
        socket.write("typed");
        await readUntil(socket, /typed/);
        // A sequence that is broken off is the program's.
        socket.write(`${keys?.[0]}-`);
        await readUntil(socket, /-/);
        socket.write(`last\n${keys}`);
        await readToEnd(socket);
      });
      await daemon.live(berth, ["logs", "-f", "term"]).prints(`typed${keys?.[0]}-last`);
      assert.equal((await daemon.inspect("term")).State.Running, true);
    });

  test("of an exec are its own, and it goes on", async () => {
    await start("host", "sleep 1000");
    const id = await exec(["sh", "-c", BARE_CAT], { AttachStdin: true, Tty: true, DetachKeys: "ctrl-a,x" });
    await during("exec_detach", async () => {
      const { socket } = await run(id, { Tty: true });
      await readUntil(socket, /ready/);
      socket.write("\x01x");
      assert.equal((await readToEnd(socket)).toString(), "\r\n".slice(2));
    });
    const { Running, DetachKeys } = await execState(id);
    assert.deepEqual([Running, DetachKeys], [true, Buffer.from("\x01x").toString("base64")]);
    const refused = await ask("POST", "/containers/host/exec", { Cmd: ["true"], DetachKeys: "ctrl-!" });
    assert.equal(refused, "400 Invalid escape keys (ctrl-!) provided");
  });
});

describe("exec", () => {
  test("frames its output as the start request says, whatever it runs on", async () => {
    await start("host", "sleep 1000");
    for (const [made, asked, type, expected] of [
      [false, false, MULTIPLEXED, "\x01\0\0\0\0\0\0\x03hi\n"],
      [false, true, RAW, "hi\n"],
      [true, true, RAW, "hi\r\n"],
      [true, false, MULTIPLEXED, "\x01\0\0\0\0\0\0\x04hi\r\n"],
    ] as const) {
      const { headers, socket } = await run(await exec(["echo", "hi"], { Tty: made }), { Tty: asked });
      assert.equal(headers["content-type"], type);
      assert.equal((await readToEnd(socket)).toString("latin1"), expected);
    }
  });

  test("runs once", async () => {
    await start("host", "sleep 1000");
    const id = await exec(["true"]);
    await readToEnd((await run(id)).socket);
    assert.equal(await ask("POST", `/exec/${id}/start`, {}), `409 exec command ${id} has already run`);
    const other = await exec(["sleep", "1000"]);
    assert.equal(await ask("POST", `/exec/${other}/start`, { Detach: true }), "200");
    const again = `409 exec command ${other} is already running`;
    assert.equal(await ask("POST", `/exec/${other}/start`, { Detach: true }), again);
    assert.deepEqual((await daemon.inspect("host")).ExecIDs, [other]);
  });

  test("that cannot run says so on the stream, or to who starts it detached, and has an exit code", async () => {
    await start("host", "sleep 1000");
    for (const [cmd, more, text, code] of [
      [["nosuch"], {}, /exec: "nosuch": executable file not found in \$PATH: unknown\r\n$/, 127],
      [["/etc"], {}, /exec: "\/etc": is a directory: unknown: permission denied\r\n$/, 126],
      [
        ["true"],
        { WorkingDir: "/none" },
        /chdir to cwd \("\/none"\) set in config.json failed: no such file or directory: unknown/,
        127,
      ],
    ] as const) {
      const id = await exec([...cmd], more);
      assert.match(unframe(await readToEnd((await run(id)).socket)).stdout, text);
      assert.deepEqual([(await execState(id)).ExitCode, (await execState(id)).Running], [code, false]);
      const detached = await exec([...cmd], more);
      const refused = await ask("POST", `/exec/${detached}/start`, { Detach: true });
      assert.match(`${refused}\r\n`, new RegExp(text.source.replace(/^\^/, "^400 ")), refused);
      assert.equal((await execState(detached)).ExitCode, code);
    }
  });

  test("that was never started ends with its container; a resize waits for it", async () => {
    await start("host", "sleep 1000");
    const id = await exec(["sh", "-c", "until stty size | grep '33 99'; do sleep 0.02; done"], { Tty: true });
    const resized = ask("POST", `/exec/${id}/resize?h=33&w=99`);
    const { socket } = await run(id, { Tty: true });
    assert.equal(await resized, "200");
    assert.match((await readToEnd(socket)).toString(), /33 99/);
    const never = await exec(["true"]);
    await ask("POST", "/containers/host/restart?t=0");
    assert.equal(await ask("POST", `/exec/${never}/start`, {}), `404 No such exec instance: ${never}`);
    assert.equal((await daemon.inspect("host")).ExecIDs, null);
  });
});

describe("a reader that", () => {
  const SIZE = 100_000_000;
  const FLOOD = `yes 0123456789abcdef | head -c ${SIZE}; exit 5`;

  test("stops reading does not hold the container up, and has everything when it reads again", async () => {
    const body = { Image: "busybox", Cmd: ["sh", "-c", FLOOD], HostConfig: { LogConfig: { Type: "none" } } };
    await daemon.request("POST", "/containers/create?name=flood", body);
    const { socket } = await attach("flood", "stream=1&stdout=1");
    const waiting = daemon.request("POST", "/containers/flood/wait?condition=next-exit");
    await ask("POST", "/containers/flood/start");
    assert.deepEqual((await waiting).body, { StatusCode: 5 });
    // The container is gone; what waits for the reader is not.
    assert.equal(await ask("DELETE", "/containers/flood"), "204");
    assert.equal(unframe(await readToEnd(socket)).stdout.length, SIZE);
  });

  test("has gone does not hold the container up", async () => {
    const body = { Image: "busybox", Cmd: ["sh", "-c", FLOOD], HostConfig: { LogConfig: { Type: "none" } } };
    await daemon.request("POST", "/containers/create?name=flood", body);
    const { socket } = await attach("flood", "stream=1&stdout=1");
    const waiting = daemon.request("POST", "/containers/flood/wait?condition=next-exit");
    await ask("POST", "/containers/flood/start");
    await once(socket.resume(), "data");
    socket.destroy();
    assert.deepEqual((await waiting).body, { StatusCode: 5 });
  });

  test("is slow but steady gets every byte in order", async () => {
    const size = 30_000_000;
    const body = {
      Image: "busybox",
      Cmd: ["sh", "-c", `yes 0123456789abcdef | head -c ${size}`],
      HostConfig: { LogConfig: { Type: "none" } },
    };
    await daemon.request("POST", "/containers/create?name=flood", body);
    const { socket } = await attach("flood", "stream=1&stdout=1");
    await ask("POST", "/containers/flood/start");
    const chunks: Buffer[] = [];
    for await (const chunk of socket) {
      chunks.push(chunk as Buffer);
      if (chunks.length % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const { stdout } = unframe(Buffer.concat(chunks));
    assert.equal(stdout.length, size);
    assert.ok(stdout === "0123456789abcdef\n".repeat(size / 17 + 1).slice(0, size));
  });
});

describe("over a websocket", () => {
  const open = (name: string, query: string, version = "v1.51"): WebSocket =>
    new WebSocket(`ws://docker/${version}/containers/${name}/attach/ws?${query}`, {
      createConnection: () => createConnection(daemon.socket),
    } as object);

  /** All messages until the end, and the code of the closing handshake. */
  async function talk(socket: WebSocket): Promise<{ text: string; kinds: Set<boolean>; code: number }> {
    let text = "";
    const kinds = new Set<boolean>();
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      text += data.toString();
      kinds.add(isBinary);
    });
    const [code] = (await once(socket, "close")) as [number];
    return { text, kinds, code };
  }

  test("messages go both ways without frames, and the end of the program closes it", async () => {
    await start("talker", "read -r x; echo heard $x; echo err >&2; read -r x", { OpenStdin: true });
    const socket = open("talker", "stream=1&stdin=1&stdout=1&stderr=1");
    const talked = talk(socket);
    await once(socket, "open");
    socket.send("me\n");
    socket.send(Buffer.from("bye\n"));
    const { text, kinds, code } = await talked;
    assert.deepEqual([...text].sort().join(""), [..."heard me\nerr\n"].sort().join(""));
    assert.deepEqual([[...kinds], code], [[true], 1000]);
  });

  test("before API 1.28 messages are text; before 1.42 all streams are there without asking", async () => {
    await start("talker", "read -r x; echo heard $x", { OpenStdin: true });
    const socket = open("talker", "stream=1", "v1.27");
    const talked = talk(socket);
    await once(socket, "open");
    socket.send("me\n");
    assert.deepEqual(await talked, { text: "heard me\n", kinds: new Set([false]), code: 1000 });
    await start("other", "echo out; echo err >&2; read -r x", { OpenStdin: true });
    await daemon.live(berth, ["logs", "-f", "other"]).prints("out");
    const chosen = open("other", "logs=1&stderr=1");
    assert.equal((await talk(chosen)).text, "err\n", "since 1.42 one gets what one asks for");
  });

  test("a terminal's detach keys close it; closing it leaves the program", async () => {
    await start("term", BARE_CAT, { OpenStdin: true, Tty: true });
    await daemon.live(berth, ["logs", "-f", "term"]).prints("ready");
    await during("detach", async () => {
      const socket = open("term", "stream=1&stdin=1&stdout=1&detachKeys=ctrl-x");
      const talked = talk(socket);
      await once(socket, "open");
      socket.send("typed\x18");
      const { text, code } = await talked;
      assert.ok("typed".startsWith(text), text);
      assert.equal(code, 1000);
    });
    const socket = open("term", "stream=1&stdin=1&stdout=1");
    await once(socket, "open");
    socket.send("more");
    await once(socket, "message");
    socket.close();
    await once(socket, "close");
    assert.equal((await daemon.inspect("term")).State.Running, true);
  });

  test("what is wrong has a status code", async () => {
    await start("talker", "sleep 1000");
    const refused = open("none", "stream=1");
    const [, answer] = (await once(refused, "unexpected-response")) as [unknown, { statusCode: number }];
    assert.equal(answer.statusCode, 404);
    refused.on("error", () => {}); // ignored: that it was cut off
    refused.terminate();
    assert.match(await ask("GET", "/containers/talker/attach/ws?stream=1"), /^400 not a websocket handshake/);
    assert.match(await ask("GET", "/containers/talker/attach/ws?detachKeys=foo"), /^400 Invalid detach keys/);
  });
});

for (const client of clients)
  describe(`${client.name}: attach and detach`, () => {
    test("attach refuses what does not run, is paused, or waits for its next start", async () => {
      const refusal = async (name: string): Promise<string> => {
        const { status, stderr } = await daemon.run(client, ["attach", name]);
        assert.equal(status, 1);
        return stderr.trim();
      };
      await daemon.request("POST", "/containers/create?name=idle", { Image: "busybox", Cmd: ["true"] });
      await start("paused", "sleep 1000");
      await ask("POST", "/containers/paused/pause");
      assert.equal(await refusal("idle"), "You cannot attach to a stopped container, start it first");
      assert.equal(await refusal("paused"), "You cannot attach to a paused container, unpause it first");
      assert.match(await refusal("none"), /No such container: none/);
    });

    for (const [what, args, keys] of [
      ["attach", ["attach", "host"], "\x10\x11"],
      ["attach --detach-keys", ["attach", "--detach-keys", "ctrl-a,d", "host"], "\x01d"],
      ["exec", ["exec", "-it", "host", "sh", "-c", "echo ready; exec cat"], "\x10\x11"],
    ] as const)
      test(`${what} detached by keys says so and fails with 1`, async () => {
        await start("host", "while :; do echo ready; sleep 0.1; done", { OpenStdin: true, Tty: true });
        const terminal = daemon.onTerminal(client, args);
        await terminal.prints("ready");
        terminal.stdin.write(keys);
        const { status } = await terminal.ended;
        assert.match(terminal.output, /read escape sequence/);
        assert.equal(status, 1);
        assert.equal((await daemon.inspect("host")).State.Running, true);
      });

    test("the user's configuration may name other detach keys", async () => {
      await mkdir(daemon.path("config"), { recursive: true });
      await writeFile(daemon.path("config/config.json"), '{"detachKeys": "ctrl-e,z"}');
      try {
        await start("host", "while :; do echo ready; sleep 0.1; done", { OpenStdin: true, Tty: true });
        const terminal = daemon.onTerminal(client, ["attach", "host"]);
        await terminal.prints("ready");
        terminal.stdin.write("\x05z");
        assert.equal((await terminal.ended).status, 1);
        assert.match(terminal.output, /read escape sequence/);
      } finally {
        await rm(daemon.path("config"), { recursive: true });
      }
    });

    test("attach with piped input: the answer to the last of it is heard", async () => {
      const script = "read -r a; read -r b; echo got $a and $b";
      await daemon.text(client, ["run", "-di", "--name", "piped", "busybox", "sh", "-c", script]);
      const outcome = await daemon.run(client, ["attach", "piped"], { input: "one\ntwo\n" });
      assert.deepEqual([outcome.status, outcome.stdout], [0, "got one and two\n"]);
    });

    test("start -ai: input, output, exit code", async () => {
      await daemon.text(client, ["create", "-i", "--name", "both", "busybox", "sh", "-c", "cat; exit 9"]);
      const outcome = await daemon.run(client, ["start", "-ai", "both"], { input: "fed\n" });
      assert.deepEqual([outcome.status, outcome.stdout], [9, "fed\n"]);
      const missing = await daemon.run(client, ["start", "-a", "none"]);
      assert.equal(missing.status, 1);
    });

    test("sig-proxy=false keeps the signal for the client", async () => {
      const program = "trap 'exit 11' TERM; echo up; while :; do sleep 0.1; echo tick; done";
      const args = ["run", "--name", "own", "--sig-proxy=false", "busybox", "sh", "-c", program];
      const live = daemon.live(client, args);
      await live.prints("up");
      live.kill("SIGTERM");
      // Docker's client takes its time over it.
      if (client.name === "berth") await live.ended;
      assert.equal((await daemon.inspect("own")).State.Running, true);
      live.kill("SIGKILL");
      const attached = daemon.live(client, ["attach", "--no-stdin", "own"]);
      await attached.prints("tick");
      attached.kill("SIGTERM");
      assert.equal((await attached.ended).status, 11, "attach passes signals on");
    });
  });
