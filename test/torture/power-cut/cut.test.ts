// What a power cut leaves: what was made stable always, the rest as the kind of the cut says.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Random } from "../random.ts";
import { cutAfter, type CutKind } from "./cut.ts";
import { RecordingDisk } from "./recording-disk.ts";

const base = mkdtempSync(join(tmpdir(), "berth-cut-"));
after(() => rmSync(base, { recursive: true, force: true }));

/** A file that is stable with its first word, another whose name is, and a directory that was filled by somebody else. */
async function record(): Promise<RecordingDisk> {
  const root = mkdtempSync(join(base, "recorded-"));
  const disk = new RecordingDisk(root);
  const path = (name: string): string => join(root, name);
  const file = await disk.open(path("stable"));
  await file.write(Buffer.from("first"), 0);
  await file.datasync();
  await (await disk.open(path("named"))).write(Buffer.from("content"), 0);
  await disk.syncDir(root);
  await file.write(Buffer.from("second"), 5);
  await disk.makeDir(path("work"));
  writeFileSync(path("work/file"), "unseen");
  await disk.rename(path("work"), path("place"));
  return disk;
}

function leave(
  disk: RecordingDisk,
  count: number,
  kind: CutKind,
  seed = 1,
): (name: string) => string | undefined {
  const dir = mkdtempSync(join(base, "left-"));
  cutAfter(disk.steps, count, kind, new Random(seed)).writeTo(dir);
  return (name) => {
    try {
      return readFileSync(join(dir, name), "utf8");
    } catch {
      return undefined; // ignored: that is what it looks like
    }
  };
}

test("a power cut leaves what was stable, and of the rest what its kind says", async () => {
  const disk = await record();
  const all = disk.steps.length;
  for (const kind of ["kept", "named", "dropped", "torn", "scattered"] as const) {
    for (let seed = 1; seed <= 50; seed++) {
      const read = leave(disk, all, kind, seed);
      assert.equal(read("stable")?.startsWith("first"), true, kind);
      assert.notEqual(read("named"), undefined, `${kind}: its name was stable`);
    }
  }
  const kept = leave(disk, all, "kept");
  assert.deepEqual([kept("stable"), kept("named"), kept("place/file")], ["firstsecond", "content", "unseen"]);
  const named = leave(disk, all, "named");
  assert.deepEqual([named("stable"), named("named"), named("place/file")], ["first", "", ""]);
  const dropped = leave(disk, all, "dropped");
  assert.deepEqual([dropped("stable"), dropped("named"), dropped("place/file")], ["first", "", undefined]);
  const seen = new Set(Array.from({ length: 50 }, (_, i) => leave(disk, all, "torn", i)("stable")));
  assert.equal(seen.size > 3, true, "a write survives in part");
});

test("a synchronisation counts from its end on", async () => {
  const disk = await record();
  const sync = disk.steps.findIndex((step) => step.kind === "datasync");
  assert.equal(leave(disk, sync, "named")("stable"), "");
  assert.equal(leave(disk, sync + 1, "named")("stable"), "first");
});
