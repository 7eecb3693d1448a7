// A process and everything it has started, for containers that no cgroup holds together.
import { readdirSync, readFileSync } from "node:fs";

/** Returns the ids of a process and of its descendants, in ascending order; without it none. */
export function listFamily(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  if (parentOf(String(pid)) === undefined) return [];
  const family = [pid];
  for (const member of family) family.push(...(children.get(member) ?? []));
  return family.sort((a, b) => a - b);
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // Behind the name in parentheses, which may hold anything: the state, the parent.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined; // ignored: it has ended meanwhile
  }
}
