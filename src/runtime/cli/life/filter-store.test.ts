// The filters on disk: found again by the same build for the same profile, and never believed when damaged or another's.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FilterStore } from "./filter-store.ts";

const PROGRAM = { flags: 4, program: Uint8Array.from({ length: 24 }, (_, i) => i) };

test("FilterStore gives back what was saved, to the same build for the same key", () => {
  const dir = mkdtempSync(join(tmpdir(), "berth-filters-"));
  try {
    const store = new FilterStore(join(dir, "f"), "build 1");
    assert.equal(store.load("key"), undefined);
    store.save("key", PROGRAM);
    const found = new FilterStore(join(dir, "f"), "build 1").load("key");
    assert.equal(found?.flags, 4);
    assert.deepEqual([...(found?.program ?? [])], [...PROGRAM.program]);
    assert.equal(store.load("other key"), undefined);
    assert.equal(new FilterStore(join(dir, "f"), "build 2").load("key"), undefined);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("FilterStore does not believe files that are damaged or that others may write, and keeps no more than it has to", () => {
  const dir = mkdtempSync(join(tmpdir(), "berth-filters-"));
  try {
    const store = new FilterStore(dir, "b");
    store.save("key", PROGRAM);
    const path = join(dir, readdirSync(dir)[0] ?? "");
    const bytes = readFileSync(path);
    chmodSync(path, 0o620);
    assert.equal(store.load("key"), undefined);
    chmodSync(path, 0o600);
    assert.ok(store.load("key"));
    for (const bad of [
      bytes.subarray(0, -1),
      bytes.subarray(0, 2),
      Buffer.concat([bytes, bytes]),
      Buffer.alloc(40),
    ]) {
      writeFileSync(path, bad);
      assert.equal(store.load("key"), undefined);
    }
    store.save("key", { flags: 0, program: new Uint8Array(9) }); // not a whole instruction
    assert.equal(store.load("key"), undefined);
    for (let i = 0; i < 70; i++) store.save(`key ${i}`, PROGRAM);
    assert.equal(readdirSync(dir).length, 64);
    assert.ok(store.load("key 69"));
    new FilterStore("/proc/no/such", "b").save("key", PROGRAM); // cannot be kept: no failure
  } finally {
    rmSync(dir, { recursive: true });
  }
});
