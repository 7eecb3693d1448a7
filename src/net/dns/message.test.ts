import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import dnsPacket, { type DecodedPacket, type Packet } from "dns-packet";
import fc from "fast-check";
import {
  addressRecord,
  answerAs,
  buildAnswer,
  buildUpstreamQuery,
  fitAnswer,
  pointerRecord,
  refuse,
} from "./answer.ts";
import { type Answer, parseAnswer, parseQuery, type Query, RCODE, reverseAddress, TYPE } from "./message.ts";
import { frameMessage, MessageAssembler } from "./stream.ts";

const CORPUS = join(import.meta.dirname, "../../../test/corpus/dns");

const encode = (packet: Packet): Buffer => dnsPacket.encode(packet);
const question = (name: string, type: "A" | "AAAA" | "TXT" = "A", id = 7): Query => {
  const query = parseQuery(encode({ type: "query", id, flags: 0x100, questions: [{ name, type }] }));
  assert.ok(query !== null && typeof query === "object");
  return query;
};
const withEdns = (query: Query, udpBytes = 1232, hasDo = false): Query => ({
  ...query,
  edns: { udpBytes, extendedRcode: 0, version: 0, hasDo },
});

const firstTtl = (packet: DecodedPacket): unknown =>
  packet.answers?.map((a) => ("ttl" in a ? a.ttl : undefined))[0];

function describeQuery(bytes: Buffer): string {
  const query = parseQuery(bytes);
  if (query === null) return "ignored\n";
  if (typeof query === "number") return `refused ${query}\n`;
  const { question: section, ...fields } = query;
  return `${JSON.stringify({ ...fields, questionBytes: section.length }, null, 2)}\n`;
}

describe("the corpus", () => {
  for (const kind of ["good", "bad"])
    for (const file of readdirSync(join(CORPUS, kind)).filter((f) => f.endsWith(".hex")))
      test(`${kind}/${file}`, () => {
        const text = readFileSync(join(CORPUS, kind, file), "utf8");
        const got = describeQuery(Buffer.from(text.replaceAll(/#.*|\s/g, ""), "hex"));
        const expected = join(CORPUS, kind, file.replace(".hex", ".txt"));
        if (process.env["UPDATE_GOLDENS"] !== undefined) writeFileSync(expected, got);
        assert.ok(existsSync(expected));
        assert.equal(got, readFileSync(expected, "utf8"));
        assert.equal(kind === "bad", /^(ignored|refused)/.test(got));
      });
});

const bytes = fc.uint8Array({ maxLength: 600 });
const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/);
const domain = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join("."));
const address = fc.ipV4();
const records = fc.array(fc.record({ ip: address, ttl: fc.nat(100_000) }), { maxLength: 8 });

describe("hostile input", () => {
  test("no bytes make a reader throw", () => {
    const query = question("example.org");
    fc.assert(
      fc.property(bytes, (b) => {
        parseQuery(b);
        parseAnswer(b, query, 7);
        new MessageAssembler().push(b);
      }),
      { numRuns: 2000 },
    );
  });

  test("no mutation of a message makes a reader or a writer throw", () => {
    const query = withEdns(question("a.example.org"));
    const answer = encode({
      type: "response",
      id: 7,
      flags: 0x180,
      questions: [{ name: "a.example.org", type: "A" }],
      answers: [
        { name: "a.example.org", type: "CNAME", ttl: 9, data: "b.example.org" },
        { name: "b.example.org", type: "A", ttl: 9, data: "192.0.2.1" },
      ],
      additionals: [{ type: "OPT", name: ".", udpPayloadSize: 4096, flags: 0, options: [] }] as never,
    });
    const change = fc.tuple(fc.nat(answer.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), fc.nat(answer.length), (changes, length) => {
        const mutant = Buffer.from(answer);
        for (const [at, value] of changes) mutant[at] = value;
        const parsed = parseAnswer(mutant.subarray(0, length), query, 7);
        if (parsed !== undefined && !parsed.isTruncated && parsed.rcode === 0) answerAs(parsed, query, 5);
      }),
      { numRuns: 2000 },
    );
  });

  test("an answer is only what repeats number, name, type and class", () => {
    const query = question("db.example");
    const reply = (packet: Partial<Packet>): Buffer =>
      encode({ type: "response", id: 7, questions: [{ name: "db.example", type: "A" }], ...packet });
    assert.ok(parseAnswer(reply({}), query, 7));
    assert.ok(parseAnswer(reply({ questions: [{ name: "DB.eXample", type: "A" }] }), query, 7));
    assert.equal(parseAnswer(reply({}), query, 8), undefined);
    assert.equal(parseAnswer(reply({ type: "query" }), query, 7), undefined);
    assert.equal(parseAnswer(reply({ questions: [{ name: "db.examplf", type: "A" }] }), query, 7), undefined);
    assert.equal(
      parseAnswer(reply({ questions: [{ name: "db.example", type: "AAAA" }] }), query, 7),
      undefined,
    );
    assert.equal(parseAnswer(reply({ questions: [] }), query, 7), undefined);
    assert.equal(parseAnswer(reply({ questions: [], flags: 2 }), query, 7)?.rcode, RCODE.servFail);
  });

  test("types whose numbers look like letters of different case are different types", () => {
    const asked = encode({ type: "query", id: 7, questions: [{ name: "x", type: "A" }] });
    const other = Buffer.from(asked);
    asked[asked.length - 3] = 65; // HTTPS
    other[other.length - 3] = 97;
    other[2] = 0x80;
    const query = parseQuery(asked);
    assert.ok(query !== null && typeof query === "object");
    assert.equal(parseAnswer(other, query, 7), undefined);
  });
});

