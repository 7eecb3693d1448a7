import assert from "node:assert/strict";
import { test } from "node:test";
import { goMode, readGoMode } from "./file-mode.ts";

test("modes are Go's", () => {
  assert.equal(goMode("directory", 0o755), 0x800001ed);
  assert.equal(goMode("file", 0o4755), 0o755 + 2 ** 23);
  assert.deepEqual(readGoMode(0x800001ed), { type: "directory", mode: 0o755 });
  assert.equal(readGoMode(2 ** 25 + 0o600).type, "other");
  for (const type of ["file", "directory", "symlink"] as const)
    for (const mode of [0, 0o644, 0o7777, 0o1777])
      assert.deepEqual(readGoMode(goMode(type, mode)), { type, mode });
});
