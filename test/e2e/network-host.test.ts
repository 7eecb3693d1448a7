// The host around the networks: bridges that pass packets through the firewall or do not, addresses of clients outside, blocks
// of addresses that routes and devices of the host use, a resolver on the host's loopback.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { Live } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { connectOutside, ip, type NetworkNamespace } from "./namespace.ts";

const first = clients[0] as Client;
/** systemd-resolved's own address. */
const STUB = "127.0.0.53";
let daemon: TestDaemon;
let outside: NetworkNamespace;
/** Holds the host's resolv.conf and the one that systemd-resolved writes. */
let etc: string;

before(async () => {
  etc = await mkdtemp(join(tmpdir(), "berth-e2e-etc-"));
  await writeFile(join(etc, "resolv.conf"), `nameserver ${STUB}\nsearch lan.example\n`);
  await writeFile(join(etc, "resolved.conf"), "nameserver 10.99.0.2\nsearch lan.example\n");
  const script = `mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/resolve && cp "$0/resolved.conf" /run/systemd/resolve/resolv.conf &&
    file=$(readlink -m /etc/resolv.conf) && mkdir -p "$(dirname "$file")" && { [ -e "$file" ] || : > "$file"; } &&
    mount --bind "$0/resolv.conf" "$file" && exec "$@"`;
  daemon = await TestDaemon.start({
    wrap: (argv) => ["unshare", "--mount", "sh", "-c", script, etc, ...argv],
  });
  outside = await connectOutside(daemon.network);
  daemon.otherLinks.push("wan0");
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.text(first, ["network", "prune", "-f"]);
});
after(async () => {
  await ip(daemon.network, "link", "del", "wan0");
  await outside.close();
  await daemon.close();
  await rm(etc, { recursive: true });
});

const text = (...args: string[]) => daemon.text(first, args);

/** Tells every visitor the address that it comes from. */
const SERVER = `
import socket
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", 80))
s.listen()
print("listening")
while True:
    c, peer = s.accept()
    c.sendall((peer[0].replace("::ffff:", "") + "\\n").encode())
    c.close()
`;

/** Starts a container whose port 80 tells visitors their address. */
async function mirror(name: string, ...flags: string[]): Promise<string> {
  await text("run", "-d", "--name", name, ...flags, "busybox", "sleep", "1000");
  const { State, NetworkSettings } = await daemon.inspect(name);
  const server = new Live(["nsenter", `--net=/proc/${State.Pid}/ns/net`, "--", "python3", "-uc", SERVER], {
    timeoutMs: 170_000,
  });
  servers.push(server);
  await server.prints("listening");
  return Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? "";
}
const servers: Live[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.kill("SIGKILL")));

/** What a container sees of a client there; "" when nobody answers. */
const seen = async (host: string, port: number, client: NetworkNamespace | string): Promise<string> => {
  const argv = ["nc", "-w", "10", host, `${port}`];
  const done =
    typeof client === "string"
      ? await daemon.run(first, ["exec", client, ...argv])
      : await client.run(["busybox", ...argv]);
  return done.stdout.trim();
};

describe("bridges", () => {
  for (const value of ["0", "1"])
    test(`with bridge-nf-call-iptables=${value} neighbours, published ports, the own one too, and isolation are the same`, async () => {
      for (const name of ["iptables", "ip6tables"])
        await daemon.network.run(["sysctl", "-qw", `net.bridge.bridge-nf-call-${name}=${value}`]);
      await text("network", "create", "--subnet", "10.41.0.0/24", "one");
      await text("network", "create", "--subnet", "10.42.0.0/24", "two");
      await text(
        "network",
        "create",
        "-o",
        "com.docker.network.bridge.enable_icc=false",
        "--subnet",
        "10.43.0.0/24",
        "shy",
      );
      const web = await mirror("web", "--network", "one", "-p", "18080:80");
      await text("run", "-d", "--name", "near", "--network", "one", "busybox", "sleep", "1000");
      await text("run", "-d", "--name", "far", "--network", "two", "busybox", "sleep", "1000");
      const shy = await mirror("shy1", "--network", "shy", "-p", "18081:80");
      await text("run", "-d", "--name", "shy2", "--network", "shy", "busybox", "sleep", "1000");
      assert.equal(await seen(web, 80, "near"), "10.41.0.3", "a neighbour is seen as itself");
      for (const [who, bridge] of [
        ["near", "10.41.0.1"],
        ["web", "10.41.0.1"],
        ["far", "10.41.0.1"],
      ] as const)
        assert.notEqual(await seen(bridge, 18080, who), "", `${who} by the published port`);
      assert.equal(await seen("10.99.0.1", 18081, "shy2"), "10.43.0.1", "published ports are for everybody");
      for (const [who, where] of [
        ["far", web],
        ["shy2", shy],
      ] as const)
        assert.equal((await daemon.run(first, ["exec", who, "nc", "-w", "1", where, "80"])).stdout, "", who);
    });
});

