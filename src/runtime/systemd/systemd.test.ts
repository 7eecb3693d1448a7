import assert from "node:assert/strict";
import { test } from "node:test";
import type { CgroupHost } from "../../linux/cgroupfs/hierarchy.ts";
import type { OciResources } from "../spec/oci.ts";
import { annotatedProperties, parseGVariant, type Property } from "./annotations.ts";
import { limitProperties, oomProperties, withSystemdQuota } from "./properties.ts";
import { expandSlice, unitOf, unitPaths } from "./unit.ts";

test("a unit's name and slice come from cgroupsPath", () => {
  assert.deepEqual(unitOf("machine.slice:libpod:1", "x", false), {
    name: "libpod-1.scope",
    slice: "machine.slice",
  });
  assert.deepEqual(unitOf(":cri:1", "x", false), { name: "cri-1.scope", slice: "system.slice" });
  assert.deepEqual(unitOf(undefined, "x", false), { name: "berth-x.scope", slice: "system.slice" });
  assert.deepEqual(unitOf("", "x", true), { name: "berth-x.scope", slice: "user.slice" });
  for (const path of [
    "/x",
    "a:b",
    "a.slice:b:c:d",
    "a:b:c",
    "a.slice:b:c/d",
    "a.slice:b:c.slice",
    "a--b.slice:p:n",
  ])
    assert.throws(() => unitOf(path, "x", false), { code: "runtime.systemd" }, path);
});

test("a slice's path has its parents in it", () => {
  assert.equal(expandSlice("a-b-c.slice"), "/a.slice/a-b.slice/a-b-c.slice");
  assert.equal(expandSlice("-.slice"), "");
  for (const slice of ["a", ".slice", "-a.slice", "a-.slice", "a/b.slice"])
    assert.throws(() => expandSlice(slice), { code: "runtime.systemd" }, slice);
});

test("a unit's directories are in every hierarchy", () => {
  const host: CgroupHost = {
    mode: "hybrid",
    v1: [
      { controllers: ["cpu", "cpuacct"], name: "", mountpoint: "/c/cpu" },
      { controllers: [], name: "systemd", mountpoint: "/c/systemd" },
    ],
    v2: { mountpoint: "/c/unified", controllers: [] },
  };
  const path = "/a.slice/a-b.slice/p-n.scope";
  assert.deepEqual(unitPaths(host, { name: "p-n.scope", slice: "a-b.slice" }), {
    v1: { cpu: `/c/cpu${path}`, cpuacct: `/c/cpu${path}`, "name=systemd": `/c/systemd${path}` },
    v2: `/c/unified${path}`,
  });
});

const plain = (properties: readonly Property[]) =>
  Object.fromEntries(properties.map(([name, { signature, value }]) => [name, [signature, value]]));

test("limits are properties in systemd's units, those of its version", () => {
  const resources: OciResources = {
    memory: { limit: 1 << 20, swap: 3 << 20, reservation: 4096 },
    cpu: { shares: 1024, quota: 12345, period: 50_000, cpus: "0-1,9", mems: "0" },
    pids: { limit: 0 },
    unified: { "memory.high": "max", "cpu.weight": "7", "io.max": "8:0 rbps=1" },
  };
  const eight = (first: number, second = 0) => [first, second, 0, 0, 0, 0, 0, 0];
  assert.deepEqual(plain(limitProperties(resources, { version: 252, isUnified: true })), {
    MemoryMax: ["t", 1n << 20n],
    MemoryLow: ["t", 4096n],
    MemorySwapMax: ["t", 2n << 20n],
    CPUWeight: ["t", 7n], // later ones count: `unified` is the more exact word
    CPUQuotaPeriodUSec: ["t", 50_000n],
    CPUQuotaPerSecUSec: ["t", 250_000n], // 246 900, rounded up to a hundredth of a CPU
    TasksMax: ["t", 1n],
    AllowedCPUs: ["ay", eight(3, 2)],
    AllowedMemoryNodes: ["ay", eight(1)],
    MemoryHigh: ["t", 2n ** 64n - 1n],
  });
  const old = plain(
    limitProperties({ ...resources, blockIO: { weight: 300 } }, { version: 239, isUnified: false }),
  );
  assert.deepEqual(old, {
    MemoryLimit: ["t", 1n << 20n],
    CPUShares: ["t", 1024n],
    CPUQuotaPerSecUSec: ["t", 250_000n],
    BlockIOWeight: ["t", 300n],
    TasksMax: ["t", 1n],
  });
  const none = plain(
    limitProperties({ cpu: { quota: -1 }, pids: { limit: -1 } }, { version: 252, isUnified: true }),
  );
  assert.deepEqual(none, { CPUQuotaPerSecUSec: ["t", 2n ** 64n - 1n], TasksMax: ["t", 2n ** 64n - 1n] });
  const group = { unified: { "memory.oom.group": "1" } };
  assert.deepEqual(plain(oomProperties(group, { version: 253, isUnified: true })), {
    OOMPolicy: ["s", "kill"],
  });
  assert.deepEqual(oomProperties(group, { version: 252, isUnified: true }), []);
});

