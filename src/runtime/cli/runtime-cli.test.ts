// The runtime's decisions without a kernel: what flags, files and names mean. What is made of them is tested in test/e2e/runtime.test.ts.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import { type CgroupHost, parseOwnCgroups } from "../../linux/cgroupfs/hierarchy.ts";
import { formatOp } from "../plan/format.ts";
import { exampleSpec, rootlessSpec } from "./example-spec.ts";
import { processOf, type ProcessFlags } from "./exec-process.ts";
import { planBundle } from "./life/bundle-plan.ts";
import { bundleCgroup } from "./life/cgroups.ts";
import { environment } from "./life/environment.ts";
import { joinedCgroups } from "./life/exec.ts";
import { planHooks } from "../plan/hooks.ts";
import { stateText } from "./life/hooks.ts";
import { withLock } from "./life/lock.ts";
import { ContainerDir, isAlive } from "./life/store.ts";
import { formatLine } from "./logger.ts";
import { parseSignal } from "./signals.ts";
import { mergedResources, resourcesOf } from "./update-resources.ts";

const HYBRID: CgroupHost = {
  mode: "hybrid",
  v1: [
    { controllers: ["cpu", "cpuacct"], name: "", mountpoint: "/cg/cpu,cpuacct" },
    { controllers: ["memory"], name: "", mountpoint: "/cg/memory" },
    { controllers: [], name: "systemd", mountpoint: "/cg/systemd" },
  ],
  v2: { mountpoint: "/cg/unified", controllers: [] },
};

test("a relative cgroup path starts from our own cgroup in each hierarchy, an absolute one from the top", () => {
  const own = parseOwnCgroups("9:name=systemd:/user.slice\n4:memory:/box\n2:cpu,cpuacct:/\n0::/session\n");
  const at = (cgroupsPath: string | undefined) => bundleCgroup(HYBRID, { cgroupsPath, id: "id" }, own);
  assert.deepEqual(at("a/../b"), {
    v1: {
      cpu: "/cg/cpu,cpuacct/b",
      cpuacct: "/cg/cpu,cpuacct/b",
      memory: "/cg/memory/box/b",
      "name=systemd": "/cg/systemd/user.slice/b",
    },
    v2: "/cg/unified/session/b",
  });
  assert.equal(at("/top/x").v1["memory"], "/cg/memory/top/x");
  assert.equal(at(undefined).v1["memory"], "/cg/memory/box/id");
  assert.equal(at("../../..").v1["memory"], "/cg/memory/box"); // it cannot climb out of its base
  const unified: CgroupHost = { mode: "unified", v1: [], v2: { mountpoint: "/cg", controllers: ["memory"] } };
  assert.deepEqual(
    bundleCgroup(unified, { cgroupsPath: "x", id: "id" }, parseOwnCgroups("0::/a/session\n")),
    {
      v1: {},
      v2: "/cg/a/x",
    },
  );
});

test("exec's --cgroup names places below the container's own cgroup", () => {
  const own = {
    paths: { v1: { memory: "/cg/memory/c", pids: "/cg/pids/c" }, v2: "" },
    cgroups: ["/cg/memory/c", "/cg/pids/c"],
    cgroup2: "",
  };
  assert.deepEqual(joinedCgroups(own, []).cgroups, ["/cg/memory/c", "/cg/pids/c"]);
  assert.deepEqual(joinedCgroups(own, ["memory:/sub"]).cgroups, ["/cg/memory/c/sub", "/cg/pids/c"]);
  assert.throws(() => joinedCgroups(own, ["memory:../x"]), /bad sub cgroup path/);
  assert.throws(() => joinedCgroups(own, ["cpu:x"]), /unknown controller cpu/);
  assert.throws(() => joinedCgroups(own, ["memory:a", "memory:b"]), /specified multiple times/);
  assert.throws(() => joinedCgroups(own, ["a", "b"]), /missing <controller>: prefix/);
});

test("the last of several variables counts, in its own place", () => {
  assert.deepEqual(environment(["A=1", "B=2", "A=3", "C=x=y"]), ["B=2", "A=3", "C=x=y"]);
  assert.throws(() => environment(["A"]), /missing '='/);
  assert.throws(() => environment(["=x"]), /name cannot be empty/);
});

const FLAGS: ProcessFlags = {
  cwd: "",
  env: [],
  tty: false,
  user: "",
  "additional-gids": [],
  "process-label": "",
  apparmor: "",
  "no-new-privs": false,
  cap: [],
};

