// New limits for a container that runs: the kernel must have them at once, and the container after its next start, too.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

interface Stats {
  memory_stats: { limit: number };
  pids_stats: { limit?: number };
}

for (const c of clients)
  test(`update changes a running container and its record (${c.name})`, async () => {
    const name = `changed-${c.name}`;
    await daemon.text(c, ["run", "-d", "--name", name, "-m", "64m", "busybox", "sleep", "600"]);
    const limits = ["--memory", "96m", "--memory-swap", "192m", "--pids-limit", "33", "--cpu-shares", "512"];
    await daemon.text(c, ["update", ...limits, "--restart", "on-failure:3", name]);
    const seen = async (): Promise<unknown> => {
      const { body } = await daemon.request("GET", `/containers/${name}/stats?stream=0&one-shot=1`);
      const { memory_stats, pids_stats } = body as Stats;
      return [memory_stats.limit, pids_stats.limit];
    };
    assert.deepEqual(await seen(), [96 << 20, 33]);
    await daemon.text(c, ["restart", "-t", "0", name]);
    assert.deepEqual(await seen(), [96 << 20, 33]);
    const { HostConfig } = await daemon.inspect(name);
    assert.deepEqual(HostConfig["RestartPolicy"], { Name: "on-failure", MaximumRetryCount: 3 });
    assert.equal(HostConfig["CpuShares"], 512);
    const refused = await daemon.run(c, ["update", "--memory", "1m", name]);
    assert.match(refused.stderr, /Minimum memory limit allowed is 6MB/);
    assert.deepEqual(await seen(), [96 << 20, 33]);
  });

const CGROUP_V2 = existsSync("/sys/fs/cgroup/cgroup.controllers");

/** What the kernel has of a running container's limits, read from inside. */
const FILES = CGROUP_V2
  ? ["memory.max", "memory.low", "pids.max", "cpu.weight", "cpu.max", "cpuset.cpus"]
  : [
      "memory/memory.limit_in_bytes",
      "memory/memory.soft_limit_in_bytes",
      "pids/pids.max",
      "cpu/cpu.shares",
      "cpu/cpu.cfs_quota_us",
      "cpuset/cpuset.cpus",
    ];

for (const c of clients)
  test(`every limit is changed while the container runs, and lifted again where it can be (${c.name})`, async () => {
    const name = `live-${c.name}`;
    await daemon.text(c, ["run", "-d", "--name", name, "busybox", "sleep", "600"]);
    const seen = (): Promise<string> =>
      daemon.text(c, ["exec", "-w", "/sys/fs/cgroup", name, "cat", ...FILES]);
    const first = ["-m", "64m", "--memory-swap", "-1", "--memory-reservation", "32m", "--pids-limit", "20"];
    const rest = ["--cpu-shares", "1024", "--cpus", "0.5", "--cpuset-cpus", "0", "--cpuset-mems", "0"];
    assert.equal(await daemon.text(c, ["update", ...first, ...rest, name]), name);
    const shares = CGROUP_V2 ? "100" : "1024";
    const quota = CGROUP_V2 ? "50000 100000" : "50000";
    assert.equal(await seen(), [64 << 20, 32 << 20, 20, shares, quota, 0].join("\n"));
    await daemon.text(c, ["update", "--pids-limit", "-1", "--cpus", "1", name]);
    const wider = CGROUP_V2 ? "100000 100000" : "100000";
    assert.equal(await seen(), [64 << 20, 32 << 20, "max", shares, wider, 0].join("\n"));
    const { HostConfig } = await daemon.inspect(name);
    assert.deepEqual(
      ["Memory", "MemorySwap", "PidsLimit", "NanoCpus", "CpusetCpus"].map((key) => HostConfig[key]),
      [64 << 20, -1, 0, 1e9, "0"],
    );
    await daemon.text(c, ["rm", "-f", name]);
  });

