// Ranges of ports: one element of the firewall whatever their length, in every protocol and family, live and after damage; a
// port inside of one is nobody else's.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Live } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { NetworkNamespace } from "./namespace.ts";

const first = clients[0] as Client;
let daemon: TestDaemon;
let outside: NetworkNamespace;

const inHost = async (...argv: string[]): Promise<string> => {
  const done = await daemon.network.run(argv);
  assert.equal(done.status, 0, `${argv.join(" ")}: ${done.stderr}`);
  return done.stdout;
};

before(async () => {
  daemon = await TestDaemon.start();
  outside = await NetworkNamespace.make();
  const pid = String(outside.pid);
  await inHost("ip", "link", "add", "wan0", "type", "veth", "peer", "name", "eth0", "netns", pid);
  daemon.otherLinks.push("wan0");
  for (const [namespace, device, host] of [
    [daemon.network, "wan0", 1],
    [outside, "eth0", 2],
  ] as const)
    for (const argv of [
      ["addr", "add", `10.99.0.${host}/24`, "dev", device],
      ["addr", "add", `fd99::${host}/64`, "dev", device, "nodad"],
      ["link", "set", device, "up"],
    ])
      assert.equal((await namespace.run(["ip", ...argv])).status, 0);
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.text(first, ["network", "prune", "-f"]);
});
after(async () => {
  await inHost("ip", "link", "del", "wan0");
  await outside.close();
  await daemon.close();
});

const text = (...args: string[]) => daemon.text(first, args);

/** Starts a container that answers at each of `ports` with NAME and the port. */
async function serve(name: string, ports: readonly number[], ...flags: string[]): Promise<void> {
  const site = (port: number) =>
    `mkdir /tmp/${port} && echo ${name} ${port} > /tmp/${port}/index.html && httpd -p ${port} -h /tmp/${port}`;
  const program = `${ports.map(site).join(" && ")} && echo ready; exec sleep 1000`;
  await text("run", "-d", "--name", name, ...flags, "busybox", "sh", "-c", program);
  const logs = daemon.live(first, ["logs", "-f", name]);
  await logs.prints("ready");
  logs.kill("SIGKILL");
}

/** What a client gets; "" when it is refused. */
const fetched = async (host: string, port: number, from = daemon.network): Promise<string> =>
  (await from.run(["curl", "-gs", "--max-time", "10", `http://${host}:${port}/`])).stdout.trim();

const NOWHERE = { IPAddress: "", GlobalIPv6Address: "" };

/** The elements of the maps and sets with ports. */
const elements = async (): Promise<string[]> =>
  [...(await inHost("nft", "list", "ruleset")).matchAll(/(?:tcp|udp|sctp) \. [^,{}\n]+/g)]
    .map(([e]) => e.trim())
    .sort();

/** Echoes datagrams at a port of both families. */
const UDP_SERVER = `
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", int(sys.argv[1])))
print("listening")
while True:
    data, peer = s.recvfrom(1000)
    s.sendto(b"got " + data, peer)
`;
const UDP_CLIENT = `
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(b"hello")
print(s.recv(1000).decode())
`;

/** Sends the first packet of an SCTP association, made by hand: not every kernel has sockets for it, but all translate it. */
const SCTP_CLIENT = `
import socket, struct, sys
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8): crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
init = struct.pack(">BBHIIHHI", 1, 0, 20, 7, 65536, 1, 1, 7)
head = struct.pack(">HHI", 40000, int(sys.argv[2]), 0)
packet = head + struct.pack("<I", crc32c(head + bytes(4) + init)) + init
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
s.sendto(packet, (sys.argv[1], 0))
`;
const SCTP_SERVER = `
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
print("listening")
while True:
    packet, peer = s.recvfrom(2000)
    head = packet[(packet[0] & 15) * 4:]
    print("from", peer[0], "to", struct.unpack(">H", head[2:4])[0], "chunk", head[12])
`;

