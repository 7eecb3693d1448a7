import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import { loadCgroupHost } from "../../linux/cgroupfs/hierarchy.ts";
import { OPCODES, type Op } from "../../linux/ops.ts";
import { formatOp } from "../plan/format.ts";
import { LEGACY_HOST, UNIFIED_HOST } from "../spec/host-fake.ts";
import type { OciResources } from "../spec/oci.ts";
import { cpuWeightOfShares, ioWeightOfBlkioWeight, swapMaxOf } from "./convert.ts";
import { planDelegation } from "./delegation.ts";
import { devicePolicyOf, formatDeviceException } from "./devices.ts";
import { containerCgroup, planCgroup, planCgroupParentRemoval, planCgroupUpdate } from "./plan.ts";

const READY: Record<string, string> = {
  "/sys/fs/cgroup/cpuset/docker/cgroup.clone_children": "1\n",
  "/sys/fs/cgroup/cpuset/docker/cpuset.cpus": "0-3\n",
  "/sys/fs/cgroup/cpuset/docker/cpuset.mems": "0\n",
  "/sys/fs/cgroup/cgroup.subtree_control": "cpuset cpu io memory hugetlb pids\n",
  "/sys/fs/cgroup/docker/cgroup.subtree_control": "cpuset cpu io memory hugetlb pids\n",
};
const reader = (files: Record<string, string>) => (path: string) => files[path];
/** The plan's writes without those that only see to it that a parent is still what it was. */
const writes = (ops: readonly Op[]) =>
  ops.map(formatOp).filter((line) => line.startsWith("write") && !line.endsWith(" 2"));
const fills = (ops: readonly Op[]) =>
  ops.map(formatOp).filter((line) => line.startsWith("write") && line.endsWith(" 2"));
const v1 = (resources: OciResources) => planCgroup(LEGACY_HOST, { id: "x", resources }, reader(READY));
const v2 = (resources: OciResources) => planCgroup(UNIFIED_HOST, { id: "x", resources }, reader(READY));

test("a container without limits costs one mkdir per hierarchy and no write", () => {
  const plan = v1({});
  assert.deepEqual(writes(plan.create), []);
  assert.equal(plan.create.filter((op) => op[0] === OPCODES.mkdir).length, 8);
  assert.equal(plan.join.cgroups.length, 8);
  assert.deepEqual(
    plan.remove.map((op) => op[1]),
    plan.join.cgroups,
  );
  assert.equal(v2({}).create.length, 3, "onFailure, mkdir and a look at the parent");
});

test("a new parent is given its cpuset once, an existing one is not touched", () => {
  const fresh = planCgroup(
    LEGACY_HOST,
    { id: "x", parent: "/a/b" },
    reader({
      "/sys/fs/cgroup/cpuset/cpuset.cpus": "0-3\n",
      "/sys/fs/cgroup/cpuset/cpuset.mems": "0\n",
      "/sys/fs/cgroup/cpuset/a/cpuset.cpus": "\n",
    }),
  );
  const lines = fresh.create.map(formatOp);
  assert.deepEqual(fills(fresh.create), [
    'write "/sys/fs/cgroup/cpuset/a/cpuset.cpus" "0-3" 2',
    'write "/sys/fs/cgroup/cpuset/a/cpuset.mems" "0" 2',
    'write "/sys/fs/cgroup/cpuset/a/b/cpuset.cpus" "0-3" 2',
    'write "/sys/fs/cgroup/cpuset/a/b/cpuset.mems" "0" 2',
    'write "/sys/fs/cgroup/cpuset/a/b/x/cpuset.cpus" "0-3" 2',
    'write "/sys/fs/cgroup/cpuset/a/b/x/cpuset.mems" "0" 2',
  ]);
  assert.deepEqual(writes(fresh.create), ['write "/sys/fs/cgroup/cpuset/a/b/cgroup.clone_children" "1" 0']);
  const made = lines.indexOf('mkdir "/sys/fs/cgroup/cpuset/a/b/x" 493 1');
  assert.ok(
    made >= 0 && made < lines.indexOf(fills(fresh.create)[0] ?? ""),
    "what is made holds its parents",
  );
  const foreign = planCgroup(
    LEGACY_HOST,
    { id: "x" },
    reader({
      "/sys/fs/cgroup/cpuset/docker/cgroup.clone_children": "0\n",
      "/sys/fs/cgroup/cpuset/docker/cpuset.cpus": "0-1\n",
      "/sys/fs/cgroup/cpuset/docker/cpuset.mems": "0\n",
    }),
  );
  assert.deepEqual(writes(foreign.create), []);
  assert.deepEqual(fills(foreign.create), [
    'write "/sys/fs/cgroup/cpuset/docker/cpuset.cpus" "0-1" 2',
    'write "/sys/fs/cgroup/cpuset/docker/cpuset.mems" "0" 2',
    'write "/sys/fs/cgroup/cpuset/docker/x/cpuset.cpus" "0-1" 2',
    'write "/sys/fs/cgroup/cpuset/docker/x/cpuset.mems" "0" 2',
  ]);
});

