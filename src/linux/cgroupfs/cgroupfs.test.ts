import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import type { Op } from "../ops.ts";
import { parseMountInfo } from "../procfs/mountinfo.ts";
import { loadCgroupFeatures } from "./features.ts";
import { freezeCgroup, thawCgroup } from "./freezer.ts";
import { readFreezerState } from "./freezer-state.ts";
import {
  type CgroupPaths,
  cgroupHostOf,
  cgroupPathsOf,
  controllerVersion,
  loadCgroupHost,
} from "./hierarchy.ts";
import { listPids } from "./processes.ts";
import { oomFileOf, readOomKills, readStats, readSystemCpu } from "./stats.ts";

const HYBRID = `
22 1 8:1 / / rw - ext4 /dev/sda1 rw
31 22 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:31 / /somewhere\\040else rw - cgroup cgroup rw,cpu,cpuacct
36 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory`;

test("cgroupHostOf tells legacy, hybrid and unified machines apart", () => {
  const hybrid = cgroupHostOf(parseMountInfo(HYBRID), () => "hugetlb\n");
  assert.equal(hybrid.mode, "hybrid");
  assert.deepEqual(
    hybrid.v1.map((h) => h.mountpoint.split("/").at(-1)),
    ["systemd", "cpu,cpuacct", "memory"],
  );
  assert.equal(controllerVersion(hybrid, "memory"), 1);
  assert.equal(controllerVersion(hybrid, "hugetlb"), 2);
  assert.equal(controllerVersion(hybrid, "pids"), undefined);
  const paths = cgroupPathsOf(hybrid, "/docker/x");
  assert.equal(paths.v1["cpuacct"], "/sys/fs/cgroup/cpu,cpuacct/docker/x");
  assert.equal(paths.v1["name=systemd"], "/sys/fs/cgroup/systemd/docker/x");
  assert.equal(paths.v2, "");
  const unified = cgroupHostOf(
    parseMountInfo("32 31 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"),
    () => "cpu memory",
  );
  assert.equal(unified.mode, "unified");
  assert.equal(cgroupPathsOf(unified, "docker/x").v2, "/sys/fs/cgroup/docker/x");
  assert.equal(cgroupHostOf([], () => "").mode, "none");
});

function fixture(files: Record<string, string>): { dir: string } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), "berth-cgroup-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
}

test("readStats reads v2 files into Docker's numbers", () => {
  using f = fixture({
    "cpu.stat":
      "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 3\nnr_throttled 2\nthrottled_usec 70\n",
    "memory.current": "4096\n",
    "memory.max": "max\n",
    "memory.events": "low 0\nhigh 0\nmax 4\noom 2\noom_kill 1\n",
    "memory.stat": "anon 100\nfile 200\ninactive_file 50\n",
    "pids.current": "7\n",
    "pids.max": "100\n",
    "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n",
  });
  const cgroup: CgroupPaths = { v1: {}, v2: f.dir };
  const stats = readStats(cgroup);
  assert.deepEqual(stats.cpu, {
    totalNs: 1_500_000,
    kernelNs: 500_000,
    userNs: 1_000_000,
    periods: 3,
    throttledPeriods: 2,
    throttledNs: 70_000,
  });
  assert.equal(stats.memory?.usageBytes, 4096);
  assert.equal(stats.memory?.limitBytes, 2 ** 63);
  assert.equal(stats.memory?.failCount, 2);
  assert.equal(stats.memory?.stats["inactive_file"], 50);
  assert.deepEqual(stats.pids, { current: 7, limit: 100 });
  assert.deepEqual(stats.blkio.ioServiceBytesRecursive, [
    { major: 8, minor: 0, op: "read", value: 10 },
    { major: 8, minor: 0, op: "write", value: 20 },
  ]);
  assert.equal(readOomKills(cgroup), 1);
});

