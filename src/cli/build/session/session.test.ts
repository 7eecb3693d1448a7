import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { followPaths } from "./follow.ts";
import { parseSecret } from "./secrets.ts";

let dir = "";
before(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-follow-"));
  mkdirSync(join(dir, "real/deep"), { recursive: true });
  writeFileSync(join(dir, "real/deep/f"), "");
  writeFileSync(join(dir, "other.txt"), "");
  symlinkSync("real", join(dir, "link"));
  symlinkSync("/link/../other.txt", join(dir, "real/out"));
  symlinkSync("loop", join(dir, "loop"));
});
after(() => rmSync(dir, { recursive: true }));

test("followPaths finds what paths lead to, through symlinks that stay in the directory", () => {
  const wanted = followPaths(dir, ["link/deep"]);
  for (const yes of ["link", "real/deep", "real/deep/f"]) assert.equal(wanted.isWanted(yes), true, yes);
  for (const no of ["real", "real/out", "other.txt"]) assert.equal(wanted.isWanted(no), false, no);
  assert.equal(wanted.mayHold("real"), true);
  const through = followPaths(dir, ["real/out"]);
  assert.equal(through.isWanted("other.txt"), true);
  assert.equal(followPaths(dir, ["*.txt"]).isWanted("other.txt"), true);
  assert.equal(followPaths(dir, ["real/**/f"]).isWanted("real/deep/f"), true);
  assert.equal(followPaths(dir, []).isWanted("anything"), true);
  assert.equal(followPaths(dir, ["loop/x"]).isWanted("loop"), true);
});

test("parseSecret reads files and variables", () => {
  assert.deepEqual(parseSecret("id=a,src=/f"), { id: "a", file: "/f", env: "" });
  assert.deepEqual(parseSecret("type=env,id=a,env=X"), { id: "a", file: "", env: "X" });
  assert.deepEqual(parseSecret("id=/f"), { id: "/f", file: "/f", env: "" });
  assert.throws(() => parseSecret("src=/f"), /secret missing "id"/);
  assert.throws(() => parseSecret("id=a,what=1"), /unexpected key 'what'/);
});