test("v2 enables the controllers of a new parent on every level", () => {
  const plan = planCgroup(
    UNIFIED_HOST,
    { id: "x", parent: "/p" },
    reader({ "/sys/fs/cgroup/cgroup.subtree_control": "memory pids" }),
  );
  assert.deepEqual(writes(plan.create), [
    ...["cpu", "cpuset", "io", "hugetlb"].map(
      (c) => `write "/sys/fs/cgroup/cgroup.subtree_control" "+${c}" 1`,
    ),
    ...["cpu", "cpuset", "io", "memory", "pids", "hugetlb"].map(
      (c) => `write "/sys/fs/cgroup/p/cgroup.subtree_control" "+${c}" 1`,
    ),
  ]);
});

test("a root that is none is emptied before it passes its controllers on", () => {
  const plan = (files: Record<string, string>) => planDelegation(UNIFIED_HOST, reader(files)).map(formatOp);
  const events = { "/sys/fs/cgroup/cgroup.events": "populated 1\n" };
  assert.deepEqual(plan({}), [], "a real root");
  assert.deepEqual(plan({ ...events, ...READY }), [], "they are passed on already");
  assert.deepEqual(plan({ ...events, "/sys/fs/cgroup/cgroup.procs": "1\n0\n17\n" }), [
    'mkdir "/sys/fs/cgroup/init" 493 0',
    'write "/sys/fs/cgroup/init/cgroup.procs" "1" 1',
    'write "/sys/fs/cgroup/init/cgroup.procs" "17" 1',
  ]);
  const enabling = plan({ ...events, "/sys/fs/cgroup/cgroup.procs": "" });
  assert.equal(enabling[0], 'write "/sys/fs/cgroup/cgroup.subtree_control" "+cpu" 1');
});

const LIMITS: OciResources = {
  memory: { limit: 64 << 20, swap: 96 << 20, reservation: 32 << 20, swappiness: 10, disableOOMKiller: true },
  cpu: { shares: 2048, quota: 50_000, period: 100_000, cpus: "0", mems: "0" },
  pids: { limit: 20 },
  blockIO: { weight: 500, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }] },
  hugepageLimits: [{ pageSize: "2MB", limit: 4 << 20 }],
};

test("limits on v1", () => {
  assert.deepEqual(
    writes(v1(LIMITS).create).map((line) => line.replace("/sys/fs/cgroup/", "").replace("/docker/x", "")),
    [
      'write "cpuset/cpuset.cpus" "0" 0',
      'write "cpuset/cpuset.mems" "0" 0',
      'write "memory/memory.limit_in_bytes" "67108864" 0',
      'write "memory/memory.memsw.limit_in_bytes" "100663296" 1',
      'write "memory/memory.soft_limit_in_bytes" "33554432" 0',
      'write "memory/memory.oom_control" "1" 0',
      'write "memory/memory.swappiness" "10" 0',
      'write "cpu,cpuacct/cpu.shares" "2048" 0',
      'write "cpu,cpuacct/cpu.cfs_period_us" "100000" 0',
      'write "cpu,cpuacct/cpu.cfs_quota_us" "50000" 0',
      'write "pids/pids.max" "20" 0',
      'write "blkio/blkio.bfq.weight" "500" 1',
      'write "blkio/blkio.throttle.read_bps_device" "8:0 1000" 0',
    ],
  );
});