test("exec's process is the container's with what flags change", () => {
  const spec = exampleSpec(false);
  const make = (change: Partial<ProcessFlags>) => processOf({ spec }, { ...FLAGS, ...change }, ["id"]);
  assert.equal(make({}).terminal, false);
  assert.deepEqual(make({ user: "5" }).user, { uid: 5, gid: 0 });
  assert.deepEqual(make({ user: "5:6", "additional-gids": ["7"] }).user, {
    uid: 5,
    gid: 6,
    additionalGids: [7],
  });
  const { capabilities } = make({ cap: ["CAP_SYS_ADMIN"] });
  assert.ok(capabilities?.effective?.includes("CAP_SYS_ADMIN"));
  assert.equal(capabilities?.ambient, undefined);
  for (const user of ["x", "-1", "4294967296", "1:y"])
    assert.throws(() => make({ user }), /bad [ug]id/, user);
  assert.throws(() => make({ cwd: "tmp" }), /absolute/);
  assert.throws(() => processOf({ spec }, FLAGS, []), /exec args cannot be empty/);
});

test("update's flags are limits; a period that gets shorter comes last", () => {
  const flags = {
    memory: "64M",
    "cpu-quota": "1000",
    "blkio-weight": 10,
    "pids-limit": "",
    "cpuset-cpus": "0-1",
  };
  assert.deepEqual(resourcesOf(flags), {
    memory: { limit: 64 << 20 },
    cpu: { quota: 1000, cpus: "0-1" },
    blockIO: { weight: 10 },
  });
  assert.throws(() => resourcesOf({ "cpu-share": "many" }), /invalid value for cpu-share/);
  const old = { cpu: { quota: 5000, period: 20_000, shares: 7 }, pids: { limit: 3 } };
  const longer = mergedResources(old, { cpu: { period: 40_000 } });
  assert.deepEqual(longer.steps, [{ cpu: { quota: 5000, period: 40_000 } }]);
  assert.deepEqual(longer.kept.cpu, { quota: 5000, period: 40_000, shares: 7 });
  assert.deepEqual(longer.kept.pids, { limit: 3 });
  assert.deepEqual(mergedResources(old, { cpu: { period: 10_000, quota: 2000 } }).steps, [
    { cpu: { quota: 2000 } },
    { cpu: { period: 10_000 } },
  ]);
  assert.deepEqual(mergedResources(old, { devices: [{ allow: true }] }).steps, [{ cpu: {} }]);
});

test("signals are known by name and number", () => {
  for (const [text, signo] of Object.entries({ KILL: 9, sigterm: 15, "9": 9, "RTMIN+3": 37, RTMAX: 64 }))
    assert.equal(parseSignal(text), signo, text);
  for (const text of ["", "NOPE", "RTMIN+99", "-9"])
    assert.throws(() => parseSignal(text), /unknown signal/, text);
});

test("messages are logrus' two forms", () => {
  assert.equal(formatLine("json", "error", 'a "b"', "T"), '{"level":"error","msg":"a \\"b\\"","time":"T"}\n');
  assert.equal(formatLine("text", "warning", "two words", "T"), 'time="T" level=warning msg="two words"\n');
  assert.equal(formatLine("text", "debug", "word", "T"), 'time="T" level=debug msg=word\n');
});

