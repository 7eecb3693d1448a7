import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { LogMessage } from "../driver/driver.ts";
import { StreamDelivery, type StreamOptions } from "./stream.ts";

const message = (n: number, size = 8): LogMessage => ({
  n,
  stream: "stdout",
  time: "2026-01-01T00:00:00Z",
  timeNano: 0n,
  line: Buffer.alloc(size, `${n} `),
});
const encode = (m: LogMessage): Buffer => Buffer.concat([m.line, Buffer.of(10)]);
const never = new AbortController().signal;

interface Peer extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
  readonly sockets: Socket[];
  /** Resolves with the n-th connection. */
  connection(n: number): Promise<Socket>;
}

async function listen(): Promise<Peer> {
  const sockets: Socket[] = [];
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on("error", () => {});
    sockets.push(socket);
    server.emit("counted");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    server,
    port: (server.address() as AddressInfo).port,
    sockets,
    async connection(n) {
      while (sockets.length <= n) await once(server, "counted");
      return sockets[n] as Socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function delivery(
  port: number,
  options: Partial<StreamOptions> = {},
): { d: StreamDelivery; uncertain: Promise<void> } {
  const uncertain = Promise.withResolvers<void>();
  const d = new StreamDelivery(
    { transport: "tcp", host: "127.0.0.1", port },
    { encode, onUncertain: () => uncertain.resolve(), ...options },
  );
  return { d, uncertain: uncertain.promise };
}

async function readAll(socket: Socket): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

test("messages arrive in order over one connection, which ends in the orderly way", async () => {
  await using peer = await listen();
  const { d } = delivery(peer.port);
  assert.deepEqual(await d.send([message(1), message(2)], never), { taken: 2, rejected: 0 });
  assert.deepEqual(await d.send([message(3)], never), { taken: 1, rejected: 0 });
  const received = readAll(await peer.connection(0));
  await d.finish();
  assert.equal(await received, "1 1 1 1 \n2 2 2 2 \n3 3 3 3 \n");
  assert.equal(peer.sockets.length, 1);
});

test("nobody there is said with the address", async () => {
  const peer = await listen();
  await peer[Symbol.asyncDispose]();
  const { d } = delivery(peer.port);
  await assert.rejects(d.send([message(1)], never), (e: Error) =>
    e.message.startsWith(`cannot connect to tcp://127.0.0.1:${peer.port}: `),
  );
  const unix = new StreamDelivery({ transport: "unix", path: "/nonexistent" }, { encode, onUncertain() {} });
  await assert.rejects(unix.send([message(1)], never), /cannot connect to unix:\/\/\/nonexistent: /);
});

test("a connection that breaks after something was sent leaves that uncertain; the next one is new", async () => {
  await using peer = await listen();
  const { d, uncertain } = delivery(peer.port);
  await d.send([message(1)], never);
  (await peer.connection(0)).resetAndDestroy(); // unread data: the kernel would do the same
  await uncertain;
  await d.send([message(1), message(2)], never);
  const received = readAll(await peer.connection(1));
  await d.finish();
  assert.equal(await received, "1 1 1 1 \n2 2 2 2 \n");
});

test("a receiver that takes nothing ends in an error after the time it has, and keeps nobody", async () => {
  await using peer = await listen();
  const { d } = delivery(peer.port, { writeTimeoutMs: 200 });
  const big = Array.from({ length: 4000 }, (_, n) => message(n, 16_000));
  await assert.rejects(d.send(big, never), /takes nothing/);
});

test("a slow receiver gets everything, when it likes", async () => {
  await using peer = await listen();
  const { d } = delivery(peer.port);
  const big = Array.from({ length: 1000 }, (_, n) => message(n, 16_000));
  let isSent = false;
  const sent = d.send(big, never).then(() => {
    isSent = true;
  });
  const socket = await peer.connection(0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isSent, false, "not before the receiver reads");
  const received = readAll(socket);
  await sent;
  await d.finish();
  assert.equal((await received).length, 1000 * 16_001);
});

test("abort ends a send that waits", async () => {
  await using peer = await listen();
  const { d } = delivery(peer.port);
  const abort = new AbortController();
  const sent = d.send(
    Array.from({ length: 4000 }, (_, n) => message(n, 16_000)),
    abort.signal,
  );
  await peer.connection(0);
  abort.abort(new Error("enough"));
  await assert.rejects(sent, /enough/);
});

const acks: NonNullable<StreamOptions["acks"]> = {
  encode: (m) => ({ bytes: Buffer.from(`${m.n}\n`), id: String(m.n) }),
  async *decode(bytes) {
    let text = "";
    for await (const part of bytes) {
      text += Buffer.from(part).toString();
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      yield* lines;
    }
  },
};

test("with acknowledgements a send waits for them, and fails without", async () => {
  await using peer = await listen();
  const { d } = delivery(peer.port, { acks: { ...acks, timeoutMs: 200 } });
  let isSent = false;
  const sent = d.send([message(1), message(2)], never).then(() => {
    isSent = true;
  });
  const socket = await peer.connection(0);
  socket.write("2\n");
  socket.resume();
  await once(socket, "data");
  assert.equal(isSent, false);
  socket.write("1\n");
  await sent;
  await assert.rejects(d.send([message(3)], never), /takes nothing/);
});

test("with acknowledgements a lost connection fails the send, and nothing is uncertain", async () => {
  await using peer = await listen();
  let isUncertain = false;
  const { d } = delivery(peer.port, { acks, onUncertain: () => (isUncertain = true) });
  const sent = d.send([message(1)], never);
  (await peer.connection(0)).destroy();
  await assert.rejects(sent, /lost the connection to tcp:/);
  assert.equal(isUncertain, false);
});

test("a connection that is too old is replaced", async () => {
  await using peer = await listen();
  const { d } = delivery(peer.port, { maxAgeMs: 1 });
  await d.send([message(1)], never);
  const first = readAll(await peer.connection(0));
  const openedAt = performance.now();
  while (performance.now() - openedAt < 5) await new Promise((resolve) => setImmediate(resolve));
  await d.send([message(2)], never);
  assert.equal(await first, "1 1 1 1 \n");
  const second = readAll(await peer.connection(1));
  await d.finish();
  assert.equal(await second, "2 2 2 2 \n");
});

test("unix sockets are as good", async () => {
  const dir = mkdtempSync(join(tmpdir(), "berth-stream-"));
  const server = createServer();
  server.listen(join(dir, "s"));
  await once(server, "listening");
  const d = new StreamDelivery({ transport: "unix", path: join(dir, "s") }, { encode, onUncertain() {} });
  const connected = once(server, "connection");
  await d.send([message(1)], never);
  const received = readAll((await connected)[0] as Socket);
  await d.finish();
  assert.equal(await received, "1 1 1 1 \n");
  server.close();
  rmSync(dir, { recursive: true });
});