test("limits on v2", () => {
  const plan = v2({ ...LIMITS, devices: [{ allow: false }], unified: { "memory.high": "1000" } });
  assert.deepEqual(
    writes(plan.create).map((line) => line.replace("/sys/fs/cgroup/docker/x/", "")),
    [
      'write "pids.max" "20" 0',
      'write "memory.swap.max" "33554432" 0',
      'write "memory.max" "67108864" 0',
      'write "memory.low" "33554432" 0',
      'write "io.weight" "4950" 0',
      'write "io.max" "8:0 rbps=1000" 0',
      'write "cpu.weight" "174" 0',
      'write "cpu.max" "50000 100000" 0',
      'write "cpuset.cpus" "0" 0',
      'write "cpuset.mems" "0" 0',
      'write "hugetlb.2MB.max" "4194304" 0',
      'write "hugetlb.2MB.rsvd.max" "4194304" 1',
      'write "memory.high" "1000" 0',
    ],
  );
  assert.deepEqual(plan.warnings, [
    "memory swappiness is discarded on cgroup v2",
    "oom-kill-disable is discarded on cgroup v2",
  ]);
});

test("device rules are a program on v2, which only a user namespace may refuse", () => {
  const programs = (resources: OciResources, files = READY) =>
    planCgroup(UNIFIED_HOST, { id: "x", resources }, reader(files))
      .create.filter((op) => op[0] === OPCODES.cgroupDevices)
      .map(formatOp);
  const strict = { devices: [{ allow: false }] };
  assert.deepEqual(programs(strict), ['cgroupDevices "/sys/fs/cgroup/docker/x" <64 bytes> 0']);
  assert.deepEqual(programs(strict, { ...READY, "/proc/self/uid_map": "0 100000 65536\n" }), [
    'cgroupDevices "/sys/fs/cgroup/docker/x" <64 bytes> 1',
  ]);
  assert.deepEqual(programs({ devices: [{ allow: false }, { allow: true }] }), [], "privileged");
  const paths = containerCgroup(UNIFIED_HOST, { id: "x" });
  const update = planCgroupUpdate(UNIFIED_HOST, paths, strict, () => undefined);
  assert.deepEqual(update.ops.map(formatOp), ['cgroupDevices "/sys/fs/cgroup/docker/x" <64 bytes> 0']);
  const onV1 = planCgroupUpdate(LEGACY_HOST, containerCgroup(LEGACY_HOST, { id: "x" }), strict, () => "0");
  assert.deepEqual(onV1.ops, []);
});

test("unified is v2's, a file of a controller that is there, one line a write", () => {
  const lines = writes(
    v2({ unified: { "io.max": "8:0 rbps=1\n8:1 rbps=2\n", "cgroup.max.depth": "3" } }).create,
  );
  assert.deepEqual(
    lines.map((line) => line.split("/").at(-1)),
    ['io.max" "8:0 rbps=1" 0', 'io.max" "8:1 rbps=2" 0', 'cgroup.max.depth" "3" 0'],
  );
  const refused = (plan: typeof v1, file: string, says: RegExp) =>
    assert.throws(
      () => plan({ unified: { [file]: "1" } }),
      (e) => e instanceof Fault && says.test(e.message),
    );
  refused(v2, "../x", /must be a file name/);
  refused(v2, "memory", /must be in the form CONTROLLER.PARAMETER/);
  refused(v2, "misc.max", /controller "misc" not available/);
  refused(v1, "memory.high", /cannot use unified on cgroup v1/);
});

