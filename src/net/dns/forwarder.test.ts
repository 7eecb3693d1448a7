import assert from "node:assert/strict";
import { describe, test } from "node:test";
import dnsPacket, { type DecodedPacket } from "dns-packet";
import { Forwarder } from "./forwarder.ts";
import { hostTransport } from "./host-transport.ts";
import { parseQuery, type Query } from "./message.ts";
import type { Server, Transport } from "./transport.ts";
import { openUpstream, replyTo, type Script, type Upstream } from "./upstream.fake.ts";

const ask = (name: string, type: "A" | "TXT" = "A"): Query => {
  const query = parseQuery(
    dnsPacket.encode({ type: "query", id: 1, flags: 0x100, questions: [{ name, type }] }),
  );
  assert.ok(query !== null && typeof query === "object");
  return query;
};

const address = (name: string, data: string, ttl = 60) => ({
  answers: [{ name, type: "A" as const, ttl, data }],
});
const SOA = {
  name: "example",
  type: "SOA" as const,
  ttl: 900,
  data: { mname: "a", rname: "b", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 10 },
};
const NXDOMAIN = 0x183;
const SERVFAIL = 0x182;
const FORMERR = 0x181;

interface Bed extends AsyncDisposable {
  upstreams: Upstream[];
  forwarder: Forwarder;
  /** Milliseconds that have passed for the forwarder. */
  clock: { now: number };
  resolve(query: Query): Promise<DecodedPacket>;
}

async function bed(...scripts: Script[]): Promise<Bed> {
  const upstreams = await Promise.all(scripts.map(openUpstream));
  const servers = upstreams.map((u) => u.server);
  const clock = { now: 0 };
  const forwarder = new Forwarder({
    transport: hostTransport,
    servers: () => Promise.resolve(servers),
    now: () => clock.now,
  });
  return {
    upstreams,
    forwarder,
    clock,
    resolve: async (query) => dnsPacket.decode(Buffer.from(await forwarder.resolve(query))),
    [Symbol.asyncDispose]: async () => {
      forwarder.close();
      for (const u of upstreams) await u[Symbol.asyncDispose]();
    },
  };
}

const said = (packet: DecodedPacket): [string, unknown] => [
  (packet as unknown as { rcode: string }).rcode,
  packet.answers?.map((a) => ("data" in a ? a.data : undefined))[0],
];

describe("the cache", () => {
  test("answers for as long as the record lives, counting down", async () => {
    await using b = await bed(() => address("www.example", "192.0.2.1", 60));
    assert.deepEqual(said(await b.resolve(ask("www.example"))), ["NOERROR", "192.0.2.1"]);
    b.clock.now = 40_000;
    const cached = await b.resolve(ask("WWW.example"));
    assert.deepEqual(
      cached.answers?.map((a) => ("ttl" in a ? a.ttl : undefined)),
      [20],
    );
    assert.equal(cached.questions?.[0]?.name, "WWW.example");
    assert.equal(b.upstreams[0]?.asked.length, 1);
    b.clock.now = 60_000;
    await b.resolve(ask("www.example"));
    assert.equal(b.upstreams[0]?.asked.length, 2);
  });

  test("keeps no answer longer than five minutes, and none that must not be kept", async () => {
    await using b = await bed(({ packet }) => {
      const name = packet.questions?.[0]?.name ?? "";
      return address(name, "192.0.2.1", name === "long" ? 100_000 : 0);
    });
    await b.resolve(ask("long"));
    b.clock.now = 299_000;
    await b.resolve(ask("long"));
    assert.equal(b.upstreams[0]?.asked.length, 1);
    b.clock.now = 301_000;
    await b.resolve(ask("long"));
    await b.resolve(ask("short"));
    await b.resolve(ask("short"));
    assert.equal(b.upstreams[0]?.asked.length, 4);
  });

  test("keeps negative answers as the zone says, and failures not at all", async () => {
    await using b = await bed(({ packet }) =>
      packet.questions?.[0]?.name === "no.example"
        ? { flags: NXDOMAIN, authorities: [SOA] }
        : { flags: SERVFAIL },
    );
    for (let i = 0; i < 3; i++) assert.equal(said(await b.resolve(ask("no.example")))[0], "NXDOMAIN");
    assert.equal(b.upstreams[0]?.asked.length, 1);
    b.clock.now = 10_000;
    await b.resolve(ask("no.example"));
    for (let i = 0; i < 3; i++) assert.equal(said(await b.resolve(ask("bad.example")))[0], "SERVFAIL");
    assert.equal(b.upstreams[0]?.asked.length, 5);
  });

  test("is empty when the servers change", async () => {
    await using one = await openUpstream(() => address("x", "192.0.2.1"));
    await using two = await openUpstream(() => address("x", "192.0.2.2"));
    let servers: readonly Server[] = [one.server];
    const forwarder = new Forwarder({ transport: hostTransport, servers: () => Promise.resolve(servers) });
    const resolve = async () => said(dnsPacket.decode(Buffer.from(await forwarder.resolve(ask("x")))))[1];
    assert.equal(await resolve(), "192.0.2.1");
    servers = [two.server];
    assert.equal(await resolve(), "192.0.2.2");
  });

  test("distinguishes types", async () => {
    await using b = await bed(({ packet }) =>
      packet.questions?.[0]?.type === "A"
        ? address("x", "192.0.2.1")
        : { answers: [{ name: "x", type: "TXT", ttl: 9, data: "text" }] },
    );
    assert.equal(said(await b.resolve(ask("x")))[1], "192.0.2.1");
    assert.equal(String(said(await b.resolve(ask("x", "TXT")))[1]), "text");
  });
});

