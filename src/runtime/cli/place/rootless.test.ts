import assert from "node:assert/strict";
import { test } from "node:test";
import type { CgroupHost } from "../../../linux/cgroupfs/hierarchy.ts";
import { host } from "../../../linux/ops.ts";
import { isRootless, parentOf, refuseLostLimits, withOptionalDevices } from "./rootless.ts";

test("--rootless is a boolean as Go reads it, or automatic", () => {
  assert.deepEqual(["true", "1", "T", "false", "0"].map(isRootless), [true, true, true, false, false]);
  assert.throws(() => isRootless("yes"), { code: "runtime.rootless" });
});

test("a container's cgroup is below ours, in version 2 alone beside it", () => {
  const own = new Map([
    ["memory", "/user"],
    ["name=systemd", "/s"],
    ["", "/u/app"],
  ]);
  const mount = (fstype: string, superOptions: string) => ({ fstype, mountpoint: "/c", superOptions });
  assert.equal(parentOf(mount("cgroup", "rw,memory"), own), "/c/user");
  assert.equal(parentOf(mount("cgroup", "rw,xattr,name=systemd"), own), "/c/s");
  assert.equal(parentOf(mount("cgroup2", "rw"), own), "/c/u/app");
  assert.equal(parentOf(mount("cgroup2", "rw"), new Map([["", "/u/app"]])), "/c/u");
});

test("device rules may fail, nothing else", () => {
  const rules = [host.write("/c/devices.deny", "a"), host.cgroupDevices("/c", new Uint8Array(8))];
  const others = [host.write("/c/memory.max", "1"), host.mkdir("/c", 0o755)];
  const made = withOptionalDevices([...rules, ...others]);
  assert.deepEqual(made, [...rules.map(([code, path, data]) => [code, path, data, 1]), ...others]);
});

test("a limit of a controller that the container has not got is refused", () => {
  const hybrid: CgroupHost = { mode: "hybrid", v1: [], v2: { mountpoint: "/u", controllers: [] } };
  const refuses = (
    paths: Parameters<typeof refuseLostLimits>[1],
    r: Parameters<typeof refuseLostLimits>[2],
  ) => assert.throws(() => refuseLostLimits(hybrid, paths, r), { code: "container.cgroup-limit" });
  const none = { v1: {}, v2: "" };
  refuses(none, { memory: { limit: 1 } });
  refuses(none, { cpu: { cpus: "0" } });
  refuses({ v1: { memory: "/c" }, v2: "/u" }, { pids: { limit: 3 } });
  refuses({ v1: { memory: "/c" }, v2: "/u" }, { hugepageLimits: [{ pageSize: "2MB", limit: 0 }] });
  refuses({ v1: { memory: "/c" }, v2: "/u" }, { rdma: { mlx: { hcaObjects: 1 } } });
  refuses({ v1: { memory: "/c" }, v2: "/u" }, { network: { classID: 1 } });
  const withHugetlb: CgroupHost = { ...hybrid, v2: { mountpoint: "/u", controllers: ["hugetlb"] } };
  refuseLostLimits(withHugetlb, none, { hugepageLimits: [{ pageSize: "2MB", limit: 0 }] });
  refuseLostLimits(hybrid, none, { devices: [{ allow: false }], memory: {}, cpu: { shares: 0 } });
  refuseLostLimits(hybrid, { v1: { memory: "/c" }, v2: "" }, { memory: { limit: 1 } });
  refuseLostLimits(hybrid, { v1: {}, v2: "/u" }, { memory: { limit: 1 } });
});
