import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LayerHolds } from "../../storage/layer/holds.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import { type DiskIo, nodeDisk } from "../../storage/disk.ts";
import { MetaStore } from "../../storage/meta/store.ts";
import { type ContainerRecord, NEVER_RAN } from "./record.ts";
import { ContainerTable } from "./table.ts";

const LAYER = "7" as LayerId;

function record(id: string, name: string, { isAutoRemoved = false } = {}): ContainerRecord {
  return {
    version: 1,
    id,
    name,
    layer: LAYER,
    state: NEVER_RAN,
    endpoints: [],
    hostConfig: { AutoRemove: isAutoRemoved },
  } as unknown as ContainerRecord;
}

async function withTable(
  body: (table: ContainerTable, holds: LayerHolds, reopen: () => Promise<ContainerTable>) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "berth-table-"));
  let store = await MetaStore.open(dir);
  try {
    const holds = new LayerHolds();
    await body(new ContainerTable(store, holds), holds, async () => {
      await store.close();
      store = await MetaStore.open(dir);
      return new ContainerTable(store, new LayerHolds());
    });
  } finally {
    await store.close();
    rmSync(dir, { recursive: true });
  }
}

const A = "abc1".padEnd(64, "0");
const B = "abc2".padEnd(64, "0");

test("who has a link to a container is known through changes, removals and a restart", () =>
  withTable(async (table, _holds, reopen) => {
    const linked = (id: string, name: string, ...to: string[]): ContainerRecord => ({
      ...record(id, name),
      links: to.map((containerId, i) => ({ containerId, alias: `to${i}` })),
    });
    const [DB, OLD, NEW] = ["d".repeat(64), A, B];
    const linkers = (from = table): string[] => from.linkersOf(DB).map((r) => r.name);
    await table.add(record(DB, "db"));
    assert.deepEqual(linkers(), []);
    await table.add(linked(OLD, "old", DB, DB));
    await table.add(linked(NEW, "new", DB));
    assert.deepEqual(linkers(), ["new", "old"]);
    assert.deepEqual(linkers(await reopen()), ["new", "old"]);
  }));

test("links that are taken away are forgotten, and those of a removed container", () =>
  withTable(async (table) => {
    const [DB, WEB] = [A, B];
    const link = (alias: string) => ({ containerId: DB, alias });
    await table.add(record(DB, "db"));
    await table.add({ ...record(WEB, "web"), links: [link("one"), link("two")] });
    const web = await table.put({ ...table.find("web"), links: [link("two")] });
    assert.deepEqual(table.linkersOf(DB), [web]);
    await table.put({ ...web, links: [] });
    assert.deepEqual(table.linkersOf(DB), []);
    await table.put(web);
    await table.remove(web);
    assert.deepEqual(table.linkersOf(DB), []);
  }));

test("find takes names, ids and unambiguous prefixes; an exact name wins over a prefix", () =>
  withTable(async (table) => {
    await table.add(record(A, "web"));
    await table.add(record(B, "abc1"));
    assert.equal(table.find("web").id, A);
    assert.equal(table.find("/web").id, A);
    assert.equal(table.find(A).id, A);
    assert.equal(table.find("abc2").id, B);
    assert.equal(table.find("abc1").id, B);
    assert.throws(() => table.find("abc"), { kind: "invalidParameter", message: /multiple IDs found/ });
    assert.throws(() => table.find("nope"), { kind: "notFound", message: "No such container: nope" });
    assert.throws(() => table.find(""), { kind: "notFound" });
  }));

test("a renamed container is found under its new name only, also after a restart", () =>
  withTable(async (table, _holds, reopen) => {
    await table.add(record(A, "old"));
    await table.put({ ...table.find("old"), name: "new" });
    assert.equal(table.isNameTaken("old"), false);
    const again = await reopen();
    assert.equal(again.find("new").id, A);
    assert.throws(() => again.find("old"), { kind: "notFound" });
  }));

test("a container holds its layer from add to remove", () =>
  withTable(async (table, holds) => {
    await table.add(record(A, "web"));
    assert.equal(holds.isHeld(LAYER), true);
    await table.remove(table.find("web"));
    assert.equal(holds.isHeld(LAYER), false);
    assert.equal(table.isNameTaken("web"), false);
    assert.throws(() => table.live(A), { kind: "notFound" });
  }));

test("a reserved name is taken until the reservation ends", () =>
  withTable(async (table) => {
    {
      using _ = table.reserveName("web");
      assert.equal(table.isNameTaken("web"), true);
    }
    assert.equal(table.isNameTaken("web"), false);
  }));

test("nobody waits for the disk for a container that goes when it ends, unless the step changes more; its record is written all the same", async () => {
  const dir = mkdtempSync(join(tmpdir(), "berth-table-"));
  let syncs = 0;
  const disk: DiskIo = {
    ...nodeDisk,
    open: async (path, options) => {
      const file = await nodeDisk.open(path, options);
      return { ...file, datasync: async () => (syncs++, file.datasync()) };
    },
  };
  const store = await MetaStore.open(dir, { disk });
  try {
    const table = new ContainerTable(store, new LayerHolds());
    const other = store.table<string>("other");
    const syncsOf = async (body: () => Promise<unknown>): Promise<number> => {
      const before = syncs;
      await body();
      return syncs - before;
    };
    const [leaving, staying] = [record(A, "leaving", { isAutoRemoved: true }), record(B, "staying")];
    assert.equal(await syncsOf(() => table.add(leaving)), 0);
    const copy = mkdtempSync(join(tmpdir(), "berth-table-"));
    cpSync(dir, copy, { recursive: true });
    const killed = await MetaStore.open(copy, { isLocking: false });
    assert.equal(new ContainerTable(killed, new LayerHolds()).find("leaving").id, A);
    await killed.close();
    rmSync(copy, { recursive: true });
    assert.equal(await syncsOf(() => table.remove(leaving)), 0);
    assert.equal(await syncsOf(() => table.add(leaving, [other.put("a", "b")])), 1);
    assert.equal(await syncsOf(() => table.add(staying)), 1);
    assert.equal(await syncsOf(() => table.remove(staying)), 1);
  } finally {
    await store.close();
    rmSync(dir, { recursive: true });
  }
});
