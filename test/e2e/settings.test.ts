// Settings of the daemon that dockerd has too: seen in info, in containers, on the metrics page, and changed while it runs.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

const CONFIG = {
  labels: ["where=here", "kind=test"],
  experimental: true,
  "log-format": "json",
  "storage-driver": "overlay2",
  "storage-opts": ["overlay2.override_kernel_check=true"],
  "userland-proxy": false,
  "host-gateway-ips": ["192.0.2.7", "2001:db8::7"],
  "metrics-addr": "127.0.0.1:9323",
  "registry-mirrors": ["http://127.0.0.1:1"],
  "insecure-registries": ["10.0.0.0/8", "plain.example:5000"],
  features: { buildkit: true },
};

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start({ config: CONFIG });
});
after(() => daemon.close());

const info = async (format: string): Promise<string> => {
  const outcomes = await Promise.all(
    clients.map((client) => daemon.run(client, ["info", "--format", format])),
  );
  const [first = ""] = outcomes.map((outcome) => outcome.stdout.trim());
  for (const { stdout } of outcomes) assert.equal(stdout.trim(), first);
  return first;
};

test("info shows them", async () => {
  assert.equal(
    await info("{{.Labels}} {{.ExperimentalBuild}} {{.Debug}}"),
    "[where=here kind=test] true false",
  );
  assert.equal(await info("{{.RegistryConfig.Mirrors}}"), "[http://127.0.0.1:1/]");
  assert.match(await info("{{.RegistryConfig.InsecureRegistryCIDRs}}"), /127\.0\.0\.0\/8 10\.0\.0\.0\/8/);
  assert.equal(await info('{{(index .RegistryConfig.IndexConfigs "plain.example:5000").Secure}}'), "false");
});

test("its log is JSON, and says what was asked for and is left undone", () => {
  const lines = daemon.log
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { level: string; msg: string });
  assert.ok(
    lines.some(({ level, msg }) => level === "warning" || (level === "warn" && msg.includes("storage-opts"))),
  );
});

test("host-gateway stands for the addresses of the configuration", async () => {
  for (const client of clients) {
    const args = [
      "run",
      "--rm",
      "--add-host",
      "host:host-gateway",
      "busybox",
      "grep",
      "\thost$",
      "/etc/hosts",
    ];
    const { stdout } = await daemon.run(client, args);
    assert.match(stdout, /^192\.0\.2\.7\s+host\n2001:db8::7\s+host\n$/);
  }
});

test("the metrics page counts containers by state", async () => {
  assert.equal((await daemon.berth("create", "--name", "counted", "busybox", "true")).status, 0);
  const page = await daemon.network.run(["curl", "-s", "http://127.0.0.1:9323/metrics"]);
  assert.match(page.stdout, /^engine_daemon_container_states_containers\{state="stopped"\} 1$/m);
  assert.match(
    page.stdout,
    /^# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes [1-9]\d+$/m,
  );
  assert.match(page.stdout, /^engine_daemon_engine_info\{version="[^"]+",.*\} 1$/m);
  const other = await daemon.network.run([
    "curl",
    "-s",
    "-o",
    "/dev/null",
    "-w",
    "%{http_code}",
    "http://127.0.0.1:9323/",
  ]);
  assert.equal(other.stdout, "404");
  await daemon.berth("rm", "counted");
});

test("SIGHUP takes over what a running daemon can take over, and an event tells of it", async () => {
  const next = { ...CONFIG, debug: true, labels: ["where=there"], "registry-mirrors": [] };
  await writeFile(daemon.path("daemon.json"), JSON.stringify(next));
  process.kill(daemon.pid, "SIGHUP");
  await daemon.logs("configuration reloaded");
  assert.equal(await info("{{.Labels}} {{.Debug}} {{.RegistryConfig.Mirrors}}"), "[where=there] true []");
  const now = String(Date.now() / 1000);
  const { stdout } = await daemon.berth("events", "--since", "0", "--until", now, "--filter", "type=daemon");
  assert.match(stdout, /daemon reload .*debug=true.*labels=\["where=there"\].*registry-mirrors=\[\]/);
});

test("a file that is wrong changes nothing, and says why", async () => {
  await writeFile(daemon.path("daemon.json"), JSON.stringify({ ...CONFIG, labels: ["bare"] }));
  process.kill(daemon.pid, "SIGHUP");
  await daemon.logs("configuration not reloaded: bad attribute format: bare");
  assert.equal(await info("{{.Labels}}"), "[where=there]");
});
