import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ExecRoot } from "./exec-root.ts";

test("what shims write at the last moment does not keep the directory of a daemon that has ended", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "berth-exec-root-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const root = await ExecRoot.open(join(dir, "run"));
  for (const late of ["c/1", "p/2", "plugins/3"]) {
    await mkdir(root.path(late), { recursive: true });
    await writeFile(root.path(`${late}/exit.json`), "{}");
  }
  await root.removeStates("containers");
  assert.equal(existsSync(root.path("p/2")), true, "a plugin that runs keeps what it has");
  await root.removeStates("plugins");
  await root[Symbol.asyncDispose]();
  assert.equal(existsSync(root.dir), false);
});
