// Driver options of networks, IPv6, macvlan, and published ports in all their forms, seen from the daemon's host and from
// a machine outside.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Live, run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { connectOutside, ip, type NetworkNamespace } from "./namespace.ts";

const first = clients[0] as Client;
let daemon: TestDaemon;
let outside: NetworkNamespace;

before(async () => {
  daemon = await TestDaemon.start();
  outside = await connectOutside(daemon.network);
  daemon.otherLinks.push("wan0");
  await ip(outside, "route", "add", "10.20.0.0/16", "via", "10.99.0.1");
  await ip(outside, "route", "add", "fd20::/16", "via", "fd99::1");
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.text(first, ["network", "prune", "-f"]);
});
after(async () => {
  await ip(daemon.network, "link", "del", "wan0");
  await outside.close();
  await daemon.close();
});

const text = (...args: string[]) => daemon.text(first, args);
const outcome = (...args: string[]) => daemon.run(first, args);
const inside = (name: string, command: string): Promise<string> => text("exec", name, "sh", "-c", command);
const endpoint = async (name: string, network: string) =>
  (await daemon.inspect(name)).NetworkSettings.Networks[network] as unknown as Record<string, string>;
/** Starts a container that serves its own name over HTTP. */
async function serve(name: string, ...flags: string[]): Promise<void> {
  const program = `echo ${name} > /tmp/index.html; httpd -p 80 -h /tmp && echo ready; exec sleep 1000`;
  await text("run", "-d", "--name", name, ...flags, "busybox", "sh", "-c", program);
  const logs = daemon.live(first, ["logs", "-f", name]);
  await logs.prints("ready");
  logs.kill("SIGKILL");
}
/** What a client gets from a server, "" when nobody answers. */
async function fetched(url: string, from: NetworkNamespace = daemon.network): Promise<string> {
  return (await from.run(["curl", "-gs", "--max-time", "2", url])).stdout.trim();
}

const ECHO = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 81))
print('listening')
while True:
    s.sendto(*s.recvfrom(1000))
`;
/** Asks a host over HTTP or by a datagram; prints the last word of the answer, or "nobody" after so many seconds. */
const ASK = `
import socket, sys
kind, host, patience = sys.argv[1:]
kind, port, question = {
    'tcp': (socket.SOCK_STREAM, 18080, b'GET / HTTP/1.0\\r\\n\\r\\n'),
    'udp': (socket.SOCK_DGRAM, 18081, b'x'),
}[kind]
s = socket.socket(socket.AF_INET6, kind)
s.settimeout(float(patience))
try:
    s.connect(socket.getaddrinfo(host, port, socket.AF_INET6, kind)[0][4])
    s.send(question)
    text = s.recv(1000)
    while kind == socket.SOCK_STREAM and (part := s.recv(1000)):
        text += part
    print((text.decode().split() or ['nobody'])[-1])
except OSError:
    print('nobody')
