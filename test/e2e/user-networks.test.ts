// Networks of users: created, inspected, removed; containers in several of them, connected and disconnected while they run.
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
const outcome = (...args: string[]) => daemon.run(first, args);
const sleeper = (name: string, ...flags: string[]): Promise<string> =>
  text("run", "-d", "--name", name, ...flags, "busybox", "sleep", "1000");
const networksOf = async (name: string) => (await daemon.inspect(name)).NetworkSettings.Networks;
const inside = (name: string, command: string): Promise<string> => text("exec", name, "sh", "-c", command);
const reaches = async (from: string, address: string): Promise<boolean> =>
  (await outcome("exec", from, "ping", "-c", "1", "-W", "1", address)).status === 0;
interface Inspected {
  Id: string;
  IPAM: { Config: { Subnet: string; Gateway?: string; IPRange?: string }[] };
  Containers: Record<string, { Name: string; IPv4Address: string; IPv6Address: string }>;
  [key: string]: unknown;
}
const inspected = async (name: string): Promise<Inspected> =>
  JSON.parse(await text("network", "inspect", name))[0];

for (const client of clients)
  describe(`${client.name}: a network`, () => {
    const run = (...args: string[]) => daemon.run(client, args);
    const say = (...args: string[]) => daemon.text(client, args);

    test("is created, listed, inspected and removed; its bridge goes with it", async () => {
      const id = await say("network", "create", "--label", "tier=web", "net1");
      assert.match(id, /^[0-9a-f]{64}$/);
      const links = async () => (await daemon.network.run(["ip", "-o", "link"])).stdout;
      assert.match(await links(), new RegExp(`br-${id.slice(0, 12)}`));
      assert.equal(
        await say(
          "network",
          "ls",
          "--filter",
          "label=tier=web",
          "--format",
          "{{.Name}} {{.Driver}} {{.Scope}}",
        ),
        "net1 bridge local",
      );
      assert.equal(await say("network", "ls", "-q", "--no-trunc", "--filter", "name=net1"), id);
      const { IPAM, Labels, Containers } = await inspected("net1");
      assert.deepEqual(IPAM.Config, [{ Subnet: "172.18.0.0/16", Gateway: "172.18.0.1" }]);
      assert.deepEqual([Labels, Containers], [{ tier: "web" }, {}]);
      assert.equal(await say("network", "rm", "net1"), "net1");
      assert.doesNotMatch(await links(), new RegExp(`br-${id.slice(0, 12)}`));
      assert.match((await run("network", "inspect", "net1")).stderr, /network net1 not found/);
    });

    test("is refused with Docker's words when it cannot be", async () => {
      await say("network", "create", "--subnet", "10.1.0.0/24", "taken");
      const refused = async (words: RegExp, ...args: string[]): Promise<void> => {
        const done = await run("network", "create", ...args);
        assert.equal(done.status, 1, args.join(" "));
        assert.match(done.stderr, words);
      };
      await refused(/network with name taken already exists/, "taken");
      await refused(/operation is not permitted on predefined bridge network/, "bridge");
      await refused(/Pool overlaps with other one on this address space/, "--subnet", "10.1.0.0/16", "x");
      await refused(/plugin "nosuch" not found/, "-d", "nosuch", "x");
      await refused(/This node is not a swarm manager/, "-d", "overlay", "x");
      await refused(/Ingress network can only be global scope network/, "--ingress", "x");
      await refused(/cannot create a swarm scoped network when swarm is not active/, "--scope", "swarm", "x");
      await refused(/configuration network can only contain/, "--config-only", "--internal", "x");
      await refused(/configuration network "nosuch" does not exist/, "--config-from", "nosuch", "x");
      await refused(
        /failed to parse com.docker.network.bridge.enable_icc value: maybe/,
        "-o",
        "com.docker.network.bridge.enable_icc=maybe",
        "x",
      );
      await refused(
        /failed to parse com.docker.network.driver.mtu value: abc/,
        "-o",
        "com.docker.network.driver.mtu=abc",
        "x",
      );
      await refused(
        /no matching subnet for gateway 10.3.0.1/,
        "--subnet",
        "10.2.0.0/24",
        "--gateway",
        "10.3.0.1",
        "x",
      );
      assert.match(
        (await run("network", "rm", "bridge")).stderr,
        /bridge is a pre-defined network and cannot be removed/,
      );
      assert.equal((await run("network", "rm", "nosuch")).status, 1);
      assert.equal((await run("network", "rm", "-f", "nosuch")).status, 0);
      assert.equal(
        await say("network", "ls", "-q", "--filter", "type=custom", "--format", "{{.Name}}"),
        "taken",
      );
    });

    test("is in use while a container is in it, and pruned when it is not", async () => {
      await say("network", "create", "used");
      await say("network", "create", "unused");
      await say("run", "-d", "--name", "user1", "--network", "used", "busybox", "sleep", "1000");
      const refused = await run("network", "rm", "used");
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /network used has active endpoints \(name:"user1" id:"[0-9a-f]{12}"\)/);
      assert.equal(
        await say("network", "ls", "--filter", "dangling=true", "--format", "{{.Name}}"),
        "unused",
      );
      assert.match(await say("network", "prune", "-f"), /^Deleted Networks:\nunused/);
      await say("rm", "-f", "user1");
      assert.equal(await say("network", "rm", "used"), "used");
    });

    test("gives addresses as asked for and keeps the reserved ones", async () => {
      await say(
        ...["network", "create", "--subnet", "10.5.0.0/24", "--ip-range", "10.5.0.128/25"],
        ...["--gateway", "10.5.0.254", "--aux-address", "printer=10.5.0.129", "lan"],
      );
      await say("run", "-d", "--name", "any", "--network", "lan", "busybox", "sleep", "1000");
      await say(
        "run",
        "-d",
        "--name",
        "own",
        "--network",
        "lan",
        "--ip",
        "10.5.0.7",
        "busybox",
        "sleep",
        "1000",
      );
      const of = async (name: string) => (await networksOf(name))["lan"];
      assert.deepEqual(
        [(await of("any"))?.IPAddress, (await of("any"))?.Gateway, (await of("own"))?.IPAddress],
        ["10.5.0.128", "10.5.0.254", "10.5.0.7"],
      );
      assert.equal((await of("own"))?.MacAddress, "02:42:0a:05:00:07");
      const twice = await run("run", "--rm", "--network", "lan", "--ip", "10.5.0.7", "busybox", "true");
      assert.equal(twice.status, 125);
      assert.match(twice.stderr, /Address already in use/);
      const outsideOf = await run("run", "--rm", "--network", "lan", "--ip", "10.6.0.7", "busybox", "true");
      assert.match(outsideOf.stderr, /no configured subnet contains IP address 10\.6\.0\.7/);
    });

    test("is joined and left by a running container: device, routes, hosts, ports", async () => {
      await say("network", "create", "--subnet", "10.7.0.0/24", "side");
      await say(
        "run",
        "-d",
        "--name",
        "mover",
        "-h",
        "box",
        "-p",
        "18080:80",
        "busybox",
        "httpd",
        "-f",
        "-h",
        "/etc",
      );
      await say("network", "connect", "--alias", "other", "--ip", "10.7.0.9", "side", "mover");
      assert.match(await inside("mover", "ip addr show eth1"), /inet 10\.7\.0\.9\/24/);
      assert.match(await inside("mover", "ip route"), /default via 172\.17\.0\.1 dev eth0/);
      assert.match(await inside("mover", "cat /etc/hosts"), /^10\.7\.0\.9\tbox$/m);
      assert.match(
        (await run("network", "connect", "side", "mover")).stderr,
        /already exists in network side/,
      );
      const page = async () =>
        (await daemon.network.run(["curl", "-s", "--max-time", "2", "http://127.0.0.1:18080/hostname"]))
          .stdout;
      assert.equal(await page(), "box\n");
      // The network of the default route goes: route and published port move to the other.
      await say("network", "disconnect", "bridge", "mover");
      assert.match(await inside("mover", "ip route"), /default via 10\.7\.0\.1 dev eth1/);
      assert.doesNotMatch(await inside("mover", "cat /etc/hosts"), /172\.17/);
      assert.equal(await page(), "box\n");
      assert.deepEqual(Object.keys(await networksOf("mover")), ["side"]);
      const gone = await run("network", "disconnect", "bridge", "mover");
      assert.match(gone.stderr, /is not connected to network bridge/);
      await say("restart", "-t", "0", "mover");
      assert.match(await inside("mover", "ip addr show eth0"), /inet 10\.7\.0\.9\/24/);
      assert.equal(await page(), "box\n");
    });

    test("is joined at the start with several others, by the long syntax, too", async () => {
      await say("network", "create", "--subnet", "10.8.0.0/24", "a");
      await say("network", "create", "--subnet", "10.9.0.0/24", "b");
      await say(
        ...["run", "-d", "--name", "both", "--network", "a"],
        ...["--network", "name=b,alias=x,ip=10.9.0.77,mac-address=02:42:aa:bb:cc:dd,gw-priority=5"],
        ...["busybox", "sleep", "1000"],
      );
      const { a, b } = await networksOf("both");
      assert.deepEqual(
        [a?.IPAddress, b?.IPAddress, b?.MacAddress],
        ["10.8.0.2", "10.9.0.77", "02:42:aa:bb:cc:dd"],
      );
      assert.match(await inside("both", "ip route"), /default via 10\.9\.0\.1 dev eth1/);
      assert.match(await inside("both", "ip addr show eth0"), /10\.8\.0\.2/);
      const { Containers } = await inspected("b");
      assert.deepEqual(
        Object.values(Containers).map((c) => [c.Name, c.IPv4Address]),
        [["both", "10.9.0.77/24"]],
      );
    });
  });

