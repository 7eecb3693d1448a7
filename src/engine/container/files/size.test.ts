import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { sizesOf } from "./size.ts";

test("sizesOf tells of the layers that were there when it was asked, whatever is removed while it counts", async () => {
  let isGone = false;
  const layers = {
    chain: () => (isGone ? assert.fail("the layers are gone") : [{ sizeBytes: 5 }, { sizeBytes: 2 }]),
    upperOf: () => ({}),
    openUpper: async () => {
      isGone = true;
      throw new Error("the container is gone");
    },
  };
  const context = { layers, log: () => undefined } as unknown as ContainerContext;
  const record = { id: "a".repeat(64), layer: "1" } as unknown as ContainerRecord;
  assert.deepEqual(await sizesOf(context, record), { SizeRw: 0, SizeRootFs: 7 });
});