for (const client of clients)
  test(`a range is one element of each family, and leads from everywhere to the same port (${client.name})`, async () => {
    await text("network", "create", "--ipv6", "both");
    const flags = [
      "--network",
      "both",
      "-p",
      "8000-8999:8000-8999",
      "-p",
      "127.0.0.1:9000-9009:9000-9009/udp",
    ];
    await daemon.text(client, ["create", "--name", "unused", ...flags, "busybox", "true"]);
    assert.equal(Object.keys((await daemon.inspect("unused")).HostConfig["PortBindings"] ?? {}).length, 1010);
    await text("rm", "unused");
    await serve("web", [8000, 8500, 8999], ...flags);
    const { IPAddress, GlobalIPv6Address } =
      (await daemon.inspect("web")).NetworkSettings.Networks["both"] ?? NOWHERE;
    assert.deepEqual(
      await elements(),
      [
        `tcp . 8000-8999 : ${GlobalIPv6Address}`,
        `tcp . 8000-8999 : ${IPAddress}`,
        `udp . 127.0.0.1 . 9000-9009 : ${IPAddress}`,
      ].sort(),
    );
    for (const port of [8000, 8500, 8999])
      for (const [host, from] of [
        ["127.0.0.1", daemon.network],
        ["[::1]", daemon.network],
        ["10.99.0.1", outside],
        ["[fd99::1]", outside],
      ] as const)
        assert.equal(await fetched(host, port, from), `web ${port}`, `${host} ${port}`);
    assert.equal(await fetched("127.0.0.1", 8001), "", "where nothing listens in the container");
    assert.match(
      await daemon.text(client, ["ps", "--format", "{{.Ports}}"]),
      /0\.0\.0\.0:8000-8999->8000-8999\/tcp/,
    );
    assert.match(
      await text("network", "graph"),
      /^0\.0\.0\.0:8000-8999 -> web 8000-8999\/tcp, .*published_any_ranges\)$/m,
    );
    await text("rm", "-f", "web");
    assert.deepEqual(await elements(), []);
  });

test("datagrams pass through a range, SCTP's is one element, and one that is shifted is translated port by port", async () => {
  await text(
    ...["run", "-d", "--name", "media", "-p", "9000-9009:9000-9009/udp", "-p", "9000-9009:9000-9009/sctp"],
    ...["-p", "127.0.0.1:7000-7002:9007-9009/udp", "busybox", "sleep", "1000"],
  );
  const { Pid } = (await daemon.inspect("media")).State;
  const ip = (await daemon.inspect("media")).NetworkSettings.Networks["bridge"]?.IPAddress;
  assert.deepEqual(await elements(), [
    `sctp . 9000-9009 : ${ip}`,
    `udp . 127.0.0.1 . 7000 : ${ip} . 9007`,
    `udp . 127.0.0.1 . 7001 : ${ip} . 9008`,
    `udp . 127.0.0.1 . 7002 : ${ip} . 9009`,
    `udp . 9000-9009 : ${ip}`,
  ]);
  const server = new Live([
    "nsenter",
    `--net=/proc/${Pid}/ns/net`,
    "--",
    "python3",
    "-uc",
    UDP_SERVER,
    "9009",
  ]);
  await server.prints("listening");
  for (const [from, host, port] of [
    [outside, "10.99.0.1", "9009"],
    [daemon.network, "127.0.0.1", "9009"],
    [daemon.network, "127.0.0.1", "7002"],
    [outside, "fd99::1", "9009"],
  ] as const)
    assert.equal(
      (await from.run(["python3", "-c", UDP_CLIENT, host, port])).stdout,
      "got hello\n",
      `${host} ${port}`,
    );
  server.kill("SIGKILL");
});

test("the first packet of an SCTP association reaches the container, in a range and translated", async () => {
  await text(
    ...["run", "-d", "--name", "signal", "-p", "9000-9009:9000-9009/sctp", "-p", "7100:2905/sctp"],
    ...["busybox", "sleep", "1000"],
  );
  const { Pid } = (await daemon.inspect("signal")).State;
  const server = new Live(["nsenter", `--net=/proc/${Pid}/ns/net`, "--", "python3", "-uc", SCTP_SERVER]);
  await server.prints("listening");
  for (const [port, inside] of [
    ["9005", 9005],
    ["7100", 2905],
  ] as const) {
    assert.equal((await outside.run(["python3", "-c", SCTP_CLIENT, "10.99.0.1", port])).status, 0);
    await server.prints(`from 10.99.0.2 to ${inside} chunk 1`);
  }
  server.kill("SIGKILL");
});

