import assert from "node:assert/strict";
import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect, createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Client, createClient } from "../api/client.ts";
import * as containers from "../api/operations/container.ts";
import { execStart } from "../api/operations/exec.ts";
import { imageCreate, imageLoad } from "../api/operations/image.ts";
import { systemDataUsage, systemEvents, systemPing } from "../api/operations/system.ts";
import { encodeFrames, FRAME_TYPES, FrameDecoder } from "../lib/frames.ts";
import { Fault } from "../lib/errors.ts";
import { createFakePorts, FAKE_ID, type FakePorts } from "./fake-ports.ts";
import { createServer, type Server } from "./server.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-server-"));
const socketPath = join(folder, "api.sock");
let ports: FakePorts;
let server: Server;
let client: Client;

before(async () => {
  ports = createFakePorts();
  server = createServer({ ports, productVersion: "0.1.0-test" });
  await server.listen(`unix://${socketPath}`);
  client = createClient({ host: `unix://${socketPath}`, version: "1.56" });
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Sends bytes as they are and returns everything until the server closes. */
function raw(text: string, options: { readonly isHalfClosed?: boolean } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    let received = "";
    socket.on("data", (chunk) => (received += String(chunk)));
    socket.on("end", () => socket.destroy());
    socket.on("close", () => resolve(received));
    socket.on("error", reject);
    if (options.isHalfClosed) socket.end(text);
    else socket.write(text);
  });
}