`;

describe("IPv6", () => {
  test("--ipv6 without a subnet takes a unique local one; containers have both families", async () => {
    await text("network", "create", "--ipv6", "six");
    await serve("s1", "--network", "six");
    await text("run", "-d", "--name", "s2", "--network", "six", "busybox", "sleep", "1000");
    const [network] = JSON.parse(await text("network", "inspect", "six"));
    assert.equal(network.EnableIPv6, true);
    assert.match(network.IPAM.Config[1].Subnet, /^fd[0-9a-f]{2}:[0-9a-f:]+::\/64$/);
    const {
      GlobalIPv6Address = "",
      GlobalIPv6PrefixLen,
      IPv6Gateway,
      IPAddress,
    } = await endpoint("s1", "six");
    assert.ok(GlobalIPv6Address.startsWith("fd") && IPAddress !== "" && IPv6Gateway !== "");
    assert.equal(GlobalIPv6PrefixLen, 64);
    assert.equal(await inside("s2", `wget -qO- http://[${GlobalIPv6Address}]/`), "s1");
    assert.match(await inside("s1", "cat /etc/hosts"), new RegExp(`^${GlobalIPv6Address}\t`, "m"));
    assert.match(await inside("s1", "ip -6 route"), new RegExp(`default via ${IPv6Gateway} dev eth0`));
    assert.equal(await fetched(`http://[${GlobalIPv6Address}]/`), "s1");
  });

  test("published ports are reached over it from everywhere, unpublished ones from nowhere outside", async () => {
    await text("network", "create", "--ipv6", "--subnet", "fd20:1::/64", "--subnet", "10.20.1.0/24", "dual");
    await serve("web", "--network", "dual", "--ip6", "fd20:1::80", "-p", "18080:80", "-p", "[::1]:18081:80");
    for (const host of ["127.0.0.1", "[::1]", "10.99.0.1", "[fd99::1]", "[fd20:1::1]"])
      assert.equal(await fetched(`http://${host}:18080/`), "web", host);
    assert.equal(await fetched("http://[::1]:18081/"), "web");
    for (const host of ["10.99.0.1", "[fd99::1]"])
      assert.equal(await fetched(`http://${host}:18080/`, outside), "web", host);
    assert.equal(await fetched("http://[fd99::1]:18081/", outside), "");
    // Neither by its own address nor through the host's route to it.
    assert.equal(await fetched("http://[fd20:1::80]/", outside), "");
    assert.equal(await fetched("http://10.20.1.2/", outside), "");
    // Hairpin: a container by the host's address to its own published port, and to a neighbour's.
    assert.equal(await inside("web", "wget -qO- http://[fd99::1]:18080/"), "web");
    // Nobody outside sees the container's address.
    assert.match(await outside.run(["sh", "-c", "ip -6 neigh"]).then((o) => o.stdout), /fd99::1/);
  });

  test("an internal network has no way to the ports of others that the daemon carries itself", async () => {
    await text("network", "create", "four");
    await text("network", "create", "--internal", "--ipv6", "--subnet", "fd20:9::/64", "shut");
    await text("network", "create", "--ipv6", "--subnet", "fd20:8::/64", "open");
    await serve("web", "--network", "four", "-p", "18080:80", "-p", "18081:81/udp");
    const inNetworkOf = async (name: string): Promise<string[]> => {
      const { Pid } = (await daemon.inspect(name)).State;
      return ["nsenter", `--net=/proc/${Pid}/ns/net`, "--", "python3", "-uc"];
    };
    const echo = new Live([...(await inNetworkOf("web")), ECHO]);
    await echo.prints("listening");
    for (const network of ["shut", "open"])
      await text("run", "-d", "--name", `in-${network}`, "--network", network, "busybox", "sleep", "1000");
    const gateways = { shut: "fd20:9::1", open: "fd20:8::1" };
    for (const network of ["shut", "open"] as const) {
      const [{ Id }] = JSON.parse(await text("network", "inspect", network));
      const shown = await ip(daemon.network, "-6", "-o", "addr", "show", "dev", `br-${Id.slice(0, 12)}`);
      const near = /fe80:[0-9a-f:]+/.exec(shown)?.[0] ?? "";
      const answers = network === "shut" ? ["nobody", "nobody", "nobody"] : ["web", "x", "web"];
      // (bun has no way to answer the datagram of a link-local address, whose device it does not tell.)
      for (const [i, [host, kind]] of (
        [
          [gateways[network], "tcp"],
          [gateways[network], "udp"],
          [`${near}%eth0`, "tcp"],
        ] as const
      ).entries()) {
        const patience = network === "shut" ? "1" : "20";
        const asked = await run([...(await inNetworkOf(`in-${network}`)), ASK, kind, host, patience]);
        assert.equal(asked.stdout.trim(), answers[i], `${network} ${host} ${kind} ${asked.stderr}`);
      }
    }
    echo.kill("SIGKILL");
    await echo.ended;
  });

  test("published ports lead to the networks of the default routes, each family to its own", async () => {
    await text("network", "create", "--subnet", "10.20.6.0/24", "four");
    await text("network", "create", "--ipv6", "--ipv4=false", "--subnet", "fd20:6::/64", "six");
    await serve("apart", "--network", "four", "-p", "18080:80", "-p", "90");
    const who = "printf '#!/bin/sh\\necho; echo $REMOTE_ADDR' >who; chmod +x who";
    const tells = (name: string) => inside(name, `mkdir /tmp/cgi-bin; cd /tmp/cgi-bin; ${who}`);
    await tells("apart");
    /** Whom the container sees: the client itself where the kernel translates, the host where a socket carries. */
    const seen = async (port: string): Promise<string[]> => [
      await fetched(`http://10.99.0.1:${port}/cgi-bin/who`, outside),
      await fetched(`http://[fd99::1]:${port}/cgi-bin/who`, outside),
    ];
    const [IPV4, IPV6, CARRIED] = ["[::ffff:10.99.0.2]", "[fd99::2]", "[::ffff:10.20.6.1]"];
    const ports = async (key: string) => (await daemon.inspect("apart")).NetworkSettings.Ports[key];
    const random = await ports("90/tcp");
    assert.deepEqual(await seen("18080"), [IPV4, CARRIED]);
    await text("network", "connect", "six", "apart");
    assert.deepEqual(await seen("18080"), [IPV4, IPV6]);
    assert.deepEqual(await ports("90/tcp"), random, "the ports keep their numbers");
    await daemon.berth("update", "--publish-add", "18081:80", "apart");
    assert.deepEqual(await seen("18081"), [IPV4, IPV6]);
    await daemon.berth("update", "--publish-rm", "18081:80", "apart");
    assert.deepEqual(await seen("18081"), ["", ""]);
    await serve("holder", "--network", "six", "-p", "[::]:18082:80");
    const refused = await daemon.berth("update", "--publish-add", "18082:80", "apart");
    assert.match(refused.stderr, /18082 failed: port is already allocated/);
    assert.equal((await seen("18082"))[0], "", "neither family is published");
    await text("restart", "-t", "0", "apart");
    while ((await seen("18080")).includes(""));
    assert.deepEqual(await seen("18080"), [IPV4, IPV6]);
    const takes = (taker: string) => daemon.request("POST", `/containers/${taker}/take-ports?from=apart`);
    await serve("narrow", "--network", "four");
    assert.equal((await takes("narrow")).status, 409, "one network for what leads to two");
    await serve("heir", "--network", "four", "--network", "six");
    await tells("heir");
    assert.equal((await takes("heir")).status, 204);
    await text("stop", "-t", "0", "apart");
    assert.deepEqual(await seen("18080"), [IPV4, IPV6]);
    await text("network", "disconnect", "six", "heir");
    assert.deepEqual(await seen("18080"), [IPV4, CARRIED]);
  });

  test("--ipv4=false leaves IPv6 alone", async () => {
    await text("network", "create", "--ipv6", "--ipv4=false", "--subnet", "fd20:2::/64", "only6");
    await serve("alone", "--network", "only6", "-p", "18080:80");
    const { IPAddress, GlobalIPv6Address } = await endpoint("alone", "only6");
    assert.deepEqual([IPAddress, GlobalIPv6Address], ["", "fd20:2::2"]);
    assert.doesNotMatch(await inside("alone", "ip addr show eth0"), /inet /);
    assert.equal(await fetched("http://[fd99::1]:18080/", outside), "alone");
    assert.match(
      (await outcome("network", "create", "--ipv4=false", "none4")).stderr,
      /IPv4 or IPv6 must be enabled/,
    );
  });
});

