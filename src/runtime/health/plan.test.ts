import assert from "node:assert/strict";
import { test } from "node:test";
import { OPCODES } from "../../linux/ops.ts";
import type { OciSpec } from "../spec/oci.ts";
import type { CompleteCheck } from "./check.ts";
import { planHealth, probeCommand } from "./plan.ts";

const SPEC: OciSpec = {
  ociVersion: "1.2.0",
  process: {
    cwd: "/srv",
    args: ["server"],
    env: ["PATH=/bin", "A=b"],
    user: { uid: 0, gid: 0, username: "web" },
  },
};
const CHECK: CompleteCheck = {
  test: ["CMD", "probe", "-x"],
  intervalMs: 1,
  timeoutMs: 2,
  startPeriodMs: 3,
  startIntervalMs: 4,
  retries: 5,
};
const plan = (test: readonly string[], shell?: readonly string[]) =>
  planHealth({ ...CHECK, test }, { spec: SPEC, shell, freezer: null });

test("planHealth runs a program as the container's user, in its directory and environment", () => {
  const { probe, ...times } = plan(CHECK.test);
  assert.deepEqual(times, {
    intervalMs: 1,
    timeoutMs: 2,
    startPeriodMs: 3,
    startIntervalMs: 4,
    freezer: null,
  });
  assert.equal(probe.kind, "exec");
  const ops = probe.kind === "exec" ? probe.exec.ops : [];
  assert.deepEqual(ops.at(-1), [OPCODES.exec, ["probe", "-x"], ["PATH=/bin", "A=b"]]);
  assert.equal(ops.find(([code]) => code === OPCODES.credentials)?.[1], "web");
  assert.equal(ops.find(([code]) => code === OPCODES.chdir)?.[1], "/srv");
});

test("probeCommand goes through the image's shell, or /bin/sh", () => {
  assert.deepEqual(probeCommand(["CMD-SHELL", "a b"], undefined), ["/bin/sh", "-c", "a b"]);
  assert.deepEqual(probeCommand(["CMD-SHELL", "a b"], []), ["/bin/sh", "-c", "a b"]);
  assert.deepEqual(probeCommand(["CMD-SHELL", "a b"], ["/bin/bash", "-ec"]), ["/bin/bash", "-ec", "a b"]);
  assert.deepEqual(probeCommand(["CMD", "a", "b"], ["/bin/bash", "-ec"]), ["a", "b"]);
  assert.equal(probeCommand(["HTTP", "http://localhost"], undefined), null);
});

test("planHealth gives a server's place and the good statuses", () => {
  const { probe } = plan(["HTTP", "http://localhost:81/up"]);
  assert.equal(probe.kind, "connect");
  if (probe.kind !== "connect") return;
  assert.deepEqual([probe.port, probe.statusFrom, probe.statusTo], [81, 200, 399]);
  assert.match(probe.request, /^GET \/up /);
});

test("planHealth refuses a test without a target", () => {
  for (const wrong of [["CMD"], ["HTTP"], ["TCP"], ["TCP", "80", "81"]])
    assert.throws(() => plan(wrong), { kind: "invalidParameter" });
});
