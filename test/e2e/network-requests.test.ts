// What requests about networks mean where the command line says little: sizes instead of subnets, networks of a container by
// its list alone, and how answers show what is not there.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";

const first = clients[0] as Client;
let daemon: TestDaemon;

before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.text(first, ["network", "prune", "-f"]);
});
after(() => daemon.close());

const text = (...args: string[]) => daemon.text(first, args);
const refused = async (...args: string[]) => (await daemon.run(first, args)).stderr;

interface Inspected {
  IPAM: { Config: { Subnet: string; Gateway?: string }[] | null };
  Status: { IPAM: { Subnets?: object } };
}
const network = async (name: string) => (await daemon.request("GET", `/networks/${name}`)).body as Inspected;
const blockOf = async (name: string) => (await network(name)).IPAM.Config?.[0];

describe("a request in an older version's words", () => {
  const MAC = "02:42:ac:11:00:42";
  const create = (version: string, body: object) => {
    const request = { Image: "busybox", Cmd: ["sleep", "1000"], ...body };
    return daemon.request("POST", `/v${version}/containers/create?name=old`, request);
  };
  interface Shown {
    Config: { MacAddress?: string };
    HostConfig: { PortBindings: object };
  }
  const shown = async (version: string) =>
    (await daemon.request("GET", `/v${version}/containers/old/json`)).body as Shown;

  test("has a MAC address for the whole container, which is its main endpoint's", async () => {
    assert.equal((await create("1.43", { MacAddress: MAC })).status, 201);
    await text("start", "old");
    assert.equal((await daemon.inspect("old")).NetworkSettings.Networks["bridge"]?.MacAddress, MAC);
    const macs = [(await shown("1.51")).Config.MacAddress, (await shown("1.52")).Config.MacAddress];
    assert.deepEqual(macs, [MAC, undefined]);
  });

  test("may leave a port without a binding", async () => {
    const { body } = await create("1.52", { HostConfig: { PortBindings: { "80/tcp": [] } } });
    assert.match((body as { Warnings: string[] }).Warnings.join(), /empty list of port-bindings: 80\/tcp/);
    const { PortBindings } = (await shown("1.56")).HostConfig;
    assert.deepEqual(PortBindings, { "80/tcp": [{ HostIp: "", HostPort: "" }] });
  });
});

test("a start says that the networks are what it failed at, and an inspection takes Go's booleans", async () => {
  await text("network", "create", "gone");
  await text("create", "--name", "left", "--network", "gone", "busybox", "true");
  await text("network", "rm", "gone");
  assert.match(
    await refused("start", "left"),
    /failed to set up container networking: network gone not found/,
  );
  assert.equal((await daemon.request("GET", "/networks/bridge?verbose=t")).status, 200);
  const asked = await daemon.request("GET", "/networks/bridge?verbose=x");
  assert.deepEqual(
    [asked.status, (asked.body as { message: string }).message],
    [400, 'invalid value for verbose: x: strconv.ParseBool: parsing "x": invalid syntax'],
  );
});

describe("a network", () => {
  test("of a size, without an address, gets a free block of the pools", async () => {
    await text("network", "create", "--subnet", "0.0.0.0/26", "small");
    await text("network", "create", "--subnet", "0.0.0.0/26", "smaller");
    const [small, smaller] = [await blockOf("small"), await blockOf("smaller")];
    assert.match(small?.Subnet ?? "", /\/26$/);
    assert.match(smaller?.Subnet ?? "", /\/26$/);
    assert.notEqual(small?.Subnet, smaller?.Subnet);
    await text("network", "create", "--ipv6", "--ipv4=false", "--subnet", "::/60", "six");
    assert.match((await blockOf("six"))?.Subnet ?? "", /^fd.*\/60$/);
    assert.equal(
      await text("run", "--rm", "--network", "small", "busybox", "hostname", "-i"),
      `${small?.Gateway?.replace(/1$/, "2")}`,
    );
    assert.match(await refused("network", "create", "--subnet", "0.0.0.0/8", "big"), /invalid address pool/);
  });

  test("has its gateway at the front of its range", async () => {
    await text("network", "create", "--subnet", "10.31.0.0/24", "--ip-range", "10.31.0.128/25", "upper");
    assert.equal((await blockOf("upper"))?.Gateway, "10.31.0.128");
    assert.equal(await text("run", "--rm", "--network", "upper", "busybox", "hostname", "-i"), "10.31.0.129");
  });

  test("has an MTU below what IPv6 needs, if it has no IPv6", async () => {
    await text("network", "create", "-o", "com.docker.network.driver.mtu=576", "narrow");
    const mtu = await text("run", "--rm", "--network", "narrow", "busybox", "cat", "/sys/class/net/eth0/mtu");
    assert.equal(mtu, "576");
    const six = ["network", "create", "--ipv6", "-o", "com.docker.network.driver.mtu=576", "narrow6"];
    assert.match(await refused(...six), /IPv6 needs an MTU of at least 1280, not 576/);
  });

  test("is shown without what it has not", async () => {
    const { IPAM, Status } = await network("host");
    assert.deepEqual([IPAM.Config, Status.IPAM], [null, {}]);
    await text("network", "create", "--internal", "closed");
    await text("run", "-d", "--name", "in", "--network", "closed", "busybox", "sleep", "1000");
    assert.equal((await daemon.inspect("in")).NetworkSettings.Networks["closed"]?.Gateway, "");
  });

  test("is not called default, has no blocks of its own when it only keeps settings, and stands on no loopback", async () => {
    assert.equal((await daemon.request("GET", "/networks/default")).status, 404);
    await text("network", "create", "--config-only", "kept");
    await text("run", "-d", "--name", "one", "busybox", "sleep", "1000");
    assert.match(await refused("network", "connect", "kept", "one"), /configuration-only network/);
    await text("network", "rm", "kept");
    assert.match(
      await refused("network", "create", "-d", "macvlan", "-o", "parent=lo", "wire"),
      /loopback interface is not a valid macvlan parent link/,
    );
  });

  test("has IPv4 for clients of versions that could not switch it off", async () => {
    const create = (version: string, Name: string) =>
      daemon.request("POST", `${version}/networks/create`, { Name, EnableIPv4: false, EnableIPv6: true });
    await create("/v1.47", "elder");
    await create("/v1.48", "newer");
    assert.equal((await network("elder")).IPAM.Config?.length, 2);
    assert.equal((await network("newer")).IPAM.Config?.length, 1);
  });

  test("is pruned by a date", async () => {
    await text("network", "create", "old");
    assert.equal(await text("network", "prune", "-f", "--filter", "until=2020-01-01"), "");
    assert.match(await text("network", "prune", "-f", "--filter", "until=2999-12-31"), /old/);
  });
});

