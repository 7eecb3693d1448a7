// Pausing a cgroup: the operations that keel runs for it; the state as the kernel tells it is freezer-state.ts'.
// v1: freezer.state, which can stay FREEZING for a while and may need to be written again when a task was just
// being forked (cgroup-v1/freezer-subsystem.rst); v2: cgroup.freeze and the `frozen` line of cgroup.events.
// The waiting loop lives here; sending the operations is the caller's, through a port.

import { Fault } from "../../lib/errors.ts";
import { host, type Op } from "../ops.ts";
import { noFreezer, readFreezerState } from "./freezer-state.ts";
import type { CgroupPaths } from "./hierarchy.ts";

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

/** Lets the cgroup run again; does not wait. */
export async function thawCgroup(run: RunOps, cgroup: CgroupPaths): Promise<void> {
  await run(planThaw(cgroup));
}
