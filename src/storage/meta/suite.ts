// What every record store must do, run against each implementation: `suite(name, make)`. `make` is called once per
// test and returns a place in which a store can be opened again and again.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RecordStore } from "./types.ts";

interface Item {
  readonly n: number;
  readonly list?: readonly string[];
}

export interface StorePlace {
  open(): Promise<RecordStore & { close(): Promise<void> }>;
}

export function suite(name: string, make: () => Promise<StorePlace>): void {
  describe(`${name} is a record store:`, () => {
    test("a commit is visible at once and there after reopening", async () => {
      const place = await make();
      const store = await place.open();
      const table = store.table<Item>("items");
      const done = store.commit([table.put("a", { n: 1, list: ["ü", "\u2028"] }), table.put("b", { n: 2 })]);
      assert.equal(table.get("a")?.n, 1);
      await done;
      await store.commit([table.remove("b"), store.table<Item>("other").put("a", { n: 3 })]);
      await store.close();
      const again = await place.open();
      assert.deepEqual([...again.table<Item>("items").entries()], [["a", { n: 1, list: ["ü", "\u2028"] }]]);
      assert.deepEqual(again.table<Item>("other").get("a"), { n: 3 });
      assert.equal(again.table("items").has("b"), false);
      await again.close();
    });

    test("tables keep the order of insertion", async () => {
      const place = await make();
      const store = await place.open();
      const table = store.table<Item>("t");
      for (const key of ["z", "a", "m"]) await store.commit([table.put(key, { n: 0 })], { durable: false });
      await store.commit([table.put("z", { n: 1 })]);
      assert.deepEqual([...table.keys()], ["z", "a", "m"]);
      await store.close();
      const again = await place.open();
      assert.deepEqual([...again.table("t").keys()], ["z", "a", "m"]);
      await again.close();
    });

    test("the last of concurrent commits to a key wins, for readers and after reopening", async () => {
      const place = await make();
      const store = await place.open();
      const table = store.table<Item>("t");
      await Promise.all(
        Array.from({ length: 200 }, (_, n) =>
          store.commit([table.put("k", { n })], { durable: n % 2 === 0 }),
        ),
      );
      assert.equal(table.get("k")?.n, 199);
      await store.close();
      const again = await place.open();
      assert.equal(again.table<Item>("t").get("k")?.n, 199);
      await again.close();
    });

    test("a commit without changes waits for those before it", async () => {
      const store = await (await make()).open();
      let isDone = false;
      void store.commit([store.table<Item>("t").put("a", { n: 1 })]).then(() => {
        isDone = true;
      });
      await store.commit([]);
      assert.equal(isDone, true);
      await store.close();
    });

    test("committing after close is refused", async () => {
      const store = await (await make()).open();
      await store.close();
      await assert.rejects(store.commit([]), /closed/);
      await store.close();
    });
  });
}
