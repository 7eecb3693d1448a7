// Ports that are published and taken away while a container runs (`update --publish-add`, `--publish-rm`): others are not
// touched, a conflict changes nothing, and the container has them after its next start and after the daemon's.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Live } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

const first = clients[0] as Client;
let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const text = (...args: string[]) => daemon.text(first, args);

/** Starts a container that answers with NAME at port 80 and NAME-admin at port 81. */
async function serve(name: string, ...flags: string[]): Promise<void> {
  const site = (port: number, says: string) =>
    `mkdir /tmp/${port} && echo ${says} > /tmp/${port}/index.html && httpd -p ${port} -h /tmp/${port}`;
  const program = `${site(80, name)} && ${site(81, `${name}-admin`)} && echo ready; exec sleep 1000`;
  await text("run", "-d", "--name", name, ...flags, "busybox", "sh", "-c", program);
  const logs = daemon.live(first, ["logs", "-f", name]);
  await logs.prints("ready");
  logs.kill("SIGKILL");
}

async function fetched(url: string): Promise<string> {
  return (await daemon.network.run(["curl", "-s", "-g", "--max-time", "2", url])).stdout.trim();
}

const portsOf = async (name: string) => {
  const { Ports } = (await daemon.inspect(name)).NetworkSettings;
  return Object.fromEntries(
    Object.entries(Ports).map(([key, list]) => [key, list?.map((b) => `${b.HostIp} ${b.HostPort}`) ?? null]),
  );
};

test("ports come and go while connections through others live on", async () => {
  await serve("web", "-p", "18080:80");
  // A connection that is made before the ports change, and used after it.
  const client = `exec 3<>/dev/tcp/127.0.0.1/18080; echo open; read line; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`;
  const steady = new Live(daemon.network.wrap(["bash", "-c", client]));
  await steady.prints("open");
  await text("update", "--publish-add", "18081:80", "--publish-add", "127.0.0.1:18082:81/tcp", "web");
  for (const [url, page] of [
    ["http://127.0.0.1:18080", "web"],
    ["http://127.0.0.1:18081", "web"],
    ["http://[::1]:18081", "web"],
    ["http://127.0.0.1:18082", "web-admin"],
  ] as const)
    assert.equal(await fetched(url), page, url);
  assert.deepEqual(await portsOf("web"), {
    "80/tcp": ["0.0.0.0 18080", ":: 18080", "0.0.0.0 18081", ":: 18081"],
    "81/tcp": ["127.0.0.1 18082"],
  });
  await text("update", "--publish-rm", "18081:80", "--publish-rm", "81", "web");
  for (const port of [18081, 18082]) assert.equal(await fetched(`http://127.0.0.1:${port}`), "");
  assert.deepEqual(await portsOf("web"), { "80/tcp": ["0.0.0.0 18080", ":: 18080"], "81/tcp": null });
  steady.stdin.end("go\n");
  assert.match((await steady.ended).stdout, /web\n$/);
});

test("a port moves to another port of the container, and a conflict leaves everything as it was", async () => {
  await serve("shop", "-p", "18080:80");
  await serve("other", "-p", "18090:80");
  await text("update", "--publish-rm", "80", "--publish-add", "18080:81", "shop");
  assert.equal(await fetched("http://127.0.0.1:18080"), "shop-admin");
  const refused = await daemon.run(first, [
    "update",
    "--publish-rm",
    "81",
    "--publish-add",
    "18091:80",
    "--publish-add",
    "18090:80",
    "shop",
  ]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /18090 failed: port is already allocated \(by container "other"\)/);
  assert.equal(await fetched("http://127.0.0.1:18080"), "shop-admin");
  assert.equal(await fetched("http://127.0.0.1:18091"), "");
  assert.deepEqual((await daemon.inspect("shop")).HostConfig["PortBindings"], {
    "81/tcp": [{ HostIp: "", HostPort: "18080" }],
  });
  for (const [flag, message] of [
    ["--publish-rm=82", /no public port '82\/tcp' published for shop/],
    ["--publish-add=18080:81", /shop publishes 18080:81\/tcp already/],
    ["--publish-add=x:80", /invalid hostPort: x/],
  ] as const)
    assert.match((await daemon.run(first, ["update", flag, "shop"])).stderr, message);
  await text("run", "-d", "--name", "plain", "--network", "none", "busybox", "sleep", "1000");
  assert.match(
    (await daemon.run(first, ["update", "--publish-add", "18099:80", "plain"])).stderr,
    /ports cannot be published in network mode none/,
  );
});

test("changed ports outlive the container's run and the daemon's, and can be changed between runs", async () => {
  await text("network", "create", "front");
  await serve("web", "--network", "front", "-P", "--expose", "80", "--expose", "81");
  await text("update", "--publish-rm", "81", "--publish-add", "18080:80", "web");
  await daemon.kill();
  await daemon.up();
  assert.equal(await fetched("http://127.0.0.1:18080"), "web");
  assert.equal((await portsOf("web"))["81/tcp"], null);
  await text("stop", "-t", "0", "web");
  await text("update", "--publish-rm", "18080:80", "--publish-add", "18088:81", "web");
  await text("start", "web");
  const ports = await portsOf("web");
  assert.deepEqual(ports["81/tcp"], ["0.0.0.0 18088", ":: 18088"]);
  assert.equal(ports["80/tcp"]?.length, 2, "the port that -P had chosen is chosen anew");
  await text("rm", "-f", "web");
  await text("network", "rm", "front");
});
