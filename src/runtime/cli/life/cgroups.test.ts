import assert from "node:assert/strict";
import { test } from "node:test";
import type { CgroupHost } from "../../../linux/cgroupfs/hierarchy.ts";
import { formatOp } from "../../plan/format.ts";
import { planBundleCgroup } from "./cgroups.ts";

test("beside version 1 huge pages are limited by version 2 where that has them, and nothing is said to be lost", () => {
  const host: CgroupHost = {
    mode: "hybrid",
    v1: [{ controllers: ["memory"], name: "", mountpoint: "/no/memory" }],
    v2: { mountpoint: "/no/unified", controllers: ["hugetlb"] },
  };
  const resources = { hugepageLimits: [{ pageSize: "2MB", limit: 4096 }] };
  const { create, warnings } = planBundleCgroup(host, { cgroupsPath: "/c", id: "c", resources });
  assert.ok(create.map(formatOp).some((line) => /no\/unified\/c\/hugetlb\.2MB\.max.*4096/.test(line)));
  assert.deepEqual(
    warnings.filter((text) => text.includes("hugetlb")),
    [],
  );
});
