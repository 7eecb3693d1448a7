// Pausing a cgroup: the operations that keel runs for it, and the state as the kernel tells it.
// v1: freezer.state, which can stay FREEZING for a while and may need to be written again when a task was just
// being forked (cgroup-v1/freezer-subsystem.rst); v2: cgroup.freeze and the `frozen` line of cgroup.events.
// The waiting loop lives here; sending the operations is the caller's, through a port.

import { Fault } from "../../lib/errors.ts";
import { host, type Op } from "../ops.ts";
import { readProcText } from "../procfs/read.ts";
import type { CgroupPaths } from "./hierarchy.ts";

export type FreezerState = "thawed" | "freezing" | "frozen";

/** Runs host operations, as LinuxAgent.run does. */
export type RunOps = (ops: readonly Op[]) => Promise<unknown>;

/** Returns the operations that ask the kernel to freeze the cgroup. */
export function planFreeze(cgroup: CgroupPaths): Op[] {
  return [change(cgroup, "FROZEN", "1")];
}

/** Returns the operations that let the cgroup run again. */
export function planThaw(cgroup: CgroupPaths): Op[] {
  return [change(cgroup, "THAWED", "0")];
}

function change(cgroup: CgroupPaths, v1: string, v2: string): Op {
  const v1Dir = cgroup.v1["freezer"];
  if (v1Dir !== undefined) return host.write(`${v1Dir}/freezer.state`, v1);
  if (cgroup.v2 !== "") return host.write(`${cgroup.v2}/cgroup.freeze`, v2);
  throw noFreezer();
}

/** Returns the file that has `thawed` in it while the cgroup, and every one above it, runs; null where nothing can be frozen. */
export function freezerFile(cgroup: CgroupPaths): { path: string; thawed: string } | null {
  const v1Dir = cgroup.v1["freezer"];
  if (v1Dir !== undefined) return { path: `${v1Dir}/freezer.state`, thawed: "THAWED" };
  return cgroup.v2 === "" ? null : { path: `${cgroup.v2}/cgroup.events`, thawed: "frozen 0" };
}

/** Reads the state. Throws Fault notFound when the cgroup is gone, notImplemented without a freezer. */
export function readFreezerState(cgroup: CgroupPaths): FreezerState {
  const v1Dir = cgroup.v1["freezer"];
  if (v1Dir !== undefined) {
    const text = readProcText(`${v1Dir}/freezer.state`).trim();
    return text === "FROZEN" ? "frozen" : text === "FREEZING" ? "freezing" : "thawed";
  }
  if (cgroup.v2 === "") throw noFreezer();
  if (/^frozen 1$/m.test(readProcText(`${cgroup.v2}/cgroup.events`))) return "frozen";
  return readProcText(`${cgroup.v2}/cgroup.freeze`).trim() === "1" ? "freezing" : "thawed";
}

/**
 * Freezes the cgroup and returns when the kernel says that it is frozen. Gives up after `timeoutMs` (default 10 s) with
 * Fault deadline, and on abort; the cgroup is thawed again in both cases.
 */
export async function freezeCgroup(
  run: RunOps,
  cgroup: CgroupPaths,
  options: { signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<void> {
  const { setTimeout: delay } = await import("node:timers/promises"); // not needed for reading the state
  const deadline = performance.now() + (options.timeoutMs ?? 10_000);
  try {
    for (let round = 0; ; round++) {
      options.signal?.throwIfAborted();
      // v1 needs the write again: a task that forked while freezing leaves the state at FREEZING for ever
      if (round === 0 || (round % 8 === 0 && cgroup.v1["freezer"] !== undefined))
        await run(planFreeze(cgroup));
      if (readFreezerState(cgroup) === "frozen") return;
      if (performance.now() > deadline) {
        throw new Fault("deadline", "cannot pause the container: its processes did not stop in time", {
          code: "cgroup.freeze-timeout",
        });
      }
      await delay(Math.min(1 + round, 20));
    }
  } catch (error) {
    await run(planThaw(cgroup)).catch(() => undefined); // ignored: the first failure is the one to tell
    throw error;
  }
}

function noFreezer(): Fault {
  return new Fault("notImplemented", "cannot pause: this machine has no freezer cgroup", {
    code: "cgroup.no-freezer",
  });
}

/** Lets the cgroup run again; does not wait. */
export async function thawCgroup(run: RunOps, cgroup: CgroupPaths): Promise<void> {
  await run(planThaw(cgroup));
}