test("limits of rdma are the same in both versions, those of the network are v1's", () => {
  const resources: OciResources = {
    rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10_000 }, mlx4_0: { hcaObjects: 5 } },
    network: { classID: 0x100001, priorities: [{ name: "eth0", priority: 5 }] },
  };
  const mount = (controller: string) => ({
    controllers: [controller],
    name: "",
    mountpoint: `/sys/fs/cgroup/${controller}`,
  });
  const host = { ...LEGACY_HOST, v1: ["rdma", "net_cls", "net_prio"].map(mount) };
  const plan = planCgroup(host, { id: "x", resources }, reader(READY));
  assert.deepEqual(
    writes(plan.create).map((line) => line.replace("/docker/x", "").replace("/sys/fs/cgroup/", "")),
    [
      'write "rdma/rdma.max" "mlx5_1 hca_handle=3 hca_object=10000" 0',
      'write "rdma/rdma.max" "mlx4_0 hca_object=5" 0',
      'write "net_cls/net_cls.classid" "1048577" 0',
      'write "net_prio/net_prio.ifpriomap" "eth0 5" 0',
    ],
  );
  assert.deepEqual(plan.warnings, []);
  const unified = v2(resources);
  assert.equal(writes(unified.create).length, 2);
  assert.deepEqual(unified.warnings, ["network class and priorities are discarded on cgroup v2"]);
});

test("what a version cannot do is told", () => {
  assert.deepEqual(
    v1({ hugepageLimits: [{ pageSize: "2MB", limit: 1 }], rdma: { a: { hcaObjects: 1 } } }).warnings,
    [
      "the hugetlb cgroup is not mounted: its limits are discarded",
      "the rdma cgroup is not mounted: its limits are discarded",
    ],
  );
  const weights = { blockIO: { leafWeight: 10 } };
  assert.deepEqual(v2(weights).warnings, ["block I/O leaf weights are discarded on cgroup v2"]);
  assert.deepEqual(v2({ memory: { kernelTCP: 1 } }).warnings, [
    "kernel memory limits are discarded on cgroup v2",
  ]);
  const part: OciResources = {
    devices: [
      { allow: false },
      { allow: true, type: "c", major: 4 },
      { allow: false, type: "c", major: 4, minor: 1 },
    ],
  };
  assert.deepEqual(v1(part).warnings, [
    'device rule "c 4:1 rwm" takes a part out of a broader one, which cgroup v1 cannot: discarded',
  ]);
  assert.deepEqual(v2(part).warnings, []);
});

test("hybrid machines use v2 only for a controller that is bound there", () => {
  const host = {
    ...LEGACY_HOST,
    mode: "hybrid" as const,
    v2: { mountpoint: "/sys/fs/cgroup/unified", controllers: ["hugetlb"] },
  };
  assert.equal(planCgroup(host, { id: "x" }, reader(READY)).join.cgroup2, "");
  const plan = planCgroup(host, { id: "x", resources: LIMITS }, reader(READY));
  assert.equal(plan.join.cgroup2, "/sys/fs/cgroup/unified/docker/x");
  assert.ok(
    writes(plan.create).includes('write "/sys/fs/cgroup/unified/docker/cgroup.subtree_control" "+hugetlb" 1'),
  );
  assert.ok(
    writes(plan.create).includes('write "/sys/fs/cgroup/unified/docker/x/hugetlb.2MB.max" "4194304" 0'),
  );
  assert.ok(!writes(plan.create).some((line) => line.includes("unified/docker/x/memory")));
  assert.equal(plan.oomFile, "/sys/fs/cgroup/memory/docker/x/memory.oom_control");
});

test("an update keeps memory below memory+swap at every moment and lifts limits", () => {
  const paths = containerCgroup(LEGACY_HOST, { id: "x" });
  const update = (resources: OciResources, limit: string) =>
    writes(planCgroupUpdate(LEGACY_HOST, paths, resources, () => limit).ops).map((line) =>
      line.split("/").at(-1),
    );
  const raise = { memory: { limit: 200, swap: 300 } };
  assert.deepEqual(update(raise, "100"), [
    'memory.memsw.limit_in_bytes" "300" 1',
    'memory.limit_in_bytes" "200" 0',
  ]);
  assert.deepEqual(update(raise, "900"), [
    'memory.limit_in_bytes" "200" 0',
    'memory.memsw.limit_in_bytes" "300" 1',
  ]);
  assert.deepEqual(update({ pids: { limit: -1 } }, "0"), ['pids.max" "max" 0']);
});

