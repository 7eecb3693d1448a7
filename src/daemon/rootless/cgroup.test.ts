import assert from "node:assert/strict";
import { test } from "node:test";
import { type MountInfo, parseMountInfo } from "../../linux/procfs/mountinfo.ts";
import { ownCgroup } from "./cgroup.ts";

const mounts = (...lines: string[]): MountInfo[] => [...parseMountInfo(lines.join("\n"))];
const V2 = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
const V1 = "31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu";

test("ownCgroup is where the process is, on cgroup v2 alone", () => {
  const own = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/berth.service\n";
  assert.equal(
    ownCgroup(mounts(V2), own),
    "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/berth.service",
  );
  assert.equal(ownCgroup(mounts(V2), "0::/\n"), "/sys/fs/cgroup");
  assert.equal(ownCgroup(mounts(V1, V2), `4:cpu:/\n${own}`), undefined);
  assert.equal(ownCgroup(mounts(V2), "4:cpu:/\n"), undefined);
  assert.equal(ownCgroup([], own), undefined);
});
