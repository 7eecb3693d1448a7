import assert from "node:assert/strict";
import { test } from "node:test";
import { SysError } from "../../lib/errors.ts";
import { LEGACY_HOST, UNIFIED_HOST } from "../spec/host-fake.ts";
import { withParent } from "./parent.ts";

const ENOSPC = new SysError("cgroup", "/sys/fs/cgroup/cpuset/docker/x/tasks", 28, "No space left on device");
const ENOENT = new SysError("open", "/sys/fs/cgroup/docker/x/memory.max", 2, "No such file or directory");

/** An attempt that fails so often, and the number of times it was made. */
function failing(error: unknown, times: number): { attempt: () => Promise<string>; made: () => number } {
  let count = 0;
  return {
    attempt: () => (++count <= times ? Promise.reject(error) : Promise.resolve("made")),
    made: () => count,
  };
}

test("a cgroup whose parent went away, or has no CPUs yet, is planned once more", async () => {
  for (const [error, host] of [
    [ENOSPC, LEGACY_HOST],
    [ENOENT, UNIFIED_HOST],
  ] as const) {
    const { attempt, made } = failing(error, 1);
    assert.equal(await withParent(host, attempt), "made");
    assert.equal(made(), 2);
  }
});

test("a second refusal is told, and one that has nothing to do with cgroups at once", async () => {
  const full = failing(ENOSPC, 9);
  await assert.rejects(() => withParent(LEGACY_HOST, full.attempt), ENOSPC);
  assert.equal(full.made(), 2);
  const disk = new SysError("mkdir", "/var/lib/berth/x", 28, "No space left on device");
  const other = failing(disk, 9);
  await assert.rejects(() => withParent(LEGACY_HOST, other.attempt), disk);
  assert.equal(other.made(), 1);
});
