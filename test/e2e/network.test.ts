// Networks: the default bridge with its addresses, names and published ports, host, none, and who may reach whom. The
// daemon's host is a network namespace; a second namespace beside it is the world outside.
import assert from "node:assert/strict";
import { readFile, readlink } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { Live } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { NetworkNamespace } from "./namespace.ts";

const first = clients[0] as Client;
let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const text = (...args: string[]) => daemon.text(first, args);
const outcome = (...args: string[]) => daemon.run(first, args);
const addressOf = async (name: string): Promise<string> =>
  (await daemon.inspect(name)).NetworkSettings.Networks["bridge"]?.IPAddress ?? "";

/** Starts a container that serves its own name over HTTP, and returns when it listens. */
async function serve(name: string, ...flags: string[]): Promise<void> {
  // httpd goes into the background when it listens.
  const program = `echo ${name} > /tmp/index.html; httpd -p 80 -h /tmp && echo ready; exec sleep 1000`;
  await text("run", "-d", "--name", name, ...flags, "busybox", "sh", "-c", program);
  const logs = daemon.live(first, ["logs", "-f", name]);
  await logs.prints("ready");
  logs.kill("SIGKILL");
}

/** Fetches a page from the daemon's host, "" when nobody answers. */
async function fetched(url: string, from: NetworkNamespace = daemon.network): Promise<string> {
  return (await from.run(["curl", "-s", "--max-time", "2", url])).stdout.trim();
}

/** Tells every visitor the address that it comes from. */
const SERVER = `
import socket, sys
s = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("listening")
while True:
    c, peer = s.accept()
    c.sendall((peer[0] + "\\n").encode())
    c.close()
`;

const UDP_SERVER = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 53))
print("listening")
while True:
    data, peer = s.recvfrom(1000)
    s.sendto(b"got " + data, peer)
`;

const UDP_CLIENT = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect((sys.argv[1], 18053))
s.send(b"hello")
print(s.recv(1000).decode())
`;

describe("the default bridge", () => {
  test("gives addresses of 172.17.0.0/16, a route, names and a resolver", async () => {
    await text("run", "-d", "--name", "net1", "--hostname", "box", "busybox", "sleep", "1000");
    const { IPAddress, Gateway, IPPrefixLen, MacAddress } =
      (await daemon.inspect("net1")).NetworkSettings.Networks["bridge"] ?? {};
    assert.match(IPAddress ?? "", /^172\.17\.0\.\d+$/);
    assert.deepEqual([Gateway, IPPrefixLen], ["172.17.0.1", 16]);
    const link = await text("exec", "net1", "ip", "addr", "show", "eth0");
    assert.ok(
      link.includes(`inet ${IPAddress}/16`) && link.includes(MacAddress ?? "?") && /mtu 1500/.test(link),
      link,
    );
    assert.match(await text("exec", "net1", "ip", "route"), /^default via 172\.17\.0\.1 dev eth0/m);
    assert.match(
      await text("exec", "net1", "cat", "/etc/hosts"),
      new RegExp(`^127\\.0\\.0\\.1\\tlocalhost$[^]*^${IPAddress}\\tbox$`, "m"),
    );
    assert.equal(await text("exec", "net1", "cat", "/etc/hostname"), "box");
    assert.match(await text("exec", "net1", "cat", "/etc/resolv.conf"), /^nameserver \d/m);
    await text("rm", "-f", "net1");
  });

  test("lets containers reach each other by address, and the gateway", async () => {
    await serve("web1");
    const address = await addressOf("web1");
    assert.equal(await text("run", "--rm", "busybox", "wget", "-qO-", `http://${address}/`), "web1");
    assert.equal(
      (await outcome("run", "--rm", "busybox", "ping", "-c", "1", "-W", "2", "172.17.0.1")).status,
      0,
    );
    assert.equal(await fetched(`http://${address}/`), "web1");
    await text("rm", "-f", "web1");
  });

  test("--add-host, --dns, --dns-search and --mac-address are obeyed", async () => {
    const flags = [
      "--add-host",
      "db:10.1.2.3",
      "--dns",
      "9.9.9.9",
      "--dns-search",
      "corp",
      "--mac-address",
      "02:42:aa:bb:cc:dd",
    ];
    const shown = await text(
      "run",
      "--rm",
      ...flags,
      "busybox",
      "sh",
      "-c",
      "cat /etc/hosts /etc/resolv.conf; cat /sys/class/net/eth0/address",
    );
    for (const line of [
      /^10\.1\.2\.3\tdb$/m,
      /^nameserver 9\.9\.9\.9$/m,
      /^search corp$/m,
      /^02:42:aa:bb:cc:dd$/m,
    ])
      assert.match(shown, line);
  });

  test("is listed and inspected with its containers", async () => {
    await text("run", "-d", "--name", "member", "busybox", "sleep", "1000");
    assert.deepEqual((await text("network", "ls", "--format", "{{.Name}} {{.Driver}}")).split("\n").sort(), [
      "bridge bridge",
      "host host",
      "none null",
    ]);
    const [network] = JSON.parse(await text("network", "inspect", "bridge"));
    assert.equal(network.IPAM.Config[0].Subnet, "172.17.0.0/16");
    const [id] = Object.keys(network.Containers);
    assert.equal(network.Containers[id ?? ""].Name, "member");
    assert.equal(network.Containers[id ?? ""].IPv4Address, `${await addressOf("member")}/16`);
    await text("rm", "-f", "member");
    assert.deepEqual(JSON.parse(await text("network", "inspect", "bridge"))[0].Containers, {});
  });
});

