// The settings of the default bridge: its addresses and next hops, a device of the host's instead of its own, and none at all;
// and what the daemon says for all bridges.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { connectOutside, ip } from "./namespace.ts";

const first = clients[0] as Client;
let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start({ args: ["--live-restore=true"] });
});
after(async () => {
  if (daemon.pid === 0) await daemon.up();
  await daemon.close();
});

const text = (...args: string[]) => daemon.text(first, args);
const inHost = async (...argv: string[]): Promise<string> => {
  const { status, stdout, stderr } = await daemon.network.run(argv);
  assert.equal(status, 0, `${argv.join(" ")}: ${stderr}`);
  return stdout;
};
const ready = async (name: string): Promise<void> => {
  const logs = daemon.live(first, ["logs", "-f", name]);
  await logs.prints("ready");
  logs.kill("SIGKILL");
};
const again = async (...args: string[]): Promise<void> => {
  await daemon.terminate();
  await daemon.up(args);
};
const blocks = async (): Promise<unknown> =>
  JSON.parse(await text("network", "inspect", "bridge"))[0].IPAM.Config;
/** Addresses and default routes of a container without a network of its own choosing. */
const inside = (): Promise<string> =>
  text("run", "--rm", "busybox", "sh", "-c", "ip -o addr show eth0; ip route; ip -6 route");

test("has the addresses, the range and the next hops that it is told", async () => {
  await again(
    ...["--bip", "10.41.0.5/16", "--fixed-cidr", "10.41.1.0/24", "--default-gateway", "10.41.0.254"],
    ...["--ipv6", "--bip6", "fd41::5/64", "--default-gateway-v6", "fd41::99"],
  );
  assert.deepEqual(await blocks(), [
    {
      Subnet: "10.41.0.0/16",
      IPRange: "10.41.1.0/24",
      Gateway: "10.41.0.5",
      AuxiliaryAddresses: { DefaultGatewayIPv4: "10.41.0.254" },
    },
    { Subnet: "fd41::/64", Gateway: "fd41::5", AuxiliaryAddresses: { DefaultGatewayIPv6: "fd41::99" } },
  ]);
  const seen = await inside();
  assert.match(seen, /inet 10\.41\.1\.0\/16/);
  assert.match(seen, /default via 10\.41\.0\.254 dev eth0/);
  assert.match(seen, /inet6 fd41::1\/64/);
  assert.match(seen, /default via fd41::99 dev eth0/);
  assert.match(await inHost("ip", "-o", "addr", "show", "docker0"), /10\.41\.0\.5\/16.*\n.*fd41::5\/64/);
});

test("is not made of settings that do not fit", async () => {
  await daemon.terminate();
  for (const [args, says] of [
    [
      ["--bip", "10.41.0.1/16", "--default-gateway", "10.42.0.1"],
      /must belong to the master pool: 10\.41\.0\.0\/16/,
    ],
    [["-b", "nosuch0"], /bridge device with non default name nosuch0 must be created manually/],
    [["-b", "x", "--bip", "10.41.0.1/16"], /You specified -b & --bip, mutually exclusive options/],
    [["--validate", "--default-gateway", "fd41::1"], /invalid default-gateway "fd41::1": an IPv4 address/],
  ] as const) {
    const refused = daemon.launch(args);
    assert.notEqual((await refused.ended).status, 0, args.join(" "));
    assert.match(refused.errors, says);
  }
  await daemon.up();
});

test("is a bridge of the host's, with the addresses that this has", async () => {
  await inHost("ip", "link", "add", "theirs0", "type", "bridge");
  await inHost("ip", "addr", "add", "10.43.0.7/24", "dev", "theirs0");
  daemon.otherLinks.push("theirs0");
  await again("--bridge", "theirs0");
  assert.deepEqual(await blocks(), [{ Subnet: "10.43.0.0/24", Gateway: "10.43.0.7" }]);
  assert.match(await inside(), /inet 10\.43\.0\.1\/24[^]*default via 10\.43\.0\.7 dev eth0/);
  assert.doesNotMatch(await inHost("ip", "-o", "link"), /docker0/, "its own is gone");
  // Nobody's network is taken from under him.
  await text("run", "-d", "--name", "stays", "busybox", "sleep", "1000");
  await again();
  await daemon.logs(/containers run on the default bridge theirs0/);
  assert.deepEqual(await blocks(), [{ Subnet: "10.43.0.0/24", Gateway: "10.43.0.7" }]);
  await text("rm", "-f", "stays");
  await again();
  assert.match(await inHost("ip", "-o", "link"), /docker0/);
  assert.match(await inHost("ip", "-o", "addr", "show", "theirs0"), /10\.43\.0\.7\/24/);
  await inHost("ip", "link", "del", "theirs0");
});

