// A start of the machine: no process, device, rule or file below /run is left, and the kernel says that it is another boot. What the
// store knows comes back with the daemon: networks with their addresses, published ports, names, what a restart policy wants running.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { type Client, clients, isAlive, procStatus, TestDaemon } from "./harness.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const client = clients[0] as Client;
let daemon: TestDaemon;
let place: string;
before(async () => {
  place = await mkdtemp(join(tmpdir(), "berth-reboot-"));
  await writeFile(join(place, "boot"), "11111111-1111-4111-8111-111111111111\n");
  const script = `mount --bind "$0" ${BOOT_ID} && exec "$@"`;
  daemon = await TestDaemon.start({
    wrap: (argv) => ["unshare", "--mount", "sh", "-c", script, join(place, "boot"), ...argv],
  });
});
afterEach(() => daemon.removeContainers());
after(async () => {
  await daemon.close();
  await rm(place, { recursive: true });
});

const text = (...args: string[]) => daemon.text(client, args);
const inHost = async (...argv: string[]): Promise<string> => {
  const done = await daemon.network.run(argv);
  assert.equal(done.status, 0, `${argv.join(" ")}: ${done.stderr}`);
  return done.stdout;
};

/** Ends a process and waits until it is gone. */
async function end(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  while (await isAlive(pid)) await new Promise(setImmediate);
}

/** Takes everything away that a reset takes. */
async function reset(names: readonly string[]): Promise<void> {
  const pids = await Promise.all(names.map(async (name) => (await daemon.inspect(name)).State.Pid));
  const shims = await Promise.all(pids.map(async (pid) => Number(await procStatus(pid, "PPid"))));
  await daemon.kill();
  for (const pid of shims) await end(pid);
  for (const pid of pids) while (await isAlive(pid)) await new Promise(setImmediate);
  await rm(daemon.path("run"), { recursive: true });
  await daemon.network.close();
  await daemon.network.revive();
  await writeFile(join(place, "boot"), "22222222-2222-4222-8222-222222222222\n");
}

const page = (port: number) =>
  inHost(
    "curl",
    "-s",
    "--retry",
    "20",
    "--retry-connrefused",
    "--retry-delay",
    "1",
    `http://127.0.0.1:${port}/hostname`,
  );

test("networks, addresses, ports and names are there again, with what a policy wants running", async () => {
  await text("network", "create", "--subnet", "10.77.0.0/24", "--ipv6", "--subnet", "fd77::/64", "street");
  await text("network", "create", "--internal", "yard");
  const serve = ["busybox", "httpd", "-f", "-p", "80", "-h", "/etc"];
  const policy = ["--restart", "unless-stopped"];
  await text("run", "-d", "--name", "web", ...policy, "--network", "street", "-p", "18080:80", ...serve);
  await text(
    "run",
    "-d",
    "--name",
    "fixed",
    ...policy,
    "--network",
    "street",
    "--ip",
    "10.77.0.50",
    ...serve,
  );
  await text("run", "-d", "--name", "plain", "--network", "street", ...serve);
  await text("run", "-d", "--name", "halted", ...policy, "--network", "street", ...serve);
  await text("stop", "-t", "0", "halted");
  await text("network", "connect", "yard", "web");
  const hostname = await page(18_080);
  const bridges = (await inHost("ip", "-br", "link", "show", "type", "bridge"))
    .split("\n")
    .map((l) => l.split(" ")[0]);

  await reset(["web", "fixed", "plain"]);
  assert.equal(
    await inHost("ip", "-br", "link", "show", "type", "bridge"),
    "",
    "nothing is there before the daemon",
  );
  await daemon.up();

  assert.equal(await page(18_080), hostname);
  const states = await Promise.all(
    ["web", "fixed", "plain", "halted"].map(async (n) => (await daemon.inspect(n)).State),
  );
  assert.deepEqual(
    states.map((s) => s.Status),
    ["running", "running", "exited", "exited"],
  );
  assert.equal(states[2]?.ExitCode, 255, "nobody saw its end");
  const { Networks } = (await daemon.inspect("fixed")).NetworkSettings;
  assert.equal(Networks["street"]?.IPAddress, "10.77.0.50");
  assert.equal(
    await text("exec", "web", "wget", "-qO-", "http://fixed/hostname"),
    (await daemon.inspect("fixed")).Id.slice(0, 12),
  );
  assert.match(
    await text("exec", "web", "ip", "-o", "addr", "show", "eth1"),
    /inet /,
    "the second network, too",
  );
  const again = (await inHost("ip", "-br", "link", "show", "type", "bridge"))
    .split("\n")
    .map((l) => l.split(" ")[0]);
  assert.deepEqual(new Set(again), new Set(bridges));
  await text("start", "plain");
  assert.match(
    (await daemon.inspect("plain")).NetworkSettings.Networks["street"]?.GlobalIPv6Address ?? "",
    /^fd77::/,
  );
  assert.match(await readFile(BOOT_ID, "utf8"), /^[0-9a-f]/, "the machine's own is as it was");
  await text("rm", "-f", "web", "fixed", "plain", "halted");
  await text("network", "rm", "street", "yard");
});