describe("gateway modes", () => {
  test("routed: published ports by the container's own address, no others, no translation", async () => {
    const mode = (family: number) => `com.docker.network.bridge.gateway_mode_ipv${family}=routed`;
    await text(
      ...["network", "create", "--ipv6", "--subnet", "10.20.3.0/24", "--subnet", "fd20:3::/64"],
      ...["-o", mode(4), "-o", mode(6), "routed"],
    );
    await serve("r1", "--network", "routed", "-p", "80");
    assert.equal(await fetched("http://10.20.3.2/", outside), "r1");
    assert.equal(await fetched("http://[fd20:3::2]/", outside), "r1");
    assert.deepEqual((await daemon.inspect("r1")).NetworkSettings.Ports["80/tcp"], [
      { HostIp: "0.0.0.0", HostPort: "" },
      { HostIp: "::", HostPort: "" },
    ]);
    await serve("closed", "--network", "routed");
    assert.equal(await fetched("http://10.20.3.3/", outside), "");
    assert.equal(await fetched("http://[fd20:3::3]/", outside), "");
    const ping = await outside.run(["busybox", "ping", "-c", "1", "-W", "1", "10.20.3.3"]);
    assert.equal(ping.status, 0);
  });

  test("routed: ports are open there though another network has the default route and the host's ports", async () => {
    const mode = (family: number) => `com.docker.network.bridge.gateway_mode_ipv${family}=routed`;
    await text(
      ...["network", "create", "--ipv6", "--subnet", "10.20.8.0/24", "--subnet", "fd20:8::/64"],
      ...["-o", mode(4), "-o", mode(6), "direct"],
    );
    await text("network", "create", "--subnet", "10.20.9.0/24", "main");
    await serve("two", "--network", "name=main,gw-priority=1", "--network", "direct", "-p", "18080:80");
    const at = async (url: string) => (await fetched(url, outside)) === "two";
    const ways = async () => [
      await at("http://10.99.0.1:18080/"),
      await at("http://10.20.8.2/"),
      await at("http://[fd20:8::2]/"),
    ];
    assert.deepEqual(await ways(), [true, true, true]);
    assert.deepEqual((await daemon.inspect("two")).NetworkSettings.Ports["80/tcp"], [
      // The IPv6 default route is the routed network's, so the host has no port there.
      { HostIp: "0.0.0.0", HostPort: "18080" },
      { HostIp: "0.0.0.0", HostPort: "" },
      { HostIp: "::", HostPort: "" },
    ]);
    // The routed network without the other: nothing of the host's, and nothing is closed on the way.
    await text("network", "disconnect", "main", "two");
    assert.deepEqual(await ways(), [false, true, true]);
    await text("network", "connect", "--gw-priority", "1", "main", "two");
    assert.deepEqual(await ways(), [true, true, true]);
    await text("network", "disconnect", "direct", "two");
    await text("network", "connect", "--ip", "10.20.8.2", "--ip6", "fd20:8::2", "direct", "two");
    assert.deepEqual(await ways(), [true, true, true]);
  });

  test("nat-unprotected: every port by the container's own address", async () => {
    await text(
      ...["network", "create", "--subnet", "10.20.4.0/24"],
      ...["-o", "com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected", "open"],
    );
    await serve("u1", "--network", "open");
    assert.equal(await fetched("http://10.20.4.2/", outside), "u1");
    await text("network", "create", "apart");
    await text("run", "-d", "--name", "other", "--network", "apart", "busybox", "sleep", "1000");
    assert.notEqual(
      (await outcome("exec", "other", "timeout", "1", "wget", "-qO-", "http://10.20.4.2/")).status,
      0,
    );
  });

  test("isolated: no address of the host on the bridge; refused outside of internal networks", async () => {
    const mode = ["-o", "com.docker.network.bridge.gateway_mode_ipv4=isolated"];
    assert.match(
      (await outcome("network", "create", ...mode, "x")).stderr,
      /can only be used for an internal network/,
    );
    const id = await text("network", "create", "--internal", "--subnet", "10.20.5.0/24", ...mode, "island");
    assert.doesNotMatch(await ip(daemon.network, "addr", "show", `br-${id.slice(0, 12)}`), /10\.20\.5/);
    await text("run", "-d", "--name", "i1", "--network", "island", "busybox", "sleep", "1000");
    assert.equal((await endpoint("i1", "island"))["Gateway"], "");
  });

  test("trusted host interfaces reach published ports by the container's own address", async () => {
    await text(
      ...["network", "create", "--subnet", "10.20.6.0/24"],
      ...["-o", "com.docker.network.bridge.trusted_host_interfaces=wan0", "friends"],
    );
    await serve("t1", "--network", "friends", "-p", "80");
    await serve("t2", "--network", "friends");
    assert.equal(await fetched("http://10.20.6.2/", outside), "t1");
    assert.equal(await fetched("http://10.20.6.3/", outside), "");
  });
});