test("is not there: containers have loopback, until they join another network or there is one again", async () => {
  await again("--bridge", "none");
  const names = async () => (await text("network", "ls", "--format", "{{.Name}}")).split("\n").sort();
  assert.deepEqual(await names(), ["host", "none"]);
  assert.equal((await daemon.request("GET", "/networks/bridge")).status, 404);
  assert.doesNotMatch(await inHost("ip", "-o", "link"), /docker0/);
  await text("run", "-d", "--name", "lone", "-p", "18080:80", "busybox", "sleep", "1000");
  const devices = async () => text("exec", "lone", "ls", "/sys/class/net");
  assert.equal(await devices(), "lo");
  const { Ports, Networks } = (await daemon.inspect("lone")).NetworkSettings;
  assert.deepEqual([Ports, Object.keys(Networks), Networks["bridge"]?.IPAddress], [{}, ["bridge"], ""]);
  const toHost = await daemon.run(first, ["run", "--rm", "--add-host", "h:host-gateway", "busybox", "true"]);
  assert.match(toHost.stderr, /unable to derive the IP value for host-gateway/);
  await text("network", "create", "--subnet", "10.44.0.0/24", "joined");
  await text("network", "connect", "joined", "lone");
  assert.equal(await devices(), "eth0\nlo");
  await text("restart", "-t", "0", "lone");
  assert.match(await text("exec", "lone", "ip", "route"), /default via 10\.44\.0\.1 dev eth0/);
  await again();
  assert.deepEqual(await names(), ["bridge", "host", "joined", "none"]);
  await text("restart", "-t", "0", "lone");
  assert.match((await daemon.inspect("lone")).NetworkSettings.Networks["bridge"]?.IPAddress ?? "", /^172\./);
  await text("rm", "-f", "lone");
  await text("network", "rm", "joined");
});

test("published ports are reached by the containers' own addresses where the daemon allows it", async () => {
  const outside = await connectOutside(daemon.network);
  daemon.otherLinks.push("wan0");
  try {
    await ip(outside, "route", "add", "10.45.0.0/16", "via", "10.99.0.1");
    const isOpen = async (port: number): Promise<boolean> => {
      const { stdout } = await outside.run([
        "curl",
        "-s",
        "--max-time",
        "2",
        `http://10.45.0.2:${port}/hostname`,
      ]);
      return stdout === "direct\n";
    };
    for (const isAllowed of [true, false]) {
      await again("--bip", "10.45.0.1/16", ...(isAllowed ? ["--allow-direct-routing"] : []));
      const servers = "httpd -p 80 -h /etc && httpd -p 81 -h /etc && echo ready; exec sleep 1000";
      await text(
        "run",
        "-d",
        "--name",
        "served",
        "-h",
        "direct",
        "-p",
        "18080:80",
        "busybox",
        "sh",
        "-c",
        servers,
      );
      await ready("served");
      assert.deepEqual([await isOpen(80), await isOpen(81)], [isAllowed, false]);
      await text("rm", "-f", "served");
    }
  } finally {
    await ip(daemon.network, "link", "del", "wan0");
    await outside.close();
  }
});

test("a stop waits as long as the daemon says, where nobody else does", async () => {
  await again("--default-stop-timeout", "0");
  const slow = "trap 'sleep 20; exit 3' TERM; echo ready; while :; do sleep 0.1; done";
  await text("run", "-d", "--name", "deaf", "busybox", "sh", "-c", slow);
  await ready("deaf");
  await text("stop", "deaf");
  assert.equal((await daemon.inspect("deaf")).State.ExitCode, 137);
  await text("rm", "deaf");
});
