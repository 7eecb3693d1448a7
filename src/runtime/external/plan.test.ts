// The plan of a container of an external runtime, as a text: what happens where, and in which order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { planCgroup } from "../cgroup/plan.ts";
import { formatOp } from "../plan/format.ts";
import { generateSpec } from "../spec/generate.ts";
import { fakeSpecHost, UNIFIED_HOST } from "../spec/host-fake.ts";
import { planExternalContainer, planExternalExec } from "./plan.ts";

const runtime = { command: ["/bin/rt"], env: ["PATH=/bin"] };
const host = fakeSpecHost({ cgroups: UNIFIED_HOST });
const { spec } = generateSpec({ id: "c1", args: ["true"], env: [], tty: true, cwd: "/srv" }, host);
const cgroup = planCgroup(host.cgroups, { id: "c1" }, () => undefined);
const input = {
  id: "c1",
  spec,
  root: { kind: "dir", path: "/root-of-it" },
  rootTarget: "/run/root",
  stateDir: "/run/c/c1",
  log: { kind: "none" },
  netns: 2,
  cgroup,
  hasBarrier: true,
} as const;
const plan = planExternalContainer(input, { runtime, log: "/data/log" });
const words = (text: string) => text.split(" ")[0];

test("the step mounts the root, calls create, waits, and calls start", () => {
  const { ops } = plan.shim;
  assert.deepEqual(ops.map(formatOp).map(words), [
    "rootPropagation",
    "rootBind",
    "chdir",
    "bundle",
    "runtimeCreate",
    "barrier",
    "runtimeStart",
  ]);
  assert.deepEqual(ops[4]?.[1], [
    "/bin/rt",
    ...["--root", "/run/c/c1/runtime", "--log", "/data/log", "--log-format", "json"],
    ...["create", "--bundle", "/run/c/c1/bundle", "--pid-file", "pid", "--console-socket", "tty", "c1"],
  ]);
  assert.deepEqual([plan.shim.isTty, plan.shim.joins], [true, [{ type: 0x40000000, reg: 2 }]]);
});

test("a container from a checkpoint is restored, and there is nothing to start then", () => {
  const { ops } = planExternalContainer(input, {
    runtime,
    log: "/data/log",
    checkpoint: "/data/cp/one",
  }).shim;
  const [create, barrier, start] = ops.slice(-3) as [number, string[]][];
  const places = ["--image-path", "/data/cp/one", "--work-path", "/run/c/c1/criu"];
  assert.deepEqual(create?.[1].slice(7), [
    ...["restore", "--detach", "--bundle", "/run/c/c1/bundle", ...places, "--manage-cgroups-mode", "ignore"],
    ...["--pid-file", "pid", "c1"],
  ]);
  assert.deepEqual([words(formatOp(barrier as never)), start?.[1]], ["barrier", []]);
});

test("the runtime makes the cgroups; it is asked to forget the container before they are removed", () => {
  const text = plan.hostOps.map(formatOp);
  assert.doesNotMatch(text.join("\n"), /^mkdir.*cgroup/m);
  const undone = text.filter((line) => line.startsWith("onFailure"));
  assert.match(undone.at(-1) ?? "", /program.*delete.*--force/s, "the last one is the first to be undone");
  assert.match(undone[0] ?? "", /remove "\/run\/c\/c1"/);
  assert.deepEqual(plan.shim.exitOps.map(formatOp).map(words), [
    "program",
    ...cgroup.remove.map(() => "rmdir"),
  ]);
});

test("an exec is a call, too, with its files in a directory of its own", () => {
  const exec = planExternalExec(
    { runtime, id: "c1", stateDir: "/run/c/c1" },
    {
      execId: "e1",
      isTty: false,
      hasStdin: true,
      rows: 0,
      columns: 0,
      dir: "/run/c/c1/e",
      log: "/run/c/c1/e/log",
    },
  );
  assert.deepEqual(exec.ops.map(formatOp).map(words), ["bundle", "runtimeExec"]);
  const verb = ["exec", "--detach", "--process", "process.json", "--pid-file", "pid", "c1"];
  assert.deepEqual((exec.ops[1] as [number, string[]])[1].slice(-7), verb);
});