describe("bridge options", () => {
  test("name, MTU, host binding, interface prefix, no masquerade", async () => {
    const options = {
      "com.docker.network.bridge.name": "mybr0",
      "com.docker.network.driver.mtu": "1400",
      "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
      "com.docker.network.container_iface_prefix": "lan",
      "com.docker.network.bridge.enable_ip_masquerade": "false",
    };
    const flags = Object.entries(options).flatMap(([k, v]) => ["-o", `${k}=${v}`]);
    await text("network", "create", "--subnet", "10.20.7.0/24", ...flags, "opts");
    assert.match(await ip(daemon.network, "link", "show", "mybr0"), /mtu 1400/);
    await serve("o1", "--network", "opts", "-p", "18080:80");
    assert.match(await inside("o1", "ip addr show lan0"), /mtu 1400/);
    assert.deepEqual((await daemon.inspect("o1")).NetworkSettings.Ports["80/tcp"], [
      { HostIp: "127.0.0.1", HostPort: "18080" },
    ]);
    assert.equal(await fetched("http://127.0.0.1:18080/"), "o1");
    assert.equal(await fetched("http://10.99.0.1:18080/", outside), "");
    const [network] = JSON.parse(await text("network", "inspect", "opts"));
    assert.deepEqual(network.Options, options);
    // Without masquerade the world sees the container's own address, for which it has a route.
    assert.equal((await outcome("exec", "o1", "ping", "-c", "1", "-W", "1", "10.99.0.2")).status, 0);
    assert.match(
      (await outcome("network", "create", "-o", "com.docker.network.bridge.name=mybr0", "again")).stderr,
      /mybr0/,
    );
  });

  test("a bridge that is there is used and left alone", async () => {
    await ip(daemon.network, "link", "add", "theirs0", "type", "bridge");
    daemon.otherLinks.push("theirs0");
    await text(
      "network",
      "create",
      "--subnet",
      "10.20.8.0/24",
      "-o",
      "com.docker.network.bridge.name=theirs0",
      "guest",
    );
    await serve("g1", "--network", "guest");
    assert.equal(await fetched("http://10.20.8.2/"), "g1");
    await text("rm", "-f", "g1");
    await text("network", "rm", "guest");
    assert.match(await ip(daemon.network, "link", "show", "theirs0"), /theirs0/);
    await ip(daemon.network, "link", "del", "theirs0");
    daemon.otherLinks.pop();
  });

  test("--config-from takes over what --config-only keeps", async () => {
    await text(
      "network",
      "create",
      "--config-only",
      "--subnet",
      "10.20.9.0/24",
      "--label",
      "a=b",
      "template",
    );
    await text("network", "create", "--config-from", "template", "made");
    const [made] = JSON.parse(await text("network", "inspect", "made"));
    assert.deepEqual(
      [made.IPAM.Config, made.Labels, made.ConfigFrom],
      [[{ Subnet: "10.20.9.0/24", Gateway: "10.20.9.1" }], { a: "b" }, { Network: "template" }],
    );
    const [template] = JSON.parse(await text("network", "inspect", "template"));
    assert.deepEqual([template.ConfigOnly, template.Driver], [true, "null"]);
    assert.match(
      (await outcome("network", "rm", "template")).stderr,
      /configuration network "template" is in use/,
    );
    assert.match(
      (await outcome("run", "--rm", "--network", "template", "busybox", "true")).stderr,
      /configuration-only network/,
    );
    await text("network", "rm", "made");
    await text("network", "rm", "template");
  });

  test("options of an endpoint: device name and sysctls", async () => {
    await text("network", "create", "ep");
    const option = (key: string, value: string) => `driver-opt=com.docker.network.endpoint.${key}=${value}`;
    const sysctl = option("sysctls", "net.ipv4.conf.IFNAME.log_martians=1");
    await text(
      ...["run", "-d", "--name", "e1", "--network", `name=ep,${option("ifname", "wan")},${sysctl}`],
      ...["busybox", "sleep", "1000"],
    );
    assert.equal(await inside("e1", "cat /proc/sys/net/ipv4/conf/wan/log_martians"), "1");
    const refused = await outcome(
      ...[
        "run",
        "--rm",
        "--network",
        `name=ep,${option("sysctls", "net.ipv4.ip_forward=1")}`,
        "busybox",
        "true",
      ],
    );
    assert.match(refused.stderr, /unrecognised network interface sysctl/);
    assert.match(
      await text("run", "--rm", "--network", "ep", "--link-local-ip", "169.254.7.7", "busybox", "ip", "addr"),
      /inet 169\.254\.7\.7\/16/,
    );
  });
});