test("the life cycle's operations are in their places in the plan", () => {
  const spec = exampleSpec(false);
  const hook = { path: "/bin/hook" };
  const named = { id: "c", bundle: "/b", spec };
  const input = {
    id: "c",
    bundle: "/b",
    stateDir: "/run/c",
    cgroup: {
      paths: { v1: {}, v2: "" },
      views: [],
      create: [],
      join: { cgroups: [], cgroup2: "" },
      remove: [],
      oomFile: "",
      warnings: [],
    },
    hasNoPivot: false,
    hasNoKeyring: true,
    loadUserMap: () => ({ uids: [], gids: [] }),
    netDevices: [],
    creating: stateText(named, "creating"),
    created: stateText(named, "created"),
  };
  const hooks = { prestart: [hook], createContainer: [hook], startContainer: [hook], poststop: [hook] };
  const root = { path: "/b/rootfs" };
  const planned = planBundle({ ...input, spec: { ...spec, root, hooks } });
  const names = planned.plan.ops.map((op) => formatOp(op).split(" ")[0] ?? "");
  const after = (name: string) => names.slice(names.indexOf(name) + 1)[0];
  assert.deepEqual(
    planned.callerHooks.map(({ label }) => label),
    ["prestart hook #0"],
  );
  assert.equal(after("callerHooks"), "hooks");
  assert.equal(after("hooks"), "console");
  assert.deepEqual(names.slice(-4), ["findProgram", "awaitStart", "hooks", "exec"]);
  assert.ok(!names.includes("keyring"));
  assert.ok(!planned.warnings.some((warning) => warning.includes("hooks")));
  const plain = planBundle({ ...input, hasNoPivot: true, spec: { ...spec, root } }).plan.ops.map(formatOp);
  assert.ok(
    plain.some((line) => line.startsWith("moveRoot")) && !plain.some((line) => /^(pivot|hooks)/.test(line)),
  );

  const linux = { ...spec.linux, namespaces: [{ type: "pid" as const }], maskedPaths: [], readonlyPaths: [] };
  const inCallers = planBundle({ ...input, spec: { ...spec, root, hooks, linux } });
  const own = inCallers.plan.ops.map((op) => formatOp(op).split(" ")[0] ?? "");
  assert.ok(
    own.indexOf("rootHere") < own.indexOf("callerHooks") &&
      own.indexOf("callerHooks") < own.indexOf("chroot"),
  );
  assert.ok(!own.some((name) => /^(rootBind|rootPropagation|pivot|moveRoot)$/.test(name)));
});

test("hooks without an environment get the given one; the state has a place for the process", () => {
  const hooks = {
    createRuntime: [
      { path: "/a", env: ["X=1"] },
      { path: "/b", timeout: 2 },
    ],
  };
  const [first, second] = planHooks(hooks, "createRuntime", { Y: "2" });
  assert.deepEqual(first, {
    label: "createRuntime hook #0",
    path: "/a",
    args: [],
    env: ["X=1"],
    timeoutMs: 0,
  });
  assert.deepEqual([second?.env, second?.timeoutMs], [["Y=2"], 2000]);
  const [head, tail] = stateText({ id: "i", bundle: "/b", spec: exampleSpec(true) }, "creating");
  const state = JSON.parse(`${head}42${tail}`) as Record<string, unknown>;
  assert.deepEqual(
    [state["id"], state["status"], state["pid"], state["bundle"]],
    ["i", "creating", 42, "/b"],
  );
});

test("ids are names of directories, and taken once", () => {
  const root = mkdtempSync(join(tmpdir(), "berth-store-"));
  try {
    for (const id of ["", ".", "..", "a/b", "a b", "x".repeat(128)])
      assert.throws(() => new ContainerDir(root, id), Fault, id);
    const dir = new ContainerDir(root, "a.b_c+d-1");
    dir.make();
    assert.throws(() => dir.make(), /container with given ID already exists/);
    assert.throws(() => dir.load(), /container does not exist/);
    dir.remove();
    assert.ok(isAlive({ pid: process.pid, startTicks: startTicks() }));
    assert.ok(!isAlive({ pid: process.pid, startTicks: 1 }));
  } finally {
    rmSync(root, { recursive: true });
  }
});

function startTicks(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
}

test("a lock whose owner is gone is taken away, and given back", async () => {
  const dir = mkdtempSync(join(tmpdir(), "berth-lock-"));
  try {
    writeFileSync(join(dir, ".lock"), "4194303 17");
    assert.equal(await withLock(dir, () => 5), 5);
    await assert.rejects(
      withLock(dir, () => Promise.reject(new Error("inside"))),
      /inside/,
    );
    assert.equal(await withLock(dir, () => 6), 6);
    await assert.rejects(
      withLock(join(dir, "no"), () => 1),
      /container does not exist/,
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("the rootless example asks for nothing that takes privileges", () => {
  const spec = rootlessSpec(exampleSpec(true), { uid: 1000, gid: 1001 });
  const types = spec.linux?.namespaces?.map(({ type }) => type);
  assert.ok(types?.includes("user") && !types.includes("network"));
  assert.deepEqual(spec.linux?.uidMappings, [{ containerID: 0, hostID: 1000, size: 1 }]);
  assert.equal(spec.linux?.resources, undefined);
  assert.ok(!spec.mounts?.some((m) => m.options?.some((o) => o.startsWith("gid="))));
});
