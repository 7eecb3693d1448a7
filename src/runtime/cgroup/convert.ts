// Numbers of cgroup v1, which the OCI specification speaks, in the units of cgroup v2. Pure arithmetic; the formulas are
// those every OCI runtime uses, so that a container has the same weight under any of them.

import { Fault } from "../../lib/errors.ts";

/**
 * cpu.shares (2…262144, default 1024) → cpu.weight (1…10000, default 100). Quadratic in the logarithm, so that minimum,
 * default and maximum all map onto each other (runc 1.3, crun 1.23; the older linear formula gave 39 for 1024).
 */
export function cpuWeightOfShares(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/** blkio.weight (10…1000) → io.weight (1…10000), linear. */
export function ioWeightOfBlkioWeight(weight: number): number {
  return Math.floor(1 + ((weight - 10) * 9999) / 990);
}

/**
 * Text for memory.swap.max from OCI's memory+swap, undefined when nothing is to be written.
 * Throws Fault invalidParameter where the sum is smaller than the memory limit.
 */
export function swapMaxOf(memory: number | undefined, swap: number | undefined): string | undefined {
  if (memory === -1 && !swap) return "max";
  if (swap === undefined || swap === 0) return undefined;
  if (swap === -1) return "max";
  if (memory === -1) return String(swap);
  if (!memory || memory < 0) {
    throw new Fault("invalidParameter", "unable to set swap limit without memory limit", {
      code: "cgroup.swap",
    });
  }
  if (swap < memory) {
    throw new Fault("invalidParameter", "memory+swap limit should be >= memory limit", {
      code: "cgroup.swap",
    });
  }
  return String(swap - memory);
}
