import assert from "node:assert/strict";
import { test } from "node:test";
import { host, inner } from "../../../linux/ops.ts";
import { maskOfIds } from "../../spec/id-list.ts";
import { Logger } from "../logger.ts";
import { describeOp, traceFirstCpus, traceOps, traceSeal } from "./trace.ts";

test("an operation is told by its name, its texts and numbers, and the size of everything else", () => {
  assert.equal(describeOp(inner.hostname("box")), 'hostname "box"');
  assert.match(describeOp(host.mkdir("/run/x", 0o755)), /^mkdir "\/run\/x" 493/);
  const exec = describeOp(inner.exec(["sh", "-c", "true"], ["TOKEN=secret"]));
  assert.match(exec, /^exec .*\[3\].*\[1\]/);
  assert.doesNotMatch(exec, /secret/);
  assert.equal(describeOp(inner.cpuAffinity(new Uint8Array([1]))), "cpuAffinity <1 bytes>");
  assert.match(describeOp(inner.chdir(`/${"d".repeat(300)}`)), /"\/d{199}…"/);
});

test("without --debug nothing is told", () => {
  const log = new Logger({ file: "/dev/full", format: "text", isDebug: false });
  traceOps(log, "outside", [inner.hostname("box")]); // a line would be ENOSPC
});

test("runc's words for its sealed program are said of what they are true for", () => {
  const told = (way: string) => {
    const lines: string[] = [];
    traceSeal({ debug: (line: string) => lines.push(line) } as unknown as Logger, way);
    return lines;
  };
  const clone = "runc exeseal: using /proc/self/exe clone";
  assert.deepEqual(told("overlay"), ["runc exeseal: using overlayfs for sealed /proc/self/exe", clone]);
  assert.deepEqual(told("mount"), ["keel runs from a read-only mount that is attached nowhere", clone]);
  assert.deepEqual(told("copy"), ["keel runs from a sealed copy in memory", clone]);
  assert.deepEqual(told("none"), ["keel runs from its file, which is not sealed"]);
});

test("CPUs are told as the mask that the kernel gets", () => {
  const lines: string[] = [];
  const log = { debug: (line: string) => lines.push(line) } as unknown as Logger;
  for (const cpus of [[0], [0, 1], [1, 9], [64]])
    traceFirstCpus(log, [inner.cpuAffinity(maskOfIds([3])), inner.cpuAffinityFirst(maskOfIds(cpus))]);
  const masks = ["0x1", "0x3", "0x202", "0x10000000000000000"];
  assert.deepEqual(
    lines,
    masks.map((mask) => `nsexec: affinity: ${mask}`),
  );
});
