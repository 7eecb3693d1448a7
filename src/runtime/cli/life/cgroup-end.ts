// A container's cgroup when it has one: who is in it, and its removal. Making it is cgroups.ts'.

import { readdirSync, rmdirSync } from "node:fs";
import { Fault } from "../../../lib/errors.ts";
import type { CgroupPaths } from "../../../linux/cgroupfs/hierarchy.ts";
import { listPids } from "../../../linux/cgroupfs/processes.ts";
import { pause } from "./pause-briefly.ts";

/** Returns the ids of the processes in the cgroup, none when it is gone. */
export function pidsIn(paths: CgroupPaths): number[] {
  try {
    return listPids(paths);
  } catch (error) {
    if (error instanceof Fault && error.kind === "notFound") return [];
    throw error;
  }
}

/** How long a cgroup may stay busy after its last process was killed. */
const PATIENCE_MS = 5000;

/** Removes the cgroup with what the container has made below it; gone is fine. Throws Fault when it stays busy. */
export function removeCgroup(paths: CgroupPaths): void {
  for (const dir of cgroupDirs(paths)) removeTree(dir);
}

/** Returns every directory once. */
export function cgroupDirs(paths: CgroupPaths): string[] {
  return [...new Set([...Object.values(paths.v1), paths.v2])].filter((dir) => dir !== "");
}

function removeTree(dir: string): void {
  for (let waitedMs = 0; ; waitedMs += pause(waitedMs)) {
    try {
      rmdirSync(dir);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return;
      if (code !== "EBUSY" || waitedMs > PATIENCE_MS)
        throw new Fault("system", `cannot remove cgroup ${dir}: ${code}`, {
          code: "cgroup.busy",
          cause: error,
        });
    }
    for (const child of childrenOf(dir)) removeTree(`${dir}/${child}`);
  }
}

function childrenOf(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return []; // ignored: it went meanwhile
  }
}
