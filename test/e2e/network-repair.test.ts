// Networks that others, or a crash, have damaged: what was removed comes back, what a killed daemon left goes, and the
// daemon-wide settings of networks hold.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { after, afterEach, before, describe, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";

const first = clients[0] as Client;
let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start({
    config: {
      "default-address-pools": [{ base: "10.30.0.0/22", size: 24 }],
      ip: "127.0.0.1",
      "default-network-opts": { bridge: { "com.docker.network.driver.mtu": "1450" } },
    },
  });
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.text(first, ["network", "prune", "-f"]);
});
after(() => daemon.close());

const text = (...args: string[]) => daemon.text(first, args);
const inHost = async (...argv: string[]): Promise<string> => {
  const done = await daemon.network.run(argv);
  assert.equal(done.status, 0, `${argv.join(" ")}: ${done.stderr}`);
  return done.stdout;
};
const page = async (): Promise<string> =>
  (
    await daemon.network.run(["curl", "-s", "--max-time", "2", "http://127.0.0.1:18080/hostname"])
  ).stdout.trim();
const veths = async (): Promise<number> =>
  (await inHost("ip", "-o", "link", "show", "type", "veth")).split("\n").filter((l) => l !== "").length;

describe("daemon-wide settings", () => {
  test("address pools, binding and options hold for every network that does not say otherwise", async () => {
    await text("network", "create", "one");
    const [one] = JSON.parse(await text("network", "inspect", "one"));
    assert.deepEqual(one.IPAM.Config, [{ Subnet: "10.30.1.0/24", Gateway: "10.30.1.1" }]);
    assert.deepEqual(one.Options, { "com.docker.network.driver.mtu": "1450" });
    await text(
      "run",
      "-d",
      "--name",
      "bound",
      "--network",
      "one",
      "-p",
      "18080:80",
      "busybox",
      "sleep",
      "1000",
    );
    assert.deepEqual((await daemon.inspect("bound")).NetworkSettings.Ports["80/tcp"], [
      { HostIp: "127.0.0.1", HostPort: "18080" },
    ]);
    assert.match(await text("exec", "bound", "ip", "link", "show", "eth0"), /mtu 1450/);
    await text("network", "create", "two");
    await text("network", "create", "three");
    const full = await daemon.run(first, ["network", "create", "four"]);
    assert.match(
      full.stderr,
      /all predefined address pools have been fully subnetted.*--subnet.*default-address-pools/,
    );
  });
});

/** Name of the host's end of one of a container's devices. */
async function portOf(name: string, device = "eth0"): Promise<string> {
  const far = /^(\d+)/.exec(await text("exec", name, "cat", `/sys/class/net/${device}/iflink`))?.[1];
  const links = JSON.parse(await inHost("ip", "-j", "link")) as { ifindex: number; ifname: string }[];
  return links.find((l) => l.ifindex === Number(far))?.ifname ?? "";
}

/** What of the host belongs to a network: firewall, device with addresses, routes and ports, settings. */
async function stateOf(bridge: string): Promise<string[]> {
  const script = `nft -s list ruleset; ip -o addr show dev $0; ip route show dev $0; ip -6 route show dev $0; cd /sys/class/net/$0; ls brif
    head -n1 mtu address flags; cd /proc/sys/net; head -n1 ipv4/ip_forward ipv6/conf/all/forwarding ipv4/conf/$0/route_localnet ipv6/conf/$0/*`;
  const { stdout } = await daemon.network.run(["sh", "-c", script, bridge]);
  return (
    stdout
      .split(/[\n,{}]+/)
      .map((line) => line.replace(/^\d+:| linkdown/g, "").trim())
      // The kernel makes link-local addresses, and tells of the carrier, in its own time.
      .filter((line) => !line.includes("fe80:"))
      .sort()
  );
}

/** Resolves when the network is as it was; fails with the difference when that takes longer than anybody would wait. */
async function comesBack(bridge: string, before: readonly string[], after: string): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const state = await stateOf(bridge);
    if (isDeepStrictEqual(state, before)) return;
    if (performance.now() > deadlineMs) assert.deepEqual(state, before, after);
    await sleep(50);
  }
}

