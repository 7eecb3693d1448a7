// The name service of user-defined networks, asked with dig and busybox from inside; dnsmasq is the resolver of the daemon's
// host, and a server that a container names. Every daemon's host is a network namespace, in which the address that the
// machine's resolv.conf names is dnsmasq's.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { after, afterEach, before, describe, test } from "node:test";
import { Live, run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

const first = clients[0] as Client;
const RECORDS = [
  "--address=/#/", // whatever else does not exist
  "--address=/www.example/192.0.2.7",
  "--address=/www.example/2001:db8::7",
  "--ptr-record=7.2.0.192.in-addr.arpa,www.example",
  "--address=/host.lan.example/192.0.2.8",
  ...Array.from({ length: 100 }, (_, i) => `--host-record=many.example,198.51.100.${i + 1}`),
];

/** The first name server of the machine, which the test's namespace has as an address of its own. */
async function machineServer(): Promise<string> {
  const text = await readFile("/etc/resolv.conf", "utf8").catch(() => "");
  const address = /^nameserver\s+(\S+)/m.exec(text)?.[1] ?? "";
  return isIP(address) === 0 ? "127.0.0.1" : address;
}

/** Name servers of the test that runs. */
const servers = new Set<Live>();

async function stop(server: Live): Promise<void> {
  servers.delete(server);
  server.kill("SIGKILL");
  await server.ended;
}

/** Runs dnsmasq where `wrap` leads, at one address; its log shows every question. */
async function dnsmasq(
  wrap: (argv: string[]) => string[],
  address: string,
  ...records: string[]
): Promise<Live> {
  const flags = [
    "-k",
    "--user=root",
    "--no-resolv",
    "--no-hosts",
    "--no-daemon",
    "--log-queries",
    "--pid-file=",
  ];
  const listen = [
    `--listen-address=${address}`,
    "--bind-interfaces",
    "--conf-file=/dev/null",
    "--cache-size=0",
  ];
  const server = new Live(wrap(["dnsmasq", ...flags, ...listen, ...records]), { timeoutMs: 170_000 });
  servers.add(server);
  await server.prints("started");
  return server;
}

let daemon: TestDaemon;
let upstream: Live;
before(async () => {
  daemon = await TestDaemon.start();
  const address = await machineServer();
  await daemon.network.run(["ip", "addr", "add", address, "dev", "lo"]); // fine when loopback has it
  upstream = await dnsmasq((argv) => daemon.network.wrap(argv), address, ...RECORDS);
  servers.delete(upstream); // it stays for all tests
});
afterEach(async () => {
  await Promise.all([...servers].map(stop));
  await daemon.removeContainers();
  await daemon.text(first, ["network", "prune", "-f"]);
});
after(async () => {
  await stop(upstream);
  await daemon.close();
});

const text = (...args: string[]) => daemon.text(first, args);
const sleeper = (name: string, ...flags: string[]): Promise<string> =>
  text("run", "-d", "--name", name, ...flags, "busybox", "sleep", "1000");
const inside = (name: string, command: string): Promise<string> => text("exec", name, "sh", "-c", command);
const addressOf = async (name: string, network: string): Promise<string> =>
  (await daemon.inspect(name)).NetworkSettings.Networks[network]?.IPAddress ?? "";

/** Returns the command that runs in a container's network. */
async function within(name: string, argv: string[]): Promise<string[]> {
  return ["nsenter", `--net=/proc/${(await daemon.inspect(name)).State.Pid}/ns/net`, "--", ...argv];
}

/** Asks from inside a container; returns the status and the sorted answers. */
async function dig(
  name: string,
  ...question: string[]
): Promise<{ status: string; answers: string[]; all: string }> {
  const argv = ["dig", "@127.0.0.11", "+time=3", "+tries=1", ...question];
  const { stdout } = await run(await within(name, argv), { timeoutMs: 20_000 });
  const section = /;; ANSWER SECTION:\n([\s\S]*?)\n\n/.exec(stdout)?.[1] ?? "";
  const answers = section.split("\n").flatMap((line) => line.split(/\s+/).slice(4));
  return { status: /status: (\w+)/.exec(stdout)?.[1] ?? stdout, answers: answers.sort(), all: stdout };
}
const answersTo = async (name: string, ...question: string[]): Promise<string[]> =>
  (await dig(name, ...question)).answers;
const statusOf = async (name: string, ...question: string[]): Promise<string> =>
  (await dig(name, ...question)).status;

for (const client of clients)
  describe(`${client.name}: containers of a network`, () => {
    const say = (...args: string[]) => daemon.text(client, args);

    test("find each other by name, alias, id, host name and full name, whatever the spelling", async () => {
      await say("network", "create", "back");
      await say(
        "run",
        "-d",
        "--name",
        "web",
        "--network",
        "back",
        "--network-alias",
        "front",
        "--hostname",
        "box",
        "busybox",
        "sleep",
        "1000",
      );
      await say("run", "-d", "--name", "db", "--network", "back", "busybox", "sleep", "1000");
      const ip = await addressOf("web", "back");
      const id = (await daemon.inspect("web")).Id.slice(0, 12);
      for (const name of ["web", "WEB", "front", "box", id, "web.back", "Front.Back"])
        assert.deepEqual(await answersTo("db", name), [ip], name);
      assert.deepEqual(await answersTo("db", "+tcp", "web"), [ip]);
      assert.match(await inside("db", "nslookup web"), new RegExp(`Address: ${ip}`));
      assert.deepEqual(await answersTo("db", "-x", ip), ["web.back."]);
      for (const type of ["AAAA", "MX", "TXT"]) {
        const { status, answers } = await dig("db", "web", type);
        assert.deepEqual([status, answers], ["NOERROR", []], type);
      }
      assert.equal(
        await inside("db", "cat /etc/resolv.conf | grep -E '^(nameserver|options)'"),
        "nameserver 127.0.0.11\noptions ndots:0",
      );
    });

    test("are reached as a program of theirs would do it", async () => {
      await say("network", "create", "back");
      await say("run", "-d", "--name", "web", "--network", "back", "busybox", "sleep", "1000");
      assert.match(
        await say("run", "--rm", "--network", "back", "busybox", "ping", "-c", "1", "-W", "2", "web"),
        /1 packets received/,
      );
      // At once, before anything else has happened.
      assert.match(
        await say("run", "--rm", "--name", "self", "--network", "back", "busybox", "nslookup", "self"),
        /Name:\s+self/,
      );
    });
  });

describe("names", () => {
  test("are known in the networks of a container only", async () => {
    for (const network of ["one", "two"]) await text("network", "create", network);
    await sleeper("aa", "--network", "one");
    await sleeper("bb", "--network", "two");
    await sleeper("both", "--network", "one", "--network", "two");
    assert.equal(await statusOf("aa", "bb"), "NXDOMAIN");
    assert.deepEqual(await answersTo("aa", "both"), [await addressOf("both", "one")]);
    assert.deepEqual(await answersTo("bb", "both"), [await addressOf("both", "two")]);
    assert.deepEqual(await answersTo("both", "bb"), [await addressOf("bb", "two")]);
    assert.deepEqual(await answersTo("both", "both.two"), [await addressOf("both", "two")]);
    assert.deepEqual(await answersTo("aa", "-x", await addressOf("bb", "two")), []);
  });

  test("with several addresses are answered in turn", async () => {
    await text("network", "create", "back");
    await sleeper("asker", "--network", "back");
    for (const name of ["w1", "w2"]) await sleeper(name, "--network", "back", "--network-alias", "web");
    const all = [await addressOf("w1", "back"), await addressOf("w2", "back")].sort();
    const firsts = new Set<string>();
    for (let i = 0; i < 4; i++) {
      const { all: said, answers } = await dig("asker", "web");
      assert.deepEqual(answers, all);
      firsts.add(/ANSWER SECTION:\nweb\.\s+\d+\s+IN\s+A\s+(\S+)/.exec(said)?.[1] ?? said);
    }
    assert.deepEqual([...firsts].sort(), all);
  });

  test("follow renames, stops, and networks that are joined and left", async () => {
    await text("network", "create", "back");
    await sleeper("asker", "--network", "back");
    await sleeper("old", "--network", "back");
    const ip = await addressOf("old", "back");
    await text("rename", "old", "new");
    assert.deepEqual(await answersTo("asker", "new"), [ip]);
    assert.equal(await statusOf("asker", "old"), "NXDOMAIN");
    assert.deepEqual(await answersTo("asker", "-x", ip), ["new.back."]);
    await text("network", "disconnect", "back", "new");
    assert.equal(await statusOf("asker", "new"), "NXDOMAIN");
    await text("network", "connect", "--alias", "again", "back", "new");
    assert.deepEqual(await answersTo("asker", "again"), [await addressOf("new", "back")]);
    await text("stop", "-t", "0", "new");
    assert.equal(await statusOf("asker", "new"), "NXDOMAIN");
    await text("start", "new");
    assert.deepEqual(await answersTo("asker", "new"), [await addressOf("new", "back")]);
  });

  test("of links are known to who has the link", async () => {
    await text("network", "create", "back");
    await sleeper("db", "--network", "back");
    await sleeper("linked", "--network", "back", "--link", "db:store");
    await sleeper("other", "--network", "back");
    assert.deepEqual(await answersTo("linked", "store"), [await addressOf("db", "back")]);
    assert.equal(await statusOf("other", "store"), "NXDOMAIN");
  });

  test("have IPv6 addresses where their network has", async () => {
    await text("network", "create", "--ipv6", "--subnet", "fd00:db::/64", "six");
    await sleeper("aa", "--network", "six");
    await sleeper("bb", "--network", "six", "--ip6", "fd00:db::17");
    assert.deepEqual(await answersTo("aa", "bb", "AAAA"), ["fd00:db::17"]);
    assert.deepEqual(await answersTo("aa", "-x", "fd00:db::17"), ["bb.six."]);
    const server = await dnsmasq(await wrapped("bb"), "fd00:db::17", "--address=/own.example/203.0.113.9");
    await sleeper("asker", "--network", "six", "--dns", "fd00:db::17");
    assert.deepEqual(await answersTo("asker", "own.example"), ["203.0.113.9"]);
    await stop(server);
  });
});

describe("a container", () => {
  test("that joins its first network with names while it runs finds them, in its resolv.conf, too", async () => {
    await text("network", "create", "back");
    await sleeper("web", "--network", "back");
    await sleeper("late");
    await sleeper("own");
    assert.doesNotMatch(await inside("late", "cat /etc/resolv.conf"), /127\.0\.0\.11/);
    await inside("own", "echo 'nameserver 192.0.2.1' > /etc/resolv.conf");
    for (const name of ["late", "own"]) await text("network", "connect", "back", name);
    const ip = await addressOf("web", "back");
    assert.match(await inside("late", "nslookup web"), new RegExp(`Address: ${ip}`));
    assert.equal(await inside("own", "cat /etc/resolv.conf"), "nameserver 192.0.2.1");
    assert.deepEqual(await answersTo("own", "web"), [ip]);
  });

  test("in another's network shares its names", async () => {
    await text("network", "create", "back");
    await sleeper("web", "--network", "back");
    await sleeper("guest", "--network", "container:web");
    assert.match(
      await inside("guest", "nslookup web"),
      new RegExp(`Address: ${await addressOf("web", "back")}`),
    );
  });

  test("that builds an image in a network finds its containers", async () => {
    await text("network", "create", "back");
    await sleeper("web", "--network", "back");
    const dockerfile = "FROM busybox\nRUN nslookup web | tee /found && nslookup www.example\n";
    await daemon.text(first, ["build", "--network", "back", "-t", "built", "-"], { input: dockerfile });
    const found = await text("run", "--rm", "built", "cat", "/found");
    assert.match(found, new RegExp(`Address: ${await addressOf("web", "back")}`));
    await text("rmi", "built");
  });

  test("may have a name server of its own at port 53", async () => {
    await text("network", "create", "back");
    await sleeper("web", "--network", "back");
    await sleeper("dns", "--network", "back");
    const server = await dnsmasq(await wrapped("dns"), "0.0.0.0", "--address=/own.example/203.0.113.9");
    assert.deepEqual(await answersTo("dns", "web"), [await addressOf("web", "back")]);
    const asked = await run(
      await within("web", ["dig", `@${await addressOf("dns", "back")}`, "+short", "own.example"]),
    );
    assert.equal(asked.stdout, "203.0.113.9\n");
    // And others may name it as theirs: asked from their own network, also where there is no way out.
    const own = await run(await within("dns", ["dig", "@127.0.0.1", "+short", "own.example"]));
    assert.equal(own.stdout, "203.0.113.9\n");
    await stop(server);
  });

  test("on the default bridge has no name service", async () => {
    await sleeper("plain");
    const { stdout } = await run(
      await within("plain", ["dig", "@127.0.0.11", "+time=1", "+tries=1", "plain"]),
    );
    assert.match(stdout, /connection refused|no servers could be reached/);
  });
});

/** Wraps commands into a container's network. */
async function wrapped(name: string): Promise<(argv: string[]) => string[]> {
  const [program = "", ...rest] = await within(name, []);
  return (argv) => [program, ...rest, ...argv];
}

describe("other names", () => {
  test("are asked of the host's resolver, over TCP where the answer is long", async () => {
    await text("network", "create", "back");
    await sleeper("aa", "--network", "back");
    assert.deepEqual(await answersTo("aa", "www.example"), ["192.0.2.7"]);
    assert.deepEqual(await answersTo("aa", "www.example", "AAAA"), ["2001:db8::7"]);
    assert.deepEqual(await answersTo("aa", "-x", "192.0.2.7"), ["www.example."]);
    assert.match(await inside("aa", "nslookup www.example"), /192\.0\.2\.7/);
    const many = await dig("aa", "many.example"); // dig asks again over TCP
    assert.match(many.all, /Truncated, retrying in TCP mode/);
    assert.equal(many.answers.length, 100);
    assert.equal((await answersTo("aa", "+bufsize=4096", "many.example")).length, 100);
  });

  test("stay unknown, and unasked, in an internal network", async () => {
    await text("network", "create", "--internal", "inner");
    await sleeper("aa", "--network", "inner");
    await sleeper("bb", "--network", "inner");
    assert.deepEqual(await answersTo("aa", "bb"), [await addressOf("bb", "inner")]);
    assert.equal(await statusOf("aa", "secret.www.example"), "SERVFAIL");
    assert.equal(await statusOf("aa", "-x", "192.0.2.7"), "SERVFAIL");
    await text("network", "create", "outer");
    await text("network", "connect", "outer", "aa");
    assert.equal(await statusOf("aa", "www.example"), "NOERROR");
    await text("network", "disconnect", "outer", "aa");
    assert.equal(await statusOf("aa", "other.www.example"), "SERVFAIL");
    assert.doesNotMatch(upstream.errors, /secret|other\.www/);
  });

  test("are asked of the container's own servers, from its own network", async () => {
    await text("network", "create", "--internal", "--subnet", "10.77.0.0/24", "inner");
    await sleeper("dns", "--network", "inner", "--ip", "10.77.0.53");
    const server = await dnsmasq(
      await wrapped("dns"),
      "10.77.0.53",
      "--address=/own.example/203.0.113.9",
      ...RECORDS.slice(5),
    );
    await sleeper(
      "aa",
      "--network",
      "inner",
      "--dns",
      "10.77.0.53",
      "--dns-search",
      "own.example",
      "--dns-opt",
      "timeout:1",
    );
    assert.deepEqual(await answersTo("aa", "own.example"), ["203.0.113.9"]);
    assert.equal((await answersTo("aa", "+tcp", "many.example")).length, 100);
    assert.deepEqual(await answersTo("aa", "dns"), ["10.77.0.53"]);
    assert.match(
      await inside("aa", "cat /etc/resolv.conf"),
      /^nameserver 127\.0\.0\.11\nsearch own\.example\noptions timeout:1 ndots:0\n/m,
    );
    await stop(server);
    assert.equal(await statusOf("aa", "gone.own.example"), "SERVFAIL");
  });

  test("with ndots are not sent on without a dot", async () => {
    await text("network", "create", "back");
    await sleeper("aa", "--network", "back", "--dns-opt", "ndots:2");
    const { status, answers } = await dig("aa", "printer");
    assert.deepEqual([status, answers], ["NOERROR", []]);
    assert.doesNotMatch(upstream.errors, /printer/);
  });
});

describe("the service", () => {
  test("goes on after the daemon was stopped or killed, and answers what was asked meanwhile", async () => {
    await text("network", "create", "back");
    await sleeper("aa", "--network", "back");
    await sleeper("bb", "--network", "back");
    const ip = await addressOf("bb", "back");
    const argv = await within("aa", ["dig", "@127.0.0.11", "+time=60", "+tries=1", "+short", "bb"]);
    for (const end of [() => daemon.terminate(), () => daemon.kill()]) {
      await end();
      const asked = new Live(argv, { timeoutMs: 100_000 });
      await daemon.up();
      assert.equal((await asked.ended).stdout, `${ip}\n`);
      assert.deepEqual(await answersTo("aa", "www.example"), ["192.0.2.7"]);
    }
    await sleeper("cc", "--network", "back");
    assert.deepEqual(await answersTo("aa", "cc"), [await addressOf("cc", "back")]);
  });

  test("takes servers, options and search domains from the daemon's settings", async () => {
    const flags = ["--dns", "192.0.2.53", "--dns-search", "corp.example", "--dns-opt", "timeout:2"];
    await daemon.terminate();
    await daemon.up(flags);
    try {
      await text("network", "create", "back");
      const file = (...args: string[]) => text("run", "--rm", ...args, "busybox", "cat", "/etc/resolv.conf");
      assert.match(await file(), /^nameserver 192\.0\.2\.53\nsearch corp\.example\noptions timeout:2\n/m);
      assert.match(await file("--dns", "192.0.2.54"), /^nameserver 192\.0\.2\.54\nsearch corp\.example\n/m);
      assert.match(
        await file("--network", "back"),
        /^nameserver 127\.0\.0\.11\nsearch corp\.example\noptions timeout:2 ndots:0\n/m,
      );
      assert.match(await file("--network", "back"), /^# ExtServers: \[192\.0\.2\.53\]$/m);
      assert.match(await file("--dns-search", "."), /^nameserver 192\.0\.2\.53\noptions timeout:2\n/m);
    } finally {
      await daemon.terminate();
      await daemon.up();
    }
  });
});
