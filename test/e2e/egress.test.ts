// Egress policies of networks and containers: what rules allow gets out, by address or by a name that the name service has
// answered, and nothing else does, to the host neither. A machine outside has the addresses; dnsmasq on the daemon's host
// has the names.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { after, afterEach, before, test } from "node:test";
import { Live, run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { NetworkNamespace } from "./namespace.ts";

const first = clients[0] as Client;
let daemon: TestDaemon;
let outside: NetworkNamespace;
const servers: Live[] = [];

/** Answers every connection with its own address, at two ports. */
const SERVER = `
import socket, selectors
s = selectors.DefaultSelector()
for port in (80, 443):
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        l = socket.socket(family)
        l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6: l.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        l.bind((host, port)); l.listen(50)
        s.register(l, selectors.EVENT_READ)
print("listening", flush=True)
while True:
    for key, _ in s.select():
        c, _ = key.fileobj.accept()
        c.recv(1000)
        body = ("%s %d" % c.getsockname()[:2]).encode()
        c.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
        c.close()
`;

async function machineServer(): Promise<string> {
  const text = await readFile("/etc/resolv.conf", "utf8").catch(() => "");
  const address = /^nameserver\s+(\S+)/m.exec(text)?.[1] ?? "";
  return isIP(address) === 0 ? "127.0.0.1" : address;
}

const ip = async (namespace: NetworkNamespace, ...args: string[]): Promise<void> => {
  const done = await namespace.run(["ip", ...args]);
  assert.equal(done.status, 0, `ip ${args.join(" ")}: ${done.stderr}`);
};

async function serve(namespace: NetworkNamespace, ready: string, ...argv: string[]): Promise<Live> {
  const server = new Live(namespace.wrap(argv), { timeoutMs: 170_000 });
  servers.push(server);
  await server.prints(ready);
  return server;
}

const PLACES = ["192.0.2.7", "192.0.2.8", "192.0.2.9", "198.51.100.1"];

before(async () => {
  daemon = await TestDaemon.start();
  outside = await NetworkNamespace.make();
  const pid = String(outside.pid);
  await ip(daemon.network, "link", "add", "wan0", "type", "veth", "peer", "name", "eth0", "netns", pid);
  daemon.otherLinks.push("wan0");
  await ip(daemon.network, "addr", "add", "10.99.0.1/24", "dev", "wan0");
  await ip(daemon.network, "addr", "add", "fd99::1/64", "dev", "wan0", "nodad");
  await ip(daemon.network, "link", "set", "wan0", "up");
  for (const place of PLACES) await ip(outside, "addr", "add", `${place}/32`, "dev", "lo");
  await ip(outside, "addr", "add", "10.99.0.2/24", "dev", "eth0");
  await ip(outside, "addr", "add", "fd99::2/64", "dev", "eth0", "nodad");
  await ip(outside, "addr", "add", "fd99::3/64", "dev", "eth0", "nodad");
  await ip(outside, "link", "set", "eth0", "up");
  await ip(daemon.network, "route", "add", "default", "via", "10.99.0.2");
  await serve(outside, "listening", "python3", "-uc", SERVER);
  await serve(daemon.network, "listening", "python3", "-uc", SERVER);
  const resolver = await machineServer();
  await daemon.network.run(["ip", "addr", "add", resolver, "dev", "lo"]); // fine when loopback has it
  const names = [
    "--host-record=api.example,192.0.2.7,fd99::2,5",
    "--host-record=www.shop.example,192.0.2.8,5",
    "--host-record=evil.example,192.0.2.9,5",
    "--host-record=alias.example,192.0.2.9,5",
    "--host-record=rebind.shop.example,10.99.0.1,169.254.169.254,5",
  ];
  const flags = [
    "-k",
    "--no-resolv",
    "--no-hosts",
    "--no-daemon",
    "--log-queries",
    "--pid-file=",
    "--user=root",
  ];
  const listen = [
    `--listen-address=${resolver}`,
    "--bind-interfaces",
    "--conf-file=/dev/null",
    "--address=/#/",
  ];
  dns = await serve(daemon.network, "started", "dnsmasq", ...flags, ...listen, ...names);
});
let dns: Live;
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.text(first, ["network", "prune", "-f"]);
});
after(async () => {
  for (const server of servers) {
    server.kill("SIGKILL");
    await server.ended;
  }
  await ip(daemon.network, "link", "del", "wan0");
  await outside.close();
  await daemon.close();
});

const text = (...args: string[]) => daemon.text(first, args);
const sleeper = (name: string, ...flags: string[]): Promise<string> =>
  text("run", "-d", "--name", name, ...flags, "busybox", "sleep", "1000");