/** Flags of the container, flags of the update, what is said: nothing of it may change. */
const REFUSED: readonly (readonly [readonly string[], readonly string[], RegExp])[] = [
  [[], ["-m", "5m"], /daemon: Minimum memory limit allowed is 6MB/],
  [["-m", "32m"], ["-m", "128m"], /Memory limit should be smaller than already set memoryswap limit/],
  [["-m", "32m"], ["--memory-swap", "16m"], /Minimum memoryswap limit should be larger than memory limit/],
  [[], ["--memory-reservation", "1m"], /Minimum memory reservation allowed is 6MB/],
  [[], ["--cpus", "1000"], /range of CPUs is from 0.01 to/],
  [[], ["--cpus", "1", "--cpu-period", "10000"], /Nano CPUs and CPU Period cannot both be set/],
  [
    ["--cpu-quota", "10000"],
    ["--cpus", "1"],
    /Nano CPUs cannot be updated as CPU Quota has already been set/,
  ],
  [["--cpus", "1"], ["--cpu-quota", "10000"], /CPU Quota cannot be updated as NanoCPUs has already been set/],
  [[], ["--cpuset-cpus", "900"], /Requested CPUs are not available - requested 900/],
  [[], ["--cpu-shares", "1"], /the minimum allowed cpu-shares is 2/],
  [[], ["--restart", "sometimes"], /unknown policy 'sometimes'/],
  [[], ["--restart", "always:3"], /maximum retry count can only be used with 'on-failure'/],
  [["--rm"], ["--restart", "always"], /Restart policy cannot be updated because AutoRemove is enabled/],
];

for (const c of clients)
  test(`what cannot be is refused in Docker's words and changes nothing (${c.name})`, async () => {
    for (const [own, flags, says] of REFUSED) {
      const id = await daemon.text(c, ["create", ...own, "busybox", "true"]);
      const before = (await daemon.inspect(id)).HostConfig;
      const refused = await daemon.run(c, ["update", ...flags, id]);
      assert.match(refused.stderr, says);
      assert.equal(refused.status, 1, flags.join(" "));
      assert.deepEqual((await daemon.inspect(id)).HostConfig, before, flags.join(" "));
      await daemon.text(c, ["rm", id]);
    }
    const unknown = await daemon.run(c, ["update", "--cpus", "1", "nobody"]);
    assert.match(unknown.stderr, /No such container: nobody/);
    const nothing = await daemon.run(c, ["update", "nobody"]);
    assert.match(nothing.stderr, /you must provide one or more flags when using this command/);
  });

test("what an update cannot change is told, and a limit of the kernel's that is not there is not recorded", async () => {
  const id = await daemon.text(clients[0] as (typeof clients)[number], ["create", "busybox", "true"]);
  const body = { CgroupParent: "/elsewhere", Devices: [{ PathOnHost: "/dev/null" }], KernelMemory: 1 << 24 };
  const answer = await daemon.request("POST", `/containers/${id}/update`, body);
  assert.equal(answer.status, 200);
  const { Warnings } = answer.body as { Warnings: string[] };
  assert.ok(Warnings.some((w) => /Devices, CgroupParent cannot be changed by an update/.test(w)));
  assert.ok(Warnings.some((w) => /kernel memory limit capabilities.*discarded/.test(w)));
  assert.equal((await daemon.inspect(id)).HostConfig["CgroupParent"], "");
  await daemon.request("DELETE", `/containers/${id}`);
});

test("an update by a client from before API 1.40 leaves the limit of processes alone", async () => {
  const id = await daemon.text(clients[0] as (typeof clients)[number], [
    "create",
    "--pids-limit",
    "32",
    "busybox",
    "true",
  ]);
  for (const [version, expected] of [
    ["v1.39", 32],
    ["v1.40", 16],
  ] as const) {
    const answer = await daemon.request("POST", `/${version}/containers/${id}/update`, { PidsLimit: 16 });
    assert.equal(answer.status, 200);
    assert.equal((await daemon.inspect(id)).HostConfig["PidsLimit"], expected, version);
  }
  await daemon.request("DELETE", `/containers/${id}`);
});
