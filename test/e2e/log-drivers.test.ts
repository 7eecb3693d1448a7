// Log drivers with a receiver, against real ones where the machine has them: rsyslogd for syslog. Fluentd, Graylog and journald cannot
// be installed or cannot run here; listeners that take their protocols apart stand in for them: MessagePack's own decoder for
// fluentd's, gunzip and chunk numbers for GELF, a datagram socket for journald (BERTH_JOURNAL_SOCKET says where).
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { gunzipSync, inflateSync } from "node:zlib";
import { decodeMultiStream, encode } from "@msgpack/msgpack";
import { Live, run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const client = clients.at(-1) as Client;
const berth = clients[0] as Client;
const text = (...args: string[]) => daemon.text(client, args);
const opts = (options: Record<string, string>): string[] =>
  Object.entries(options).flatMap(([name, value]) => ["--log-opt", `${name}=${value}`]);

/** Where a file of a receiver is. Short, since socket addresses are. */
const at = (name: string): string => daemon.path(name);

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

interface LogStatus {
  Driver: string;
  Shipped: number;
  Pending: number;
  Dropped: number;
  Error: string;
}

const statusOf = async (name: string): Promise<LogStatus> =>
  (await daemon.inspect(name))["LogStatus"] as LogStatus;

/** A program in the daemon's network namespace. */
function inside(argv: readonly string[]): Live {
  return new Live(daemon.network.wrap(argv), { timeoutMs: 170_000 });
}

class Receiver implements AsyncDisposable {
  readonly #live: Live;
  private constructor(live: Live) {
    this.#live = live;
  }
  static async start(...args: string[]): Promise<Receiver> {
    const live = inside([process.execPath, join(import.meta.dirname, "log-receiver.ts"), ...args]);
    await live.prints("ready");
    return new Receiver(live);
  }
  get lines(): string[] {
    return this.#live.output.split("\n").slice(1, -1);
  }
  get datagrams(): Buffer[] {
    return this.lines.map((line) => Buffer.from(line, "base64"));
  }
  /** What has come over connections, one after another. */
  get stream(): Buffer {
    const parts = this.lines.filter((l) => l.startsWith("data ")).map((l) => l.split(" ")[2] as string);
    return Buffer.concat(parts.map((p) => Buffer.from(p, "base64")));
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#live.stdin.write("close\n");
    await this.#live.ended;
  }
}

describe("syslog to rsyslogd", () => {
  let rsyslogd: Live;
  const out = (): Promise<string> => readFile(at("rs/out"), "utf8").catch(() => "");
  before(async () => {
    await mkdir(at("rs"), { recursive: true });
    const template = [
      "hostname",
      "programname",
      "procid",
      "syslogfacility-text",
      "syslogseverity-text",
      "msg",
    ]
      .map((field) => `%${field}%`)
      .join("|");
    await writeFile(
      at("rs.conf"),
      [
        `global(workDirectory="${at("rs")}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")`,
        `module(load="imuxsock" SysSock.Use="off")`,
        `input(type="imuxsock" Socket="${at("rs/gram")}" UseSysTimeStamp="off" RateLimit.Interval="0")`,
        `module(load="imudp")`,
        `input(type="imudp" port="5514" address="127.0.0.1")`,
        `module(load="imtcp")`,
        `input(type="imtcp" port="5514" address="127.0.0.1")`,
        `template(name="all" type="string" string="${template}\\n")`,
        `*.* action(type="omfile" file="${at("rs/out")}" template="all")`,
      ].join("\n"),
    );
    rsyslogd = inside(["rsyslogd", "-n", "-f", at("rs.conf"), "-i", at("rs/pid")]);
    await until(() => existsSync(at("rs/gram")), "rsyslogd listens");
  });
  after(async () => {
    rsyslogd.kill("SIGTERM");
    await rsyslogd.ended;
  });

  const script = "echo one; echo two >&2; echo; printf 'ä <&> \\t x'";
  for (const [name, options, facility] of [
    ["udp", { "syslog-address": "udp://127.0.0.1:5514" }, "daemon"],
    ["tcp", { "syslog-address": "tcp://127.0.0.1:5514", "syslog-facility": "local3" }, "local3"],
    ["gram", {}, "daemon"],
    ["rfc3164", { "syslog-address": "tcp://127.0.0.1:5514", "syslog-format": "rfc3164" }, "daemon"],
    ["rfc5424", { "syslog-address": "udp://127.0.0.1:5514", "syslog-format": "rfc5424" }, "daemon"],
    ["micro", { "syslog-address": "tcp://127.0.0.1:5514", "syslog-format": "rfc5424micro" }, "daemon"],
  ] as const)
    test(`${name}: lines, severities, facility and tag arrive, of a container that is gone by then`, async () => {
      const address = name === "gram" ? { "syslog-address": `unixgram://${at("rs/gram")}` } : {};
      const all = opts({ tag: `${name}/{{.Name}}`, ...address, ...options });
      await text(
        "run",
        "--rm",
        "--name",
        `c-${name}`,
        "--log-driver",
        "syslog",
        ...all,
        "busybox",
        "sh",
        "-c",
        script,
      );
      const mine = async () =>
        (await out()).split("\n").filter((l) => l.includes(`|${name}/c-${name}`) || l.includes(`|${name}|`));
      await until(async () => (await mine()).length >= 3, "three messages");
      // rsyslog cuts the program's name at a slash, as RFC 3164 has it.
      const fields = (await mine()).map((l) => l.split("|").slice(2).join("|").replace("| ", "|"));
      assert.deepEqual(
        fields.sort(),
        [
          `${daemon.pid}|${facility}|err|two`,
          `${daemon.pid}|${facility}|info|one`,
          `${daemon.pid}|${facility}|info|ä <&> \t x`,
        ].sort(),
      );
    });

  test("logs works whatever the receiver", async () => {
    const options = opts({ "syslog-address": "udp://127.0.0.1:5514" });
    await text(
      "run",
      "--name",
      "seen",
      "--log-driver",
      "syslog",
      ...options,
      "busybox",
      "sh",
      "-c",
      "echo o; echo e >&2",
    );
    const logs = await daemon.run(client, ["logs", "seen"]);
    assert.deepEqual([logs.stdout, logs.stderr], ["o\n", "e\n"]);
    await until(async () => (await statusOf("seen")).Shipped === 2, "shipped");
    assert.deepEqual(await statusOf("seen"), {
      Driver: "syslog",
      Shipped: 2,
      Pending: 0,
      Dropped: 0,
      Error: "",
    });
    const hidden = [...options, ...opts({ "cache-disabled": "true" })];
    await text("run", "--name", "hidden", "--log-driver", "syslog", ...hidden, "busybox", "echo", "x");
    assert.match((await daemon.run(client, ["logs", "hidden"])).stderr, /does not support reading/);
  });
});

test("syslog over TLS: framed by length, the certificate verified unless that is turned off", async () => {
  const made = await run([
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-keyout", at("key.pem"), "-out", at("cert.pem"), "-days", "3650", "-subj", "/CN=log.test"],
    ...["-addext", "subjectAltName=IP:127.0.0.1"],
  ]);
  assert.equal(made.status, 0, made.stderr);
  await using receiver = await Receiver.start("tls", "127.0.0.1", "6514", at("cert.pem"), at("key.pem"));
  const common = { "syslog-address": "tcp+tls://127.0.0.1:6514", "syslog-format": "rfc5424", tag: "t" };
  const start = (name: string, options: Record<string, string>) =>
    text(
      "run",
      "-d",
      "--name",
      name,
      "--log-driver",
      "syslog",
      ...opts({ ...common, ...options }),
      "busybox",
      "echo",
      name,
    );
  await start("unverified", {});
  await until(async () => (await statusOf("unverified")).Error !== "", "refused");
  assert.match(
    (await statusOf("unverified")).Error,
    /cannot connect to tls:\/\/127.0.0.1:6514: .*certificate/i,
  );
  await start("verified", { "syslog-tls-ca-cert": at("cert.pem") });
  await start("careless", { "syslog-tls-skip-verify": "true" });
  await until(
    () => /verified[^]*careless|careless[^]*verified/.test(receiver.stream.toString()),
    "both arrive",
  );
  for (const [, length, message] of receiver.stream.toString().matchAll(/(\d+) (<30>1 [^\n]*\n)/g))
    assert.equal(Buffer.byteLength(message as string), Number(length));
  assert.doesNotMatch(receiver.stream.toString(), /unverified/);
  const missing = await daemon.run(client, [
    ...["run", "--rm", "--log-driver", "syslog", ...opts({ ...common, "syslog-tls-ca-cert": "/nope.pem" })],
    ...["busybox", "true"],
  ]);
  assert.match(missing.stderr, /failed to initialize logging driver: ENOENT.*nope\.pem/);
});

describe("gelf", () => {
  const program =
    "echo short; echo bad >&2; echo; head -c 60000 /dev/urandom | od -An -v -tx1 | tr -d ' \\n'; echo";
  const identity = (id: string, name: string) => ({
    _command: `sh -c ${program}`,
    _container_id: id,
    _container_name: name,
    _image_name: "busybox",
    _tag: `tag-${name}`,
    _colour: "red",
    _MODE: "fast",
  });
  const labels = ["--label", "colour=red", "-e", "MODE=fast"];

  const started = async (name: string, options: Record<string, string>): Promise<string> => {
    const all = opts({ tag: "tag-{{.Name}}", labels: "colour", env: "MODE", ...options });
    await text(
      "run",
      "--name",
      name,
      ...labels,
      "--log-driver",
      "gelf",
      ...all,
      "busybox",
      "sh",
      "-c",
      program,
    );
    return (await daemon.inspect(name)).Id;
  };

  const check = async (messages: Record<string, unknown>[], id: string, name: string): Promise<void> => {
    const written = (await daemon.run(client, ["logs", name])).stdout;
    assert.equal(messages.length, 2 + Math.ceil(120_000 / 16_384));
    for (const m of messages) {
      for (const [field, value] of Object.entries(identity(id, name))) assert.equal(m[field], value, field);
      assert.equal(m["version"], "1.1");
      assert.ok(Math.abs(Number(m["timestamp"]) - Date.now() / 1000) < 100);
    }
    const texts = (level: number) =>
      messages.filter((m) => m["level"] === level).map((m) => m["short_message"]);
    assert.deepEqual(texts(3), ["bad"]);
    assert.equal(`${texts(6).join("").replace("short", "short\n\n")}\n`, written);
  };

  for (const [type, unpack] of [
    ["gzip", gunzipSync],
    ["zlib", inflateSync],
    ["none", (b: Buffer) => b],
  ] as const)
    test(`over UDP with ${type}, in chunks where a message is large`, async () => {
      await using receiver = await Receiver.start("udp", "127.0.0.1", "12201");
      const id = await started(`udp-${type}`, {
        "gelf-address": "udp://127.0.0.1:12201",
        "gelf-compression-type": type,
      });
      const joined = (): Buffer[] => {
        const whole: Buffer[] = [];
        const chunks = new Map<string, Buffer[]>();
        for (const d of receiver.datagrams) {
          assert.ok(d.length <= 1420);
          if (d[0] !== 0x1e || d[1] !== 0x0f) {
            whole.push(d);
            continue;
          }
          const of = chunks.get(d.toString("hex", 2, 10)) ?? [];
          chunks.set(d.toString("hex", 2, 10), of);
          of[d[10] as number] = d.subarray(12);
          if (of.filter(Boolean).length === d[11]) whole.push(Buffer.concat(of));
        }
        return whole;
      };
      await until(() => joined().length === 10, "ten messages");
      const messages = joined().map((b) => JSON.parse(unpack(b).toString()) as Record<string, unknown>);
      messages.sort((a, b) => Number(a["timestamp"]) - Number(b["timestamp"]));
      await check(messages, id, `udp-${type}`);
    });

  test("over TCP, a NUL behind each message", async () => {
    await using receiver = await Receiver.start("tcp", "127.0.0.1", "12201");
    const id = await started("tcp", { "gelf-address": "tcp://127.0.0.1:12201" });
    await until(() => receiver.stream.toString().split("\0").length === 11, "ten messages");
    const messages = receiver.stream.toString().split("\0").slice(0, -1);
    await check(
      messages.map((m) => JSON.parse(m) as Record<string, unknown>),
      id,
      "tcp",
    );
  });
});

/** Takes fluentd's forward protocol apart; acknowledges what asks for it. */
class Fluentd implements AsyncDisposable {
  readonly path: string;
  readonly messages: [
    tag: string,
    time: unknown,
    record: Record<string, string>,
    option: Record<string, string>,
  ][] = [];
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  /** Most messages that a connection takes before it is reset; the receiver stays. */
  breaksAfter = Number.POSITIVE_INFINITY;

  constructor(path: string) {
    this.path = path;
  }

  async start(): Promise<this> {
    this.#server = createServer((socket) => void this.#serve(socket));
    this.#server.listen(this.path);
    await once(this.#server, "listening");
    return this;
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on("error", () => {}); // ignored: a client may go as it likes
    try {
      for await (const message of decodeMultiStream(socket)) {
        const m = message as Fluentd["messages"][number];
        this.messages.push(m);
        if (m[3]["chunk"] !== undefined) socket.write(encode({ ack: m[3]["chunk"] }));
        if (--this.breaksAfter === 0) socket.destroy();
      }
    } catch {
      // ignored: the connection broke in the middle of a message
    }
    this.#sockets.delete(socket);
  }

  get logs(): string[] {
    return this.messages.map(([, , record]) => record["log"] as string);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server?.close();
    this.#server = undefined;
    await rm(this.path, { force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

describe("fluentd", () => {
  const address = () => ({ "fluentd-address": `unix://${at("f.sock")}` });
  const started = (name: string, options: Record<string, string>, ...rest: string[]) =>
    text(
      "run",
      "-d",
      "--name",
      name,
      "--log-driver",
      "fluentd",
      ...opts({ ...address(), ...options }),
      ...rest,
    );
  const sequence = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i + 1}`);

  test("records have Docker's fields, the pieces of a long line what joins them", async () => {
    await using fluentd = await new Fluentd(at("f.sock")).start();
    const program = "echo out; echo err >&2; head -c 20000 /dev/zero | tr '\\0' x; echo; printf 'end'";
    await started(
      "rec",
      { tag: "docker.{{.Name}}", labels: "a" },
      "--label",
      "a=1",
      "busybox",
      "sh",
      "-c",
      program,
    );
    await until(() => fluentd.messages.length === 5, "five messages");
    const { Id } = await daemon.inspect("rec");
    for (const [tag, time, record, option] of fluentd.messages) {
      assert.deepEqual([tag, option], ["docker.rec", {}]);
      assert.ok(Math.abs(Number(time) - Date.now() / 1000) < 100);
      const { container_id, container_name, a } = record;
      assert.deepEqual([container_id, container_name, a], [Id, "/rec", "1"]);
    }
    const of = (log: string) => fluentd.messages.find(([, , r]) => r["log"] === log)?.[2];
    assert.equal(of("out")?.["source"], "stdout");
    assert.equal(of("err")?.["source"], "stderr");
    const pieces = fluentd.messages.map(([, , r]) => r).filter((r) => r["partial_message"] === "true");
    assert.deepEqual(
      pieces.map((r) => [r["log"]?.length, r["partial_ordinal"], r["partial_last"]]),
      [
        [16_384, "1", "false"],
        [3616, "2", "true"],
        [3, "1", "false"],
      ],
    );
    assert.equal(pieces[0]?.["partial_id"], pieces[1]?.["partial_id"]);
    assert.notEqual(pieces[1]?.["partial_id"], pieces[2]?.["partial_id"]);
  });

  test("with acknowledgements nothing is lost or repeated when connections break again and again", async () => {
    await using fluentd = await new Fluentd(at("f.sock")).start();
    fluentd.breaksAfter = 700;
    const options = {
      "fluentd-request-ack": "true",
      "fluentd-retry-wait": "10ms",
      "fluentd-sub-second-precision": "true",
    };
    await started("acked", options, "busybox", "seq", "1", "3000");
    await until(async () => (await statusOf("acked")).Shipped === 3000, "3000 acknowledged");
    assert.deepEqual([...new Set(fluentd.logs)], sequence(3000));
    assert.ok(fluentd.logs.length <= 3000 + 1000, "one batch was repeated at most");
  });

  test("a receiver that is not there stops nobody, is spoken of, and gets everything when it comes", async () => {
    await using fluentd = new Fluentd(at("f.sock"));
    await started("early", { "fluentd-retry-wait": "20ms" }, "busybox", "seq", "1", "500");
    assert.equal(await text("wait", "early"), "0");
    await until(async () => (await statusOf("early")).Error !== "", "the error shows");
    const waiting = await statusOf("early");
    assert.match(waiting.Error, /cannot connect to unix:\/\/.*f\.sock/);
    assert.deepEqual([waiting.Shipped, waiting.Pending, waiting.Dropped], [0, 500, 0]);
    await daemon.logs(
      /level=warn msg="container [0-9a-f]{12}: fluentd: logs cannot be delivered, 1 times now/,
    );
    assert.equal((await daemon.run(client, ["logs", "early"])).stdout.length, 1892);
    await fluentd.start();
    await until(async () => (await statusOf("early")).Shipped === 500, "everything is there");
    assert.deepEqual(fluentd.logs, sequence(500));
    assert.equal((await statusOf("early")).Error, "");
  });

  test("a receiver that goes and comes back misses nothing", async () => {
    const fluentd = await new Fluentd(at("f.sock")).start();
    await using _ = fluentd;
    const program = "for i in $(seq 1 100); do echo $i; sleep 0.02; done";
    await started("back", { "fluentd-retry-wait": "20ms" }, "busybox", "sh", "-c", program);
    await until(() => fluentd.logs.length > 20, "a part has arrived");
    await fluentd.stop();
    await until(async () => (await statusOf("back")).Error !== "", "it is missed");
    await fluentd.start();
    await text("wait", "back");
    await until(async () => (await statusOf("back")).Shipped === 100, "everything is there");
    assert.deepEqual([...new Set(fluentd.logs)], sequence(100));
  });

  test("what the spool cannot keep is counted, exactly", async () => {
    await using fluentd = new Fluentd(at("f.sock"));
    const bounds = { "cache-max-size": "20k", "cache-max-file": "2", "fluentd-retry-wait": "20ms" };
    await started("full", bounds, "busybox", "seq", "1", "5000");
    await text("wait", "full");
    await fluentd.start();
    await until(async () => (await statusOf("full")).Pending === 0, "the rest is delivered");
    const { Shipped, Dropped } = await statusOf("full");
    assert.ok(Dropped > 4000 && Shipped > 100, `${Dropped} dropped, ${Shipped} shipped`);
    assert.equal(Shipped + Dropped, 5000);
    // The first lines may have been on their way when the others were rotated away.
    assert.deepEqual([fluentd.logs.length, fluentd.logs.at(-1)], [Shipped, "5000"]);
    assert.deepEqual(
      [...new Set(fluentd.logs)].sort((a, b) => Number(a) - Number(b)),
      fluentd.logs,
    );
    const dropped = await daemon.run(berth, ["info", "--format", "{{json .Warnings}}"]);
    assert.match(
      dropped.stdout,
      new RegExp(`${Dropped} lines of logs were lost before they could be delivered`),
    );
  });

  test("a daemon that is killed in the middle loses no line and repeats at most one batch", async () => {
    await using fluentd = await new Fluentd(at("f.sock")).start();
    const program = "for i in $(seq 0 199); do seq $((i*50+1)) $((i*50+50)); sleep 0.01; done";
    await started("killed", { "fluentd-retry-wait": "20ms" }, "busybox", "sh", "-c", program);
    for (const threshold of [1000, 4000]) {
      await until(() => new Set(fluentd.logs).size > threshold, `${threshold} have arrived`);
      await daemon.kill();
      await daemon.up();
    }
    await text("wait", "killed");
    await until(() => new Set(fluentd.logs).size === 10_000, "all have arrived");
    assert.deepEqual([...new Set(fluentd.logs)], sequence(10_000), "in order");
    assert.ok(fluentd.logs.length <= 10_000 + 2 * 1000, `${fluentd.logs.length} with repetitions`);
    await until(async () => (await statusOf("killed")).Shipped === 10_000, "the count is right");
  });

  test("an orderly end of the daemon neither loses nor repeats", async () => {
    await using fluentd = await new Fluentd(at("f.sock")).start();
    const program = "for i in $(seq 0 99); do seq $((i*50+1)) $((i*50+50)); sleep 0.01; done";
    await started("orderly", { "fluentd-request-ack": "true" }, "busybox", "sh", "-c", program);
    await until(() => fluentd.logs.length > 1000, "a part has arrived");
    await daemon.terminate();
    await daemon.up();
    await text("wait", "orderly");
    await until(async () => (await statusOf("orderly")).Shipped === 5000, "all are acknowledged");
    assert.deepEqual([...new Set(fluentd.logs)], sequence(5000));
    assert.ok(fluentd.logs.length <= 6000);
  });

  test("the last lines of a --rm container arrive", async () => {
    await using fluentd = await new Fluentd(at("f.sock")).start();
    const options = ["--rm", "--log-driver", "fluentd", ...opts(address())];
    const { stdout } = await daemon.run(client, ["run", ...options, "busybox", "seq", "1", "4000"]);
    assert.equal(stdout.split("\n").length, 4001);
    await until(() => fluentd.logs.length === 4000, "all have arrived");
    assert.deepEqual(fluentd.logs, sequence(4000));
  });
});

describe("journald", () => {
  const LISTENER = `
    use Socket; $| = 1; my $path = shift;
    socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($path)) or die; print "ready\\n";
    while (defined recv($s, my $data, 1 << 20, 0)) { print unpack("H*", $data), "\\n" }`;

  const decodeFields = (hex: string): Record<string, string> => {
    const data = Buffer.from(hex, "hex");
    const fields: Record<string, string> = {};
    for (let from = 0; from < data.length; ) {
      const end = data.indexOf(10, from);
      const [name = "", ...value] = data.toString("latin1", from, end).split("=");
      if (value.length > 0) fields[name] = value.join("=");
      else {
        const size = Number(data.readBigUInt64LE(end + 1));
        fields[name] = data.toString("latin1", end + 9, end + 9 + size);
        from = end + 10 + size;
        continue;
      }
      from = end + 1;
    }
    return fields;
  };

  test("without its socket the container does not start, and the reason is Docker's", async () => {
    const refused = await daemon.run(client, ["run", "--rm", "--log-driver", "journald", "busybox", "true"]);
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /failed to initialize logging driver: journald is not enabled on this host/);
    assert.equal(await text("ps", "-aq"), "");
  });

  test("entries have Docker's fields, text of any bytes, and the attributes as fields", async () => {
    const other = await TestDaemon.start({
      wrap: (command) => ["env", `BERTH_JOURNAL_SOCKET=${at("journal")}`, ...command],
    });
    const listener = new Live(["perl", "-e", LISTENER, at("journal")], { timeoutMs: 100_000 });
    try {
      await listener.prints("ready");
      const options = opts({ labels: "com.example.a", tag: "{{.Name}}" });
      const program = "echo out; printf 'b\\377d\\n' >&2; echo; head -c 20000 /dev/zero | tr '\\0' x";
      const run = [
        "run",
        "--name",
        "jj",
        "--label",
        "com.example.a=two\nlines",
        "--log-driver",
        "journald",
        ...options,
      ];
      assert.equal((await other.run(client, [...run, "busybox", "sh", "-c", program])).status, 0);
      const entries = () => listener.output.split("\n").slice(1, -1).map(decodeFields);
      await until(() => entries().length === 5, "five entries");
      const { Id } = await other.inspect("jj");
      for (const e of entries())
        assert.deepEqual(
          [
            e["CONTAINER_ID"],
            e["CONTAINER_ID_FULL"],
            e["CONTAINER_NAME"],
            e["CONTAINER_TAG"],
            e["SYSLOG_IDENTIFIER"],
            e["IMAGE_NAME"],
            e["COM_EXAMPLE_A"],
          ],
          [Id.slice(0, 12), Id, "jj", "jj", "jj", "busybox", "two\nlines"],
        );
      const messages = entries().map((e) => [e["MESSAGE"]?.slice(0, 5), e["PRIORITY"]]);
      assert.deepEqual(
        messages.sort((a, b) => String(a).localeCompare(String(b))),
        [
          ["", "6"],
          ["b\xffd", "3"],
          ["out", "6"],
          ["xxxxx", "6"],
          ["xxxxx", "6"],
        ].sort((a, b) => String(a).localeCompare(String(b))),
      );
      const pieces = entries().filter((e) => e["CONTAINER_PARTIAL_ID"] !== undefined);
      assert.deepEqual(
        pieces.map((e) => [
          e["MESSAGE"]?.length,
          e["CONTAINER_PARTIAL_ORDINAL"],
          e["CONTAINER_PARTIAL_LAST"],
          e["CONTAINER_PARTIAL_MESSAGE"],
        ]),
        [
          [16_384, "1", "false", "true"],
          [3616, "2", "false", "true"],
        ],
      );
      assert.equal(
        (await other.run(client, ["logs", "jj"])).bytes.includes(Buffer.from("b\xffd", "latin1")),
        false,
      );
      assert.match((await other.run(client, ["logs", "jj"])).stderr, /^b.d\n$/);
    } finally {
      listener.kill("SIGTERM");
      await listener.ended;
      await other.close();
    }
  });
});
