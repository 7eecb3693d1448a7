import assert from "node:assert/strict";
import { test } from "node:test";
import { formatOp } from "../plan/format.ts";
import { labelledMountData, planSelinux } from "./label.ts";

const LABEL = "system_u:object_r:container_file_t:s0:c1,c2";

test("planSelinux writes the label to the file that all modules shared", () => {
  assert.deepEqual(planSelinux({}), []);
  assert.deepEqual(planSelinux({ selinuxLabel: "u:r:t:s0" }).map(formatOp), ['execLabel "" "u:r:t:s0"']);
});

test("labelledMountData adds a quoted context where files have no labels of their own", () => {
  assert.equal(labelledMountData("tmpfs", "size=1k", undefined), "size=1k");
  assert.equal(labelledMountData("tmpfs", "size=1k", LABEL), `size=1k,context="${LABEL}"`);
  assert.equal(labelledMountData("devpts", "", LABEL), `context="${LABEL}"`);
  assert.equal(labelledMountData("proc", "hidepid=2", LABEL), "hidepid=2");
  assert.equal(labelledMountData("tmpfs", "rootcontext=a:b:c", LABEL), "rootcontext=a:b:c");
});
