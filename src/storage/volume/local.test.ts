// Directories of volumes with the real keel: made, emptied, measured, swept, mounted.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { link, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { cannotRun, openBench } from "../../linux/_keel-testing.ts";
import { LocalVolumes } from "./local.ts";

const open = (bench: Awaited<ReturnType<typeof openBench>>): Promise<LocalVolumes> =>
  LocalVolumes.open({ dir: bench.dir, keel: bench.keel, log: () => {} });
const isMounted = async (path: string): Promise<boolean> =>
  (await readFile("/proc/self/mountinfo", "utf8")).includes(` ${path} `);

test("directories are made as Docker's, measured, and vanish at once", { skip: cannotRun }, async () => {
  await using bench = await openBench();
  const volumes = await open(bench);
  await volumes.create("v1");
  const at = volumes.path("v1");
  assert.equal(at, join(bench.dir, "volumes/v1/_data"));
  assert.equal((await stat(at)).mode & 0o7777, 0o755);
  assert.equal((await stat(join(at, ".."))).mode & 0o7777, 0o701);
  assert.ok(await volumes.isEmpty("v1"));
  await mkdir(join(at, "sub"));
  await writeFile(join(at, "sub/file"), "12345");
  await link(join(at, "sub/file"), join(at, "hard"));
  await symlink("abc", join(at, "link"));
  assert.equal(await volumes.sizeBytes("v1"), 8, "a file with two names counts once, a link its target");
  await volumes.empty("v1");
  assert.deepEqual(await readdir(at), []);
  await volumes.remove("v1");
  assert.equal(existsSync(join(at, "..")), false);
  await volumes.close();
});

test("names that could leave the directory are refused", { skip: cannotRun }, async () => {
  await using bench = await openBench();
  const volumes = await open(bench);
  for (const name of ["..", ".trash", "a/b", "/abs", "", "x", "a\0b", "a\n", "é", "n".repeat(256)]) {
    assert.throws(() => volumes.check(name, null), { kind: "invalidParameter" }, name);
    await assert.rejects(volumes.create(name), { kind: "invalidParameter" }, name);
    await assert.rejects(volumes.remove(name), { kind: "invalidParameter" }, name);
  }
  assert.deepEqual(await readdir(join(bench.dir, "volumes")), [".trash"]);
  await volumes.close();
});

test("a mount is made once, found again, and swept when nobody has it", { skip: cannotRun }, async () => {
  await using bench = await openBench();
  const volumes = await open(bench);
  const options = { type: "tmpfs", device: "tmpfs", o: "size=1m" };
  await volumes.create("memory");
  const at = volumes.path("memory");
  try {
    await volumes.mount("memory", options);
    await writeFile(join(at, "file"), "");
    await volumes.mount("memory", options);
    assert.deepEqual(await readdir(at), ["file"], "the second mount found the first");
    const next = await open(bench);
    await next.sweep(new Set(["memory"]), new Set(["memory"]));
    assert.ok(await isMounted(at));
    await next.sweep(new Set(["memory"]), new Set());
    assert.equal(await isMounted(at), false);
  } finally {
    await volumes.unmount("memory");
  }
  await assert.rejects(volumes.mount("memory", { type: "nosuchfs", device: "x" }), {
    kind: "system",
    message: `failed to mount local volume: mount x:${at}: no such device`,
  });
  await volumes.close();
});

test("sweep removes what is not recorded and makes again what is lost", { skip: cannotRun }, async () => {
  await using bench = await openBench();
  const volumes = await open(bench);
  await volumes.create("known");
  await volumes.create("stray");
  await volumes.sweep(new Set(["known", "lost"]), new Set());
  assert.deepEqual((await readdir(join(bench.dir, "volumes"))).sort(), [".trash", "known", "lost"]);
  assert.ok(existsSync(volumes.path("lost")));
  await volumes.close();
});
