// Beside others on one host: Docker Engine with its iptables rules, and firewalls that drop what is forwarded. Nobody touches
// what is another's, and the host's policy is obeyed.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { baseImageTar } from "./base-image.ts";
import { Live, run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { NetworkNamespace } from "./namespace.ts";

const first = clients[0] as Client;
const hasDocker = existsSync("/usr/sbin/dockerd") && existsSync("/usr/bin/containerd");
let host: NetworkNamespace;
let outside: NetworkNamespace;
let daemon: TestDaemon;
let dir: string;
let dockerd: Live | undefined;

const ok = async (namespace: NetworkNamespace, ...argv: string[]): Promise<string> => {
  const done = await namespace.run(argv);
  assert.equal(done.status, 0, `${argv.join(" ")}: ${done.stderr}`);
  return done.stdout.trim();
};
const docker = async (...args: string[]): Promise<string> => {
  const done = await run(["docker", "-H", `unix://${join(dir, "d.sock")}`, ...args]);
  assert.equal(done.status, 0, `docker ${args.join(" ")}: ${done.stderr}`);
  return done.stdout.trim();
};
const text = (...args: string[]) => daemon.text(first, args);
const page = async (url: string): Promise<string> =>
  (await host.run(["curl", "-s", "--max-time", "3", url])).stdout.trim();
const SITE = ["busybox", "httpd", "-f", "-h", "/etc"];
/** A program that ends when the site listens. */
const LISTENS = ["sh", "-c", "until wget -q -O /dev/null http://127.0.0.1/hostname; do :; done"];

async function startDocker(): Promise<void> {
  await writeFile(join(dir, "daemon.json"), "{}");
  const places = [
    "--data-root",
    join(dir, "data"),
    "--exec-root",
    join(dir, "run"),
    "--pidfile",
    join(dir, "pid"),
  ];
  const settings = ["--config-file", join(dir, "daemon.json"), "-H", `unix://${join(dir, "d.sock")}`];
  const argv = ["unshare", "-m", "dockerd", ...settings, ...places, "--storage-driver", "vfs"];
  dockerd = new Live(host.wrap(argv), { timeoutMs: 170_000 });
  await dockerd.prints("API listen on");
  const imported = await run(["docker", "-H", `unix://${join(dir, "d.sock")}`, "import", "-", "busybox"], {
    input: await baseImageTar(),
  });
  assert.equal(imported.status, 0, imported.stderr);
  await docker("run", "-d", "--name", "theirs", "-h", "theirs", "-p", "18081:80", ...SITE);
  await docker("exec", "theirs", ...LISTENS);
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "berth-beside-"));
  host = await NetworkNamespace.make();
  outside = await NetworkNamespace.make();
  await ok(
    host,
    "ip",
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
  await ok(host, "ip", "addr", "add", "10.99.0.1/24", "dev", "wan0");
  await ok(host, "ip", "link", "set", "wan0", "up");
  await ok(outside, "ip", "addr", "add", "10.99.0.2/24", "dev", "eth0");
  await ok(outside, "ip", "link", "set", "eth0", "up");
  // As on a fresh machine: Docker closes forwarding for others when it is the one who switches it on.
  await ok(host, "sysctl", "-qw", "net.ipv4.ip_forward=0");
  if (hasDocker) await startDocker();
  daemon = await TestDaemon.start({ network: host });
});
after(async () => {
  await daemon.close();
  if (dockerd !== undefined) {
    await docker("rm", "-f", "theirs");
    dockerd.kill("SIGTERM");
    await dockerd.ended;
  }
  await outside.close();
  await host.close();
  await rm(dir, { recursive: true, force: true });
});

/** Rules of iptables without the numbers of packets. */
const iptables = async (): Promise<string> =>
  (await ok(host, "iptables-save")).replaceAll(/^#.*$|\[\d+:\d+\]/gm, "");

test("Docker Engine and Berth have networks and ports of their own and leave each other's alone", async () => {
  if (!hasDocker) return;
  const rules = await iptables();
  await text("network", "create", "ours");
  await text("run", "-d", "--name", "web", "-h", "web", "--network", "ours", "-p", "18080:80", ...SITE);
  await text("run", "-d", "--name", "plain", "-h", "plain", "-p", "18082:80", ...SITE);
  for (const name of ["web", "plain"]) await text("exec", name, ...LISTENS);
  assert.deepEqual(
    await Promise.all([18080, 18081, 18082].map((port) => page(`http://127.0.0.1:${port}/hostname`))),
    ["web", "theirs", "plain"],
  );
  assert.equal(await iptables(), rules, "not a rule of Docker's is another");
  const taken = await daemon.run(first, ["run", "--rm", "-p", "18081:80", "busybox", "true"]);
  assert.match(taken.stderr, /18081.*address already in use/);
  const subnets = [
    ...JSON.parse(await text("network", "inspect", "bridge", "ours")),
    ...JSON.parse(await docker("network", "inspect", "bridge")),
  ].map((n) => n.IPAM.Config[0].Subnet);
  assert.equal(new Set(subnets).size, 3, subnets.join());
  // A network that Docker makes now keeps clear of ours, by the routes that it sees.
  await docker("network", "create", "later");
  const [later] = JSON.parse(await docker("network", "inspect", "later"));
  assert.ok(!subnets.includes(later.IPAM.Config[0].Subnet));
  await docker("network", "rm", "later");
  await text("rm", "-f", "web", "plain");
  await text("network", "rm", "ours");
  assert.equal(await page("http://127.0.0.1:18081/hostname"), "theirs");
  assert.equal(await iptables(), rules);
});

test("a forward policy of others holds for containers, is told, and can be opened for them", async () => {
  const server = new Live(outside.wrap(["busybox", "httpd", "-f", "-p", "10.99.0.2:80", "-h", "/etc"]));
  await text("run", "-d", "--name", "out", ...SITE);
  const isOut = async (): Promise<boolean> =>
    (await daemon.run(first, ["exec", "out", "timeout", "2", "wget", "-qO-", "http://10.99.0.2/hostname"]))
      .status === 0;
  const bridge = /"(docker0|berth\d+)"/.exec(await text("network", "inspect", "bridge"))?.[1] ?? "";
  if (hasDocker) {
    assert.match(daemon.log, /chain FORWARD of table ip filter drops forwarded packets.*DOCKER-USER/);
    assert.equal(await isOut(), false);
    for (const side of ["-i", "-o"])
      await ok(host, "iptables", "-I", "DOCKER-USER", side, bridge, "-j", "ACCEPT");
  }
  assert.equal(await isOut(), true);
  // As ufw and firewalld do it.
  const chain = "{ type filter hook forward priority 10; policy drop; }";
  await ok(host, "nft", "add table inet site; add chain inet site forward " + chain);
  assert.equal(await isOut(), false);
  await ok(
    host,
    "nft",
    `add rule inet site forward iifname ${bridge} accept; add rule inet site forward oifname ${bridge} accept`,
  );
  assert.equal(await isOut(), true);
  await ok(host, "nft", "delete table inet site");
  if (hasDocker)
    for (const side of ["-i", "-o"])
      await ok(host, "iptables", "-D", "DOCKER-USER", side, bridge, "-j", "ACCEPT");
  server.kill("SIGKILL");
  await server.ended;
});
