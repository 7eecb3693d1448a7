// The relay and the server against a shim's end played by the test: frames in, frames out.
import assert from "node:assert/strict";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import dnsPacket, { type DecodedPacket, type Packet } from "dns-packet";
import { connectFrames, FrameSocket } from "../../linux/frame-socket.ts";
import type { Value } from "../../linux/ops.ts";
import { encodeFrame, type Reply as WireValue } from "../../linux/wire.ts";
import { HostResolvers } from "./host-resolvers.ts";
import { type FakeNames, fakeNames } from "./names.fake.ts";
import { DnsServer, type DnsServerOptions } from "./server.ts";
import { frameMessage, MessageAssembler } from "./stream.ts";
import { openUpstream } from "./upstream.fake.ts";

const KIND = { datagram: 1, bytes: 2, end: 3, connect: 4, keep: 5, forget: 6 } as const;
const PEER = Buffer.from([127, 0, 0, 1, 0x12, 0x34]);
const ID = "c".repeat(64);

const encode = (
  name: string,
  type: "A" | "AAAA" | "PTR" | "MX" | "ANY" | "AXFR" = "A",
  more: Partial<Packet> = {},
): Buffer =>
  dnsPacket.encode({ type: "query", id: 9, flags: 0x100, questions: [{ name, type }], ...more } as Packet);

interface Shim extends AsyncDisposable {
  server: DnsServer;
  send(...frame: Value[]): void;
  receive(): Promise<WireValue[]>;
  /** Asks over UDP and returns the answer. */
  ask(question: Buffer): Promise<DecodedPacket>;
  hangUp(): void;
  ended(): Promise<void>;
  /** Resolves when the server has let go of the connection. */
  served: Promise<void>;
}

async function openShim(
  tables: FakeNames,
  options: Partial<DnsServerOptions> = {},
  keeps = 0,
): Promise<Shim> {
  const dir = await mkdtemp(join(tmpdir(), "berth-dns-"));
  const listener = createServer();
  listener.listen(join(dir, "s"));
  await once(listener, "listening");
  const accepted = once(listener, "connection") as Promise<[Socket]>;
  const connection = await connectFrames(join(dir, "s"));
  const shim = new FrameSocket((await accepted)[0]);
  const server = DnsServer.open({ names: fakeNames(tables), log: () => undefined, ...options });
  const served = server.serve(ID, connection, keeps);
  const send = (...frame: Value[]): void => void shim.send(encodeFrame(frame));
  const receive = async (): Promise<WireValue[]> => {
    const frame = await shim.receive();
    assert.ok(frame !== null);
    return frame;
  };
  return {
    server,
    send,
    receive,
    ask: async (question) => {
      send(KIND.datagram, PEER, question);
      const [kind, peer, message] = await receive();
      assert.deepEqual([kind, peer], [KIND.datagram, PEER]);
      return dnsPacket.decode(message as Buffer);
    },
    hangUp: () => shim.destroy(),
    ended: async () => assert.equal(await shim.receive(), null),
    served,
    [Symbol.asyncDispose]: async () => {
      server[Symbol.dispose]();
      shim.destroy();
      listener.close();
      await rm(dir, { recursive: true });
    },
  };
}

/** Runs the body with a resolv.conf of its own. */
async function withResolvConf(text: string, body: (path: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "berth-dns-"));
  try {
    await writeFile(join(dir, "resolv.conf"), text);
    await body(join(dir, "resolv.conf"));
  } finally {
    await rm(dir, { recursive: true });
  }
}

const rcode = (p: DecodedPacket): string => (p as unknown as { rcode: string }).rcode;
const data = (p: DecodedPacket): unknown[] =>
  (p.answers ?? []).map((a) => ("data" in a ? a.data : undefined));

const NAMES: FakeNames = {
  addresses: { [ID]: { web: ["172.20.0.2", "172.20.0.3", "172.20.0.4", "fd00::2"], db: ["172.20.0.9"] } },
  names: { [ID]: { "172.20.0.9": "db.backend", "fd00::2": "web.backend" } },
  forwarding: { [ID]: { usesHost: false } },
};