test("the file has the quota that systemd makes of it", () => {
  const of = (cpu: OciResources["cpu"]) => withSystemdQuota({ ...(cpu ? { cpu } : {}) }).cpu?.quota;
  assert.equal(of({ quota: 500_000, period: 900_000 }), 504_000);
  assert.equal(of({ quota: 25_000 }), 25_000);
  assert.equal(of({ quota: -1, period: 900_000 }), -1);
  assert.equal(of(undefined), undefined);
});

test("devices are a list of what is allowed; what is a list of exceptions is left to the cgroup", () => {
  const devices = [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", access: "m" },
    { allow: true, type: "b", major: 8, access: "r" },
    { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
    { allow: true, type: "c", minor: 5, access: "r" }, // systemd has no word for it
  ];
  const manager = { version: 252, isUnified: true };
  const of = (list: typeof devices) =>
    limitProperties({ devices: list }, manager).map(([name, v]) => [name, v.value]);
  assert.deepEqual(of(devices), [
    ["DeviceAllow", []],
    ["DevicePolicy", "strict"],
    [
      "DeviceAllow",
      [
        ["char-*", "m"],
        ["block-8", "r"],
        ["/dev/char/1:3", "rwm"],
      ],
    ],
  ]);
  assert.deepEqual(of([{ allow: true, access: "rwm" }]), [
    ["DeviceAllow", []],
    ["DevicePolicy", "auto"],
  ]);
});

test("values of annotations are GVariant text", () => {
  const read = (text: string) => {
    const { signature, value } = parseGVariant(text);
    return [signature, value];
  };
  assert.deepEqual(read("'it\\'s'"), ["s", "it's"]);
  assert.deepEqual(read('"a\\u00e9\\n"'), ["s", "aé\n"]);
  assert.deepEqual(read("true"), ["b", true]);
  assert.deepEqual(read("-5"), ["i", -5]);
  assert.deepEqual(read("0x10"), ["i", 16]);
  assert.deepEqual(read("1.5"), ["d", 1.5]);
  assert.deepEqual(read("uint64 18446744073709551615"), ["t", 2n ** 64n - 1n]);
  assert.deepEqual(read("@as []"), ["as", []]);
  assert.deepEqual(read("['a', 'b.service']"), ["as", ["a", "b.service"]]);
  assert.deepEqual(read("@au [1,2]"), ["au", [1, 2]]);
  for (const text of [
    "",
    "[]",
    "'open",
    "uint32 -1",
    "5 6",
    "['a' 'b']",
    "@as 5",
    "yes",
    "['a', 5]",
    "int32 x",
    "@ [1]",
  ])
    assert.throws(() => parseGVariant(text), Error, text);
});

test("annotations name properties; seconds are microseconds there", () => {
  const at = (name: string) => `org.systemd.property.${name}`;
  assert.deepEqual(
    plain(
      annotatedProperties({ [at("TimeoutStopSec")]: "1.5", [at("CollectMode")]: "'inactive'", other: "[" }),
    ),
    { TimeoutStopUSec: ["t", 1_500_000n], CollectMode: ["s", "inactive"] },
  );
  for (const [name, value] of [
    ["A", "1"],
    ["With-Dash", "1"],
    ["TimeoutStopSec", "'x'"],
    ["Name", "["],
  ] as const)
    assert.throws(() => annotatedProperties({ [at(name)]: value }), { code: "runtime.systemd" }, name);
});
