import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { RecordingDisk } from "./disk-fake.ts";
import { MetaStore, type MetaStoreOptions } from "./store.ts";
import { suite } from "./suite.ts";

interface Thing {
  readonly n: number;
  readonly text?: string;
}

const made: string[] = [];
async function freshDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "berth-meta-"));
  made.push(dir);
  return dir;
}
after(async () => {
  for (const dir of made) await rm(dir, { recursive: true, force: true });
});

suite("MetaStore", async () => {
  const dir = await freshDir();
  return { open: () => MetaStore.open(dir) };
});

function openFake(disk: RecordingDisk, options: MetaStoreOptions = {}): Promise<MetaStore> {
  return MetaStore.open("/meta", { disk, isLocking: false, ...options });
}

test("what nobody waits for is on the disk a moment later", async () => {
  const disk = new RecordingDisk();
  const store = await openFake(disk);
  const table = store.table<Thing>("things");
  await store.commit([table.put("lazy", { n: 1 })], { durable: false });
  const left = (): Promise<MetaStore> =>
    openFake(new RecordingDisk(disk.afterPowerCut(disk.steps.length, () => 0)));
  assert.equal((await left()).table("things").has("lazy"), false);
  await new Promise<void>((resolve) => {
    disk.beforeStep = (kind) => kind === "datasync" && resolve();
  });
  await store.commit([]);
  assert.equal((await left()).table("things").has("lazy"), true);
  await store.close();
});

test("a fact stays when the disk refuses it, what else was to be changed does not, and it is written when that is possible", async () => {
  const disk = new RecordingDisk();
  const store = await openFake(disk);
  const table = store.table<Thing>("things");
  await store.commit([table.put("run", { n: 1 }), table.put("other", { n: 1 })]);
  disk.beforeStep = () => {
    throw new Error("full");
  };
  const other = store.commit([table.put("other", { n: 2 })]);
  const fact = store.commit([table.put("run", { n: 2 })], { isFact: true });
  const never = store.commit([table.put("never", { n: 1 })]);
  const ofNever = store.commit([table.put("run", { n: 3 }), table.put("never", { n: 2 })], { isFact: true });
  await fact;
  for (const refused of [other, never, ofNever]) await assert.rejects(refused, /full/);
  assert.deepEqual(
    [...table.entries()].map(([key, { n }]) => `${key} ${n}`),
    ["run 2", "other 1"],
  );
  await assert.rejects(
    store.commit([], { durable: false }),
    /full/,
    "a barrier tells that it is not written",
  );
  disk.beforeStep = undefined;
  await store.commit([], { durable: false });
  const left = await openFake(new RecordingDisk(disk.afterPowerCut(disk.steps.length, () => 0)));
  assert.deepEqual(left.table<Thing>("things").get("run"), { n: 2 });
  assert.deepEqual(left.table<Thing>("things").get("other"), { n: 1 });
  await store.close();
});

test("what is passing is for readers: it is not written, and stays when the disk refuses what came before it", async () => {
  const disk = new RecordingDisk();
  const store = await openFake(disk);
  const table = store.table<Thing>("things");
  await store.commit([table.put("run", { n: 1 })]);
  const before = disk.steps.length;
  await store.commit([table.put("run", { n: 2 })], { isPassing: true, durable: false });
  assert.equal(disk.steps.length, before);
  assert.deepEqual(table.get("run"), { n: 2 });
  disk.beforeStep = () => {
    throw new Error("full");
  };
  const refused = store.commit([table.put("run", { n: 3 })]);
  await store.commit([table.put("run", { n: 4 })], { isPassing: true, durable: false });
  await assert.rejects(refused, /full/);
  assert.deepEqual(table.get("run"), { n: 4 });
  disk.beforeStep = undefined;
  await store.commit([table.remove("run")]);
  const left = await openFake(new RecordingDisk(disk.afterPowerCut(disk.steps.length, () => 0)));
  assert.deepEqual([...left.table<Thing>("things").keys()], []);
  await store.close();
});