test("an update on v2 writes the same limits in v2's words", () => {
  const paths = containerCgroup(UNIFIED_HOST, { id: "x" });
  const resources: OciResources = {
    memory: { limit: 200, swap: 300, reservation: 100 },
    pids: { limit: -1 },
    cpu: { shares: 1024, quota: 50_000, period: 100_000, cpus: "0", mems: "0" },
    blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 5 }] },
  };
  const { ops, warnings } = planCgroupUpdate(UNIFIED_HOST, paths, resources, () => undefined);
  assert.deepEqual(
    writes(ops).map((line) => line.split("/").at(-1)),
    [
      'pids.max" "max" 0',
      'memory.swap.max" "100" 0',
      'memory.max" "200" 0',
      'memory.low" "100" 0',
      'io.max" "8:0 rbps=5" 0',
      'cpu.weight" "100" 0',
      'cpu.max" "50000 100000" 0',
      'cpuset.cpus" "0" 0',
      'cpuset.mems" "0" 0',
    ],
  );
  assert.deepEqual(warnings, []);
});

test("an update on v2 keeps burst below quota at every moment, and limits above the use where it is asked to", () => {
  const paths = containerCgroup(UNIFIED_HOST, { id: "x" });
  const present: Record<string, string> = {
    "cpu.max.burst": "20000\n",
    "memory.current": "1000\n",
    "memory.swap.current": "500\n",
  };
  const update = (resources: OciResources) =>
    writes(
      planCgroupUpdate(UNIFIED_HOST, paths, resources, (path) => present[path.split("/").at(-1) ?? ""]).ops,
    ).map((line) => line.split("/").at(-1)?.split('"')[0]);
  assert.deepEqual(update({ cpu: { quota: 10_000, burst: 5000 } }), ["cpu.max.burst", "cpu.max"]);
  assert.deepEqual(update({ cpu: { quota: 90_000, burst: 50_000 } }), ["cpu.max", "cpu.max.burst"]);
  const limit = (memory: OciResources["memory"]) => () =>
    update({ memory: { ...memory, checkBeforeUpdate: true } });
  assert.throws(limit({ limit: 900 }), /rejecting memory limit 900 < usage 1000/);
  assert.throws(limit({ limit: 1100, swap: 1200 }), /rejecting memory\+swap limit 1200 < usage 1500/);
  assert.deepEqual(limit({ limit: 1100, swap: 1600 })(), ["memory.swap.max", "memory.max"]);
  assert.deepEqual(update({ memory: { limit: 900 } }), ["memory.max"]);
});

test("a parent path cannot climb out", () => {
  const paths = containerCgroup(LEGACY_HOST, { id: "x", parent: "/../../etc/../a//b/." });
  assert.equal(paths.v1["memory"], "/sys/fs/cgroup/memory/a/b/x");
  assert.throws(() => containerCgroup(LEGACY_HOST, { id: "x", parent: "/a\n" }), Fault);
});

test("devicePolicyOf reduces rules: later ones win, all-rules reset", () => {
  const policy = devicePolicyOf([
    { allow: true, type: "c", major: 1, minor: 3, access: "rw" },
    { allow: false, access: "rwm" },
    { allow: true, type: "c", major: 1, minor: 3, access: "r" },
    { allow: true, type: "c", major: 1, minor: 3, access: "wm" },
    { allow: true, type: "c", major: 10, minor: 229, access: "rwm" },
    { allow: false, type: "c", major: 10, minor: 229, access: "rwm" },
    { allow: true, type: "b", access: "m" },
  ]);
  assert.equal(policy.default, "deny");
  assert.deepEqual(policy.exceptions.map(formatDeviceException), ["c 1:3 rwm", "b *:* m"]);
  assert.deepEqual(devicePolicyOf([{ allow: false }, { allow: true, access: "rwm" }]), {
    default: "allow",
    exceptions: [],
    lost: [],
  });
});