const get = (target: string) => raw(`GET ${target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n`);
const post = (target: string, body: string, type = "application/json") =>
  raw(
    `POST ${target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );

async function refused(call: Promise<unknown>, kind: string, message: RegExp): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.message, message);
    return true;
  });
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await collect(stream)).toString();
}

describe("requests and answers", () => {
  test("ping answers with dockerd's headers, for GET and HEAD", async () => {
    const headers = await client.ping();
    assert.equal(headers.get("api-version"), "1.56");
    assert.equal(headers.get("ostype"), "linux");
    assert.equal(headers.get("docker-experimental"), "false");
    assert.equal(headers.get("builder-version"), "1");
    assert.equal(headers.get("cache-control"), "no-cache, no-store, must-revalidate");
    assert.equal(headers.get("server"), "Berth/0.1.0-test (linux)");
    assert.equal(headers.get("content-length"), "0");
    assert.equal(await client.call(systemPing, {}), "OK");
  });

  test("unknown paths and methods answer 404 page not found", async () => {
    assert.match(await get("/nope"), /^HTTP\/1.1 404 Not Found\r\n[\s\S]*\{"message":"page not found"\}\n$/);
    assert.match(await get("/v1.41/nope"), /404 Not Found[\s\S]*page not found/);
    assert.match(
      await raw("DELETE /info HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"),
      /page not found/,
    );
    assert.match(await get("/containers/%zz/json"), /400 Bad Request[\s\S]*invalid URL escape/);
  });

  test("versions out of range are refused with Docker's words", async () => {
    const tooNew = await get("/v1.99/_ping");
    assert.match(tooNew, /^HTTP\/1.1 400/);
    assert.match(tooNew, /"client version 1.99 is too new. Maximum supported API version is 1.56"/);
    const tooOld = await get("/v1.12/info");
    assert.match(tooOld, /Content-Type: text\/plain/i);
    assert.match(
      tooOld,
      /client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\n$/,
    );
    assert.match(await post("/v1.24/containers/prune", ""), /requires minimum API version 1.25/);
  });

  test("an operation without implementation answers 501 with its name", async () => {
    await refused(
      client.call(systemDataUsage, {}),
      "notImplemented",
      /^SystemDataUsage is not supported by this version$/,
    );
  });

  test("a bug in the engine answers 500 and the server lives on", async () => {
    await refused(client.call(containers.containerTop, { id: "web" }), "system", /a bug in the engine/);
    assert.equal(await client.call(systemPing, {}), "OK");
  });

  test("parameters reach the engine decoded, defaults included", async () => {
    const list = await client.call(containers.containerList, {
      all: true,
      limit: 3,
      filters: { label: ["a=b", "c"], status: ["running"] },
    });
    assert.equal(list[0]?.Names[0], "/web");
    assert.deepEqual(ports.calls.at(-1), [
      "list",
      { all: true, limit: 3, size: false, filters: { label: ["a=b", "c"], status: ["running"] } },
    ]);
    await get(`/containers/json?all=no&filters=${encodeURIComponent('{"id":["x","x"]}')}`);
    assert.deepEqual(ports.calls.at(-1), [
      "list",
      { all: false, limit: undefined, size: false, filters: { id: ["x"] } },
    ]);
    assert.match(await get("/containers/json?limit=abc"), /strconv.Atoi: parsing \\"abc\\": invalid syntax/);
    assert.match(await get("/containers/json?filters=%7B"), /"invalid filter"/);
  });

  test("bodies are decoded as Go would, and refused in Go's words", async () => {
    const create = (body: string, type?: string) => post("/containers/create?name=a", body, type);
    assert.match(
      await create('{"image":"x","HOSTNAME":null,"Cmd":"top","Unknown":[],"HostConfig":{"memory":5}}'),
      /^HTTP\/1.1 201 Created/,
    );
    assert.deepEqual(ports.calls.at(-1), [
      "create",
      {
        name: "a",
        platform: undefined,
        body: { Image: "x", Cmd: ["top"], HostConfig: { Memory: 5 } },
      },
    ]);
    assert.match(
      await create('{"HostConfig":{"Memory":"x"}}'),
      /invalid JSON: json: cannot unmarshal string into Go struct field HostConfig.HostConfig.Memory of type int64/,
    );
    assert.match(await create("x"), /invalid JSON: invalid character 'x' looking for beginning of value/);
    assert.match(await create(""), /invalid JSON: EOF/);
    assert.match(await create("{"), /invalid JSON: unexpected EOF/);
    assert.match(await create("{} {}"), /unexpected content after JSON/);
    assert.match(
      await create("{}", "text/plain"),
      /unsupported Content-Type header \(text\/plain\): must be 'application\/json'/,
    );
    assert.match(await create(`${"[".repeat(300)}`), /exceeded max depth/);
    assert.match(await create(`{"Image":"${"x".repeat(17_000_000)}"}`), /request body is larger than/);
  });

  test("error kinds become status codes and come back as kinds", async () => {
    const body = { Image: "x" };
    await refused(client.call(containers.containerCreate, { name: "web", body }), "conflict", /name in use/);
    await refused(
      client.call(containers.containerCreate, { body: { Image: "missing" } }),
      "notFound",
      /No such image/,
    );
    await refused(
      client.call(containers.containerStart, { id: "a/b" }),
      "notFound",
      /No such container: a\/b/,
    );
    assert.match(await post("/containers/web/start", ""), /^HTTP\/1.1 304 Not Modified/);
    assert.equal(await client.call(containers.containerStart, { id: "web" }), undefined);
  });

  test("responses are shaped for older clients", async () => {
    const old = JSON.parse((await get("/v1.41/containers/json")).split("\r\n\r\n")[1] ?? "")[0];
    assert.equal(old.Health, undefined);
    assert.deepEqual(old.HostConfig, { NetworkMode: "bridge" });
    const now = await client.call(containers.containerList, {});
    assert.deepEqual(now[0]?.HostConfig, { NetworkMode: "bridge", Annotations: { a: "b" } });
  });

  test("a path's metadata comes in the header of a HEAD request", async () => {
    const stat = await client.call(containers.containerArchiveInfo, { id: "web", path: "/etc" });
    assert.equal(stat.mode, 2147484141);
    await refused(client.call(containers.containerArchiveInfo, { id: "no", path: "/" }), "notFound", /404/);
  });
});

describe("streams", () => {
  test("progress lines arrive one by one; failures before and after the first line differ", async () => {
    const lines = await collect(await client.stream(imageCreate, { fromImage: "busybox", tag: "latest" }));
    assert.deepEqual(lines.at(-1), { status: "Done" });
    await refused(client.stream(imageCreate, { fromImage: "nope" }), "notFound", /manifest unknown/);
    const broken = await collect(await client.stream(imageCreate, { fromImage: "broken" }));
    assert.deepEqual(broken.at(-1), {
      errorDetail: { message: "connection reset" },
      error: "connection reset",
    });
    await refused(client.stream(imageCreate, { fromSrc: "-" }), "notImplemented", /ImageCreate/);
  });

  test("an upload streams both ways at once", async () => {
    const size = 8 * 1024 * 1024;
    const upload = (async function* () {
      for (let i = 0; i < size / 65536; i++) yield Buffer.alloc(65536);
    })();
    const lines = await collect(await client.stream(imageLoad, { quiet: false }, { upload }));
    assert.deepEqual(lines, [{ status: "loading" }, { stream: `Loaded ${size} bytes\n` }]);
  });

  test("an upload that is refused early stops and reports the reason", async () => {
    let sent = 0;
    const upload = (async function* () {
      for (; sent < 1e10; sent += 65536) yield Buffer.alloc(65536);
    })();
    await refused(
      client.call(containers.putContainerArchive, { id: "web", path: "/no" }, { upload }),
      "notFound",
      /Could not find the file/,
    );
    assert.ok(sent < 1e9, `sent ${sent} bytes`);
    await client.call(
      containers.putContainerArchive,
      { id: "web", path: "/tmp" },
      { upload: Buffer.alloc(70_000) },
    );
    assert.deepEqual(ports.calls.at(-1), ["putArchive", 70_000]);
  });

  test("an upload that nobody reads stops its client and not the memory", async () => {
    const size = 256 << 20;
    let sent = 0;
    const upload = (async function* () {
      for (; sent < size; sent += 65536) yield Buffer.alloc(65536);
    })();
    const done = client.call(containers.putContainerArchive, { id: "web", path: "/slow" }, { upload });
    for (let before = -1; before < sent && sent < size; ) {
      before = sent;
      for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(sent < 16 << 20, `${sent} bytes are on their way`);
    ports.goOn();
    await done;
    assert.deepEqual(ports.calls.at(-1), ["putArchive", size]);
  });

  test("logs are framed without a tty and raw with one", async () => {
    const framed = await client.stream(containers.containerLogs, { id: "web", stdout: true });
    assert.equal(framed.headers.get("content-type"), "application/vnd.docker.multiplexed-stream");
    const decoder = new FrameDecoder();
    const frames = (await collect(framed)).flatMap((chunk) => decoder.push(chunk));
    assert.equal(frames.filter((frame) => frame.type === FRAME_TYPES.stdout).length, 2);
    assert.ok(decoder.isAtBoundary);
    const tty = await client.stream(containers.containerLogs, { id: "tty", stdout: true });
    assert.equal(tty.headers.get("content-type"), "application/vnd.docker.raw-stream");
    assert.equal(await readAll(tty), "oooooeoooooe");
    await refused(client.stream(containers.containerLogs, { id: "no" }), "notFound", /No such container: no/);
  });

  test("a reader that stops early closes the connection and the engine's iterator", async () => {
    const stream = await client.stream(systemEvents, { filters: { type: ["container"] } });
    for await (const event of stream) {
      assert.equal(event.timeNano, 1_763_712_345_123_456_789n);
      assert.equal(event.status, undefined);
      break;
    }
    assert.equal(await ports.aborted, "client went away");
  });

  test("events are refused before the stream and shaped for old clients", async () => {
    await refused(
      client.stream(systemEvents, { since: "x" }),
      "invalidParameter",
      /invalid value for 'since'/,
    );
    const old = createClient({ host: client.host, version: "1.41" });
    const stream = await old.stream(systemEvents, { until: "1" });
    assert.equal(stream.headers.get("content-type"), "application/json");
    const events = await collect(stream);
    assert.equal(events[0]?.status, "start");
    assert.equal(events[0]?.from, "nginx");
    assert.equal(events[0]?.id, FAKE_ID);
  });

  test("a wait sends its head when it is registered and its value at the exit", async () => {
    assert.deepEqual(await client.call(containers.containerWait, { id: "web" }), { StatusCode: 7 });
    await refused(client.call(containers.containerWait, { id: "no" }), "notFound", /No such container/);
    const abort = new AbortController();
    const pending = await client.stream(
      containers.containerWait,
      { id: "web", condition: "removed" },
      { signal: abort.signal },
    );
    assert.equal(pending.status, 200);
    abort.abort(new Fault("cancelled", "enough"));
    await refused(collect(pending), "cancelled", /enough/);
  });

  test("large downloads are complete", async () => {
    let bytes = 0;
    for await (const chunk of await client.stream(containers.containerExport, { id: "web" }))
      bytes += chunk.length;
    assert.equal(bytes, 4 * 1024 * 1024);
  });
});

describe("hijacked connections", () => {
  test("attach echoes framed, sees the client's half-close and closes", async () => {
    const { socket, isMultiplexed } = await client.hijack(containers.containerAttach, {
      id: "web",
      stdin: true,
      stream: true,
    });
    assert.equal(isMultiplexed, true);
    socket.write("hello ");
    socket.end("world");
    const decoder = new FrameDecoder();
    const frames = (await collect(socket as AsyncIterable<Uint8Array>)).flatMap((chunk) =>
      decoder.push(chunk),
    );
    const text = (type: number) =>
      Buffer.concat(frames.filter((frame) => frame.type === type).map((frame) => frame.data)).toString();
    assert.equal(text(FRAME_TYPES.stdout), "hello world");
    assert.equal(text(FRAME_TYPES.stderr), "bye");
  });

  test("attach moves 16 MB both ways under back-pressure", async () => {
    const { socket } = await client.hijack(containers.containerAttach, {
      id: "tty",
      stdin: true,
      stream: true,
    });
    const total = 16 * 1024 * 1024;
    const writer = (async () => {
      for (let sent = 0; sent < total; sent += 65536) {
        if (!socket.write(Buffer.alloc(65536, 97)))
          await new Promise((resolve) => socket.once("drain", resolve));
      }
      socket.end();
    })();
    let bytes = 0;
    for await (const chunk of socket as AsyncIterable<Uint8Array>) bytes += chunk.length;
    await writer;
    assert.equal(bytes, total + "bye".length);
  });

  test("attach to an unknown container answers 404 before any upgrade", async () => {
    await refused(
      client.hijack(containers.containerAttach, { id: "no" }),
      "notFound",
      /^No such container: no$/,
    );
    const answer = await raw(
      "POST /v1.99/containers/web/attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    );
    assert.match(answer, /^HTTP\/1.1 400 Bad Request\r\n[\s\S]*too new/);
  });

  test("101 or 200, and content types, follow the request and the API version", async () => {
    const head = (text: string) => text.split("\r\n\r\n")[0] ?? "";
    const upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    const ask = (path: string, extra: string) =>
      raw(`POST ${path} HTTP/1.1\r\nHost: d\r\n${extra}\r\n`, { isHalfClosed: extra !== "" }).then(head);
    const modern = await ask("/containers/web/attach?stream=1", upgrade);
    assert.match(modern, /^HTTP\/1.1 101 UPGRADED\r\n/);
    assert.match(modern, /Content-Type: application\/vnd.docker.multiplexed-stream/);
    assert.match(modern, /Upgrade: tcp/);
    assert.match(await ask("/v1.41/containers/web/attach", upgrade), /vnd.docker.raw-stream/);
    assert.match(await ask("/containers/tty/attach", upgrade), /vnd.docker.raw-stream/);
  });

  test("attach works without an Upgrade header", async () => {
    const text = await new Promise<string>((resolve) => {
      const socket = connect({ path: socketPath, allowHalfOpen: true });
      let received = "";
      socket.on("data", (chunk) => {
        if (received === "") socket.end("stdin");
        received += String(chunk);
      });
      socket.on("end", () => socket.destroy());
      socket.on("close", () => resolve(received));
      socket.write(
        "POST /containers/tty/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n",
      );
    });
    assert.match(text, /^HTTP\/1.1 200 OK\r\nContent-Type: application\/vnd.docker.raw-stream\r\n/);
    assert.match(text, /\r\n\r\nstdinbye$/);
  });

  test("stdin that arrives with the request is not lost", async () => {
    const frame = encodeFrames([{ type: FRAME_TYPES.stdout, data: Buffer.from("early") }]);
    const answer = await raw(
      "POST /containers/web/attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\nearly",
      { isHalfClosed: true },
    );
    assert.ok(answer.includes(Buffer.from(frame).toString()), JSON.stringify(answer));
  });

  test("exec start reads its body, detaches, and shows late errors on the stream", async () => {
    const { socket } = await client.hijack(execStart, { id: "e1", body: { Detach: false, Tty: false } });
    const decoder = new FrameDecoder();
    const frames = (await collect(socket as AsyncIterable<Uint8Array>)).flatMap((chunk) =>
      decoder.push(chunk),
    );
    assert.equal(Buffer.concat(frames.map((frame) => frame.data)).toString(), "exec failed after accept\r\n");
    assert.deepEqual(ports.calls.at(-1), ["exec.start", { id: "e1", body: { Detach: false, Tty: false } }]);
    assert.match(await post("/exec/e2/start", '{"Detach":true}'), /^HTTP\/1.1 200 OK/);
    assert.deepEqual(ports.calls.at(-1), ["exec.startDetached", { id: "e2", body: { Detach: true } }]);
    assert.match(await post("/exec/e2/start", '{"Detach":5}'), /400[\s\S]*cannot unmarshal number/);
  });

  test("an upgrade request's body may come in pieces, with stdin behind it", async () => {
    const body = '{"Detach":false,"Tty":true}';
    const text = await new Promise<string>((resolve) => {
      const socket = connect({ path: socketPath, allowHalfOpen: true });
      let received = "";
      socket.on("data", (chunk) => (received += String(chunk)));
      socket.on("end", () => socket.destroy());
      socket.on("close", () => resolve(received));
      socket.write(
        `POST /exec/e3/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
        () => setImmediate(() => socket.write(body.slice(5))),
      );
    });
    assert.match(text, /^HTTP\/1.1 101 UPGRADED[\s\S]*exec failed after accept/);
  });
});