describe("a container", () => {
  test("is in the networks that it lists, and not in the default bridge besides", async () => {
    await text("network", "create", "listed");
    const { status } = await daemon.request("POST", "/containers/create?name=lists", {
      Image: "busybox",
      Cmd: ["sleep", "1000"],
      NetworkingConfig: { EndpointsConfig: { listed: {} } },
    });
    assert.equal(status, 201);
    await text("start", "lists");
    assert.deepEqual(Object.keys((await daemon.inspect("lists")).NetworkSettings.Networks), ["listed"]);
    assert.equal(await text("exec", "lists", "sh", "-c", "ls /sys/class/net | grep -c eth"), "1");
  });

  test("has no IPv6 where it switches it off, on one device or on all", async () => {
    await text("network", "create", "--ipv6", "dual");
    const endpoint = "driver-opt=com.docker.network.endpoint.sysctls=net.ipv6.conf.IFNAME.disable_ipv6=1";
    const flags = [
      ["--network", `name=dual,${endpoint}`],
      ["--network", "dual", "--sysctl", "net.ipv6.conf.all.disable_ipv6=1"],
    ];
    for (const own of flags) {
      await text("run", "-d", "--name", "four", ...own, "busybox", "sleep", "1000");
      const at = (await daemon.inspect("four")).NetworkSettings.Networks["dual"];
      assert.equal(at?.GlobalIPv6Address, "");
      assert.equal(
        await text("exec", "four", "sh", "-c", "cat /proc/net/if_inet6 | grep -c eth0 || true"),
        "0",
      );
      assert.notEqual(at?.IPAddress, "");
      await text("rm", "-f", "four");
    }
  });

  test("leaves a network even if it has made the other one unusable", async () => {
    await text("network", "create", "left");
    await text("network", "create", "kept");
    const flags = ["--cap-add", "NET_ADMIN", "--network", "name=left,gw-priority=1", "--network", "kept"];
    await text("run", "-d", "--name", "breaks", ...flags, "busybox", "sleep", "1000");
    await text("exec", "breaks", "ip", "link", "set", "eth1", "down");
    await text("network", "disconnect", "left", "breaks");
    const names = async () => Object.keys((await daemon.inspect("breaks")).NetworkSettings.Networks);
    assert.deepEqual(await names(), ["kept"]);
    await text("restart", "-t", "0", "breaks");
    assert.match(await text("exec", "breaks", "ip", "route"), /^default via /);
  });

  test("numbers its devices around names that were asked for, and from the lowest that is free", async () => {
    for (const name of ["front", "back", "side"]) await text("network", "create", name);
    const named = "name=front,driver-opt=com.docker.network.endpoint.ifname=eth1";
    await text(
      "run",
      "-d",
      "--name",
      "many",
      "--network",
      named,
      "--network",
      "back",
      "busybox",
      "sleep",
      "1000",
    );
    const devices = () => text("exec", "many", "sh", "-c", "ls -d /sys/class/net/eth*");
    const deviceOf = async (name: string) => {
      const ip = (await daemon.inspect("many")).NetworkSettings.Networks[name]?.IPAddress;
      return text("exec", "many", "sh", "-c", `ip -o addr | grep -F ' ${ip}/' | cut -d' ' -f2`);
    };
    assert.deepEqual([await deviceOf("front"), await deviceOf("back")], ["eth1", "eth0"]);
    await text("network", "connect", "side", "many");
    assert.equal(await deviceOf("side"), "eth2");
    for (const name of ["back", "side"]) await text("network", "disconnect", name, "many");
    await text("network", "connect", "side", "many");
    assert.equal(await deviceOf("side"), "eth0");
    assert.equal(await devices(), "/sys/class/net/eth0\n/sys/class/net/eth1");
  });
});
