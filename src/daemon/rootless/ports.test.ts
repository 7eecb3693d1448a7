import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DatagramFrames, holdOutside, PortGate, PortServer } from "./ports.ts";

const dir = mkdtempSync(join(tmpdir(), "berth-ports-"));
const [ports, gate] = [join(dir, "ports.sock"), join(dir, "gate.sock")];
const hold = holdOutside(ports);
let server: PortServer;
let inside: PortGate;
/** What runs in a container: it sends back in capitals what it gets. */
const echo = createServer({ allowHalfOpen: true }, (s) => {
  const chunks: Buffer[] = [];
  s.on("data", (d: Buffer) => chunks.push(d));
  s.on("end", () => s.end(Buffer.concat(chunks).toString().toUpperCase()));
});
const udp = createSocket("udp4").on("message", (d, from) =>
  udp.send(d.toString().toUpperCase(), from.port, from.address),
);
const portOf = (s: { address(): unknown }): number => (s.address() as AddressInfo).port;

before(async () => {
  server = await PortServer.open(ports, gate);
  inside = await PortGate.open(gate);
  await new Promise<void>((done) => echo.listen(0, "127.0.0.1", done));
  await new Promise<void>((done) => udp.bind(0, "127.0.0.1", done));
});

after(async () => {
  await server.close();
  await inside[Symbol.asyncDispose]();
  echo.close();
  udp.close();
  rmSync(dir, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, "127.0.0.1", done));
  const port = portOf(probe);
  await new Promise<void>((done) => probe.close(() => done()));
  return port;
}

function ask(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    socket.on("data", (d: Buffer) => chunks.push(d));
    socket.on("error", () => undefined); // refused: an empty answer
    socket.on("end", () => socket.destroy());
    socket.on("close", () => resolve(Buffer.concat(chunks).toString()));
    socket.end(text);
  });
}

test("TCP goes to the target and back, half-closes included, until the port is given back", async () => {
  const port = await freePort();
  const held = await hold("tcp", "127.0.0.1", port, { ip: "127.0.0.1", port: portOf(echo) });
  const large = "x".repeat(2 << 20);
  assert.deepEqual(await Promise.all([ask(port, "hello"), ask(port, "again")]), ["HELLO", "AGAIN"]);
  assert.equal((await ask(port, large)).length, large.length);
  await assert.rejects(hold("tcp", "127.0.0.1", port, { ip: "127.0.0.1", port: 1 }), { code: "EADDRINUSE" });
  await held.close();
  assert.equal(await ask(port, "gone"), "");
  await (await hold("tcp", "127.0.0.1", port, { ip: "127.0.0.1", port: 1 })).close();
});

test("a target that refuses ends the client", async () => {
  const port = await freePort();
  const held = await hold("tcp", "127.0.0.1", port, { ip: "127.0.0.1", port: 1 });
  assert.equal(await ask(port, "x"), "");
  await held.close();
});

test("UDP: each client gets its own answers", async () => {
  const port = await freePort();
  const held = await hold("udp", "127.0.0.1", port, { ip: "127.0.0.1", port: portOf(udp) });
  const exchange = (word: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = createSocket("udp4");
      socket.on("message", (d) => {
        resolve(d.toString());
        socket.close();
      });
      socket.send(word, port, "127.0.0.1");
    });
  assert.deepEqual(await Promise.all(["a", "b"].map(exchange)), ["A", "B"]);
  await held.close();
});

test("what cannot be published is refused", async () => {
  await assert.rejects(hold("sctp", "127.0.0.1", 1, { ip: "127.0.0.1", port: 1 }), {
    code: "EPROTONOSUPPORT",
  });
});

test("datagrams are cut out of a stream wherever it breaks", () => {
  const stream = Buffer.concat(["one", "", "three"].map((text) => DatagramFrames.frame(Buffer.from(text))));
  for (let at = 0; at <= stream.length; at++) {
    const frames = new DatagramFrames();
    const got = [...frames.push(stream.subarray(0, at)), ...frames.push(stream.subarray(at))];
    assert.deepEqual(got.map(String), ["one", "", "three"]);
  }
});