describe("names of a container's networks", () => {
  test("are answered in any spelling, by family, with nothing for other types", async () => {
    await using shim = await openShim(NAMES);
    const answer = await shim.ask(encode("DB"));
    assert.deepEqual([answer.id, rcode(answer), data(answer)], [9, "NOERROR", ["172.20.0.9"]]);
    assert.equal(answer.questions?.[0]?.name, "DB");
    assert.deepEqual(data(await shim.ask(encode("web", "AAAA"))), ["fd00::2"]);
    for (const [name, type] of [
      ["db", "AAAA"],
      ["db", "MX"],
    ] as const) {
      const nothing = await shim.ask(encode(name, type));
      assert.deepEqual([rcode(nothing), data(nothing)], ["NOERROR", []]);
    }
    assert.equal((await shim.ask(encode("web", "ANY"))).answers?.length, 4);
  });

  test("take turns with their addresses", async () => {
    await using shim = await openShim(NAMES);
    const firsts = new Map<unknown, number>();
    for (let i = 0; i < 30; i++) {
      const all = data(await shim.ask(encode("web")));
      assert.equal(all.length, 3);
      firsts.set(all[0], (firsts.get(all[0]) ?? 0) + 1);
    }
    assert.deepEqual([...firsts.values()], [10, 10, 10]);
  });

  test("are left to the shim until they change, every one of several in its turn", async () => {
    const tables: FakeNames = { ...NAMES };
    await using shim = await openShim(tables, {}, 8);
    const kept = async (question: Buffer): Promise<unknown[][]> => {
      await shim.ask(question);
      const [kind, asked, answers] = await shim.receive();
      assert.deepEqual([kind, asked], [KIND.keep, question.subarray(2)]);
      return (answers as Buffer[]).map((a) => data(dnsPacket.decode(Buffer.concat([Buffer.alloc(2), a]))));
    };
    assert.deepEqual(await kept(encode("db")), [["172.20.0.9"]]);
    assert.deepEqual(await kept(encode("db", "AAAA")), [[]]);
    const firsts = (await kept(encode("web"))).map((all) => all[0]);
    assert.deepEqual(new Set(firsts), new Set(["172.20.0.2", "172.20.0.3", "172.20.0.4"]));
    tables.changed?.(["another"]);
    tables.changed?.([ID]);
    tables.changed?.([ID]);
    assert.deepEqual(await shim.receive(), [KIND.forget]);
    assert.deepEqual(await kept(encode("db")), [["172.20.0.9"]]);
  });

  test("are not left to the shim where they are many, nobody's, asked for in other bytes each time, or it cannot", async () => {
    const many = Array.from({ length: 9 }, (_, i) => `172.20.1.${i}`);
    const cookie = [
      { type: "OPT", name: ".", udpPayloadSize: 4096, flags: 0, options: [{ code: 10, data: PEER }] },
    ];
    const tables = {
      addresses: { [ID]: { many, db: ["172.20.0.9"] } },
      forwarding: { [ID]: { usesHost: false } },
    };
    await using shim = await openShim(tables, {}, 8);
    // Each answer comes right behind the one before: no frame between them.
    await shim.ask(encode("many"));
    await shim.ask(encode("nobody.example"));
    await shim.ask(encode("dB"));
    await shim.ask(encode("db", "A", { additionals: cookie as never }));
    await shim.ask(encode("db"));
    assert.equal((await shim.receive())[0], KIND.keep);
    await using old = await openShim(tables);
    await old.ask(encode("db"));
    await old.ask(encode("db"));
  });

  test("are found by address", async () => {
    await using shim = await openShim(NAMES);
    assert.deepEqual(data(await shim.ask(encode("9.0.20.172.in-addr.arpa", "PTR"))), ["db.backend"]);
    assert.deepEqual(data(await shim.ask(encode(`2.${"0.".repeat(27)}0.0.d.f.ip6.arpa`, "PTR"))), [
      "web.backend",
    ]);
  });

  test("of no one else: what is not known goes nowhere without a way out", async () => {
    await using shim = await openShim(NAMES);
    for (const name of ["example.org", "__proto__", "constructor", "toString", "1.1.1.1.in-addr.arpa"])
      assert.equal(rcode(await shim.ask(encode(name))), "SERVFAIL");
  });

  test("answers that are too long for the client are cut, and whole over TCP", async () => {
    const many = Array.from({ length: 60 }, (_, i) => `172.20.1.${i}`);
    await using shim = await openShim({ addresses: { [ID]: { many } } });
    const cut = await shim.ask(encode("many"));
    assert.deepEqual([cut.flag_tc, cut.answers?.length], [true, 0]);
    const edns = { additionals: [{ type: "OPT", name: ".", udpPayloadSize: 4096, flags: 0 }] } as never;
    assert.equal((await shim.ask(encode("many", "A", edns))).answers?.length, 60);
    shim.send(KIND.bytes, 4, Buffer.alloc(0));
    const question = frameMessage(encode("many"));
    shim.send(KIND.bytes, 4, question.subarray(0, 5));
    shim.send(KIND.bytes, 4, question.subarray(5));
    const [kind, flow, piece] = await shim.receive();
    assert.deepEqual([kind, flow], [KIND.bytes, 4]);
    const [message] = new MessageAssembler().push(piece as Buffer);
    assert.equal(dnsPacket.decode(Buffer.from(message as Uint8Array)).answers?.length, 60);
  });

  test("a client that has shut its direction still gets its answers, then the connection is closed", async () => {
    await using shim = await openShim(NAMES);
    shim.send(KIND.bytes, 6, frameMessage(encode("db")));
    shim.send(KIND.end, 6, 0);
    assert.deepEqual((await shim.receive()).slice(0, 2), [KIND.bytes, 6]);
    assert.deepEqual(await shim.receive(), [KIND.end, 6]);
  });

  test("also where a server has to be asked first", async () => {
    const gate = Promise.withResolvers<void>();
    const records = { answers: [{ name: "x.org", type: "A" as const, ttl: 9, data: "192.0.2.1" }] };
    await using upstream = await openUpstream(() => gate.promise.then(() => records));
    await withResolvConf("nameserver 127.0.0.1\n", async (path) => {
      await using shim = await openShim({}, { hostResolvers: { path, port: upstream.server.port } });
      shim.send(KIND.bytes, 6, frameMessage(encode("x.org")));
      shim.send(KIND.end, 6, 0);
      assert.equal(rcode(await shim.ask(encode("y.org", "AXFR"))), "REFUSED"); // what came before has been read
      gate.resolve();
      assert.deepEqual((await shim.receive()).slice(0, 2), [KIND.bytes, 6]);
      assert.deepEqual(await shim.receive(), [KIND.end, 6]);
    });
  });

  test("noise is ignored, nonsense refused, and the service goes on", async () => {
    await using shim = await openShim(NAMES);
    shim.send(KIND.datagram, PEER, Buffer.from("noise"));
    shim.send(KIND.end, 88, 0);
    shim.send(KIND.bytes, 77, Buffer.from("no such flow"));
    assert.equal(
      rcode(await shim.ask(Buffer.from("000901000001000000000000c00c00010001", "hex"))),
      "FORMERR",
    );
    assert.equal(rcode(await shim.ask(encode("db", "AXFR"))), "REFUSED");
    assert.deepEqual(data(await shim.ask(encode("db"))), ["172.20.0.9"]);
  });

  test("with ndots a name without a dot stays here", async () => {
    await using shim = await openShim({ forwarding: { [ID]: { usesHost: false, hasNdots: true } } });
    assert.equal(rcode(await shim.ask(encode("printer"))), "NOERROR");
    assert.equal(rcode(await shim.ask(encode("printer.lan"))), "SERVFAIL");
  });
});

