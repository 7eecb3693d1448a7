import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { test } from "node:test";
import { cannotRun, openBench } from "../_keel-testing.ts";
import { host } from "../ops.ts";
import { loadCgroupHost } from "./hierarchy.ts";

const { v1, v2 } = loadCgroupHost();
const mount = v1[0]?.mountpoint ?? v2?.mountpoint;
const skip = cannotRun || (mount === undefined ? "no cgroups" : false);

test("rmdir takes the cgroups below along only where it is asked to, and nothing of other file systems", {
  skip,
}, async () => {
  await using bench = await openBench();
  const dir = `${mount}/berth-removal-${process.pid}`;
  mkdirSync(`${dir}/a/b/c`, { recursive: true });
  mkdirSync(`${dir}/d`);
  await assert.rejects(bench.keel.run([host.rmdir(dir)]), { op: "rmdir", errno: 16 });
  assert.ok(existsSync(`${dir}/a/b/c`));
  await bench.keel.run([host.rmdir(dir, { tree: true })]);
  assert.equal(existsSync(dir), false);
  await bench.keel.run([host.rmdir(dir, { tree: true })]); // a missing one is fine
  mkdirSync(`${bench.dir}/x/y`, { recursive: true });
  await assert.rejects(bench.keel.run([host.rmdir(`${bench.dir}/x`, { tree: true })]), { errno: 39 });
  assert.ok(existsSync(`${bench.dir}/x/y`));
});
