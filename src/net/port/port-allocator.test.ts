import assert from "node:assert/strict";
import { type Socket, createSocket } from "node:dgram";
import { type Server, connect, createServer } from "node:net";
import { after, before, test } from "node:test";
import type { Fault } from "../../lib/errors.ts";
import { inOwnNamespace } from "../../linux/namespace.fake.ts";
import type { PortRequest } from "../model.ts";
import { socketInodes } from "./holder.ts";
import { PortAllocator } from "./port-allocator.ts";

const request = (over: Partial<PortRequest>): PortRequest => ({
  proto: "tcp",
  containerPort: 80,
  hostIp: "",
  hostPort: 0,
  ...over,
});
const web = { containerId: "web", ip: "127.0.0.1" };
const other = { containerId: "other", ip: "172.17.0.3" };
const text = (ports: readonly { hostIp: string; hostPort: number }[]): string[] =>
  ports.map((p) => `${p.hostIp} ${p.hostPort}`);

test("socketInodes finds listening and bound sockets of a port in procfs text", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
`;
  assert.deepEqual(socketInodes(table, "tcp", 8080), ["4711"]);
  assert.deepEqual(socketInodes(table, "udp", 8080), ["4711", "4712"]);
  assert.deepEqual(socketInodes("", "tcp", 80), []);
});

test("a process that may open no more files says so", async () => {
  const hold = () => Promise.reject(Object.assign(new Error("bind"), { code: "EMFILE" }));
  const ports = new PortAllocator({ hasIpv6: false, hold });
  await assert.rejects(ports.lease([request({ hostPort: 8080 })], web), {
    code: "port.bind-failed",
    message: /^failed to bind host port 0\.0\.0\.0:8080\/tcp: too many open files, /,
  });
});

inOwnNamespace(import.meta.filename, () => {
  const ports = new PortAllocator({ hasIpv6: true, ephemeral: [40000, 40003] });

  test("an empty address is both families, and a release makes the port free for anybody", async () => {
    const lease = await ports.lease(
      [request({ hostPort: 8080 }), request({ proto: "sctp", hostPort: 8080 })],
      web,
    );
    assert.deepEqual(text(lease.ports), ["0.0.0.0 8080", ":: 8080", "0.0.0.0 8080", ":: 8080"]);
    await assert.rejects(listen(8080), { code: "EADDRINUSE" });
    await lease.release();
    await lease.release();
    (await listen(8080)).close();
  });

  test("conflicts among containers are found on overlapping addresses only", async () => {
    const lease = await ports.lease([request({ hostPort: 8080, hostIp: "127.0.0.1" })], web);
    const second = await ports.lease(
      [
        request({ hostPort: 8080, hostIp: "127.0.0.2" }),
        request({ hostPort: 8080, hostIp: "::" }),
        request({ proto: "udp", hostPort: 8080 }),
      ],
      other,
    );
    await assert.rejects(ports.lease([request({ hostPort: 8080, hostIp: "0.0.0.0" })], other), {
      kind: "conflict",
      code: "port.in-use",
      message: "Bind for 0.0.0.0:8080 failed: port is already allocated",
    });
    await assert.rejects(ports.lease([request({ hostPort: 8080, hostIp: "::1" })], web), {
      message: "Bind for [::1]:8080 failed: port is already allocated",
      detail: { proto: "tcp", hostIp: "::1", hostPort: 8080, containerId: "other" },
    });
    await lease.release();
    await second.release();
  });

  test("another process is named with its pid", async () => {
    const server = await listen(8081);
    await assert.rejects(
      ports.lease([request({ hostPort: 9999 }), request({ hostPort: 8081 })], other),
      (e: Fault) => {
        assert.equal(e.code, "port.in-use");
        assert.match(
          e.message,
          /^failed to bind host port 0\.0\.0\.0:8081\/tcp: address already in use \(by \S+, pid \d+\)$/,
        );
        assert.equal(e.detail.pid, process.pid);
        return true;
      },
    );
    server.close();
    (await listen(9999)).close(); // all or nothing
  });

  test("an address of another machine is refused", async () => {
    await assert.rejects(ports.lease([request({ hostPort: 80, hostIp: "203.0.113.1" })], other), {
      kind: "system",
      code: "port.bind-failed",
      message: "failed to bind host port 203.0.113.1:80/tcp: cannot assign requested address",
    });
    await assert.rejects(ports.lease([request({ hostPort: 80, hostIp: "localhost" })], other), {
      code: "address.invalid",
    });
    for (const bad of [
      { hostPort: -1 },
      { hostPort: 70000 },
      { hostPort: 9, hostPortEnd: 8 },
      { containerPort: 0 },
    ])
      await assert.rejects(ports.lease([request(bad)], other), { code: "port.invalid" });
  });

  test("ranges and ephemeral ports give the first that is free, until none is", async () => {
    const taken = await listen(8091);
    const range = () => ports.lease([request({ hostPort: 8090, hostPortEnd: 8092, hostIp: "0.0.0.0" })], web);
    const [a, b] = [await range(), await range()];
    assert.deepEqual([...text(a.ports), ...text(b.ports)], ["0.0.0.0 8090", "0.0.0.0 8092"]);
    await assert.rejects(range(), { code: "port.in-use" });
    taken.close();
    const busy = await listen(40001);
    const leases = [];
    for (let i = 0; i < 3; i++) leases.push(await ports.lease([request({ hostIp: "0.0.0.0" })], web));
    assert.deepEqual(
      leases.flatMap((l) => text(l.ports)),
      ["0.0.0.0 40000", "0.0.0.0 40002", "0.0.0.0 40003"],
    );
    await assert.rejects(ports.lease([request({})], web), {
      code: "port.exhausted",
      message: "all ports are allocated",
    });
    busy.close();
    for (const lease of [a, b, ...leases]) await lease.release();
  });

  test("of two leases at once one gets the port", async () => {
    const both = await Promise.allSettled([1, 2].map(() => ports.lease([request({ hostPort: 8085 })], web)));
    assert.deepEqual(both.map((r) => r.status).sort(), ["fulfilled", "rejected"]);
    for (const r of both) if (r.status === "fulfilled") await r.value.release();
  });

  let echo: Server;
  let udpEcho: Socket;
  before(async () => {
    echo = createServer({ allowHalfOpen: true }, (s) => {
      const chunks: Buffer[] = [];
      s.on("data", (d: Buffer) => chunks.push(d));
      s.on("end", () => s.end(Buffer.concat(chunks)));
    });
    await new Promise<void>((done) => echo.listen(7001, "127.0.0.1", done));
    udpEcho = createSocket("udp4").on("message", (d, from) => udpEcho.send(d, from.port, from.address));
    await new Promise<void>((done) => udpEcho.bind(7001, "127.0.0.1", done));
  });
  after(() => {
    echo.close();
    udpEcho.close();
  });

  test("the held TCP socket carries connections, half-closes and large bodies", async () => {
    const lease = await ports.lease([request({ hostPort: 8086, containerPort: 7001 })], web);
    const body = Buffer.alloc(3 << 20, "berth");
    for (const host of ["127.0.0.1", "::1"]) assert.ok((await exchange(host, 8086, body)).equals(body));
    await lease.release();
  });

  test("a container that refuses ends the client, a release ends what is open", async () => {
    const lease = await ports.lease(
      [request({ hostPort: 8087, containerPort: 7999 }), request({ hostPort: 8088, containerPort: 7001 })],
      web,
    );
    assert.equal((await exchange("::1", 8087, Buffer.from("x"))).length, 0);
    const client = connect({ host: "::1", port: 8088 });
    await new Promise((done) => client.once("connect", done));
    const closed = new Promise((done) => client.once("close", done));
    client.on("error", () => undefined);
    client.write("x", () => void lease.release());
    await closed;
  });

  test("the held UDP socket gives every client its own answers", async () => {
    const lease = await ports.lease([request({ proto: "udp", hostPort: 8089, containerPort: 7001 })], web);
    const answers = await Promise.all(["a", "b", "c"].map((word) => datagram("::1", 8089, word)));
    assert.deepEqual(answers, ["a", "b", "c"]);
    await lease.release();
  });
});

const listen = (port: number): Promise<Server> =>
  new Promise((done, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen({ host: "0.0.0.0", port }, () => done(server));
  });

const exchange = (host: string, port: number, body: Buffer): Promise<Buffer> =>
  new Promise((done) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host, port, allowHalfOpen: true });
    socket.on("data", (d: Buffer) => chunks.push(d));
    socket.on("error", () => undefined); // a refused connection shows as an empty answer
    socket.on("close", () => done(Buffer.concat(chunks)));
    socket.on("end", () => socket.destroy());
    socket.end(body);
  });

const datagram = (host: string, port: number, word: string): Promise<string> =>
  new Promise((done) => {
    const socket = createSocket("udp6");
    socket.on("message", (d) => {
      done(String(d));
      socket.close();
    });
    socket.send(word, port, host);
  });
