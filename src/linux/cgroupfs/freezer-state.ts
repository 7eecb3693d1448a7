// Whether a cgroup is paused, as the kernel tells it (freezer.ts pauses). Reads only, and loads nothing else: every command asks.

import { Fault } from "../../lib/errors.ts";
import { readProcText } from "../procfs/read.ts";
import type { CgroupPaths } from "./hierarchy.ts";

export type FreezerState = "thawed" | "freezing" | "frozen";

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

/** What is thrown where nothing can be frozen. */
export function noFreezer(): Fault {
  return new Fault("notImplemented", "cannot pause: this machine has no freezer cgroup", {
    code: "cgroup.no-freezer",
  });
}
