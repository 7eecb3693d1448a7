import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cannotRun, openBench } from "../../linux/_keel-testing.ts";
import { compareTrees } from "./compare.ts";

test("trees differ in what is there, in what it is, in owners, modes and content, and not in times", {
  skip: cannotRun,
}, async () => {
  await using bench = await openBench();
  const [from, to] = [join(bench.dir, "from"), join(bench.dir, "to")];
  for (const dir of ["etc", "gone/deep", "bin", "same", "turned"])
    mkdirSync(join(from, dir), { recursive: true });
  const files = {
    "etc/content": "aaaa",
    "etc/mode": "x",
    "etc/size": "1",
    "gone/deep/file": "123",
    "same/old": "same",
    "bin/tool": "t",
    "turned/in": "12345",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(from, name), text);
  symlinkSync("one", join(from, "etc/link"));
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  writeFileSync(join(to, "etc/content"), "aaab");
  chmodSync(join(to, "etc/mode"), 0o600);
  writeFileSync(join(to, "etc/size"), "123456");
  rmSync(join(to, "etc/link"));
  symlinkSync("two", join(to, "etc/link"));
  rmSync(join(to, "gone"), { recursive: true });
  utimesSync(join(to, "same/old"), 1, 1);
  rmSync(join(to, "bin/tool"));
  linkSync(join(from, "bin/tool"), join(to, "bin/tool"));
  rmSync(join(to, "turned"), { recursive: true });
  writeFileSync(join(to, "turned"), "ab");
  mkdirSync(join(to, "new/sub"), { recursive: true });
  writeFileSync(join(to, "new/sub/file"), "1234567");
  await using left = await bench.keel.openFs({ kind: "dir", path: from });
  await using right = await bench.keel.openFs({ kind: "dir", path: to });
  const lines = (await compareTrees(left, right)).map((d) => `${d.kind} ${d.path} ${d.sizeBytes}`);
  assert.deepEqual(lines, [
    "modified /etc 0",
    "modified /etc/content 0",
    "modified /etc/link 0",
    "modified /etc/mode 0",
    "modified /etc/size 5",
    "deleted /gone 0",
    "deleted /gone/deep 0",
    "deleted /gone/deep/file -3",
    "added /new 0",
    "added /new/sub 0",
    "added /new/sub/file 7",
    "modified /turned 2",
    "deleted /turned/in -5",
  ]);
  assert.deepEqual(await compareTrees(left, left), []);
});
