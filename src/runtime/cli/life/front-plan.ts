// What `berth-runtime` may do with a container by itself (native/PROTOCOL.md "berth-runtime"): its later commands, decided when it is
// made and kept beside its state. A command that is missing here, or does not go as planned, is carried out by us: hooks, a frozen
// container, errors and their words are known here only. The operations do what start.ts, destroy.ts and commands/ do.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { signalNumber } from "../../../lib/signals.ts";
import { freezerFile } from "../../../linux/cgroupfs/freezer-state.ts";
import { outside } from "../../../linux/launch.ts";
import { host, type Op, type Value } from "../../../linux/ops.ts";
import { encodeFrame } from "../../../linux/wire.ts";
import { cgroupDirs } from "./cgroup-end.ts";
import { hasOwnPids } from "./destroy.ts";
import { stateJson } from "./listed.ts";
import type { ContainerDir, ContainerState } from "./store.ts";

/** Bits of native/front.h. */
const STATUSES = { stopped: 1, created: 2, running: 4 } as const;
type Planned = keyof typeof STATUSES;

const VERSION = 1;
const PLAN_FILE = "commands";
/** How long the end of a process is waited for there; then it is our turn. */
const PATIENCE_MS = 1000;

/** For each word of a command line those that may stand there. */
type Words = readonly (readonly string[])[];

interface PlannedCommand {
  words: Words;
  statuses: readonly Planned[];
  isExclusive?: boolean;
  ops: readonly Op[];
  /** What is written to standard output. */
  output?: string;
}

/** Writes the plans of a container that has just been made. */
export function saveFrontPlan(dir: ContainerDir, state: ContainerState): void {
  // Half of it, to whoever reads it meanwhile, is as good as none: it says how long it is.
  writeFileSync(join(dir.path, PLAN_FILE), encodeFrontPlan(dir, state), { mode: 0o600, flag: "wx" });
}

/** Returns the file's bytes. */
export function encodeFrontPlan(dir: ContainerDir, state: ContainerState): Buffer {
  const freezer = freezerFile(state.cgroup.paths) ?? { path: "", thawed: "" };
  const commands = planCommands(dir, state).map(({ words, statuses, isExclusive, ops, output }): Value => {
    const bits = statuses.reduce((sum, status) => sum + STATUSES[status], 0);
    return [words, bits, isExclusive ? 1 : 0, ops, output ?? ""];
  });
  return encodeFrame([VERSION, state.pid, state.startTicks, freezer.path, freezer.thawed, commands]);
}

/** Decides which commands need nothing of ours. */
export function planCommands(dir: ContainerDir, state: ContainerState): PlannedCommand[] {
  const { poststart = [], poststop = [] } = state.spec.hooks ?? {};
  return [
    ...(poststart.length === 0 ? [planStart(dir)] : []),
    ...(poststop.length === 0 &&
    hasOwnPids(state) &&
    state.cgroup.unit === undefined &&
    state.rootMount === undefined
      ? planDelete(dir, state)
      : []),
    ...planKill(state),
    ...(["stopped", "created", "running"] as const).map((status) => planState(state, status)),
  ];
}

function planStart(dir: ContainerDir): PlannedCommand {
  return { words: [["start"], [dir.id]], statuses: ["created"], ops: [outside.release(dir.fifo)] };
}

function planDelete(dir: ContainerDir, state: ContainerState): PlannedCommand[] {
  const ops = [
    outside.end(state, PATIENCE_MS),
    ...cgroupDirs(state.cgroup.paths).map((path) => host.rmdir(path, { tree: true })),
    ...(state.cgroup.resctrl?.remove ?? []).map((path) => host.rmdir(path)),
    host.remove(dir.path),
  ];
  const force = ["--force", "-f"];
  const any: Planned[] = ["stopped", "created", "running"];
  return [
    { words: [["delete"], force, [dir.id]], statuses: any, isExclusive: true, ops },
    { words: [["delete"], [dir.id], force], statuses: any, isExclusive: true, ops },
    { words: [["delete"], [dir.id]], statuses: ["stopped", "created"], isExclusive: true, ops },
  ];
}

/** Signals that engines send, in every spelling; the others come to us. */
const SIGNALS = ["TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2"] as const;

/** The first process's signals; without a pid namespace of its own SIGKILL is for all. */
function planKill(state: ContainerState): PlannedCommand[] {
  const id = [state.id];
  const statuses: Planned[] = ["created", "running"];
  return SIGNALS.filter((name) => name !== "KILL" || hasOwnPids(state)).flatMap((name) => {
    const signo = signalNumber(name) as number;
    const ops = [outside.signal(state, signo)];
    const plain = name === "TERM" ? [{ words: [["kill"], id], statuses, ops }] : [];
    return [...plain, { words: [["kill"], id, [`${signo}`, name, `SIG${name}`]], statuses, ops }];
  });
}

function planState(state: ContainerState, status: Planned): PlannedCommand {
  return {
    words: [["state"], [state.id]],
    statuses: [status],
    ops: [],
    output: stateJson(state, status),
  };
}