for (const client of clients)
  describe(`${client.name}: published ports`, () => {
    test("-p is reached through loopback, the bridge's address and from other containers", async () => {
      await serve("pub", "-p", "18080:80");
      assert.equal(
        (await daemon.text(client, ["port", "pub"])).replace(" :::", " [::]:"),
        "80/tcp -> 0.0.0.0:18080\n80/tcp -> [::]:18080",
      );
      assert.match(await daemon.text(client, ["ps", "--format", "{{.Ports}}"]), /0\.0\.0\.0:18080->80\/tcp/);
      for (const host of ["127.0.0.1", "172.17.0.1"])
        assert.equal(await fetched(`http://${host}:18080/`), "pub", host);
      const seen = await daemon.text(client, [
        "run",
        "--rm",
        "busybox",
        "wget",
        "-qO-",
        "http://172.17.0.1:18080/",
      ]);
      assert.equal(seen, "pub");
      // A container reaches its own published port, too.
      assert.equal(
        await daemon.text(client, ["exec", "pub", "wget", "-qO-", "http://172.17.0.1:18080/"]),
        "pub",
      );
      await text("rm", "-f", "pub");
      assert.equal(await fetched("http://127.0.0.1:18080/"), "");
    });

    test("-p with an address listens there only, -p without a host port and -P choose one", async () => {
      await serve("local", "-p", "127.0.0.1:18080:80", "-p", "80");
      assert.equal(await fetched("http://127.0.0.1:18080/"), "local");
      assert.equal(await fetched("http://172.17.0.1:18080/"), "");
      const ports = (await daemon.inspect("local")).NetworkSettings.Ports["80/tcp"] ?? [];
      const chosen = ports.find((p) => p.HostPort !== "18080")?.HostPort ?? "";
      assert.ok(Number(chosen) >= 32768, chosen);
      assert.equal(await fetched(`http://127.0.0.1:${chosen}/`), "local");
      await text("rm", "-f", "local");
      await serve("all", "-P", "--expose", "80");
      const [any] = (await daemon.inspect("all")).NetworkSettings.Ports["80/tcp"] ?? [];
      assert.equal(await fetched(`http://127.0.0.1:${any?.HostPort}/`), "all");
      await text("rm", "-f", "all");
    });

    test("a port in use names the container that has it; the new container is not started", async () => {
      await serve("holder", "-p", "18080:80");
      const refused = await daemon.run(client, [
        "run",
        "-d",
        "--name",
        "late",
        "-p",
        "18080:81",
        "busybox",
        "sleep",
        "1",
      ]);
      assert.equal(refused.status, 125);
      assert.match(refused.stderr, /18080/);
      assert.match(refused.stderr, /holder/);
      assert.equal((await daemon.inspect("late")).State.Status, "created");
      await text("rm", "-f", "late", "holder");
    });

    test("a port in use by a program of the host is refused, too", async () => {
      const program = new Live(daemon.network.wrap(["python3", "-uc", SERVER, "0.0.0.0", "18090"]));
      await program.prints("listening");
      const refused = await daemon.run(client, ["run", "--rm", "-p", "18090:80", "busybox", "true"]);
      assert.equal(refused.status, 125);
      assert.match(refused.stderr, /18090/);
      assert.match(refused.stderr, /address already in use \(by python3, pid \d+\)/);
      program.kill("SIGKILL");
      assert.equal(await text("ps", "-aq"), "");
    });

    test("a name in use is a conflict", async () => {
      await text("create", "--name", "mine", "busybox", "true");
      const refused = await daemon.run(client, ["run", "--name", "mine", "busybox", "true"]);
      assert.equal(refused.status, 125);
      assert.match(
        refused.stderr,
        /Conflict\. The container name "\/mine" is already in use by container "[0-9a-f]{64}"/,
      );
      assert.equal(
        (await daemon.request("POST", "/containers/create?name=mine", { Image: "busybox", Cmd: ["true"] }))
          .status,
        409,
      );
      await text("rm", "mine");
    });
  });