describe("connections of containers that do not run", () => {
  test("are remembered for the next start", async () => {
    await text("network", "create", "later");
    await text("create", "--name", "sleepy", "busybox", "sleep", "1000");
    await text("network", "connect", "--alias", "al", "later", "sleepy");
    await text("network", "connect", "later", "sleepy");
    assert.deepEqual(Object.keys(await networksOf("sleepy")), ["bridge", "later"]);
    await text("network", "disconnect", "bridge", "sleepy");
    await text("start", "sleepy");
    const { later } = await networksOf("sleepy");
    assert.match(later?.IPAddress ?? "", /^172\.18\./);
    await text("stop", "-t", "0", "sleepy");
    await text("network", "rm", "later");
    assert.match((await outcome("start", "sleepy")).stderr, /network [0-9a-f]{64} not found/);
    await text("network", "disconnect", "-f", "later", "sleepy");
    await text("start", "sleepy");
  });

  test("are refused where the container has no network of its own", async () => {
    await text("network", "create", "plain");
    await sleeper("lonely", "--network", "none");
    await sleeper("guest", "--network", "host");
    assert.match((await outcome("network", "connect", "plain", "lonely")).stderr, /private \(none\) mode/);
    assert.match((await outcome("network", "connect", "plain", "guest")).stderr, /sharing network namespace/);
    await sleeper("owner");
    await sleeper("shares", "--network", "container:owner");
    assert.match(
      (await outcome("network", "connect", "plain", "shares")).stderr,
      /sharing network namespace/,
    );
    assert.match(
      (await outcome("network", "connect", "host", "owner")).stderr,
      /cannot connect container to host network/,
    );
    assert.match((await outcome("network", "connect", "nosuch", "owner")).stderr, /network nosuch not found/);
    assert.match(
      (await outcome("network", "connect", "plain", "nosuch")).stderr,
      /No such container: nosuch/,
    );
  });
});

