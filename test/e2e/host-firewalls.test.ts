// Beside the firewalls of hosts, Debian's ufw and firewalld themselves: their policy holds for containers, Berth says at its start how it
// is opened, and neither their reload nor their end takes anything of Berth's away.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { after, afterEach, before, test } from "node:test";
import { Live } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { connectOutside, ip, type NetworkNamespace } from "./namespace.ts";

const first = clients[0] as Client;
let daemon: TestDaemon;
let outside: NetworkNamespace;
/** Holds a mount namespace in which the firewalls' settings, logs and sockets are the test's own. */
let settings: Live;
let server: Live;
let bridge: string;

/** A bus on which everybody may do everything. */
const RULES = ["send", "receive"]
  .flatMap((way) =>
    ["method_call", "method_return", "signal", "error"].map((type) => `<allow ${way}_type="${type}"/>`),
  )
  .join("");
const BUS = `<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<policy context="default"><allow user="*"/><allow own="*"/>${RULES}</policy></busconfig>`;
const PRIVATE = `set -e
mount --make-rprivate /
for d in /etc/ufw /etc/firewalld; do
  mount -t tmpfs tmpfs /mnt; cp -a $d/. /mnt; mount --move /mnt $d
done
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/log
mkdir /run/dbus; cat > /run/bus.conf
echo ready; exec sleep 1000`;

before(async () => {
  daemon = await TestDaemon.start();
  outside = await connectOutside(daemon.network);
  daemon.otherLinks.push("wan0");
  // As on a host without Docker or Kubernetes: neighbours are no business of the firewall.
  await bridgesAreFiltered("0");
  server = new Live(outside.wrap(["busybox", "httpd", "-f", "-p", "10.99.0.2:80", "-h", "/etc"]), {
    timeoutMs: 900_000,
  });
  settings = new Live(daemon.network.wrap(["unshare", "-m", "sh", "-c", PRIVATE]), { timeoutMs: 900_000 });
  settings.stdin.end(BUS);
  await settings.prints("ready");
  const id = await text("network", "create", "site");
  bridge = `br-${id.slice(0, 12)}`;
  const web = ["busybox", "sh", "-c", "echo web > /tmp/index.html; exec httpd -f -h /tmp"];
  await text("run", "-d", "--name", "web", "--network", "site", "-p", "18080:80", ...web);
  await text("run", "-d", "--name", "peer", "--network", "site", "busybox", "sleep", "1000");
  await until(isIn, true);
});
afterEach(async () => {
  await until(isIn, true);
  await until(isOut, true);
});
after(async () => {
  for (const live of [settings, server]) {
    live.kill("SIGKILL");
    await live.ended;
  }
  await daemon.removeContainers();
  await text("network", "rm", "site");
  await ip(daemon.network, "link", "del", "wan0");
  await outside.close();
  await daemon.close();
});