describe("published datagrams", () => {
  test("-p …/udp is answered", async () => {
    await text("run", "-d", "--name", "udp", "-p", "18053:53/udp", "busybox", "sleep", "1000");
    // busybox has no program that serves UDP: one of the host's joins the container's network.
    const { Pid } = (await daemon.inspect("udp")).State;
    const server = new Live(["nsenter", `--net=/proc/${Pid}/ns/net`, "--", "python3", "-uc", UDP_SERVER]);
    await server.prints("listening");
    for (const address of ["127.0.0.1", "172.17.0.1"])
      assert.equal(
        (await daemon.network.run(["python3", "-c", UDP_CLIENT, address])).stdout,
        "got hello\n",
        address,
      );
    server.kill("SIGKILL");
  });
});

describe("other networks", () => {
  test("host is the host's own", async () => {
    assert.equal(
      await text("run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net"),
      await readlink(`/proc/${daemon.network.pid}/ns/net`),
    );
  });

  test("host has the host's names, unless others are added", async () => {
    const hosts = (...flags: string[]): Promise<string> =>
      text("run", "--rm", "--network", "host", ...flags, "busybox", "cat", "/etc/hosts");
    assert.equal(await hosts(), (await readFile("/etc/hosts", "utf8")).trimEnd());
    assert.match(
      await hosts("--add-host", "other:1.2.3.4"),
      /^127\.0\.0\.1\tlocalhost\n[^]*\n1\.2\.3\.4\tother$/,
    );
  });

  test("none has a loopback and nothing else", async () => {
    assert.equal(await text("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net"), "lo");
    assert.equal(
      (await outcome("run", "--rm", "--network", "none", "busybox", "ping", "-c", "1", "127.0.0.1")).status,
      0,
    );
  });

  test("container: shares another container's", async () => {
    await serve("base");
    assert.equal(
      await text(
        "run",
        "--rm",
        "--network",
        "container:base",
        "busybox",
        "wget",
        "-qO-",
        "http://127.0.0.1/",
      ),
      "base",
    );
    await text("rm", "-f", "base");
  });

  test("an unknown network is an error and leaves nothing", async () => {
    const refused = await outcome("run", "--network", "nosuch", "busybox", "true");
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /network nosuch not found/);
    assert.equal(await text("ps", "-aq"), "");
  });
});

describe("the world outside", () => {
  let outside: NetworkNamespace;
  before(async () => {
    outside = await NetworkNamespace.make();
    const set = async (namespace: NetworkNamespace, ...args: string[]): Promise<void> => {
      const done = await namespace.run(["ip", ...args]);
      assert.equal(done.status, 0, done.stderr);
    };
    await set(
      daemon.network,
      "link",
      "add",
      "wan0",
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      String(outside.pid),
    );
    daemon.otherLinks.push("wan0");
    await set(daemon.network, "addr", "add", "10.99.0.1/24", "dev", "wan0");
    await set(daemon.network, "link", "set", "wan0", "up");
    await set(outside, "addr", "add", "10.99.0.2/24", "dev", "eth0");
    await set(outside, "link", "set", "eth0", "up");
    await set(outside, "route", "add", "172.17.0.0/16", "via", "10.99.0.1");
  });
  after(async () => {
    await daemon.network.run(["ip", "link", "del", "wan0"]);
    daemon.otherLinks.pop();
    await outside.close();
  });

  test("is reached under the host's address", async () => {
    const server = new Live(outside.wrap(["python3", "-uc", SERVER, "10.99.0.2", "8000"]));
    await server.prints("listening");
    assert.equal(await text("run", "--rm", "busybox", "nc", "10.99.0.2", "8000"), "10.99.0.1");
    server.kill("SIGKILL");
  });

  test("reaches published ports and no others", async () => {
    await serve("gate", "-p", "18080:80");
    assert.equal(await fetched("http://10.99.0.1:18080/", outside), "gate");
    const closed = await outside.run([
      "curl",
      "-s",
      "--max-time",
      "0.5",
      `http://${await addressOf("gate")}:81/`,
    ]);
    assert.equal(closed.status, 28, "a port that is not published does not even answer");
    await text("rm", "-f", "gate");
    assert.equal(await fetched("http://10.99.0.1:18080/", outside), "");
  });
});