test("a range without a translation is one element, too", async () => {
  await text(
    "network",
    "create",
    "--subnet",
    "10.31.0.0/24",
    "-o",
    "com.docker.network.bridge.gateway_mode_ipv4=routed",
    "routed",
  );
  await outside.run(["ip", "route", "add", "10.31.0.0/24", "via", "10.99.0.1"]);
  await serve("open", [8000, 8009, 8010], "--network", "routed", "-p", "8000-8009:8000-8009");
  assert.deepEqual(await elements(), ["tcp . 10.31.0.2 . 8000-8009"]);
  for (const port of [8000, 8009]) assert.equal(await fetched("10.31.0.2", port, outside), `open ${port}`);
  const closed = await outside.run(["curl", "-s", "--max-time", "0.5", "http://10.31.0.2:8010/"]);
  assert.equal(closed.status, 28);
});

test("a port of a range is nobody else's, and of two ranges that overlap one is refused", async () => {
  await serve("holder", [8005], "-p", "8000-8009:8000-8009");
  for (const [flag, port] of [
    ["8005:80", 8005],
    ["127.0.0.1:8009:8009", 8009],
    ["8009-8020:8009-8020", 8009],
    ["7990-8000:7990-8000", 8000],
  ] as const) {
    const refused = await daemon.run(first, ["run", "-d", "--name", "late", "-p", flag, "busybox", "true"]);
    assert.equal(refused.status, 125, flag);
    assert.match(
      refused.stderr,
      new RegExp(`:${port} failed: port is already allocated \\(by container "holder"\\)`),
    );
    await text("rm", "late");
  }
  const other = new Live(
    daemon.network.wrap([
      "python3",
      "-uc",
      "import socket; s = socket.create_server(('', 8105)); print('listening'); input()",
    ]),
  );
  await other.prints("listening");
  const refused = await daemon.run(first, ["run", "-d", "-p", "8100-8109:8100-8109", "busybox", "true"]);
  assert.match(refused.stderr, /8105.*address already in use \(by python3, pid \d+\)/);
  other.kill("SIGKILL");
  assert.equal(await fetched("127.0.0.1", 8005), "holder 8005");
  assert.equal((await elements()).length, 1);
});

test("ports leave a range and come back while the container runs, and what others remove comes back", async () => {
  await serve("web", [8000, 8004, 8005, 8006, 8009], "-p", "8000-8009:8000-8009");
  const ip = (await daemon.inspect("web")).NetworkSettings.Networks["bridge"]?.IPAddress;
  const whole = [`tcp . 8000-8009 : ${ip}`];
  const split = [`tcp . 8000-8004 : ${ip}`, `tcp . 8006-8009 : ${ip}`];
  const answering = async (): Promise<number[]> => {
    const ports: number[] = [];
    for (const port of [8000, 8004, 8005, 8006, 8009])
      if ((await fetched("127.0.0.1", port)) === `web ${port}`) ports.push(port);
    return ports;
  };
  await text("update", "--publish-rm", "8005", "web");
  assert.deepEqual([await elements(), await answering()], [split, [8000, 8004, 8006, 8009]]);
  await serve("guest", [80], "-p", "8005:80");
  assert.equal(await fetched("127.0.0.1", 8005), "guest 80");
  const count = daemon.log.split("made as it was").length;
  await inHost("nft", "flush", "ruleset");
  await daemon.logs(new RegExp(`(made as it was[^]*){${count}}`));
  assert.equal((await elements()).length, 3);
  await text("rm", "-f", "guest");
  assert.deepEqual(await elements(), split);
  await text("update", "--publish-add", "8005:8005", "web");
  assert.deepEqual([await elements(), await answering()], [whole, [8000, 8004, 8005, 8006, 8009]]);
  await daemon.kill();
  assert.equal(await fetched("127.0.0.1", 8005), "web 8005");
  await daemon.up();
  assert.deepEqual(await elements(), whole);
  await text("rm", "-f", "web");
  assert.deepEqual(await elements(), []);
});