describe("damage by others", () => {
  test("rules, bridges, addresses, routes, ports and forwarding come back while containers run", async () => {
    const id = await text(
      "network",
      "create",
      "--subnet",
      "10.30.9.0/24",
      "--ipv6",
      "--subnet",
      "fd30:9::/64",
      "mended",
    );
    const bridge = `br-${id.slice(0, 12)}`;
    await text(
      ...["run", "-d", "--name", "web", "-h", "web", "--network", "mended", "-p", "18080:80"],
      ...["-p", "[fd30:9::1]:18081:80", "busybox", "httpd", "-f", "-h", "/etc"],
    );
    await text("run", "-d", "--name", "peer", "--network", "mended", "busybox", "sleep", "1000");
    const before = await stateOf(bridge);
    for (const way of [
      ["nft", "flush", "ruleset"],
      ["ip", "link", "del", bridge],
      ["ip", "addr", "del", "10.30.9.1/24", "dev", bridge],
      ["ip", "route", "del", "10.30.9.0/24", "dev", bridge],
      ["ip", "addr", "del", "fd30:9::1/64", "dev", bridge],
      ["ip", "route", "del", "fd30:9::/64", "dev", bridge],
      ["ip", "link", "set", bridge, "down"],
      ["ip", "link", "set", await portOf("web"), "nomaster"],
      ["sysctl", "-qw", "net.ipv4.ip_forward=0"],
      ["sysctl", "-qw", "net.ipv6.conf.all.forwarding=0"],
      ["sysctl", "-qw", `net.ipv6.conf.${bridge}.disable_ipv6=1`],
      ["sysctl", "-qw", `net.ipv4.conf.${bridge}.route_localnet=0`],
      ["sysctl", "-qw", `net.ipv6.conf.${bridge}.accept_ra=2`],
    ]) {
      await inHost(...way);
      await comesBack(bridge, before, way.join(" "));
      assert.equal(await page(), "web", way.join(" "));
      for (const host of ["10.30.9.2", "[fd30:9::2]", "[fd30:9::1]:18081"])
        assert.equal(
          await text("exec", "peer", "timeout", "5", "wget", "-qO-", `http://${host}/hostname`),
          "web",
          `${host}: ${way.join(" ")}`,
        );
    }
  });

  test("a container's devices come back with all they had, also those removed while no daemon was there", async () => {
    await text("network", "create", "--subnet", "10.30.8.0/24", "--ipv6", "--subnet", "fd30:8::/64", "front");
    await text("network", "create", "--internal", "--subnet", "10.30.7.0/24", "back");
    await text(
      ...["run", "-d", "--name", "web", "-h", "web", "--network", "back"],
      ...[
        "--network",
        "name=front,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1",
      ],
      ...["--mac-address", "02:42:0a:1e:07:63", "-p", "18080:80", "busybox", "httpd", "-f", "-h", "/etc"],
    );
    await text(
      "run",
      "-d",
      "--name",
      "peer",
      "--network",
      "front",
      "--network",
      "back",
      "busybox",
      "sleep",
      "1000",
    );
    const state = async (): Promise<string> => {
      const commands = [
        "ip -o addr",
        "ip route",
        "ip -6 route",
        "ip -o link",
        "cat /proc/sys/net/ipv4/conf/eth*/log_martians",
      ];
      const shown = await text("exec", "web", "sh", "-c", commands.join("; "));
      return shown.replace(/@if\d+/g, "");
    };
    const isWhole = async (): Promise<void> => {
      assert.equal(await state(), before);
      assert.equal(await page(), "web");
      for (const host of ["10.30.8.2", "10.30.7.2", "[fd30:8::2]"])
        assert.equal(
          await text("exec", "peer", "timeout", "5", "wget", "-qO-", `http://${host}/hostname`),
          "web",
          host,
        );
    };
    const before = await state();
    for (const device of ["eth0", "eth1"]) {
      await inHost("ip", "link", "del", await portOf("web", device));
      await daemon.logs(new RegExp(`device ${device} of container .* made as it was`));
      await isWhole();
    }
    const port = await portOf("web");
    await daemon.kill();
    await inHost("ip", "link", "del", port);
    await daemon.up();
    await daemon.logs(/device eth0 of container .* made as it was/);
    await isWhole();
    await text("rm", "-f", "web", "peer");
    while ((await veths()) > 0) await sleep(50);
  });
});

test("a container that breaks its own routes and devices can still leave and join networks", async () => {
  await text("network", "create", "--internal", "--subnet", "10.30.5.0/24", "shut");
  await text("network", "create", "--subnet", "10.30.6.0/24", "wide");
  await text(
    ...["run", "-d", "--name", "breaker", "--cap-add", "NET_ADMIN", "--network", "shut"],
    ...["busybox", "sleep", "1000"],
  );
  const inside = (...command: string[]) => text("exec", "breaker", ...command);
  const networks = async () => Object.keys((await daemon.inspect("breaker")).NetworkSettings.Networks).sort();
  await inside("ip", "route", "add", "default", "via", "10.30.5.1");
  const refused = await daemon.run(first, ["network", "connect", "wide", "breaker"]);
  assert.match(refused.stderr, /failed to set gateway: file exists/);
  assert.deepEqual(await networks(), ["shut"]);
  assert.doesNotMatch(await inside("ip", "link"), /eth1/);
  await inside("ip", "route", "del", "default");
  await text("network", "connect", "wide", "breaker");
  assert.match(await inside("ip", "route"), /default via 10\.30\.6\.1 dev eth1/);

  await text("network", "create", "--subnet", "10.30.4.0/24", "better");
  await text("network", "connect", "--gw-priority", "1", "better", "breaker");
  await inside("ip", "link", "set", "eth1", "down");
  await text("network", "disconnect", "better", "breaker");
  assert.doesNotMatch(await inside("ip", "route"), /default/, "the heir's device is down");
  await text("network", "connect", "--gw-priority", "1", "better", "breaker");
  assert.match(await inside("ip", "route"), /default via 10\.30\.4\.1 dev eth2/);
  await text("restart", "-t", "0", "breaker");
  assert.deepEqual(await networks(), ["better", "shut", "wide"]);
});