describe("macvlan", () => {
  test("puts containers on the wire of a device of the host", async () => {
    await text("network", "create", "-d", "macvlan", "--subnet", "10.99.0.0/24", "-o", "parent=wan0", "wire");
    await serve("m1", "--network", "wire", "--ip", "10.99.0.50", "-p", "18080:80");
    assert.equal(await fetched("http://10.99.0.50/", outside), "m1");
    assert.deepEqual((await daemon.inspect("m1")).NetworkSettings.Ports["80/tcp"] ?? null, null);
    await text("run", "-d", "--name", "m2", "busybox", "sleep", "1000");
    await text("network", "connect", "--ip", "10.99.0.51", "wire", "m2");
    assert.equal((await outside.run(["busybox", "ping", "-c", "1", "-W", "1", "10.99.0.51"])).status, 0);
    await text("network", "disconnect", "wire", "m2");
    assert.notEqual((await outside.run(["busybox", "ping", "-c", "1", "-W", "1", "10.99.0.51"])).status, 0);
    assert.doesNotMatch(await inside("m2", "ip link"), /eth1/);
  });

  test("without a parent is a segment of its own", async () => {
    const id = await text(
      "network",
      "create",
      "-d",
      "macvlan",
      "--subnet",
      "10.20.10.0/24",
      "--internal",
      "segment",
    );
    for (const name of ["a1", "b1"])
      await text("run", "-d", "--name", name, "--network", "segment", "busybox", "sleep", "1000");
    const { IPAddress } = await endpoint("b1", "segment");
    assert.equal((await outcome("exec", "a1", "ping", "-c", "1", "-W", "1", IPAddress ?? "")).status, 0);
    assert.match(await ip(daemon.network, "link"), new RegExp(`dm-${id.slice(0, 12)}`));
    await daemon.removeContainers();
    await text("network", "rm", "segment");
    assert.doesNotMatch(await ip(daemon.network, "link"), /dm-/);
  });

  test("is refused without its parent and in unknown modes", async () => {
    const create = (...args: string[]) =>
      outcome("network", "create", "--subnet", "10.20.11.0/24", ...args, "x");
    assert.match(
      (await create("-d", "macvlan", "-o", "parent=nosuch0")).stderr,
      /parent interface was not found on the host: nosuch0/,
    );
    assert.match(
      (await create("-d", "macvlan", "-o", "parent=wan0.10")).stderr,
      /ip link add link wan0 name wan0\.10 type vlan id 10/,
    );
    assert.match(
      (await create("-d", "macvlan", "-o", "macvlan_mode=odd")).stderr,
      /macvlan mode 'odd' is not valid/,
    );
  });
});