describe("servers", () => {
  test("a silent one is passed over, and asked last from then on", async () => {
    await using b = await bed(
      () => null,
      ({ packet }) => address(packet.questions?.[0]?.name ?? "", "192.0.2.2"),
    );
    assert.equal(said(await b.resolve(ask("a")))[1], "192.0.2.2");
    const asked = b.upstreams[0]?.asked.length;
    assert.ok((asked ?? 0) > 0);
    assert.equal(said(await b.resolve(ask("b")))[1], "192.0.2.2");
    assert.equal(b.upstreams[0]?.asked.length, asked);
    b.clock.now = 31_000;
    await b.resolve(ask("c"));
    assert.ok((b.upstreams[0]?.asked.length ?? 0) > (asked ?? 0));
  });

  test("one that fails or is not there hands over to the next", async () => {
    await using b = await bed(
      () => ({ flags: SERVFAIL }),
      () => ({ flags: 0x185 }),
      ({ packet }) => address(packet.questions?.[0]?.name ?? "", "192.0.2.3"),
    );
    assert.equal(said(await b.resolve(ask("a")))[1], "192.0.2.3");
    await b.upstreams[0]?.[Symbol.asyncDispose]();
    await b.upstreams[1]?.[Symbol.asyncDispose]();
    b.upstreams.splice(0, 2);
    assert.equal(said(await b.resolve(ask("b")))[1], "192.0.2.3");
  });

  test("when all fail the answer is a failure, at once and after one question to each", async () => {
    await using b = await bed(
      () => ({ flags: SERVFAIL }),
      () => ({ flags: SERVFAIL }),
    );
    assert.equal(said(await b.resolve(ask("a")))[0], "SERVFAIL");
    assert.deepEqual(
      b.upstreams.map((u) => u.asked.length),
      [1, 1],
    );
  });

  test("without any the answer is a failure", async () => {
    await using b = await bed();
    assert.equal(said(await b.resolve(ask("a")))[0], "SERVFAIL");
  });

  test("one that cannot even be asked is a failure", async () => {
    const servers = [{ address: "fe80::1%nosuch", port: 53 }];
    const forwarder = new Forwarder({ transport: hostTransport, servers: () => Promise.resolve(servers) });
    assert.equal(said(dnsPacket.decode(Buffer.from(await forwarder.resolve(ask("a")))))[0], "SERVFAIL");
  });

  test("a transport that breaks is a failure like any other", async () => {
    const transport: Transport = {
      connect: () => {
        throw new Error("no descriptor left");
      },
    };
    const servers = [{ address: "192.0.2.1", port: 53 }];
    const forwarder = new Forwarder({ transport, servers: () => Promise.resolve(servers) });
    for (let i = 0; i < 2; i++)
      assert.equal(said(dnsPacket.decode(Buffer.from(await forwarder.resolve(ask("a")))))[0], "SERVFAIL");
  });

  test("one that does not know a name is believed", async () => {
    await using b = await bed(
      () => ({ flags: NXDOMAIN }),
      () => address("a", "192.0.2.1"),
    );
    assert.equal(said(await b.resolve(ask("a")))[0], "NXDOMAIN");
    assert.equal(b.upstreams[1]?.asked.length, 0);
  });

  test("a lost question is asked again", async () => {
    let count = 0;
    await using b = await bed(() => (++count === 1 ? null : address("a", "192.0.2.1")));
    assert.equal(said(await b.resolve(ask("a")))[1], "192.0.2.1");
  });

  test("an answer that does not fit is fetched over TCP", async () => {
    const many = Array.from({ length: 200 }, (_, i) => ({
      name: "a",
      type: "A" as const,
      ttl: 60,
      data: `192.0.2.${i}`,
    }));
    await using b = await bed(({ via }) => (via === "udp" ? { flags: 0x380 } : { answers: many }));
    assert.equal((await b.resolve(ask("a"))).answers?.length, 200);
    assert.deepEqual(
      b.upstreams[0]?.asked.map((a) => a.via),
      ["udp", "tcp"],
    );
  });

  test("one that does not know EDNS is asked without it", async () => {
    await using b = await bed(({ packet }) =>
      (packet.additionals?.length ?? 0) > 0 ? { flags: FORMERR } : address("a", "192.0.2.1"),
    );
    assert.equal(said(await b.resolve(ask("a")))[1], "192.0.2.1");
    assert.equal(b.upstreams[0]?.asked.length, 2);
  });
});

