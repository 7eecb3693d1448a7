import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { cpioArchive } from "./cpio.ts";

test("cpioArchive makes what cpio(1) unpacks, contents of any length included", () => {
  const dir = mkdtempSync(join(tmpdir(), "berth-cpio-"));
  try {
    const contents = ["", "a", "ab", "abc", "abcd"];
    const archive = cpioArchive([
      { path: "d", mode: 0o040755 },
      ...contents.map((text) => ({
        path: `d/${text.length}`,
        mode: 0o100750,
        content: Buffer.from(text),
      })),
    ]);
    execFileSync("busybox", ["cpio", "-i"], {
      cwd: dir,
      input: archive,
      stdio: ["pipe", "ignore", "ignore"],
    });
    for (const text of contents) {
      assert.equal(readFileSync(join(dir, "d", String(text.length)), "utf8"), text);
      assert.equal(statSync(join(dir, "d", String(text.length))).mode & 0o777, 0o750);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
