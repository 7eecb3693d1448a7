// What is kept, for how long, and what goes first.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MetaStore } from "../../storage/meta/store.ts";
import type { KeptRecord } from "./record.ts";
import { type KeepLimits, KeptStore } from "./store.ts";

interface Bed {
  kept: KeptStore;
  /** Names whose data were given up, in order. */
  disposed: string[];
  space: { free: number; total: number };
  keep(name: string, sizeBytes: number): Promise<KeptRecord>;
}

async function withStore(limits: KeepLimits, body: (bed: Bed) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "berth-kept-"));
  const store = await MetaStore.open(dir);
  const space = { free: 50e9, total: 100e9 };
  const kept = new KeptStore({ store, dir, limits, log: () => {}, space: async () => space });
  const disposed: string[] = [];
  const sizes = new Map<string, number>();
  kept.setOwner("volume", {
    restore: async ({ name }) => ({ name, warnings: [] }),
    dispose: async ({ name }) => void disposed.push(name),
    measure: async ({ name }) => sizes.get(name) ?? 0,
  });
  const keep = async (name: string, sizeBytes: number): Promise<KeptRecord> => {
    sizes.set(name, sizeBytes);
    const record = kept.record({ kind: "volume", name, content: { name } });
    await store.commit([kept.putChange(record)]);
    kept.settle(record);
    await settled(kept);
    return record;
  };
  try {
    await body({ kept, disposed, space, keep });
  } finally {
    await kept.close();
    await store.close();
    rmSync(dir, { recursive: true });
  }
}

/** Everything that was begun is done: a restore waits its turn. */
async function settled(kept: KeptStore): Promise<void> {
  await kept.restore("none").catch(() => undefined);
}

const HOUR: KeepLimits = { keepMs: 3600_000, maxBytes: 1000 };

test("the oldest go when all together are too large", () =>
  withStore(HOUR, async ({ kept, disposed, keep }) => {
    await keep("first", 400);
    await keep("second", 400);
    assert.deepEqual(disposed, []);
    await keep("third", 400);
    assert.deepEqual(disposed, ["first"]);
    assert.deepEqual(
      kept.all().map((k) => [k.name, k.sizeBytes]),
      [
        ["third", 400],
        ["second", 400],
      ],
    );
  }));

test("one that alone is too large goes at once", () =>
  withStore(HOUR, async ({ kept, disposed, keep }) => {
    await keep("huge", 2000);
    assert.deepEqual(disposed, ["huge"]);
    assert.deepEqual(kept.all(), []);
  }));

test("without a time nothing is kept, and what was kept before goes", () =>
  withStore({ keepMs: 0, maxBytes: 1000 }, async ({ kept, disposed, keep }) => {
    assert.equal(await kept.accepts(), false);
    await keep("late", 1);
    assert.deepEqual(disposed, ["late"]);
  }));

test("a disk that is short gets everything back, and nothing more is kept", () =>
  withStore(HOUR, async ({ kept, disposed, space, keep }) => {
    await keep("one", 1);
    assert.equal(await kept.accepts(), true);
    space.free = 4e9;
    assert.equal(await kept.accepts(), false);
    kept.expireSoon();
    await settled(kept);
    assert.deepEqual(disposed, ["one"]);
  }));

test("prune gives up everything and says how much that was", () =>
  withStore(HOUR, async ({ kept, disposed, keep }) => {
    await keep("a", 10);
    await keep("b", 20);
    const { spaceBytes, given } = await kept.prune();
    assert.deepEqual([spaceBytes, given.length, disposed.length], [30, 2, 2]);
  }));

test("what is no more kept cannot come back", () =>
  withStore(HOUR, async ({ kept }) => {
    await assert.rejects(kept.restore("gone"), { kind: "notFound", code: "kept.not-found" });
  }));