describe("own answers", () => {
  test("say to another decoder what was put in", () => {
    fc.assert(
      fc.property(domain, records, fc.nat(0xffff), fc.boolean(), (name, list, id, hasEdns) => {
        const plain = question(name, "A", id);
        const query = hasEdns ? withEdns(plain, 4096, true) : plain;
        const message = buildAnswer(
          query,
          RCODE.noError,
          list.map((r) => addressRecord(r.ip, r.ttl)),
        );
        const decoded = dnsPacket.decode(Buffer.from(message));
        assert.equal(decoded.id, id);
        assert.equal(decoded.questions?.[0]?.name, name);
        assert.deepEqual(
          decoded.answers?.map((a) => ("data" in a ? [a.name, a.type, "ttl" in a ? a.ttl : 0, a.data] : [])),
          list.map((r) => [name, "A", r.ttl, r.ip]),
        );
        assert.equal(decoded.additionals?.length, hasEdns ? 1 : 0);
      }),
    );
  });

  test("name an IPv6 address and a pointer", () => {
    const message = buildAnswer(question("x", "AAAA"), RCODE.noError, [
      addressRecord("fd00::17", 1),
      pointerRecord("web.back-end", 2),
    ]);
    const answers = dnsPacket.decode(Buffer.from(message)).answers as { data: string }[];
    assert.deepEqual(
      answers.map((a) => a.data),
      ["fd00::17", "web.back-end"],
    );
  });

  test("are never larger than a message, and a name in them never than a name", () => {
    const query = question("x");
    const many = Array.from({ length: 5000 }, () => addressRecord("192.0.2.1", 1));
    assert.ok(buildAnswer(query, RCODE.noError, many).length <= 65_535);
    const long = pointerRecord(`${"a".repeat(100)}..${"b.".repeat(300)}`, 1);
    assert.ok(long.data.length <= 255);
    assert.equal(long.data[0], 63);
  });

  test("that do not fit are cut to a question with the flag for TCP", () => {
    const query = withEdns(question("web"));
    const many = Array.from({ length: 100 }, () => addressRecord("192.0.2.1", 1));
    const full = buildAnswer(query, RCODE.noError, many);
    assert.equal(fitAnswer(full, query, full.length), full);
    const cut = dnsPacket.decode(Buffer.from(fitAnswer(full, query, 512)));
    assert.equal(cut.flag_tc, true);
    assert.deepEqual([cut.answers?.length, cut.additionals?.length, cut.questions?.length], [0, 1, 1]);
  });

  test("refuse with the number of what could not be read", () => {
    const broken = Buffer.from("beef0100000200000000000061", "hex");
    assert.equal(Buffer.from(refuse(broken, RCODE.formErr)).toString("hex"), "beef81810000000000000000");
  });
});