for (const client of clients)
  describe(`${client.name}: published ports`, () => {
    test("as ranges, of two protocols, to exposed ports, all or one", async () => {
      await daemon.text(client, [
        ...[
          "run",
          "-d",
          "--name",
          "many",
          "-p",
          "18080-18082:80-82",
          "-p",
          "127.0.0.1::90",
          "-p",
          "18053:53/udp",
        ],
        ...["--expose", "99", "busybox", "sleep", "1000"],
      ]);
      const { Ports } = (await daemon.inspect("many")).NetworkSettings;
      assert.deepEqual(Ports["81/tcp"], [
        { HostIp: "0.0.0.0", HostPort: "18081" },
        { HostIp: "::", HostPort: "18081" },
      ]);
      assert.equal(Ports["53/udp"]?.[0]?.HostPort, "18053");
      assert.equal(Ports["99/tcp"], null);
      const [one] = Ports["90/tcp"] ?? [];
      assert.equal(one?.HostIp, "127.0.0.1");
      assert.ok(Number(one?.HostPort) >= 1024);
      assert.equal(
        await daemon.text(client, ["port", "many", "81"]).then((t) => t.split("\n")[0]),
        "0.0.0.0:18081",
      );
      // A range of the host for one port: the first free one.
      await daemon.text(client, [
        ...["run", "-d", "--name", "next", "-p", "18081-18085:80", "busybox", "sleep", "1000"],
      ]);
      assert.equal((await daemon.inspect("next")).NetworkSettings.Ports["80/tcp"]?.[0]?.HostPort, "18083");
      const full = await daemon.run(client, [...["run", "--rm", "-p", "18080-18082:80", "busybox", "true"]]);
      assert.equal(full.status, 125);
      assert.match(full.stderr, /port is already allocated/);
    });
  });
