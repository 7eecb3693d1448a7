import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import type { OciLinux, OciProcess } from "../spec/oci.ts";
import { planAttributes, planExecAffinity, planTimeOffsets } from "./attributes.ts";
import { formatOp } from "./format.ts";

const process: OciProcess = { user: { uid: 0, gid: 0 }, cwd: "/" };
const lines = (more: Partial<OciProcess>, linux: OciLinux = {}) =>
  planAttributes({ ...process, ...more }, linux).map(formatOp);

test("schedulers: policy, nice, priority, flags and times as sched_setattr takes them", () => {
  assert.deepEqual(lines({ scheduler: { policy: "SCHED_BATCH", nice: -5 } }), ["scheduler 3 -5 0 0 0 0 0"]);
  assert.deepEqual(
    lines({ scheduler: { policy: "SCHED_FIFO", priority: 10, flags: ["SCHED_FLAG_RESET_ON_FORK"] } }),
    ["scheduler 1 0 10 1 0 0 0"],
  );
  const deadline = { policy: "SCHED_DEADLINE", runtime: 42, deadline: 100, period: 1000 };
  assert.deepEqual(
    lines({ scheduler: { ...deadline, flags: ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"] } }),
    ["scheduler 6 0 0 6 42 100 1000"],
  );
  assert.throws(() => lines({ scheduler: { policy: "SCHED_X" } }), Fault);
});

test("I/O priority, personality and memory policy are the kernel's numbers", () => {
  assert.deepEqual(lines({ ioPriority: { class: "IOPRIO_CLASS_RT", priority: 3 } }), ["ioPriority 8195"]);
  assert.deepEqual(lines({}, { personality: { domain: "LINUX32" } }), ["personality 8"]);
  assert.deepEqual(lines({}, { personality: { domain: "LINUX" } }), ["personality 0"]);
  const policy = { mode: "MPOL_INTERLEAVE", nodes: "0,64", flags: ["MPOL_F_STATIC_NODES"] };
  const [op] = planAttributes(process, { memoryPolicy: policy });
  assert.deepEqual(op?.slice(1), [
    3 + (1 << 15),
    Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0),
  ]);
  assert.deepEqual(lines({}, { memoryPolicy: { mode: "MPOL_DEFAULT" } }), ["memoryPolicy 0 <0 bytes>"]);
  assert.throws(() => lines({}, { personality: { domain: "constructor" } }), Fault);
});

test("the CPUs of an exec come before its cgroup and in it, the clocks by their numbers", () => {
  const cpus = planExecAffinity({ ...process, execCPUAffinity: { initial: "1", final: "0-2" } });
  assert.deepEqual(cpus.map(formatOp), ["cpuAffinityFirst <8 bytes>", "cpuAffinity <8 bytes>"]);
  assert.deepEqual(
    cpus.map((op) => (op[1] as Uint8Array)[0]),
    [2, 7],
  );
  assert.deepEqual(planExecAffinity({ ...process, execCPUAffinity: { final: "" } }).map(formatOp), [
    "cpuAffinity <0 bytes>",
  ]);
  const offsets = { monotonic: { secs: -5, nanosecs: 7 }, boottime: {} };
  assert.deepEqual(planTimeOffsets({ timeOffsets: offsets }).map(formatOp), [
    "timeOffset 1 -5 7",
    "timeOffset 7 0 0",
  ]);
});
