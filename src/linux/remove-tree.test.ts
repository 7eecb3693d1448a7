import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { removeTree } from "./remove-tree.ts";

const home = mkdtempSync(join(tmpdir(), "berth-remove-"));
after(() => rmSync(home, { recursive: true }));

test("removeTree removes what is there, links themselves, and nothing where nothing is", async () => {
  mkdirSync(join(home, "kept"));
  mkdirSync(join(home, "tree/below"), { recursive: true });
  symlinkSync(join(home, "kept"), join(home, "tree/below/link"));
  symlinkSync("nowhere", join(home, "dangling"));
  await removeTree(join(home, "tree"));
  await removeTree(join(home, "dangling"));
  await removeTree(join(home, "never"));
  assert.deepEqual(
    ["kept", "tree", "dangling"].map(
      (name) => lstatSync(join(home, name), { throwIfNoEntry: false }) !== undefined,
    ),
    [true, false, false],
  );
});

test("removeTree leaves nothing of a directory from which somebody else removes, too", async () => {
  for (let round = 0; round < 2000; round++) {
    const dir = join(home, `${round}`);
    mkdirSync(dir);
    for (const name of ["exit.json", "log", "shim.sock"]) writeFileSync(join(dir, name), "");
    const other = unlink(join(dir, "shim.sock")).catch(() => {}); // ignored: it may be gone already
    await Promise.all([removeTree(dir), other]);
    assert.equal(existsSync(dir), false, `round ${round}`);
  }
});