interface InspectedStatus {
  Status: { IPAM: { Subnets: Record<string, { IPsInUse: number; DynamicIPsAvailable: number }> } };
}

describe("everything at once", () => {
  test("connections that come while containers start and end leave addresses, ports and devices as they should be", async () => {
    const networks = ["mix1", "mix2"];
    for (const name of networks) await text("network", "create", name);
    const containers = ["a1", "a2", "a3"];
    for (const [i, name] of containers.entries())
      await text(
        ...["run", "-d", "--name", name, "--network", "mix1", "-p", `1809${i}:80`],
        ...["busybox", "sh", "-c", "httpd -h /etc; sleep 0.3"],
      );
    const acts = containers.flatMap((name) =>
      [
        ["network", "connect", "mix2", name],
        ["start", name],
        ["network", "disconnect", "mix1", name],
        ["restart", "-t", "0", name],
        ["network", "connect", "mix1", name],
        ["start", name],
        ["network", "disconnect", "mix2", name],
        ["kill", name],
        ["network", "connect", "mix2", name],
      ].map((argv) => daemon.run(first, argv)),
    );
    // Many are refused, depending on who comes first; none may break anything.
    for (const { stderr } of await Promise.all(acts))
      assert.doesNotMatch(stderr, /panic|internal|undefined|TypeError/);
    for (const name of containers) await text("rm", "-f", name);
    // The kernel removes the devices of a namespace some time after its last process.
    while ((await veths()) > 0) await sleep(50);
    const table = await inHost("nft", "list", "ruleset");
    assert.doesNotMatch(table, /1809\d/);
    for (const name of networks) {
      const [network] = JSON.parse(await text("network", "inspect", name));
      assert.deepEqual(network.Containers, {});
      const { body } = await daemon.request("GET", `/networks/${name}`);
      const [usage] = Object.values((body as InspectedStatus).Status.IPAM.Subnets);
      // The lowest and the highest address, and the gateway.
      assert.deepEqual(usage, { IPsInUse: 3, DynamicIPsAvailable: 253 });
      assert.equal(await text("network", "rm", name), name);
    }
  });
});

describe("a daemon that is killed", () => {
  test("in the middle of starts leaves no device behind that its successor does not remove", async () => {
    await text("network", "create", "busy");
    const starts = Array.from({ length: 8 }, (_, i) =>
      daemon.run(first, ["run", "-d", "--name", `many${i}`, "--network", "busy", "busybox", "sleep", "1000"]),
    );
    await Promise.race(starts);
    await daemon.kill();
    await Promise.all(starts);
    await daemon.up();
    const running = (await text("ps", "-q")).split("\n").filter((l) => l !== "");
    while ((await veths()) !== running.length) await sleep(50);
    const [network] = JSON.parse(await text("network", "inspect", "busy"));
    assert.equal(Object.keys(network.Containers).length, running.length);
    for (const id of running)
      assert.match(await text("exec", id, "ip", "addr", "show", "eth0"), /inet 10\.30\./);
  });

  test("keeps addresses, ports and networks; a stopped container gets its address again", async () => {
    await text("network", "create", "kept");
    await text(
      ...["run", "-d", "--name", "web", "-h", "web", "--network", "kept", "-p", "18080:80", "-p", "81"],
      ...["busybox", "httpd", "-f", "-h", "/etc"],
    );
    await text("run", "-d", "--name", "second", "--network", "kept", "busybox", "sleep", "1000");
    const before = (await daemon.inspect("web")).NetworkSettings;
    await text("stop", "-t", "0", "second");
    await daemon.kill();
    assert.equal(await page(), "web");
    await daemon.up();
    assert.deepEqual((await daemon.inspect("web")).NetworkSettings, before);
    assert.equal(await page(), "web");
    await text(
      "run",
      "-d",
      "--name",
      "third",
      "--network",
      "kept",
      "--ip",
      "10.30.1.9",
      "busybox",
      "sleep",
      "1000",
    );
    await text("restart", "-t", "0", "web");
    await text("start", "second");
    const addressOf = async (name: string) =>
      (await daemon.inspect(name)).NetworkSettings.Networks["kept"]?.IPAddress;
    assert.deepEqual([await addressOf("web"), await addressOf("second")], ["10.30.1.2", "10.30.1.3"]);
  });
});