test("readStats reads v1 blkio lines and leaves totals out", () => {
  using f = fixture({
    "cpuacct.usage": "900\n",
    "cpuacct.usage_percpu": "400 500 \n",
    "blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n",
  });
  const stats = readStats({ v1: { cpuacct: f.dir, blkio: f.dir }, v2: "" });
  assert.deepEqual(stats.cpu?.perCpuNs, [400, 500]);
  assert.deepEqual(
    stats.blkio.ioServiceBytesRecursive.map((e) => [e.op, e.value]),
    [
      ["Read", 4096],
      ["Write", 0],
      ["Total", 4096],
    ],
  );
});

test("a cgroup that is gone is notFound", () => {
  const gone: CgroupPaths = { v1: { memory: "/nowhere/m", freezer: "/nowhere/f" }, v2: "" };
  assert.throws(
    () => readStats(gone),
    (e: Fault) => e.kind === "notFound",
  );
  assert.throws(
    () => listPids(gone),
    (e: Fault) => e.kind === "notFound",
  );
  assert.throws(
    () => readFreezerState(gone),
    (e: Fault) => e.kind === "notFound",
  );
  assert.throws(
    () => listPids({ v1: {}, v2: "" }),
    (e: Fault) => e.kind === "notFound",
  );
});

test("this machine's features and CPU time make sense", () => {
  const host = loadCgroupHost();
  const features = loadCgroupFeatures(host);
  assert.equal(features.memoryLimit, controllerVersion(host, "memory") !== undefined);
  const { totalNs, onlineCpus } = readSystemCpu();
  assert.ok(totalNs > 1e9 && onlineCpus >= 1);
});

const machine = loadCgroupHost();
const canFreeze =
  process.getuid?.() === 0 && (machine.mode === "unified" || controllerVersion(machine, "freezer") === 1);

/** What keel does with a write. */
const run = async (ops: readonly Op[]): Promise<void> => {
  for (const [, path, text] of ops) writeFileSync(path as string, text as string, { flag: "r+" });
};

test("freezeCgroup stops real processes, listPids and readStats see them", { skip: !canFreeze }, async () => {
  const all = cgroupPathsOf(machine, `/berth-test-freeze-${process.pid}`);
  const dirs = [
    ...new Set(all.v2 ? [all.v2] : ["freezer", "pids", "cpuacct", "memory"].map((c) => all.v1[c] as string)),
  ];
  // on v2 a directory has the controllers that its parent passes on
  if (all.v2) writeFileSync(`${dirname(all.v2)}/cgroup.subtree_control`, "+pids +memory", { flag: "r+" });
  for (const dir of dirs) mkdirSync(dir, { recursive: true });
  const child = spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" });
  try {
    await new Promise((resolve) => child.once("spawn", resolve));
    for (const dir of dirs) writeFileSync(`${dir}/cgroup.procs`, String(child.pid), { flag: "r+" });
    assert.deepEqual(listPids(all), [child.pid]);
    await freezeCgroup(run, all);
    assert.equal(readFreezerState(all), "frozen");
    const before = readStats(all).cpu?.totalNs;
    assert.equal(readStats(all).cpu?.totalNs, before, "a frozen cgroup uses no time");
    assert.equal(readStats(all).pids?.current, 1);
    assert.equal(oomFileOf(all) === "", false);
    await thawCgroup(run, all);
    assert.equal(readFreezerState(all), "thawed");
  } finally {
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await thawCgroup(run, all);
    await gone;
    for (const dir of dirs) rmdirSync(dir);
  }
});

test("freezeCgroup gives up at abort and lets the cgroup run", async () => {
  const sent: string[] = [];
  using f = fixture({ "freezer.state": "FREEZING\n" });
  const cgroup: CgroupPaths = { v1: { freezer: f.dir }, v2: "" };
  const reason = new Fault("cancelled", "enough");
  const controller = new AbortController();
  const record = async (ops: readonly Op[]): Promise<void> => {
    sent.push(...ops.map((op) => op[2] as string));
    controller.abort(reason);
  };
  await assert.rejects(freezeCgroup(record, cgroup, { signal: controller.signal }), reason);
  assert.deepEqual(sent, ["FROZEN", "THAWED"]);
});