describe("MetaStore after a power cut", () => {
  interface Run {
    disk: RecordingDisk;
    /** Steps of the disk done when commit i (from 1) was acknowledged as durable. */
    ackedAt: Map<number, number>;
    /** States after each commit; index 0 is empty. */
    states: Map<string, number>[];
  }

  async function record(plan: readonly { isDurable: boolean; burst: number; size: number }[]): Promise<Run> {
    const disk = new RecordingDisk();
    const store = await openFake(disk, { compactAboveBytes: 2000 });
    const table = store.table<Thing>("things");
    const run: Run = { disk, ackedAt: new Map(), states: [new Map()] };
    let n = 0;
    for (const { isDurable, burst, size } of plan) {
      const burstCommits: Promise<void>[] = [];
      for (let i = 0; i < burst; i++) {
        const mine = ++n;
        const state = new Map(run.states.at(-1));
        state
          .set("last", mine)
          .set(`k${mine % 5}`, mine)
          .delete(`k${(mine + 2) % 5}`);
        run.states.push(state);
        const changes = [
          table.put("last", { n: mine, text: "x".repeat(size) }),
          table.put(`k${mine % 5}`, { n: mine }),
          table.remove(`k${(mine + 2) % 5}`),
        ];
        const done = store.commit(changes, { durable: isDurable });
        burstCommits.push(done.then(() => void (isDurable && run.ackedAt.set(mine, disk.steps.length))));
      }
      await Promise.all(burstCommits);
    }
    await store.close();
    return run;
  }

  async function checkCut(run: Run, count: number, fate: () => number): Promise<void> {
    const disk = new RecordingDisk(run.disk.afterPowerCut(count, fate));
    const store = await openFake(disk);
    const table = store.table<Thing>("things");
    const last = table.get("last")?.n ?? 0;
    const acked = Math.max(0, ...[...run.ackedAt].filter(([, at]) => at <= count).map(([n]) => n));
    assert.ok(last >= acked, `commit ${acked} was acknowledged, only ${last} is there`);
    const found = new Map([...table.entries()].map(([key, value]) => [key, value.n]));
    assert.deepEqual(Object.fromEntries(found), Object.fromEntries(run.states[last] as Map<string, number>));
    assert.deepEqual(
      store.damage.filter((damage) => damage.isLoss),
      [],
    );
    // It must be usable, and what it holds must still be there the next time.
    await store.commit([table.put("after", { n: 1 })]);
    await store.close();
    const again = await openFake(new RecordingDisk(disk.afterPowerCut(disk.steps.length, () => 0)));
    assert.equal(again.table<Thing>("things").get("after")?.n, 1);
    assert.equal(again.table<Thing>("things").get("last")?.n ?? 0, last);
    await again.close();
  }

  test("holds every acknowledged commit and no half one, at every prefix of a workload", async () => {
    const plan = [true, false, false, true, true].flatMap((isDurable, i) =>
      [1, 3].map((burst) => ({ isDurable, burst, size: i * 150 })),
    );
    const run = await record([...plan, ...plan]);
    for (let count = 1; count <= run.disk.steps.length; count++) {
      await checkCut(run, count, () => 0);
      await checkCut(run, count, () => 1);
      let flip = 0;
      await checkCut(run, count, () => (flip++ % 2 === 0 ? 0 : 1));
      for (const share of [0.3, 0.6, 0.99]) await checkCut(run, count, () => share);
    }
  });

  test("holds for random workloads, cuts and fates", async () => {
    const step = fc.record({
      isDurable: fc.boolean(),
      burst: fc.integer({ min: 1, max: 4 }),
      size: fc.nat(900),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 12 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (plan, fates, where) => {
          const run = await record(plan);
          const count = 1 + Math.floor(where * (run.disk.steps.length - 1));
          let at = 0;
          await checkCut(run, count, () => fates[at++ % fates.length] as number);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("survives a second power cut while repairing the first", async () => {
    const run = await record(
      Array.from({ length: 12 }, (_, i) => ({ isDurable: i % 3 !== 0, burst: 2, size: 200 })),
    );
    for (let count = 1; count <= run.disk.steps.length; count += 3) {
      const disk = new RecordingDisk(run.disk.afterPowerCut(count, () => 0.5));
      const begun = disk.steps.length;
      await (await openFake(disk)).close();
      const acked = Math.max(0, ...[...run.ackedAt].filter(([, at]) => at <= count).map(([n]) => n));
      for (let second = begun; second <= disk.steps.length; second++) {
        const store = await openFake(new RecordingDisk(disk.afterPowerCut(second, () => 0.5)));
        const last = store.table<Thing>("things").get("last")?.n ?? 0;
        assert.ok(last >= acked, `cut ${count}/${second}: ${last} < ${acked}`);
        await store.close();
      }
    }
  });
});

describe("MetaStore with damaged files", () => {
  async function filled(dir: string, count: number): Promise<void> {
    const store = await MetaStore.open(dir);
    const table = store.table<Thing>("t");
    for (let i = 0; i < count; i++) await store.commit([table.put(`k${i}`, { n: i, text: "y".repeat(50) })]);
    await store.close();
  }

  test("keeps what is behind a damaged commit, reports it and keeps a copy", async () => {
    const dir = await freshDir();
    await filled(dir, 20);
    const path = join(dir, "log-1");
    const bytes = await readFile(path);
    bytes.fill(0xee, bytes.length / 2, bytes.length / 2 + 20);
    await writeFile(path, bytes);
    const lines: string[] = [];
    const store = await MetaStore.open(dir, { log: (message) => lines.push(message) });
    const keys = [...store.table<Thing>("t").keys()];
    assert.ok(keys.length >= 18 && keys.includes("k0") && keys.includes("k19"), keys.join());
    assert.equal(store.damage.length, 1);
    assert.equal(store.damage[0]?.isLoss, true);
    assert.match(lines.join("\n"), /log-1: log is damaged at bytes/);
    await store.close();
    const copy = (await readdir(dir)).find((name) => name.startsWith("damaged-log-1"));
    assert.deepEqual(await readFile(join(dir, copy as string)), bytes);
    const again = await MetaStore.open(dir);
    assert.equal(again.damage.length, 0);
    assert.equal(again.table("t").size, keys.length);
    await again.close();
  });

  test("opens whatever bytes its files hold", async () => {
    const dir = await freshDir();
    await filled(dir, 5);
    const good = await readFile(join(dir, "log-1"));
    const edit = fc.record({
      at: fc.nat(good.length - 1),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 60 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(edit, { minLength: 1, maxLength: 5 }),
        fc.nat(good.length),
        async (edits, size) => {
          const bad = Buffer.from(good);
          for (const { at, bytes } of edits) Buffer.from(bytes).copy(bad, at);
          const files = new Map([
            ["snapshot-3", bad.subarray(0, size)],
            ["log-3", bad],
            ["log-4", Buffer.from(bad).reverse()],
            ["snapshot-9.tmp", bad],
          ]);
          const store = await openFake(new RecordingDisk(files));
          await store.commit([store.table<Thing>("t").put("new", { n: 1 })]);
          await store.close();
        },
      ),
      { numRuns: 200 },
    );
  });

  test("drops a torn last commit and goes on behind the one before", async () => {
    const dir = await freshDir();
    await filled(dir, 3);
    await truncate(join(dir, "log-1"), (await stat(join(dir, "log-1"))).size - 7);
    const store = await MetaStore.open(dir);
    assert.deepEqual([...store.table("t").keys()], ["k0", "k1"]);
    assert.equal(
      store.damage.every((damage) => !damage.isLoss),
      true,
    );
    await store.close();
  });
});

describe("MetaStore on a failing disk", () => {
  test("undoes commits that could not be written, rejects them, and recovers when the disk does", async () => {
    for (const failing of ["write", "datasync"]) {
      const disk = new RecordingDisk();
      const store = await openFake(disk);
      const table = store.table<Thing>("t");
      await store.commit([table.put("a", { n: 1 }), table.put("b", { n: 1 })]);
      disk.beforeStep = (kind) => {
        if (kind === failing) throw new Error("ENOSPC");
      };
      const results = await Promise.allSettled([
        store.commit([table.put("a", { n: 2 })]),
        store.commit([table.remove("b"), table.put("c", { n: 3 })]),
      ]);
      for (const result of results) {
        assert.ok(result.status === "rejected" && result.reason instanceof Fault);
        assert.equal(result.reason.kind, "unavailable");
      }
      assert.deepEqual(
        [...table.entries()],
        [
          ["a", { n: 1 }],
          ["b", { n: 1 }],
        ],
      );
      await assert.rejects(store.commit([table.put("a", { n: 4 })]), Fault);
      disk.beforeStep = undefined;
      await store.commit([table.put("d", { n: 5 })]);
      await store.close();
      const again = await openFake(new RecordingDisk(disk.afterPowerCut(disk.steps.length, () => 0)));
      assert.deepEqual([...again.table("t").keys()].sort(), ["a", "b", "d"]);
      assert.deepEqual(
        again.damage.filter((damage) => damage.isLoss),
        [],
      );
      await again.close();
    }
  });
});

describe("MetaStore's lock", () => {
  const child = (dir: string) =>
    spawn(
      process.execPath,
      [
        "-e",
        `
      const { MetaStore } = await import(${JSON.stringify(join(import.meta.dirname, "store.ts"))});
      const store = await MetaStore.open(${JSON.stringify(dir)});
      await store.commit([store.table("t").put("k", { n: 7 })]);
      globalThis.Bun?.gc(true); // the lock must not depend on anybody keeping the store
      console.log("open");
      setInterval(() => {}, 1000);
    `,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );

  test("keeps a second process out, names the first, and is gone when it is killed", async () => {
    const dir = await freshDir();
    const holder = child(dir);
    try {
      await once(holder.stdout, "data");
      await assert.rejects(
        MetaStore.open(dir),
        (e) => e instanceof Fault && e.kind === "conflict" && e.message.includes(`process ${holder.pid}`),
      );
    } finally {
      holder.kill("SIGKILL");
      await once(holder, "exit");
    }
    const store = await MetaStore.open(dir);
    assert.deepEqual(store.table("t").get("k"), { n: 7 });
    await assert.rejects(MetaStore.open(dir), (e) => e instanceof Fault && e.code === "store.locked");
    await store.close();
  });
});

describe("MetaStore's compaction", () => {
  test("keeps the log short while commits go on", async () => {
    const dir = await freshDir();
    const store = await MetaStore.open(dir, { compactAboveBytes: 20_000 });
    const table = store.table<Thing>("t");
    for (let i = 0; i < 60; i++) {
      await Promise.all(
        Array.from({ length: 20 }, (_, j) =>
          store.commit([table.put(`k${j}`, { n: i, text: "z".repeat(100) })]),
        ),
      );
    }
    await store.close();
    const sizes = await Promise.all(
      (await readdir(dir))
        .filter((n) => /^(log|snapshot)-/.test(n))
        .map(async (n) => (await stat(join(dir, n))).size),
    );
    assert.equal(sizes.length, 2);
    assert.ok(sizes.reduce((a, b) => a + b) < 60_000, sizes.join());
    const again = await MetaStore.open(dir);
    assert.equal(again.table("t").size, 20);
    assert.ok([...again.table<Thing>("t").values()].every((value) => value.n === 59));
    await again.close();
  });
});
