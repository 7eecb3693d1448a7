import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { roff } from "./man.ts";

test("roff keeps texts as they are", () => {
  assert.equal(roff("a-b\\c\n.d\n'e"), "a\\-b\\ec\n\\&.d\n\\&'e");
});

test("every command has a page with its options", () => {
  const dir = mkdtempSync(join(tmpdir(), "berth-man-"));
  try {
    execFileSync(process.execPath, [join(import.meta.dirname, "man.ts"), dir]);
    const pages = readdirSync(dir);
    for (const name of ["berth.1", "berth-daemon.8", "berth-container-run.1", "berth-login.1"])
      assert.ok(pages.includes(name), name);
    const run = readFileSync(join(dir, "berth-container-run.1"), "utf8");
    assert.match(run, /^\.TH BERTH\\-CONTAINER\\-RUN 1 /);
    assert.match(run, /^\.B berth run \[OPTIONS\] IMAGE/m);
    assert.match(run, /\\fB\\-m\\fR, \\fB\\-\\-memory\\fR \\fIbytes\\fR\n\w/);
    assert.match(readFileSync(join(dir, "berth-daemon.8"), "utf8"), /\\-\\-tlsverify/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