test("conversions to v2 hit their fixed points", () => {
  assert.deepEqual([2, 1024, 262_144].map(cpuWeightOfShares), [1, 100, 10_000]);
  assert.deepEqual([10, 1000].map(ioWeightOfBlkioWeight), [1, 10_000]);
  assert.equal(swapMaxOf(100, 300), "200");
  assert.equal(swapMaxOf(100, 100), "0");
  assert.equal(swapMaxOf(100, -1), "max");
  assert.equal(swapMaxOf(100, undefined), undefined);
  assert.throws(() => swapMaxOf(300, 100), Fault);
});

/** Runs host operations the simplest way, so that the kernel says what it thinks of them. */
function perform(ops: readonly Op[]): void {
  for (const [code, path, value, flag] of ops) {
    if (code === OPCODES.mkdir) mkdirSync(path as string, { recursive: true });
    if (code === OPCODES.rmdir) rmdirSync(path as string);
    if (code !== OPCODES.write) continue;
    if (flag === 2 && readFileSync(path as string, "utf8").trim() !== "") continue;
    try {
      writeFileSync(path as string, value as string, { flag: "r+" });
    } catch (error) {
      if (flag !== 1) throw error;
    }
  }
}

const machine = loadCgroupHost();
const isWritable = process.getuid?.() === 0 && machine.mode !== "none";
const parent = `/berth-test-${process.pid}`;
after(() => {
  if (isWritable) perform(planCgroupParentRemoval(machine, parent).filter((op) => exists(op[1] as string)));
});

function exists(path: string): boolean {
  try {
    readFileSync(`${path}/cgroup.procs`);
    return true;
  } catch {
    return false;
  }
}

test("the kernel takes the plan of this machine, and its files show the limits", {
  skip: !isWritable,
}, async () => {
  const resources: OciResources = {
    memory: { limit: 32 << 20, swap: 64 << 20 },
    cpu: { shares: 512, quota: 25_000, period: 50_000, cpus: "0" },
    pids: { limit: 17 },
    devices: [{ allow: false }, { allow: true, type: "c", major: 1, minor: 3, access: "rwm" }],
  };
  const plan = planCgroup(machine, { parent, id: "one", resources });
  perform(plan.create);
  const shows = (controller: string, file: string) =>
    readFileSync(`${plan.paths.v1[controller] ?? plan.paths.v2}/${file}`, "utf8").trim();
  if (machine.mode === "unified") {
    assert.equal(shows("", "memory.max"), String(32 << 20));
    assert.equal(shows("", "cpu.max"), "25000 50000");
  } else {
    assert.equal(shows("memory", "memory.limit_in_bytes"), String(32 << 20));
    assert.equal(shows("cpu", "cpu.cfs_quota_us"), "25000");
    assert.equal(shows("cpuset", "cpuset.cpus"), "0");
    assert.equal(shows("devices", "devices.list"), "c 1:3 rwm");
  }
  assert.equal(shows("pids", "pids.max"), "17");
  const second = planCgroup(machine, { parent, id: "two" });
  perform(second.create);
  if (machine.mode !== "unified") {
    assert.deepEqual(writes(second.create), [], "the parent is prepared");
    assert.notEqual(readFileSync(`${second.paths.v1["cpuset"]}/cpuset.cpus`, "utf8").trim(), "", "inherited");
  }
  const third = planCgroup(machine, { parent, id: "three" });
  const update = planCgroupUpdate(machine, plan.paths, { memory: { limit: 128 << 20, swap: 256 << 20 } });
  perform(update.ops);
  assert.equal(
    machine.mode === "unified" ? shows("", "memory.max") : shows("memory", "memory.limit_in_bytes"),
    String(128 << 20),
  );
  perform([...plan.remove, ...second.remove]);
  // Another engine's end takes the parent away between the third one's plan and its start.
  perform(planCgroupParentRemoval(machine, parent));
  perform(third.create);
  const entered = third.paths.v1["cpuset"] ?? third.paths.v2;
  const procs = machine.mode === "unified" ? "cgroup.procs" : "tasks";
  const child = spawn("sleep", ["60"]);
  try {
    writeFileSync(`${entered}/${procs}`, String(child.pid), { flag: "r+" });
    if (machine.mode === "unified")
      assert.notEqual(readFileSync(`${entered}/cgroup.controllers`, "utf8"), "");
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  perform(third.remove);
});
