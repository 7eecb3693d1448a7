// Every limit of the OCI runtime specification on a real cgroup v2, without an engine: the plan is carried out by keel, and the kernel's
// files say what they have. Run by `make test-vm`.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadCgroupHost } from "../../src/linux/cgroupfs/hierarchy.ts";
import { type Keel, startKeel } from "../../src/linux/keel.ts";
import { planCgroup, planCgroupParentRemoval, planCgroupUpdate } from "../../src/runtime/cgroup/plan.ts";
import type { OciResources } from "../../src/runtime/spec/oci.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const PARENT = "/berth-oci";
const host = loadCgroupHost();

let dir: string;
let keel: Keel;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-oci-"));
  const options = { keelPath: join(ROOT, "build/keel"), socketPath: join(dir, "agent.sock") };
  keel = await startKeel({ ...options, onExit: () => {} });
});
after(async () => {
  await keel.run(planCgroupParentRemoval(host, PARENT));
  await keel.close();
  rmSync(dir, { recursive: true });
});

/** Makes a cgroup with these limits, hands what its files say to `look`, and removes it. */
async function withCgroup(
  resources: OciResources,
  look: (
    read: (file: string) => string,
    update: (more: OciResources) => Promise<void>,
  ) => Promise<void> | void,
): Promise<string[]> {
  const plan = planCgroup(host, { parent: PARENT, id: "one", resources });
  const { warnings } = await keel.run(plan.create);
  const read = (file: string) => readFileSync(`${plan.paths.v2}/${file}`, "utf8").trim();
  try {
    await look(read, async (more) => {
      await keel.run(planCgroupUpdate(host, plan.paths, more).ops);
    });
  } finally {
    await keel.run(plan.remove);
  }
  assert.equal(existsSync(plan.paths.v2), false);
  return [...plan.warnings, ...warnings];
}

test("all limits arrive, and an update changes them", async () => {
  const resources: OciResources = {
    memory: { limit: 64 << 20, swap: 80 << 20, reservation: 16 << 20 },
    cpu: { shares: 512, quota: 40_000, period: 100_000, burst: 20_000, cpus: "0", mems: "0" },
    pids: { limit: 33 },
    hugepageLimits: [{ pageSize: "2MB", limit: 4 << 20 }],
    unified: { "memory.high": "50331648", "cgroup.max.depth": "3" },
    devices: [{ allow: false }],
  };
  const warnings = await withCgroup(resources, async (read, update) => {
    const files = [
      "memory.max",
      "memory.swap.max",
      "memory.low",
      "memory.high",
      "pids.max",
      "hugetlb.2MB.max",
    ];
    assert.deepEqual(
      files.map(read),
      [64, 16, 16, 48, 33 / 2 ** 20, 4].map((n) => String(n * 2 ** 20)),
    );
    const cpu = ["cpu.weight", "cpu.max", "cpu.max.burst", "cpuset.cpus", "cgroup.max.depth"];
    assert.deepEqual(cpu.map(read), ["59", "40000 100000", "20000", "0", "3"]);
    await update({
      cpu: { quota: 10_000, period: 100_000, burst: 5000 },
      memory: { limit: -1 },
      pids: { limit: -1 },
    });
    assert.deepEqual(["cpu.max", "cpu.max.burst"].map(read), ["10000 100000", "5000"]);
    assert.deepEqual(["memory.max", "memory.swap.max", "pids.max"].map(read), ["max", "max", "max"]);
    await update({ cpu: { quota: 90_000, period: 100_000, burst: 80_000 } });
    assert.deepEqual(["cpu.max", "cpu.max.burst"].map(read), ["90000 100000", "80000"]);
    await update({ cpu: { idle: 1 } });
    assert.equal(read("cpu.idle"), "1");
    await update({ devices: [{ allow: false }, { allow: true, type: "c", major: 1 }] });
    await update({ devices: [{ allow: false }, { allow: true, type: "c", major: 1 }] }); // the same again
  });
  assert.deepEqual(warnings, []);
});

test("a limit that the kernel refuses fails with the file's name, and nothing stays", async () => {
  const look = () => assert.fail("not reached");
  await assert.rejects(
    withCgroup({ unified: { "memory.high": "much" } }, look),
    /memory\.high.*[Ii]nvalid argument/,
  );
  await assert.rejects(withCgroup({ rdma: { nowhere: { hcaObjects: 1 } } }, look), /rdma\.max/);
  assert.equal(existsSync(`/sys/fs/cgroup${PARENT}/one`), false);
});

test("memory.checkBeforeUpdate keeps the limit above the use", async () => {
  await withCgroup({ memory: { limit: 64 << 20 } }, async (read, update) => {
    await update({ memory: { limit: 8 << 20, checkBeforeUpdate: true } });
    assert.equal(read("memory.max"), String(8 << 20));
  });
});
