// What a crash between two steps of a snapshot's life leaves, with the real directories and records.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import { cannotRun, openBench } from "../../linux/_keel-testing.ts";
import { MetaStore } from "../../storage/meta/store.ts";
import { LocalVolumes } from "../../storage/volume/local.ts";
import { KeptStore } from "../kept/store.ts";
import { VolumeCatalog } from "./catalog.ts";
import { VolumeSnapshots } from "./snapshots.ts";
import type { TransferContext } from "./transfer.ts";

const silent = { write: async () => {} };

interface Bed {
  dir: string;
  catalog: VolumeCatalog;
  snapshots: VolumeSnapshots;
  local: LocalVolumes;
}

async function withVolume(body: (bed: Bed, restart: () => Promise<Bed>) => Promise<void>): Promise<void> {
  await using bench = await openBench();
  let store = await MetaStore.open(join(bench.dir, "meta"));
  const open = async (): Promise<Bed> => {
    const local = await LocalVolumes.open({ dir: bench.dir, keel: bench.keel, log: () => {} });
    const plugins = {
      driver: (name: string) => Promise.reject(new Fault("notFound", name)),
      names: () => [],
      plugins: async () => [],
    };
    const limits = { keepMs: 0, maxBytes: 0 };
    const kept = new KeptStore({ store, dir: bench.dir, limits, log: () => {} });
    const events = { publish: (e: object) => e as never };
    const catalog = new VolumeCatalog({ store, local, plugins, events, kept, log: () => {} });
    const holdUsers = async () => ({ async [Symbol.asyncDispose]() {} });
    const context = {
      catalog,
      keel: bench.keel,
      trees: local.trees,
      holdUsers,
    } as unknown as TransferContext;
    return { dir: join(bench.dir, "volumes/v1"), catalog, local, snapshots: new VolumeSnapshots(context) };
  };
  let bed = await open();
  await bed.catalog.ensure({ name: "v1", driver: "" });
  await writeFile(join(bed.dir, "_data/file"), "first");
  try {
    await body(bed, async () => {
      await bed.local.close();
      await store.close();
      store = await MetaStore.open(join(bench.dir, "meta"));
      bed = await open();
      await bed.catalog.repair();
      return bed;
    });
  } finally {
    await bed.local.close();
    await store.close();
  }
}

const names = ({ catalog }: Bed): string[] => (catalog.get("v1")?.snapshots ?? []).map((s) => s.name);

test("a snapshot that was recorded and not in its place, or half removed, is gone", {
  skip: cannotRun,
}, async () => {
  await withVolume(async (bed, restart) => {
    await bed.snapshots.create("v1", "whole", silent, { pause: false });
    await bed.snapshots.create("v1", "going", silent, { pause: false });
    const pending = { createdAt: "2026-01-01T00:00:00Z", sizeBytes: 1, isPending: true as const };
    await bed.catalog.change("v1", (r) => ({
      ...r,
      snapshots: [
        ...(r.snapshots ?? []).map((s) => (s.name === "going" ? { ...s, isPending: true as const } : s)),
        { name: "coming", ...pending },
      ],
    }));
    await mkdir(join(bed.dir, "../.new/half"), { recursive: true });
    const next = await restart();
    assert.deepEqual(names(next), ["whole"]);
    assert.deepEqual(await readdir(join(next.dir, "_snapshots")), ["whole"]);
    assert.equal(existsSync(join(next.dir, "../.new")), false);
  });
});

test("a restoration goes on where a crash has interrupted it", { skip: cannotRun }, async () => {
  for (const isDataGone of [false, true])
    await withVolume(async (bed, restart) => {
      const tree = await bed.local.trees.copy(join(bed.dir, "_data"), () => {});
      await writeFile(join(bed.dir, "_data/file"), "second");
      await bed.local.trees.stage(tree, "v1");
      // Until it is recorded nothing has happened.
      let next = await restart();
      assert.equal(await readFile(join(next.dir, "_data/file"), "utf8"), "second");
      await next.catalog.change("v1", (r) => ({ ...r, isRestoring: true }));
      if (isDataGone) await next.local.empty("v1");
      next = await restart();
      assert.equal(await readFile(join(next.dir, "_data/file"), "utf8"), "first");
      assert.equal(next.catalog.get("v1")?.isRestoring, undefined);
      next = await restart();
      assert.equal(await readFile(join(next.dir, "_data/file"), "utf8"), "first");
    });
});

test("two that make the same snapshot at once make one, and it stays while it is read", {
  skip: cannotRun,
}, async () => {
  await withVolume(async (bed) => {
    const both = [1, 2].map(() => bed.snapshots.create("v1", "one", silent, { pause: false }));
    const outcomes = (await Promise.allSettled(both)).map((o) => o.status).sort();
    assert.deepEqual(outcomes, ["fulfilled", "rejected"]);
    await using stack = new AsyncDisposableStack();
    const at = await bed.snapshots.open("v1", "one", stack);
    assert.deepEqual(await readdir(at), ["file"]);
    await assert.rejects(bed.snapshots.remove("v1", "one"), { kind: "conflict" });
    await assert.rejects(bed.catalog.remove("v1"), { kind: "conflict" });
    await stack.disposeAsync();
    await bed.snapshots.remove("v1", "one");
    assert.deepEqual(names(bed), []);
  });
});
