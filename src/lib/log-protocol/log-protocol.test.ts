import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "@msgpack/msgpack";
import fc from "fast-check";
import { decodeAcks, encodeForward } from "./fluent-forward.ts";
import { chunkGelf, encodeGelf } from "./gelf.ts";
import { encodeJournal, journalFieldName } from "./journal.ts";
import { encodeSyslog, frameSyslog, type SyslogFormat } from "./syslog.ts";

const bytes = fc.uint8Array({ maxLength: 300 });

test("syslog messages have the fields of their format in its order", () => {
  // In the zone of this machine, which the formats want: taken apart again where it is not UTC.
  const timeNano = 1_772_355_661_123_456_789n; // 2026-03-01T09:01:01.123456789Z
  const local = new Date(Number(timeNano / 1_000_000n));
  const message = {
    facility: 19,
    severity: 3,
    timeNano,
    hostname: "host",
    tag: "web/1",
    pid: 42,
    content: Buffer.from("a\xffb", "latin1"),
  };
  const text = (format: SyslogFormat): string => encodeSyslog(format, message).toString("latin1");
  const clock = local.toTimeString().slice(0, 8);
  const day = String(local.getDate()).padStart(2, " ");
  const month = local.toString().slice(4, 7);
  assert.equal(text("unix"), `<155>${month} ${day} ${clock} web/1[42]: a\xffb\n`);
  assert.equal(text("rfc3164"), `<155>${month} ${day} ${clock} host web/1[42]: a\xffb\n`);
  const [, time = "", rest = ""] = /^<155>1 (\S+) (.*\n)$/.exec(text("rfc5424")) ?? [];
  assert.equal(Date.parse(time), Number(timeNano / 1_000_000_000n) * 1000);
  assert.equal(rest, "host web/1 42 web/1 - a\xffb\n");
  const [, micro = ""] = /^<155>1 (\S+) host /.exec(text("rfc5424micro")) ?? [];
  assert.match(micro, /:01\.123456(Z|[+-]\d\d:\d\d)$/);
});

test("frameSyslog counts bytes", () => {
  assert.equal(frameSyslog(Buffer.from("äb\n")).toString(), "4 äb\n");
});

test("GELF messages are JSON with milliseconds, their chunks join to what they were cut from", () => {
  const message = encodeGelf({
    host: "h",
    text: "t\u0001",
    timeNano: 1_772_355_661_123_999_999n,
    level: 6,
    fields: { _a: 1 },
  });
  assert.deepEqual(JSON.parse(message.toString()), {
    version: "1.1",
    host: "h",
    short_message: "t\u0001",
    timestamp: 1_772_355_661.123,
    level: 6,
    _a: 1,
  });
  const id = Buffer.from("12345678");
  for (const size of [0, 1, 1420, 1421, 2816, 2817, 128 * 1408]) {
    const whole = Buffer.alloc(size, "x");
    const chunks = chunkGelf(whole, id);
    assert.ok(chunks !== null && chunks.every((c) => c.length <= 1420), `${size}`);
    if (chunks.length === 1) {
      assert.deepEqual(chunks[0], whole);
      continue;
    }
    chunks.forEach((c, i) => assert.deepEqual([...c.subarray(0, 12)], [0x1e, 0x0f, ...id, i, chunks.length]));
    assert.deepEqual(Buffer.concat(chunks.map((c) => c.subarray(12))), whole);
  }
  assert.equal(chunkGelf(Buffer.alloc(128 * 1408 + 1), id), null);
});

/** Reads journald's native protocol as systemd.io describes it. */
function decodeJournal(datagram: Buffer): [string, Buffer][] {
  const fields: [string, Buffer][] = [];
  for (let at = 0; at < datagram.length; ) {
    const end = datagram.indexOf(10, at);
    const equals = datagram.indexOf("=", at);
    if (equals >= 0 && equals < end) {
      fields.push([datagram.toString("latin1", at, equals), datagram.subarray(equals + 1, end)]);
      at = end + 1;
    } else {
      const size = Number(datagram.readBigUInt64LE(end + 1));
      fields.push([datagram.toString("latin1", at, end), datagram.subarray(end + 9, end + 9 + size)]);
      assert.equal(datagram[end + 9 + size], 10);
      at = end + 10 + size;
    }
  }
  return fields;
}

test("journal datagrams carry any value, and no name that journald refuses", () => {
  fc.assert(
    fc.property(fc.array(bytes), (values) => {
      const fields = values.map((value, i): [string, Uint8Array] => [`FIELD_${i}`, value]);
      const decoded = decodeJournal(encodeJournal([["_TRUSTED", "no"], ["", "no"], ["a", "no"], ...fields]));
      assert.deepEqual(
        decoded,
        fields.map(([name, value]) => [name, Buffer.from(value)]),
      );
    }),
  );
  assert.equal(journalFieldName("__com.example-Änder1"), "COM_EXAMPLE__NDER1");
  assert.equal(journalFieldName("_-_"), "");
});

test("fluentd's messages are what the MessagePack library reads, and keep every byte", () => {
  const time = { seconds: 1_772_355_661, nanos: 5 };
  const timeNano = BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanos);
  fc.assert(
    fc.property(
      // The library refuses this one key, whatever it stands for.
      fc.dictionary(
        fc.string({ maxLength: 40 }).filter((key) => key !== "__proto__"),
        fc.string({ maxLength: 70_000 }),
        { maxKeys: 20 },
      ),
      (record) => {
        const message = encodeForward(
          { tag: "t", timeNano, record: Object.entries(record), chunk: "id" },
          { hasNanoseconds: false },
        );
        const [tag, seconds, decoded, option] = decode(message) as [string, number, object, object];
        assert.deepEqual([tag, seconds, option], ["t", time.seconds, { chunk: "id" }]);
        const sane = Object.entries(record).map(([k, v]) => [k.toWellFormed(), v.toWellFormed()]);
        assert.deepEqual(decoded, Object.fromEntries(sane));
      },
    ),
    { numRuns: 50 },
  );
  const raw = encodeForward(
    { tag: "t", timeNano, record: [["log", Buffer.from([0xff, 0x00])]] },
    { hasNanoseconds: true },
  );
  // [ "t", EventTime, { "log": the two bytes }, {} ]
  assert.equal(
    raw.toString("hex"),
    `94a174d700${time.seconds.toString(16)}00000005` + "81a36c6f67a2ff00" + "80",
  );
});

test("acknowledgements are found in whatever pieces they come", async () => {
  const answers = Buffer.concat([
    Buffer.from([0x81, 0xa3]),
    Buffer.from("ack"),
    Buffer.from([0xa2]),
    Buffer.from("x1"),
    Buffer.from([0x81, 0xa3]),
    Buffer.from("ack"),
    Buffer.from([0xa2]),
    Buffer.from("x2"),
    Buffer.from([0xc0]),
  ]);
  for (let size = 1; size < 12; size++) {
    const pieces = (async function* () {
      for (let at = 0; at < answers.length; at += size) yield answers.subarray(at, at + size);
    })();
    const ids: string[] = [];
    for await (const id of decodeAcks(pieces)) ids.push(id);
    assert.deepEqual(ids, ["x1", "x2"]);
  }
});
