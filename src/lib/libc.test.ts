import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isatty, write } from "./libc.ts";

test("write passes on the bytes of a view, a mebibyte at most, and 0 for a descriptor that takes none", () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-libc-"));
  try {
    const path = join(folder, "file");
    const fd = openSync(path, "a");
    assert.equal(write(fd, Buffer.from("never shown").subarray(6)), 5);
    assert.equal(write(fd, new Uint8Array(3 << 20)), 1 << 20);
    closeSync(fd);
    const written = readFileSync(path);
    assert.equal(written.length, 5 + (1 << 20));
    assert.equal(written.subarray(0, 5).toString(), "shown");
    assert.equal(write(fd, Uint8Array.of(1)), 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("isatty tells a terminal from a file and from nothing", () => {
  const fd = openSync("/dev/null", "r");
  assert.equal(isatty(fd), false);
  closeSync(fd);
  assert.equal(isatty(fd), false);
  const program = `require("${join(import.meta.dirname, "libc.ts")}").isatty(1) ? process.exit(3) : process.exit(4)`;
  const asked = `'${process.execPath}' -e '${program}'`;
  assert.equal(spawnSync("script", ["-qec", asked, "/dev/null"]).status, 3);
  assert.equal(spawnSync("sh", ["-c", asked]).status, 4);
});
