// What berth-runtime is given to do by itself: which command lines in which statuses, and that hooks and shared pid namespaces are not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeBody } from "../../../linux/wire.ts";
import { OPCODES } from "../../../linux/ops.ts";
import { CLONE_FLAG } from "../../plan/namespaces.ts";
import type { OciHooks } from "../../spec/oci.ts";
import { encodeFrontPlan, planCommands } from "./front-plan.ts";
import { ContainerDir, type ContainerState } from "./store.ts";

const DIR = new ContainerDir("/run/x", "box");
const HOOK = { path: "/bin/true" };
const names = new Map<number, string>(Object.entries(OPCODES).map(([name, code]) => [code, name] as const));

function stateWith(hooks: OciHooks = {}, namespaces: number = CLONE_FLAG.pid): ContainerState {
  return {
    id: "box",
    bundle: "/b",
    created: "2026-01-01T00:00:00Z",
    pid: 7,
    startTicks: 99,
    namespaces,
    cgroup: {
      paths: { v1: { cpu: "/cg/cpu/box", cpuacct: "/cg/cpu/box", freezer: "/cg/freezer/box" }, v2: "" },
      cgroups: [],
      cgroup2: "",
    },
    spec: { ociVersion: "1.2.1", root: { path: "/b/rootfs" }, hooks } as ContainerState["spec"],
  };
}

/** One line per command: words, statuses, operations. */
const shown = (state: ContainerState): string[] =>
  planCommands(DIR, state).map(({ words, statuses, isExclusive, ops }) => {
    const line = words.map((alternatives) => alternatives.join("|")).join(" ");
    const does = ops.map(([code, ...args]) => `${names.get(code)}(${args.join(",")})`).join(" ");
    return `${line} @${statuses.join(",")}${isExclusive ? " alone" : ""}: ${does}`;
  });

test("a plain container's later commands are planned", () => {
  const removal = "endProcess(7,99,1000) rmdir(/cg/cpu/box,1) rmdir(/cg/freezer/box,1) remove(/run/x/box)";
  const lines = shown(stateWith());
  assert.deepEqual(lines.slice(0, 4), [
    "start box @created: release(/run/x/box/exec.fifo)",
    `delete --force|-f box @stopped,created,running alone: ${removal}`,
    `delete box --force|-f @stopped,created,running alone: ${removal}`,
    `delete box @stopped,created alone: ${removal}`,
  ]);
  assert.ok(lines.includes("kill box @created,running: signalProcess(7,99,15)"));
  assert.ok(lines.includes("kill box 9|KILL|SIGKILL @created,running: signalProcess(7,99,9)"));
  assert.deepEqual(
    lines.slice(-3),
    ["stopped", "created", "running"].map((status) => `state box @${status}: `),
  );
});

test("a status is printed with the number of a process that is there", () => {
  const outputs = planCommands(DIR, stateWith())
    .slice(-3)
    .map(({ output = "" }) => JSON.parse(output) as { status: string; pid: number });
  assert.deepEqual(
    outputs.map(({ status, pid }) => [status, pid]),
    [
      ["stopped", 0],
      ["created", 7],
      ["running", 7],
    ],
  );
});

test("what needs hooks, or all processes of a shared pid namespace, is not planned", () => {
  const commands = (state: ContainerState) => new Set(shown(state).map((line) => line.split(" ")[0]));
  assert.deepEqual(commands(stateWith({ poststart: [HOOK] })), new Set(["delete", "kill", "state"]));
  assert.deepEqual(commands(stateWith({ poststop: [HOOK] })), new Set(["start", "kill", "state"]));
  assert.ok(commands(stateWith({ createRuntime: [HOOK], startContainer: [HOOK] })).has("start"));
  const shared = shown(stateWith({}, 0));
  assert.ok(!shared.some((line) => /^delete|KILL/.test(line)));
  assert.ok(shared.some((line) => line.startsWith("kill box 15|TERM")));
});

test("the file is a frame with the process, the freezer and the commands", () => {
  const bytes = encodeFrontPlan(DIR, stateWith());
  const [version, pid, ticks, freezer, thawed, commands] = decodeBody(bytes.subarray(4));
  assert.deepEqual(
    [version, pid, ticks, String(freezer), String(thawed)],
    [1, 7, 99, "/cg/freezer/box/freezer.state", "THAWED"],
  );
  assert.equal((commands as unknown[]).length, planCommands(DIR, stateWith()).length);
});