describe("listening", () => {
  test("the socket is 0660; a live one is not replaced, a dead one is, a file never", async () => {
    assert.equal(statSync(socketPath).mode & 0o777, 0o660);
    const second = createServer({ ports: {}, productVersion: "0" });
    await refused(second.listen(`unix://${socketPath}`), "conflict", /another daemon is listening/);
    const file = join(folder, "file");
    writeFileSync(file, "");
    await refused(second.listen(`unix://${file}`), "conflict", /not a socket/);
    await refused(second.listen("fish://x"), "invalidParameter", /invalid bind address/);
    await refused(second.listen(`unix:///${"x".repeat(120)}`), "invalidParameter", /longer than 107 bytes/);
    await second.close();
  });

  test("several listeners serve at once and tcp reports its port", async () => {
    const many = createServer({ ports: createFakePorts(), productVersion: "0" });
    const tcp = await many.listen("tcp://127.0.0.1:0");
    const unix = await many.listen(`unix://${join(folder, "second.sock")}`);
    for (const host of [tcp, unix]) assert.equal(await createClient({ host }).call(systemPing, {}), "OK");
    await many.close();
    assert.equal(existsSync(join(folder, "second.sock")), false);
    await refused(
      createClient({ host: tcp }).call(systemPing, {}),
      "unavailable",
      /cannot connect to the daemon/,
    );
    await refused(
      createClient({ host: unix }).call(systemPing, {}),
      "unavailable",
      /cannot connect to the daemon/,
    );
  });

  test("what a web page has a browser send over TCP is refused, whatever name it has", async () => {
    const many = createServer({ ports: createFakePorts(), productVersion: "0" });
    const address = new URL((await many.listen("tcp://127.0.0.1:0")).replace("tcp:", "http:"));
    const browser = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0";
    const status = (method: string, headers: Record<string, string>): Promise<number> =>
      new Promise((resolve, reject) => {
        const { hostname, port } = address;
        const outgoing = request({ hostname, port, method, path: "/_ping", headers }, (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        });
        outgoing.on("error", reject);
        outgoing.end();
      });
    const { host } = address;
    // Forged from another site, and by a name that was made to stand for this host.
    assert.equal(await status("HEAD", { Host: host, Origin: "https://evil.example" }), 403);
    assert.equal(await status("GET", { Host: "evil.example:80", Origin: "http://evil.example" }), 403);
    assert.equal(await status("GET", { Host: "evil.example:80", "User-Agent": browser }), 403);
    assert.equal(await status("GET", { Host: "build.example", "User-Agent": "Docker-Client/28.2" }), 200);
    assert.equal(await status("GET", { Host: host, "User-Agent": browser }), 200);
    await many.close();
  });

  test("close ends running streams", async () => {
    const closing = createServer({ ports: createFakePorts(), productVersion: "0" });
    const host = await closing.listen(`unix://${join(folder, "third.sock")}`);
    const stream = await createClient({ host }).stream(systemEvents, {});
    const reading = collect(stream);
    await closing.close();
    await refused(reading, "unavailable", /connection closed before the response was complete/);
  });

  test("a stale socket file is replaced", async () => {
    const path = join(folder, "stale.sock");
    // A killed process leaves its socket file behind. Here a listener is closed whose file was renamed away before.
    const old = createNetServer();
    await new Promise<void>((resolve) => old.listen(`${path}.live`, resolve));
    renameSync(`${path}.live`, path);
    await new Promise<void>((resolve) => old.close(() => resolve()));
    const next = createServer({ ports: {}, productVersion: "0" });
    await next.listen(`unix://${path}`);
    await next.close();
  });
});