/** What a container gets from an address: the answer, or why there is none. */
async function reach(name: string, host: string): Promise<string> {
  const { Pid } = (await daemon.inspect(name)).State;
  const { stdout, status } = await run([
    ...["nsenter", `--net=/proc/${Pid}/ns/net`, "curl", "-gs", "--max-time", "3", `http://${host}/`],
  ]);
  return status === 0 ? stdout : status === 7 ? "refused" : `curl ${status}`;
}

/** The same by a name, which the container itself resolves. */
async function reachByName(name: string, host: string): Promise<string> {
  const { stdout, stderr, status } = await daemon.run(first, [
    ...["exec", name, "wget", "-qO-", `http://${host}/`],
  ]);
  return status === 0 ? stdout : /bad address/.test(stderr) ? "unknown" : "refused";
}

for (const c of clients)
  test(`a network lets out what its rules allow, and nothing else (${c.name})`, async () => {
    const policy = "berth.egress=192.0.2.7:80/tcp 192.0.2.8/31:443 192.0.2.8:1-1000/tcp [fd99::2]:80";
    await daemon.text(c, ["network", "create", "--ipv6", "-o", policy, "walled"]);
    await sleeper("w1", "--network", "walled");
    await sleeper("w2", "--network", "walled");
    for (const [host, answer] of [
      ["192.0.2.7", "192.0.2.7 80"],
      ["192.0.2.7:443", "refused"],
      ["192.0.2.8:443", "192.0.2.8 443"],
      ["192.0.2.8", "192.0.2.8 80"],
      ["192.0.2.9:443", "192.0.2.9 443"],
      ["192.0.2.9", "refused"],
      ["198.51.100.1", "refused"],
      ["[fd99::2]", "fd99::2 80"],
      ["[fd99::2]:443", "refused"],
      ["[fd99::3]", "refused"],
      ["10.99.0.1", "refused"], // the host
    ] as const)
      assert.equal(await reach("w1", host), answer, host);
    const ping = ["exec", "w1", "ping", "-c", "1", "-W", "1"];
    assert.notEqual((await daemon.run(c, [...ping, "192.0.2.7"])).status, 0);
    // Neighbours are not outside, whatever the policy.
    const { IPAddress = "" } = (await daemon.inspect("w2")).NetworkSettings.Networks["walled"] ?? {};
    assert.equal((await daemon.run(c, [...ping, IPAddress])).status, 0);
    const [shown] = JSON.parse(await daemon.text(c, ["network", "inspect", "walled"]));
    assert.equal(`berth.egress=${shown.Options["berth.egress"]}`, policy);
    assert.match(
      await text("network", "graph"),
      /out: everywhere, as the host, but only to 192\.0\.2\.7:80\/tcp/,
    );
  });

for (const c of clients)
  test(`names open the addresses that the name service gives for them (${c.name})`, async () => {
    const policy = "api.example:80/tcp,*.shop.example";
    await daemon.text(c, ["network", "create", "--ipv6", "-o", `berth.egress=${policy}`, "named"]);
    await sleeper("n1", "--network", "named");
    assert.equal(await reach("n1", "192.0.2.7"), "refused", "before anybody has asked");
    assert.match(await reachByName("n1", "api.example"), /^(192\.0\.2\.7|fd99::2) 80$/);
    assert.equal(await reach("n1", "192.0.2.7"), "192.0.2.7 80");
    assert.equal(await reach("n1", "[fd99::2]"), "fd99::2 80");
    assert.equal(await reach("n1", "192.0.2.7:443"), "refused");
    assert.equal(await reachByName("n1", "www.shop.example"), "192.0.2.8 80");
    assert.equal(await reach("n1", "192.0.2.8:443"), "192.0.2.8 443");
    // A name that no rule names is not even asked for, and its address stays closed.
    assert.equal(await reachByName("n1", "evil.example"), "unknown");
    assert.doesNotMatch(dns.errors + dns.output, /evil\.example/);
    assert.equal(await reach("n1", "192.0.2.9"), "refused");
    // Addresses that no name may open.
    await daemon.run(c, ["exec", "n1", "nslookup", "rebind.shop.example"]);
    assert.doesNotMatch(await rules(), /169\.254\.169\.254/);
    // What was learned outlives a firewall that somebody else has flushed.
    const table = /table (inet berth-\w+)/.exec(await rules())?.[1] ?? "";
    const repairs = daemon.log.split("made as it was").length;
    await daemon.network.run(["sh", "-c", `nft flush table ${table}; nft delete table ${table}`]);
    await daemon.logs(new RegExp(`(made as it was[^]*){${repairs}}`));
    assert.equal(await reach("n1", "192.0.2.8"), "192.0.2.8 80");
    assert.equal(await reach("n1", "192.0.2.9"), "refused");
  });

