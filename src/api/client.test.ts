import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Fault } from "../lib/errors.ts";
import { createClient, parseHost } from "./client.ts";
import { containerInspect, containerList } from "./operations/container.ts";
import { systemPing } from "./operations/system.ts";

async function faultOf(call: () => unknown): Promise<Fault> {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    return error;
  }
  assert.fail("no error");
}

test("hosts are read as Docker reads them", async () => {
  assert.deepEqual(parseHost("unix:///run/x.sock"), { path: "/run/x.sock" });
  assert.deepEqual(parseHost("tcp://10.0.0.1:2376"), { host: "10.0.0.1", port: 2376 });
  assert.deepEqual(parseHost("tcp://host"), { host: "host", port: 2375 });
  assert.deepEqual(parseHost("tcp://:5000"), { host: "127.0.0.1", port: 5000 });
  assert.deepEqual(parseHost("http://[::1]:1/path"), { host: "::1", port: 1 });
  for (const bad of ["", "unix://", "fish://x", "tcp://a:b", "tcp://a:70000", "/run/x.sock"]) {
    assert.equal((await faultOf(() => parseHost(bad))).code, "host.invalid", bad);
  }
});

test("a daemon that is not there is unreachable, with its host", async () => {
  const host = "unix:///nonexistent/berth.sock";
  const fault = await faultOf(() => createClient({ host }).call(systemPing, {}));
  assert.equal(fault.kind, "unavailable");
  assert.equal(fault.code, "daemon.unreachable");
  assert.deepEqual(fault.detail, { host, errno: "ENOENT" });
});

test("an empty name is refused before anything is sent", async () => {
  const client = createClient({ host: "unix:///nonexistent/berth.sock" });
  const fault = await faultOf(() => client.call(containerInspect, { id: " " }));
  assert.equal(fault.code, "request.empty-name");
});

/** Serves one canned answer to every connection and returns what was asked. */
async function canned(
  answer: string,
  use: (host: string, asked: () => string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "berth-client-"));
  const path = join(folder, "s");
  let asked = "";
  const server = createServer((socket) => {
    socket.on("data", (chunk) => {
      asked += String(chunk);
      if (asked.endsWith("\r\n\r\n")) socket.end(answer);
    });
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await use(`unix://${path}`, () => asked);
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    rmSync(folder, { recursive: true });
  }
}

test("errors that are no JSON, empty or cut still tell something", async () => {
  const cases: [string, string, RegExp][] = [
    ["HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<h1>no</h1>\n", "system", /^<h1>no<\/h1>$/],
    ["HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", "conflict", /^the daemon answered 409 Conflict$/],
    ["HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\n\r\n{broken", "system", /^\{broken$/],
    [
      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[",
      "unavailable",
      /closed before the response was complete/,
    ],
    ["HTTP/1.1 200 OK\r\n\r\n[", "dataLoss", /not JSON/],
    ["", "unavailable", /closed before a response/],
    ["SSH-2.0-OpenSSH\r\n\r\n", "unavailable", /malformed HTTP response/],
  ];
  for (const [answer, kind, message] of cases) {
    await canned(answer, async (host) => {
      const fault = await faultOf(() => createClient({ host }).call(containerList, {}));
      assert.equal(fault.kind, kind, answer);
      assert.match(fault.message, message);
    });
  }
});

test("requests carry the version, the query and the caller's headers", async () => {
  await canned("HTTP/1.1 200 OK\r\n\r\n[]", async (host, asked) => {
    const client = createClient({ host, version: "1.44", headers: { "User-Agent": "berth/1" } });
    assert.deepEqual(
      await client.call(containerList, { all: true, size: false, filters: { name: ["a&b"] } }),
      [],
    );
    assert.match(
      asked(),
      /^GET \/v1\.44\/containers\/json\?all=1&filters=%7B%22name%22%3A%7B%22a%26b%22%3Atrue%7D%7D HTTP\/1\.1\r\n/,
    );
    assert.match(asked(), /\r\nUser-Agent: berth\/1\r\n/);
  });
});
