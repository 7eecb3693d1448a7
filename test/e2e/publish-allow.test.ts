// Who may reach published ports: a list of sources for the whole daemon, and of a network that says otherwise. A machine
// outside has two addresses of each family, of which the first one is welcome.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { connectOutside, ip, type NetworkNamespace } from "./namespace.ts";

const first = clients[0] as Client;
let daemon: TestDaemon;
let outside: NetworkNamespace;

before(async () => {
  daemon = await TestDaemon.start({ config: { "publish-allow": ["10.99.0.2/32", "fd99::2/128"] } });
  outside = await connectOutside(daemon.network, [2, 3]);
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
});

const text = (...args: string[]) => daemon.text(first, args);

async function serve(name: string, ...flags: string[]): Promise<void> {
  const program = `echo ${name} > /tmp/index.html; httpd -p 80 -h /tmp && echo ready; exec sleep 1000`;
  await text("run", "-d", "--name", name, ...flags, "busybox", "sh", "-c", program);
  const logs = daemon.live(first, ["logs", "-f", name]);
  await logs.prints("ready");
  logs.kill("SIGKILL");
}

/** What a client gets, "" when it is not let in. */
async function fetched(from: NetworkNamespace, source: string, url: string): Promise<string> {
  const flags = source === "" ? [] : ["--interface", source];
  return (await from.run(["curl", "-gs", "--max-time", "2", ...flags, url])).stdout.trim();
}

/** Which of the machine's addresses get in, and whether the host does by each way. */
async function welcome(port: number): Promise<string[]> {
  const ways: [string, NetworkNamespace, string, string][] = [
    ["outside 2", outside, "10.99.0.2", "10.99.0.1"],
    ["outside 3", outside, "10.99.0.3", "10.99.0.1"],
    ["outside ::2", outside, "fd99::2", "[fd99::1]"],
    ["outside ::3", outside, "fd99::3", "[fd99::1]"],
    ["host by loopback", daemon.network, "", "127.0.0.1"],
    ["host by ::1", daemon.network, "", "[::1]"],
    ["host by address", daemon.network, "", "10.99.0.1"],
    ["host by IPv6 address", daemon.network, "", "[fd99::1]"],
  ];
  const seen = await Promise.all(
    ways.map(async ([what, from, source, host]) =>
      (await fetched(from, source, `http://${host}:${port}/`)) === "" ? [] : [what],
    ),
  );
  return seen.flat();
}

const HOST = ["host by loopback", "host by ::1", "host by address", "host by IPv6 address"];

for (const c of clients)
  test(`only sources of the daemon's list reach published ports, in every network and family (${c.name})`, async () => {
    await daemon.text(c, ["network", "create", "--ipv6", "both"]);
    await serve("plain", "-p", "18080:80");
    await serve("six", "--network", "both", "-p", "18081:80");
    const some = ["outside 2", "outside ::2", ...HOST];
    assert.deepEqual(await welcome(18080), some, "IPv6 is carried by the daemon");
    assert.deepEqual(await welcome(18081), some, "IPv6 is translated by the kernel");
    // Containers of other networks come from outside; those of the same are neighbours.
    const get = (name: string, url: string) =>
      daemon.run(c, ["exec", name, "timeout", "2", "wget", "-qO-", url]);
    assert.notEqual((await get("plain", "http://10.99.0.1:18081/")).status, 0);
    assert.equal((await get("six", "http://six/")).stdout, "six\n");
  });

for (const c of clients)
  test(`a network has a list of its own, or none (${c.name})`, async () => {
    const option = (value: string) => ["-o", `berth.publish-allow=${value}`];
    await daemon.text(c, ["network", "create", "--ipv6", ...option("*"), "open"]);
    await daemon.text(c, ["network", "create", ...option("10.99.0.0/24, 10.99.0.3 172.16.0.0/12"), "other"]);
    await serve("o1", "--network", "open", "-p", "18080:80");
    await serve("o2", "--network", "other", "-p", "18081:80");
    const all = ["outside 2", "outside 3", "outside ::2", "outside ::3", ...HOST];
    assert.deepEqual(await welcome(18080), all);
    assert.deepEqual(await welcome(18081), ["outside 2", "outside 3", ...HOST]);
    assert.equal(await text("exec", "o1", "timeout", "2", "wget", "-qO-", "http://10.99.0.1:18081/"), "o2");
    await daemon.kill();
    await daemon.up();
    assert.deepEqual(await welcome(18081), ["outside 2", "outside 3", ...HOST]);
    const bad = await daemon.run(c, ["network", "create", ...option("10.0.0.0/8 nowhere"), "bad"]);
    assert.match(bad.stderr, /berth\.publish-allow value: nowhere \(neither an address nor a CIDR block\)/);
  });