describe("other names", () => {
  test("are asked of the host's resolvers, which are followed", async () => {
    await using one = await openUpstream(() => ({
      answers: [{ name: "x.org", type: "A", ttl: 9, data: "192.0.2.1" }],
    }));
    const clock = { now: 0 };
    await withResolvConf("nameserver 127.0.0.1\n", async (path) => {
      const hostResolvers = { path, port: one.server.port, now: () => clock.now };
      await using shim = await openShim({}, { hostResolvers });
      assert.deepEqual(data(await shim.ask(encode("x.org"))), ["192.0.2.1"]);
      await writeFile(path, "nameserver 127.0.0.1\n# and nothing else\n");
      clock.now = 2000;
      await shim.ask(encode("x.org"));
      assert.equal(one.asked.length, 2); // a new file empties the cache
    });
  });

  test("the list of the host's resolvers is the same until the file changes", async () => {
    const clock = { now: 0 };
    await withResolvConf("", async (path) => {
      await rm(path);
      const hosts = new HostResolvers({ path, now: () => clock.now });
      assert.deepEqual(await hosts.servers(), [{ address: "127.0.0.1", port: 53 }]);
      await writeFile(path, "nameserver 192.0.2.1\nnameserver fe80::1%eth0\n");
      assert.equal((await hosts.servers()).length, 1);
      clock.now = 1000;
      const [a, b] = await Promise.all([hosts.servers(), hosts.servers()]);
      assert.equal(a, b);
      assert.deepEqual(
        a?.map((s) => s.address),
        ["192.0.2.1", "fe80::1%eth0"],
      );
      clock.now = 2000;
      assert.equal(await hosts.servers(), a);
      await writeFile(path, "nameserver 192.0.2.2\n");
      await utimes(path, 1, 1);
      clock.now = 3000;
      assert.deepEqual((await hosts.servers())[0]?.address, "192.0.2.2");
    });
  });

  test("are asked of the container's own servers from its own network, never of ourselves", async () => {
    const servers = ["127.0.0.11", "192.0.2.53", "fe80::1%eth0"];
    await using shim = await openShim({ forwarding: { [ID]: { usesHost: false, servers } } });
    shim.send(KIND.datagram, PEER, encode("x.org"));
    const [kind, flow, isStream, address, port] = await shim.receive();
    assert.deepEqual([kind, isStream, address, port], [KIND.connect, 0, Buffer.from([192, 0, 2, 53]), 53]);
    assert.equal((flow as number) % 2, 1);
    shim.send(KIND.bytes, flow as number, Buffer.alloc(0));
    const [, , sent] = await shim.receive();
    const question = dnsPacket.decode(sent as Buffer);
    const reply: Packet = {
      type: "response",
      id: question.id ?? 0,
      questions: question.questions ?? [],
      answers: [{ name: "x.org", type: "A", ttl: 9, data: "192.0.2.1" }],
    };
    shim.send(KIND.bytes, flow as number, dnsPacket.encode(reply));
    assert.deepEqual((await shim.receive()).slice(0, 2), [KIND.end, flow]);
    const [, peer, answer] = await shim.receive();
    assert.deepEqual(peer, PEER);
    assert.deepEqual(data(dnsPacket.decode(answer as Buffer)), ["192.0.2.1"]);
    // The answer is kept for the container.
    assert.deepEqual(data(await shim.ask(encode("x.org"))), ["192.0.2.1"]);
  });

  test("a server that cannot be reached from there is a failure", async () => {
    await using shim = await openShim({ forwarding: { [ID]: { servers: ["192.0.2.53"] } } });
    shim.send(KIND.datagram, PEER, encode("x.org"));
    const [, flow] = await shim.receive();
    shim.send(KIND.end, flow as number, 101);
    const [, , answer] = await shim.receive();
    assert.equal(rcode(dnsPacket.decode(answer as Buffer)), "SERVFAIL");
  });
});

describe("connections", () => {
  test("a new one takes over, and one that ends is forgotten", async () => {
    await using first = await openShim(NAMES);
    assert.equal(first.server.isServing(ID), true);
    first.hangUp();
    await first.served;
    assert.equal(first.server.isServing(ID), false);
    await using second = await openShim(NAMES);
    second.server[Symbol.dispose]();
    await second.ended();
    assert.equal(second.server.isServing(ID), false);
  });

  test("malformed frames end the connection with a word in the log", async () => {
    const said = Promise.withResolvers<string>();
    await using shim = await openShim(NAMES, { log: said.resolve });
    shim.send(KIND.datagram, 5, 5);
    assert.match(await said.promise, /^names of cccccccccccc: malformed message/);
    assert.equal(shim.server.isServing(ID), false);
  });
});
