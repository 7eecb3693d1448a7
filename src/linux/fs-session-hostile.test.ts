// Random file operations on hostile paths: whatever an archive says, what is outside of the root stays as it was, keel
// fails with SysError only, and its handler stays alive. Worth running with $BERTH_KEEL set to a sanitized keel.
import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { SysError } from "../lib/errors.ts";
import { cannotRun, openBench } from "./_keel-testing.ts";
import { type FileMeta, fs, type Op } from "./ops.ts";

/** Names that make collisions, loops and escapes likely. */
const name = fc.constantFrom("a", "b", "up", "abs", "..", ".", "", "c\u00e9", "x".repeat(256));
const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) => names.join("/"));
const target = fc.oneof(
  path,
  fc.constantFrom("../outside", "/", "../../../../../../..", "/proc/self/cwd", "/etc/passwd"),
);
const meta = fc.record<FileMeta>({
  mode: fc.constantFrom(0, 0o644, 0o7777),
  uid: fc.constantFrom(0, 1, 0xfffffffe),
  gid: fc.constantFrom(0, 65534),
  mtimeSec: fc.constantFrom(0, -1, 2 ** 33),
  mtimeNsec: fc.constantFrom(0, 999_999_999, -1, 1_000_000_000),
});

function operation(outside: string): fc.Arbitrary<Op[]> {
  return fc.oneof(
    fc.tuple(path, meta).map(([p, m]) => [fs.mkdir(p, m)]),
    fc.tuple(path, meta).map(([p, m]) => [fs.file(p, m, 3), fs.data(Buffer.from("abc"))]),
    fc.tuple(path, target, meta).map(([p, t, m]) => [fs.symlink(p, t, m)]),
    fc.tuple(path, meta).map(([p, m]) => [fs.symlink(p, outside, m)]),
    fc.tuple(path, path).map(([p, q]) => [fs.link(p, q)]),
    fc.tuple(path, meta).map(([p, m]) => [fs.node(p, { ...m, mode: 0o010000 | m.mode }, 0, 0)]),
    path.map((p) => [fs.xattr(p, "user.k", Buffer.from("v"))]),
    path.map((p) => [fs.whiteout(p)]),
    path.map((p) => [fs.opaque(p)]),
    path.map((p) => [fs.remove(p)]),
    fc.tuple(path, meta).map(([p, m]) => [fs.meta(p, m)]),
    path.map((p) => [fs.stat(p, { follow: true })]),
    path.map((p) => [fs.read(p, 100)]),
    path.map((p) => [fs.list(p)]),
    fc.tuple(path, path).map(([p, q]) => [fs.copy(join(outside, "../root"), p, q)]),
  );
}

/** Everything there is to know about a directory that must not change. */
function picture(dir: string): unknown {
  return [...readdirSync(dir).sort(), "."].map((entry) => {
    const s = lstatSync(join(dir, entry), { bigint: true });
    return [entry, s.mode, s.uid, s.gid, s.ino, s.size, s.mtimeNs, s.ctimeNs, s.nlink];
  });
}

test("random operations never reach outside of the root", { skip: cannotRun, timeout: 60_000 }, async () => {
  await using bench = await openBench();
  const outside = join(bench.dir, "outside");
  mkdirSync(outside);
  mkdirSync(join(bench.dir, "root"));
  writeFileSync(join(outside, "a"), "secret");
  const before = picture(outside);
  await fc.assert(
    fc.asyncProperty(fc.array(operation(outside), { maxLength: 25 }), async (steps) => {
      const root = mkdtempSync(join(bench.dir, "root/r-"));
      symlinkSync("../../outside", join(root, "up"));
      symlinkSync(outside, join(root, "abs"));
      await using session = await bench.keel.openFs({ kind: "dir", path: root });
      for (const ops of steps) {
        const outcome = await session.sync(ops).catch((error: unknown) => error);
        assert.ok(Array.isArray(outcome) || outcome instanceof SysError, String(outcome));
        if (Array.isArray(outcome)) assert.doesNotMatch(outcome.map(String).join(), /secret/);
      }
      for await (const entry of session.export("/"))
        for await (const chunk of entry.content())
          assert.doesNotMatch(Buffer.from(chunk).toString(), /secret/);
    }),
    { numRuns: 150 },
  );
  assert.deepEqual(picture(outside), before);
  assert.equal(readFileSync(join(outside, "a"), "utf8"), "secret");
});