describe("answers of servers", () => {
  const reply = (query: Query, more: Partial<Packet>): Answer => {
    const sent = encode({
      type: "response",
      id: 7,
      flags: 0x180,
      questions: [{ name: query.name, type: "A" }],
      ...more,
    });
    const answer = parseAnswer(sent, query, 7);
    assert.ok(answer);
    return answer;
  };

  test("become a client's own: number, spelling, flags, age", () => {
    const asked = question("wWw.Example", "A", 99);
    const answer = reply(question("www.example"), {
      answers: [{ name: "www.example", type: "A", ttl: 50, data: "192.0.2.7" }],
    });
    const decoded = dnsPacket.decode(Buffer.from(answerAs(answer, asked, 20)));
    assert.equal(decoded.id, 99);
    assert.equal(decoded.questions?.[0]?.name, "wWw.Example");
    assert.equal(firstTtl(decoded), 30);
    assert.equal(firstTtl(dnsPacket.decode(Buffer.from(answerAs(answer, asked, 80)))), 0);
    assert.equal(decoded.flag_ra, true);
  });

  test("lose their OPT record, and get ours when the client has EDNS", () => {
    const query = question("www.example");
    const answer = reply(query, {
      answers: [{ name: "www.example", type: "A", ttl: 50, data: "192.0.2.7" }],
      additionals: [
        { name: "ns.example", type: "A", ttl: 5, data: "192.0.2.8" },
        { type: "OPT", name: ".", udpPayloadSize: 4096, flags: 0x8000, options: [] },
      ] as never,
    });
    assert.equal(dnsPacket.decode(Buffer.from(answerAs(answer, query, 0))).additionals?.length, 1);
    const additionals = dnsPacket.decode(Buffer.from(answerAs(answer, withEdns(query), 0))).additionals as {
      type: string;
      udpPayloadSize: number;
    }[];
    assert.deepEqual([additionals.length, additionals[1]?.udpPayloadSize], [2, 1232]);
  });

  test("live as long as their shortest record, negative ones as long as the zone says", () => {
    const query = question("www.example");
    const record = (ttl: number) => ({ name: "www.example", type: "A" as const, ttl, data: "192.0.2.7" });
    assert.equal(reply(query, { answers: [record(50), record(3)] }).ttl, 3);
    const soa = {
      name: "example",
      type: "SOA" as const,
      ttl: 900,
      data: { mname: "a", rname: "b", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 60 },
    };
    assert.equal(reply(query, { flags: 0x183, authorities: [soa] }).ttl, 60);
    assert.equal(reply(query, { authorities: [soa] }).ttl, 60);
    assert.equal(reply(query, {}).ttl, 0);
    assert.equal(reply(query, { flags: 0x182, answers: [record(50)] }).ttl, 0);
  });
});

test("a question to a server carries flags and DO, and not the client's options or number", () => {
  const client = parseQuery(
    encode({
      type: "query",
      id: 5,
      flags: 0x110,
      questions: [{ name: "Db", type: "TXT" }],
      additionals: [
        {
          type: "OPT",
          name: ".",
          udpPayloadSize: 4096,
          flags: 0x8000,
          options: [{ code: 10, data: Buffer.alloc(8) }],
        },
      ] as never,
    }),
  );
  assert.ok(client !== null && typeof client === "object");
  const sent = dnsPacket.decode(Buffer.from(buildUpstreamQuery(client, 77, { hasEdns: true })));
  assert.deepEqual([sent.id, sent.flag_rd, sent.flag_cd, sent.questions?.[0]?.name], [77, true, true, "Db"]);
  const opt = sent.additionals?.[0] as unknown as { flag_do: boolean; options: unknown[] };
  assert.deepEqual([opt.flag_do, opt.options.length], [true, 0]);
  assert.equal(
    dnsPacket.decode(Buffer.from(buildUpstreamQuery(client, 77, { hasEdns: false }))).additionals?.length,
    0,
  );
});

test("reverseAddress is the inverse of how addresses are asked for", () => {
  fc.assert(
    fc.property(fc.ipV4(), (ip) => {
      assert.equal(reverseAddress(`${ip.split(".").reverse().join(".")}.in-addr.arpa`), ip);
    }),
  );
  assert.equal(reverseAddress(`2.${"0.".repeat(27)}0.0.d.f.ip6.arpa`), "fd00::2");
  for (const other of [
    "1.2.3.in-addr.arpa",
    "300.1.1.1.in-addr.arpa",
    "1.1.1.1.in-addr.arpa.x",
    "ip6.arpa",
    "",
  ])
    assert.equal(reverseAddress(other), undefined);
  assert.equal(TYPE.PTR, 12);
});

test("a stream is cut into its messages wherever it was broken", () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (messages, step) => {
      const stream = Buffer.concat(messages.map(frameMessage));
      const assembler = new MessageAssembler();
      const got: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += step)
        got.push(...assembler.push(stream.subarray(at, at + step)));
      assert.deepEqual(
        got.map((m) => Buffer.from(m)),
        messages.map((m) => Buffer.from(m)),
      );
    }),
  );
});