const text = (...args: string[]) => daemon.text(first, args);
/** The command that runs a program of the firewall. */
const inSettings = (...argv: string[]): string[] => [
  "nsenter",
  "-n",
  "-m",
  "-t",
  String(settings.pid),
  "--",
  ...argv,
];
async function firewall(...argv: string[]): Promise<string> {
  const live = new Live(inSettings(...argv), { timeoutMs: 120_000 });
  live.stdin.end();
  const { status, stdout, stderr } = await live.ended;
  assert.equal(status, 0, `${argv.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}
const fetches = async (namespace: NetworkNamespace, url: string): Promise<boolean> =>
  (await namespace.run(["curl", "-sf", "--max-time", "1", "-o", "/dev/null", url])).status === 0;
/** Whether a machine outside reaches the published port. */
const isIn = (): Promise<boolean> => fetches(outside, "http://10.99.0.1:18080/");
/** Whether a container reaches the machine outside. */
const isOut = async (): Promise<boolean> =>
  (await daemon.run(first, ["exec", "peer", "timeout", "1", "wget", "-qO-", "http://10.99.0.2/hostname"]))
    .status === 0;
/** What no policy of a host is about: neighbours by their names, and the host itself. */
const isWholeInside = async (): Promise<boolean> =>
  (await fetches(daemon.network, "http://127.0.0.1:18080/")) &&
  (await daemon.run(first, ["exec", "peer", "timeout", "2", "wget", "-qO-", "http://web/"])).status === 0;
/** Asks again until the answer is as it has to become; a loaded machine may need several tries. */
async function until(ask: () => Promise<boolean>, expected: boolean): Promise<void> {
  const endMs = performance.now() + 60_000;
  while ((await ask()) !== expected) {
    assert.ok(performance.now() < endMs, `${ask.name} stays ${!expected}`);
    await sleep(50);
  }
}
async function bridgesAreFiltered(value: "0" | "1"): Promise<void> {
  const script = `for f in /proc/sys/net/bridge/bridge-nf-call-*tables; do echo ${value} > $f; done`;
  if (existsSync("/proc/sys/net/bridge")) await daemon.network.run(["sh", "-c", script]);
}
/** Berth's own rules, without the numbers of packets. */
async function rules(): Promise<string> {
  const shown = (await daemon.network.run(["nft", "-s", "list", "ruleset", "inet"])).stdout;
  return shown.slice(shown.indexOf("table inet berth-")).replace(/\n}[\s\S]*/, "");
}
async function flushedRulesComeBack(before: string): Promise<void> {
  await daemon.network.run(["nft", "delete", "table", "inet", /berth-\w+/.exec(before)?.[0] ?? ""]);
  const endMs = performance.now() + 60_000;
  while ((await rules()) !== before) {
    assert.ok(performance.now() < endMs, await rules());
    await sleep(50);
  }
}

test("ufw: what it denies stays denied, what it routes is reached, and its reload leaves everything as it was", async () => {
  const before = await rules();
  assert.match(before, /published/);
  await firewall("ufw", "--force", "enable");
  try {
    assert.deepEqual([await isIn(), await isOut()], [false, false], "deny (routed) is the default");
    await until(isWholeInside, true);
    await daemon.terminate();
    await daemon.up();
    await daemon.logs(
      /chain FORWARD of table ip filter drops forwarded packets.*ufw route allow in on BRIDGE/,
    );
    await firewall("ufw", "route", "allow", "in", "on", "wan0", "out", "on", bridge);
    await until(isIn, true);
    assert.equal(await isOut(), false);
    await firewall("ufw", "route", "allow", "in", "on", bridge, "out", "on", "wan0");
    await until(isOut, true);
    await firewall("ufw", "reload");
    await until(isIn, true);
    await until(isOut, true);
    await until(isWholeInside, true);
    assert.equal(await rules(), before);
    await flushedRulesComeBack(before);
  } finally {
    await firewall("ufw", "--force", "disable");
    for (const family of ["ip", "ip6"])
      await daemon.network.run(["nft", "delete", "table", family, "filter"]);
  }
});

test("firewalld: containers get out when their bridge is trusted, and its reload leaves everything as it was", async () => {
  const before = await rules();
  const bus = new Live(
    inSettings("dbus-daemon", "--nofork", "--print-address", "--config-file=/run/bus.conf"),
    {
      timeoutMs: 600_000,
    },
  );
  await bus.prints("unix:path=");
  const firewalld = new Live(inSettings("firewalld", "--nofork", "--nopid"), { timeoutMs: 600_000 });
  try {
    await until(async function isUp() {
      assert.ok(!firewalld.hasEnded, firewalld.errors);
      const asked = new Live(inSettings("firewall-cmd", "--state"));
      asked.stdin.end();
      return (await asked.ended).status === 0;
    }, true);
    // firewalld takes what was translated for admitted, as that of its own port forwarding.
    await until(isIn, true);
    assert.equal(await isOut(), false, "what is forwarded is rejected by default");
    await until(isWholeInside, true);
    await daemon.terminate();
    await daemon.up();
    await daemon.logs(/table inet firewalld drops forwarded packets.*--zone=trusted --add-interface=BRIDGE/);
    await firewall("firewall-cmd", "--permanent", "--zone=trusted", `--add-interface=${bridge}`);
    await firewall("firewall-cmd", "--reload");
    await until(isOut, true);
    await until(isIn, true);
    await until(isWholeInside, true);
    assert.equal(await rules(), before);
    await firewall("firewall-cmd", "--complete-reload");
    await flushedRulesComeBack(before);
  } finally {
    for (const live of [firewalld, bus]) {
      live.kill("SIGTERM");
      await live.ended;
    }
  }
});