describe("what others could forge", () => {
  test("answers with another number or question are not taken", async () => {
    await using b = await bed(({ packet }) => {
      const forged = { ...packet, id: ((packet.id ?? 0) + 1) & 0xffff };
      const other = { ...packet, questions: [{ name: "b", type: "A" as const }] };
      return [
        Buffer.from("noise"),
        replyTo(forged, address("a", "203.0.113.1")),
        replyTo(other as DecodedPacket, address("b", "203.0.113.2")),
        replyTo(packet, address("a", "192.0.2.1")),
      ];
    });
    assert.equal(said(await b.resolve(ask("a")))[1], "192.0.2.1");
  });

  test("numbers and source ports differ from question to question", async () => {
    await using b = await bed(({ packet }) => address(packet.questions?.[0]?.name ?? "", "192.0.2.1"));
    for (let i = 0; i < 40; i++) await b.resolve(ask(`n${i}`));
    const asked = b.upstreams[0]?.asked ?? [];
    assert.ok(new Set(asked.map((a) => a.packet.id)).size > 35);
    assert.ok(new Set(asked.map((a) => a.port)).size > 20);
  });
});

describe("one question at a time", () => {
  test("many who ask the same wait for one answer", async () => {
    const gate = Promise.withResolvers<void>();
    await using b = await bed(async () => {
      await gate.promise;
      return address("a", "192.0.2.1");
    });
    const all = Array.from({ length: 50 }, () => b.resolve(ask("a")));
    gate.resolve();
    for (const answer of await Promise.all(all)) assert.equal(said(answer)[1], "192.0.2.1");
    assert.equal(b.upstreams[0]?.asked.length, 1);
  });

  test("a server that asks us the same ends in a failure, not in a storm", async () => {
    let forward: (query: Query) => Promise<Uint8Array> = () => Promise.reject(new Error("not yet"));
    await using b = await bed(async ({ packet }) => {
      await forward(ask(packet.questions?.[0]?.name ?? ""));
      return { flags: SERVFAIL };
    });
    forward = (query) => b.forwarder.resolve(query);
    assert.equal(said(await b.resolve(ask("loop")))[0], "SERVFAIL");
    assert.equal(b.upstreams[0]?.asked.length, 3); // the question and its repetitions
  });

  test("closing ends what is under way", async () => {
    await using b = await bed(() => null);
    const answer = b.resolve(ask("a"));
    await Promise.resolve();
    b.forwarder.close();
    assert.equal(said(await answer)[0], "SERVFAIL");
  });
});
