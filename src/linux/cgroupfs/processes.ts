// Which processes are in a cgroup. Reads only; the ids are those of this process's pid namespace.

import { readdirSync } from "node:fs";
import { Fault } from "../../lib/errors.ts";
import { readProcText, readProcTextIfPresent } from "../procfs/read.ts";
import type { CgroupPaths } from "./hierarchy.ts";

/** The directory that answers "who is in here": pids and memory follow every fork, freezer is always there on v1. */
function membershipDir(cgroup: CgroupPaths): string {
  const dir =
    cgroup.v2 ||
    cgroup.v1["pids"] ||
    cgroup.v1["memory"] ||
    cgroup.v1["freezer"] ||
    Object.values(cgroup.v1)[0];
  if (dir === undefined || dir === "")
    throw new Fault("notFound", "the container has no cgroup", { code: "cgroup.none" });
  return dir;
}

/**
 * Returns the ids of all processes in the cgroup and in the cgroups below it (a container may make its own), in
 * ascending order. Throws Fault notFound when the cgroup is gone.
 */
export function listPids(cgroup: CgroupPaths): number[] {
  const pids = new Set<number>();
  collect(membershipDir(cgroup), pids, 0);
  return [...pids].sort((a, b) => a - b);
}

function collect(dir: string, pids: Set<number>, depth: number): void {
  const text =
    depth === 0 ? readProcText(`${dir}/cgroup.procs`) : readProcTextIfPresent(`${dir}/cgroup.procs`);
  for (const line of (text ?? "").split("\n")) {
    const pid = Number(line);
    if (pid > 0) pids.add(pid); // 0 stands for a process outside this pid namespace
  }
  if (depth >= 32) return;
  let children: string[];
  try {
    children = readdirSync(dir, { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => e.name);
  } catch {
    return; // ignored: a child cgroup that was removed meanwhile has no processes
  }
  for (const child of children) collect(`${dir}/${child}`, pids, depth + 1);
}
