// What a cgroup's memory controller counted: processes that the kernel killed, what is used, what may be. Reads only.
import { readProcTextIfPresent } from "../procfs/read.ts";
import type { CgroupPaths } from "./hierarchy.ts";

export interface MemoryFacts {
  readonly oomKills: number;
  readonly usageBytes: number;
  /** 0 for no limit. */
  readonly limitBytes: number;
}

const NO_LIMIT = 2 ** 62;

/** Reads the counters; undefined when the cgroup is gone or has no memory controller. */
export function readMemoryFacts(cgroup: CgroupPaths): MemoryFacts | undefined {
  const v1 = cgroup.v1["memory"];
  const dir = v1 ?? cgroup.v2;
  if (dir === "") return undefined;
  const [usage, limit, events] =
    v1 === undefined
      ? ["memory.current", "memory.max", "memory.events"]
      : ["memory.usage_in_bytes", "memory.limit_in_bytes", "memory.oom_control"];
  const usageText = readProcTextIfPresent(`${dir}/${usage}`);
  if (usageText === undefined) return undefined;
  const limitBytes = Number(readProcTextIfPresent(`${dir}/${limit}`)?.trim());
  return {
    oomKills: Number(/^oom_kill (\d+)$/m.exec(readProcTextIfPresent(`${dir}/${events}`) ?? "")?.[1] ?? 0),
    usageBytes: Number(usageText),
    limitBytes: Number.isFinite(limitBytes) && limitBytes < NO_LIMIT ? limitBytes : 0,
  };
}
