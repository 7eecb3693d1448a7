import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { listFamily } from "./family.ts";

test("listFamily finds a process with its children and theirs", async () => {
  const child = spawn("sh", ["-c", "sh -c 'echo ready; read x; true'; true"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const family = listFamily(child.pid as number);
  assert.equal(family.length, 2);
  assert.equal(family.includes(child.pid as number), true);
  child.stdin.end();
  await once(child, "exit");
  assert.deepEqual(listFamily(child.pid as number), []);
});