describe("networks beside each other", () => {
  test("do not reach each other; internal ones have no way out; without icc neighbours do not either", async () => {
    await text("network", "create", "red");
    await text("network", "create", "--internal", "blue");
    await text("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "quiet");
    for (const [name, network] of [
      ["r1", "red"],
      ["r2", "red"],
      ["b1", "blue"],
      ["b2", "blue"],
      ["q1", "quiet"],
      ["q2", "quiet"],
    ] as const)
      await sleeper(name, "--network", network);
    const ip = async (name: string): Promise<string> =>
      Object.values(await networksOf(name))[0]?.IPAddress ?? "";
    assert.ok(await reaches("r1", await ip("r2")));
    assert.ok(await reaches("b1", await ip("b2")));
    assert.ok(!(await reaches("q1", await ip("q2"))));
    assert.ok(!(await reaches("r1", await ip("b1"))));
    assert.ok(!(await reaches("r1", await ip("q1"))));
    assert.ok(!(await reaches("b1", await ip("r1"))));
    assert.doesNotMatch(await inside("b1", "ip route"), /default/);
  });

  test("survive the daemon, with their containers and addresses", async () => {
    await text("network", "create", "--subnet", "10.11.0.0/24", "kept");
    await sleeper("stays", "--network", "kept");
    await sleeper("stays2", "--network", "kept");
    await daemon.kill();
    await daemon.up();
    assert.deepEqual((await inspected("kept")).IPAM.Config, [
      { Subnet: "10.11.0.0/24", Gateway: "10.11.0.1" },
    ]);
    assert.ok(await reaches("stays", "10.11.0.3"));
    await sleeper("newcomer", "--network", "kept");
    assert.equal((await networksOf("newcomer"))["kept"]?.IPAddress, "10.11.0.4");
    assert.match((await outcome("network", "rm", "kept")).stderr, /active endpoints/);
  });
});

describe("containers that are started together", () => {
  test("find each other, whoever asks first", async () => {
    await text("network", "create", "pair");
    // Both are there before the first is started: a second and a half is not much for a loaded machine's commands.
    await text("create", "--name", "asks", "--network", "pair", "busybox", "nslookup", "answers");
    await text("create", "--name", "answers", "--network", "pair", "busybox", "sleep", "1000");
    await text("start", "asks", "answers");
    assert.equal(await text("wait", "asks"), "0");
    const address = (await networksOf("answers"))["pair"]?.IPAddress ?? "?";
    assert.match(await text("logs", "asks"), new RegExp(`Address: ${address}$`, "m"));
  });
});

describe("network graph", () => {
  test("says who is where, and what leads to published ports", async () => {
    await text("network", "create", "--internal", "--subnet", "10.12.0.0/24", "inner");
    await sleeper("shown", "-p", "127.0.0.1:18080:80");
    await sleeper("hidden", "--network", "inner");
    const shown = await daemon.berth("network", "graph");
    assert.match(
      shown.stdout,
      /^inner \(bridge, 10\.12\.0\.0\/24\)\n {2}hidden 10\.12\.0\.2\n.*out: nowhere; in: nobody$/m,
    );
    assert.match(shown.stdout, /^127\.0\.0\.1:18080 -> shown 80\/tcp, from this host \(map published\)$/m);
    const graph = JSON.parse((await daemon.berth("network", "graph", "--format", "json")).stdout);
    assert.deepEqual(
      graph.ports.map((p: { container: string }) => p.container),
      ["shown"],
    );
    const table = await daemon.network.run(["nft", "list", "ruleset"]);
    assert.match(table.stdout, /map published \{/);
  });
});

describe("links of the default bridge", () => {
  test("give names, variables and a further name to the other container", async () => {
    await sleeper("db", "-e", "FOO=bar", "--expose", "80", "--expose", "5432-5434", "--expose", "53/udp");
    await sleeper("web", "--link", "db:data");
    const environment = (await inside("web", "env")).split("\n");
    const ip = (await networksOf("db"))["bridge"]?.IPAddress ?? "?";
    for (const line of [
      `DATA_PORT=udp://${ip}:53`,
      `DATA_PORT_80_TCP=tcp://${ip}:80`,
      `DATA_PORT_80_TCP_ADDR=${ip}`,
      "DATA_PORT_80_TCP_PORT=80",
      "DATA_PORT_80_TCP_PROTO=tcp",
      `DATA_PORT_5432_TCP_START=tcp://${ip}:5432`,
      "DATA_PORT_5432_TCP_PORT_END=5434",
      "DATA_NAME=/web/data",
      "DATA_ENV_FOO=bar",
    ])
      assert.ok(environment.includes(line), `${line} in ${environment.join(" ")}`);
    const short = (await daemon.inspect("db"))["Id"] as string;
    assert.match(
      await inside("web", "cat /etc/hosts"),
      new RegExp(`^${ip}\tdata ${short.slice(0, 12)} db$`, "m"),
    );
    assert.ok(await reaches("web", "data"));
    assert.match(await text("ps", "--no-trunc", "--format", "{{.Names}}"), /^db,web\/data$/m);
    await sleeper("aweb", "--link", "db:first");
    assert.match(await text("ps", "--no-trunc", "--format", "{{.Names}}"), /^aweb\/first,db,web\/data$/m);
    assert.match(await text("ps", "--format", "{{.Names}}"), /^db$/m);
    assert.deepEqual((await daemon.inspect("web")).HostConfig["Links"], ["/db:/web/data"]);
    assert.equal(await text("inspect", "-f", "{{.Name}}", "web/data"), "/db");
    // Its new address after a restart is known.
    await text("stop", "-t", "0", "db");
    await sleeper("thief");
    await text("start", "db");
    const moved = (await networksOf("db"))["bridge"]?.IPAddress ?? "?";
    assert.match(await inside("web", "cat /etc/hosts"), new RegExp(`^${moved}\tdata `, "m"));
    assert.equal(await text("rm", "--link", "web/data"), "web/data");
    assert.doesNotMatch(await inside("web", "cat /etc/hosts"), /data/);
    assert.doesNotMatch(await text("ps", "--no-trunc", "--format", "{{.Names}}"), /web\/data/);
  });

  test("are refused to what does not run or is not there", async () => {
    assert.match(
      (await outcome("run", "--rm", "--link", "nosuch:x", "busybox", "true")).stderr,
      /could not get container for nosuch/,
    );
    await text("create", "--name", "idle", "busybox", "true");
    assert.match(
      (await outcome("run", "--rm", "--link", "idle", "busybox", "true")).stderr,
      /Cannot link to a non running container: \/idle AS/,
    );
    assert.match(
      (await outcome("run", "--rm", "--net", "host", "--link", "idle", "busybox", "true")).stderr,
      /host type networking can't be used with links/,
    );
    assert.match((await outcome("rm", "--link", "idle/nosuch")).stderr, /No such container/);
    assert.match((await outcome("rm", "--link", "idle")).stderr, /cannot remove the default link name/);
  });
});
