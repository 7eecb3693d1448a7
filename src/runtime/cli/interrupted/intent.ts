// What a creation is about to make, noted in the container's directory before any of it is there and taken back when there is a state: whatever
// kills the runtime in between, `delete` finds what it left (recover.ts).

import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CgroupPaths } from "../../../linux/cgroupfs/hierarchy.ts";
import { readProcessStat } from "../../../linux/procfs/process.ts";
import { hasCallersMounts } from "../../plan/caller-mounts.ts";
import type { OciSpec } from "../../spec/oci.ts";
import { cgroupDirs } from "../life/cgroup-end.ts";
import type { ContainerDir } from "../life/store.ts";
import { mountIdOf } from "../place/caller-root.ts";
import type { Place } from "../place/place.ts";

/** intent.json. */
export interface Intent {
  /** The process that makes it; start time in clock ticks since boot. */
  creator: { pid: number; startTicks: number };
  /** Directories of its cgroup that were not there. */
  cgroups: string[];
  /** The systemd unit that is made for it. */
  unit?: string;
  /** Groups of resctrl that were not there, in the order in which they go. */
  resctrl: string[];
  /** Where its root is mounted in the caller's mount namespace, and the number of the mount below. */
  root?: { path: string; below: number };
}

const FILE = "intent.json";

/** Decides what the creation of a container in `place` will leave until it is whole. */
export function intentOf(spec: OciSpec, { cgroup, scope }: Place, resctrl: readonly string[]): Intent {
  const { pid } = process;
  const path = spec.root?.path ?? "";
  return {
    creator: { pid, startTicks: readProcessStat(`/proc/${pid}`)?.startTicks ?? 0 },
    cgroups: madeOf(cgroup.paths, scope !== undefined),
    ...(scope ? { unit: scope.unit.name } : {}),
    resctrl: [...resctrl],
    ...(hasCallersMounts(spec) ? { root: { path, below: mountIdOf(path) } } : {}),
  };
}

/** A scope's cgroups are its own, whenever they came. */
function madeOf(paths: CgroupPaths, areScopes: boolean): string[] {
  return cgroupDirs(paths).filter((dir) => areScopes || !existsSync(dir));
}

export function saveIntent(dir: ContainerDir, intent: Intent): void {
  writeFileSync(join(dir.path, FILE), JSON.stringify(intent), { mode: 0o600, flag: "wx" });
}

/** Takes it back: the state says everything now. */
export function dropIntent(dir: ContainerDir): void {
  rmSync(join(dir.path, FILE), { force: true });
}

/** Returns undefined when there is none, or half of one: then nothing had been made. */
export function loadIntent(dir: ContainerDir): Intent | undefined {
  try {
    return JSON.parse(readFileSync(join(dir.path, FILE), "utf8")) as Intent;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
