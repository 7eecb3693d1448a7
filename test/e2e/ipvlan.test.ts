// Networks on a wire beyond macvlan's own tests: ipvlan where the kernel has it and its refusal where not (the test machine of
// `make test-vm` has it), and containers that get their addresses elsewhere.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { NetworkNamespace } from "./namespace.ts";

const first = clients[0] as Client;
let daemon: TestDaemon;
let outside: NetworkNamespace;
let hasIpvlan: boolean;

const ip = async (namespace: NetworkNamespace, ...args: string[]): Promise<string> => {
  const done = await namespace.run(["ip", ...args]);
  assert.equal(done.status, 0, `ip ${args.join(" ")}: ${done.stderr}`);
  return done.stdout;
};

before(async () => {
  daemon = await TestDaemon.start();
  outside = await NetworkNamespace.make();
  const pid = String(outside.pid);
  await ip(daemon.network, "link", "add", "wan0", "type", "veth", "peer", "name", "eth0", "netns", pid);
  daemon.otherLinks.push("wan0");
  await ip(daemon.network, "link", "set", "wan0", "up");
  await ip(outside, "addr", "add", "10.99.0.2/24", "dev", "eth0");
  await ip(outside, "link", "set", "eth0", "up");
  const tried = await outside.run(["ip", "link", "add", "link", "eth0", "name", "try0", "type", "ipvlan"]);
  hasIpvlan = tried.status === 0;
  if (hasIpvlan) await ip(outside, "link", "del", "try0");
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
const isReached = async (address: string): Promise<boolean> =>
  (await outside.run(["busybox", "ping", "-c", "1", "-W", "2", address])).status === 0;

for (const c of clients)
  test(`ipvlan is on the wire of its parent, or refused with the reason (${c.name})`, async () => {
    const create = (name: string, ...args: string[]) =>
      daemon.run(c, [
        ...[
          "network",
          "create",
          "-d",
          "ipvlan",
          "-o",
          "parent=wan0",
          "--subnet",
          "10.99.0.0/24",
          ...args,
          name,
        ],
      ]);
    for (const [option, message] of [
      ["ipvlan_mode=l4", /requested ipvlan mode 'l4' is not valid/],
      ["ipvlan_flag=odd", /requested ipvlan flag 'odd' is not valid/],
      ["parent=nosuch0", /parent interface was not found on the host: nosuch0/],
    ] as const)
      assert.match((await create("bad", "-o", option)).stderr, message);
    const made = await create("wire", "--gateway", "10.99.0.2");
    if (!hasIpvlan) {
      assert.match(made.stderr, /this kernel has no ipvlan devices \(module ipvlan\); macvlan has/);
      assert.equal((await daemon.run(c, ["network", "inspect", "wire"])).status, 1);
      return;
    }
    assert.equal(made.status, 0, made.stderr);
    await text(
      "run",
      "-d",
      "--name",
      "v1",
      "--network",
      "wire",
      "--ip",
      "10.99.0.50",
      "busybox",
      "sleep",
      "1000",
    );
    assert.equal(await isReached("10.99.0.50"), true);
    const macOf = (output: string) => /link\/ether (\S+)/.exec(output)?.[1];
    const own = await text("exec", "v1", "ip", "link", "show", "eth0");
    assert.equal(macOf(own), macOf(await ip(daemon.network, "link", "show", "wan0")));
    const mac = ["--network", "wire", "--mac-address", "02:42:0a:00:00:01"];
    assert.match(
      (await daemon.run(c, ["run", "--rm", ...mac, "busybox", "true"])).stderr,
      /ipvlan interfaces do not support custom mac address/,
    );
    await daemon.kill();
    await daemon.up();
    await text("network", "create", "other");
    await text("run", "-d", "--name", "v2", "--network", "other", "busybox", "sleep", "1000");
    await text("network", "connect", "--ip", "10.99.0.51", "wire", "v2");
    assert.equal(await isReached("10.99.0.51"), true);
    await text("network", "disconnect", "wire", "v2");
    assert.equal(await isReached("10.99.0.51"), false);
    await daemon.removeContainers();
    await text("network", "rm", "wire");
    const routed = await create("layer3", "-o", "ipvlan_mode=l3");
    assert.equal(routed.status, 0, routed.stderr);
    await text(
      "run",
      "-d",
      "--name",
      "v3",
      "--network",
      "layer3",
      "--ip",
      "10.99.0.52",
      "busybox",
      "sleep",
      "1000",
    );
    assert.match(await text("exec", "v3", "ip", "route"), /^default /m);
    await ip(outside, "route", "replace", "10.99.0.52/32", "dev", "eth0");
  });

for (const c of clients)
  test(`--ipam-driver null gives no addresses (${c.name})`, async () => {
    const create = (...args: string[]) =>
      daemon.run(c, ["network", "create", "--ipam-driver", "null", ...args, "bare"]);
    assert.match((await create()).stderr, /ipv4 pool is empty/);
    const wire = ["-d", "macvlan", "-o", "parent=wan0"];
    assert.match(
      (await create(...wire, "--subnet", "10.99.0.0/24")).stderr,
      /null ipam driver does not handle specific address pool requests/,
    );
    assert.equal((await create(...wire)).status, 0);
    const [shown] = JSON.parse(await daemon.text(c, ["network", "inspect", "bare"]));
    assert.deepEqual([shown.IPAM.Driver, shown.IPAM.Config], ["null", [{ Subnet: "0.0.0.0/0" }]]);
    const flags = ["--network", "bare", "--cap-add", "NET_ADMIN"];
    await daemon.text(c, ["run", "-d", "--name", "n1", ...flags, "busybox", "sleep", "1000"]);
    assert.equal((await daemon.inspect("n1")).NetworkSettings.Networks["bare"]?.IPAddress, "");
    assert.doesNotMatch(await text("exec", "n1", "ip", "-4", "addr", "show", "eth0"), /inet/);
    const own = `10.99.0.6${clients.indexOf(c)}`; // neighbours remember hardware addresses
    await text("exec", "n1", "ip", "addr", "add", `${own}/24`, "dev", "eth0");
    assert.equal(await isReached(own), true);
  });
