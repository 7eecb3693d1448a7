import assert from "node:assert/strict";
import { test } from "node:test";
import { transferSettingsOf } from "./transfer-config.ts";

const FLAGS = {
  "max-concurrent-downloads": 3,
  "max-concurrent-uploads": 5,
  "max-download-attempts": 5,
  "max-layer-size": "1g",
};

test("numbers come from the file, else from the flags; 0 is the default, less is refused", () => {
  assert.deepEqual(transferSettingsOf({}, { ...FLAGS, "max-concurrent-downloads": 7 }), {
    downloads: 7,
    uploads: 5,
    attempts: 5,
    layerBytes: 2 ** 30,
  });
  assert.equal(transferSettingsOf({ "max-download-attempts": 1 }, FLAGS).attempts, 1);
  assert.equal(transferSettingsOf({ "max-concurrent-downloads": 0 }, FLAGS).downloads, 3);
  for (const value of [-1, 1.5, "3"])
    assert.throws(() => transferSettingsOf({ "max-concurrent-uploads": value }, FLAGS), {
      kind: "invalidParameter",
      message: `invalid max concurrent uploads: ${JSON.stringify(value)}`,
    });
  for (const value of ["0", "-1g", "much", 5])
    assert.throws(() => transferSettingsOf({ "max-layer-size": value }, FLAGS), {
      kind: "invalidParameter",
      message: `invalid max layer size: ${JSON.stringify(value)}`,
    });
});