const rules = async (): Promise<string> => (await daemon.network.run(["nft", "list", "ruleset"])).stdout;

for (const c of clients)
  test(`a container's own policy takes away from what its network allows (${c.name})`, async () => {
    const policy = "berth.egress=192.0.2.0/24 fd99::/64 api.example dns";
    await daemon.text(c, ["network", "create", "--ipv6", "-o", policy, "shared"]);
    const rules6 = "[fd99::2]:80 2001:db8::/32";
    const own = [
      ...["--network", "shared", "--label"],
      `berth.egress=192.0.2.8 198.51.100.1 api.example:80 ${rules6}`,
    ];
    await daemon.text(c, ["run", "-d", "--name", "own", ...own, "busybox", "sleep", "1000"]);
    await sleeper("other", "--network", "shared");
    const deny = ["--label", "berth.egress=deny", "--network", "shared", "-p", "18080:80"];
    await daemon.text(c, ["run", "-d", "--name", "shut", ...deny, "busybox", "httpd", "-f", "-h", "/etc"]);
    for (const [name, host, answer] of [
      ["own", "192.0.2.8", "192.0.2.8 80"],
      ["own", "192.0.2.9", "refused"],
      ["own", "198.51.100.1", "refused"],
      ["own", "[fd99::2]", "fd99::2 80"],
      ["own", "[fd99::2]:443", "refused"],
      ["own", "[fd99::3]", "refused"],
      ["other", "[fd99::3]", "fd99::3 80"],
      ["shut", "[fd99::2]", "refused"],
      ["other", "192.0.2.9", "192.0.2.9 80"],
      ["other", "198.51.100.1", "refused"],
      ["shut", "192.0.2.8", "refused"],
    ] as const)
      assert.equal(await reach(name, host), answer, `${name} ${host}`);
    assert.match(await reachByName("own", "api.example"), /^(192\.0\.2\.7|fd99::2) 80$/);
    assert.equal(await reach("own", "192.0.2.7:443"), "refused");
    assert.equal(await reachByName("own", "evil.example"), "unknown");
    assert.equal(await reachByName("other", "alias.example"), "192.0.2.9 80");
    assert.equal(await reachByName("shut", "api.example"), "unknown");
    // Who may not get out can still be reached.
    const fetched = await outside.run(["curl", "-s", "--max-time", "3", "http://10.99.0.1:18080/hostname"]);
    assert.match(fetched.stdout, /^[0-9a-f]{12}/);
    // It goes with the container into networks that it joins, and is there for the next daemon.
    await text("network", "create", "open");
    await text("network", "connect", "--gw-priority", "1", "open", "own");
    await daemon.kill();
    await daemon.up();
    assert.equal(await reach("own", "192.0.2.9"), "refused");
    assert.equal(await reach("own", "198.51.100.1"), "198.51.100.1 80");
    await text("rm", "-f", "own", "other", "shut");
    for (const set of (await rules()).matchAll(/set egress_container[^}]*\}/g))
      assert.doesNotMatch(set[0], /elements/, "nothing of them is left");
  });

for (const c of clients)
  test(`a policy that cannot be kept is refused (${c.name})`, async () => {
    const create = (...args: string[]) => daemon.run(c, ["network", "create", ...args, "bad"]);
    for (const [args, message] of [
      [
        ["-o", "berth.egress=nonsense..x"],
        /invalid egress rule "nonsense\.\.x": neither an address nor a domain/,
      ],
      [["-o", "berth.egress=10.0.0.0/8:99999"], /invalid port "99999"/],
      [["-d", "macvlan", "-o", "berth.egress=deny"], /berth\.egress needs a bridge network/],
    ] as const)
      assert.match((await create(...args)).stderr, message);
    const start = (...args: string[]) => daemon.run(c, ["run", "--rm", ...args, "busybox", "true"]);
    for (const [args, message] of [
      [["--label", "berth.egress=10.0.0.0/40"], /invalid egress rule "10\.0\.0\.0\/40"/],
      [["--label", "berth.egress=deny", "--network", "host"], /cannot be kept in network host \(host\)/],
      [["--label", "berth.egress=a.example"], /need the name service of a user-defined network/],
    ] as const) {
      const { stderr, status } = await start(...args);
      assert.deepEqual([status, message.test(stderr)], [125, true], stderr);
    }
    assert.equal((await start("--label", "berth.egress=deny", "--network", "none")).status, 0);
    assert.equal((await start("--label", "berth.egress=10.0.0.0/8")).status, 0);
  });
