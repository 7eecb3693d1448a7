import assert from "node:assert/strict";
import { test } from "node:test";
import { buildCacheLimitsOf } from "./build-config.ts";

const limits = (gc: unknown) => buildCacheLimitsOf({ builder: { gc } });

test("the build cache has limits unless the configuration says otherwise", () => {
  assert.deepEqual(buildCacheLimitsOf({}), { reservedBytes: 10e9, maxBytes: 50e9, minFreeBytes: 0 });
  assert.deepEqual(limits({ enabled: false }), { reservedBytes: 0, maxBytes: 0, minFreeBytes: 0 });
  assert.deepEqual(limits({ defaultKeepStorage: "20GB" }), {
    reservedBytes: 20e9,
    maxBytes: 20e9,
    minFreeBytes: 0,
  });
  assert.deepEqual(
    limits({ policy: [{ keepStorage: "1GB" }, { maxUsedSpace: 5e9, minFreeSpace: "2GB", all: true }] }),
    {
      reservedBytes: 1e9,
      maxBytes: 5e9,
      minFreeBytes: 2e9,
    },
  );
});

test("what is no size or section is refused by its name", () => {
  assert.throws(
    () => buildCacheLimitsOf({ builder: 1 }),
    /"builder" in the configuration file must be an object/,
  );
  assert.throws(() => limits({ defaultKeepStorage: [] }), /"builder.gc.defaultKeepStorage"/);
  assert.throws(() => limits({ policy: {} }), /"builder.gc.policy"/);
});