test("a container sees who comes from outside, by both families", async () => {
  await text("network", "create", "--ipv6", "both");
  await mirror("web", "--network", "both", "-p", "18080:80");
  assert.equal(await seen("10.99.0.1", 18080, outside), "10.99.0.2");
  assert.equal(await seen("fd99::1", 18080, outside), "fd99::2");
});

test("networks get blocks of their own beyond Docker's, beside the routes and devices of the host", async () => {
  await ip(daemon.network, "route", "add", "172.18.0.0/15", "via", "10.99.0.2");
  await ip(daemon.network, "addr", "add", "172.21.0.1/24", "dev", "wan0");
  const names = Array.from({ length: 35 }, (_, i) => `many${i}`);
  for (const Name of names)
    assert.equal((await daemon.request("POST", "/networks/create", { Name })).status, 201);
  const format = "{{range .IPAM.Config}}{{.Subnet}}{{end}}";
  const subnets = (await text("network", "inspect", "-f", format, ...names)).split("\n");
  assert.equal(new Set(subnets).size, names.length);
  assert.deepEqual(subnets.slice(0, 3), ["172.20.0.0/16", "172.22.0.0/16", "172.23.0.0/16"]);
  assert.match(subnets.at(-1) ?? "", /^10\.208\.\d+\.0\/24$/);
  for (const client of clients) {
    const { stderr } = await daemon.run(client, ["network", "create", "--subnet", "172.21.0.0/16", "asked"]);
    assert.match(stderr, /172\.21\.0\.0\/16.*wan0/);
  }
  await text("network", "rm", ...names);
  await ip(daemon.network, "addr", "del", "172.21.0.1/24", "dev", "wan0");
  await ip(daemon.network, "route", "del", "172.18.0.0/15", "via", "10.99.0.2");
});

/** Runs dnsmasq at an address, which knows one name. */
async function resolver(from: NetworkNamespace, address: string, record: string): Promise<void> {
  const flags = [
    "-k",
    "--user=root",
    "--no-resolv",
    "--no-hosts",
    "--no-daemon",
    "--pid-file=",
    "--conf-file=/dev/null",
  ];
  const listen = [
    `--listen-address=${address}`,
    "--bind-interfaces",
    "--cache-size=0",
    `--address=/${record}`,
  ];
  const server = new Live(from.wrap(["dnsmasq", ...flags, ...listen]), { timeoutMs: 170_000 });
  servers.push(server);
  await server.prints("started");
}

test("a resolver on the host's loopback is asked from the host, and changes of resolv.conf are followed", async () => {
  await resolver(daemon.network, STUB, "stub.example/192.0.2.53");
  await resolver(outside, "10.99.0.2", "wire.example/192.0.2.2");
  await text("network", "create", "back");
  await text("run", "-d", "--name", "named", "--network", "back", "busybox", "sleep", "1000");
  const lookup = async (container: string, name: string): Promise<string> =>
    (await daemon.run(first, ["exec", container, "nslookup", name])).stdout;
  assert.match(await lookup("named", "stub.example"), /192\.0\.2\.53/);
  // The default bridge has no name service: its containers ask whom systemd-resolved asks.
  await text("run", "-d", "--name", "plain", "busybox", "sleep", "1000");
  assert.match(
    await text("exec", "plain", "cat", "/etc/resolv.conf"),
    /^nameserver 10\.99\.0\.2\nsearch lan\.example\n/m,
  );
  assert.match(await lookup("plain", "wire.example"), /192\.0\.2\.2/);
  assert.doesNotMatch(await lookup("named", "wire.example"), /192\.0\.2\.2/);
  await writeFile(join(etc, "resolv.conf"), "nameserver 10.99.0.2\n");
  // The file is looked at again at most once a second.
  while (!/192\.0\.2\.2/.test(await lookup("named", "again.wire.example")));
  assert.match(await lookup("named", "more.wire.example"), /192\.0\.2\.2/);
});
