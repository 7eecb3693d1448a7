// Resource limits: Docker's names (`nofile`), OCI's (`RLIMIT_NOFILE`) and the kernel's numbers (getrlimit(2)).

import { Fault } from "../../lib/errors.ts";
import type { SpecUlimit } from "./input.ts";
import type { OciRlimit } from "./oci.ts";

/** RLIM_INFINITY as a double; OCI's file has 18446744073709551615. */
export const RLIM_INFINITY = 2 ** 64;

const NUMBERS: ReadonlyMap<string, number> = new Map(
  [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
  ].map((name, number) => [`RLIMIT_${name}`, number]),
);

export function isRlimitType(type: string): boolean {
  return NUMBERS.has(type);
}

/** Returns the kernel's number of an OCI rlimit type. Throws Fault invalidParameter for an unknown one. */
export function rlimitNumber(type: string): number {
  const number = NUMBERS.get(type);
  if (number === undefined) throw invalid(`invalid rlimit type: ${type}`);
  return number;
}

/** Returns the OCI form of one `--ulimit`; -1 is unlimited. Throws Fault invalidParameter. */
export function rlimitOf(ulimit: SpecUlimit): OciRlimit {
  const type = `RLIMIT_${ulimit.name.toUpperCase()}`;
  if (!NUMBERS.has(type)) throw invalid(`invalid ulimit type: ${ulimit.name}`);
  const soft = limitOf(ulimit.soft);
  const hard = limitOf(ulimit.hard);
  if (soft > hard) {
    throw invalid(
      `ulimit soft limit must be less than or equal to hard limit: ${ulimit.soft} > ${ulimit.hard}`,
    );
  }
  return { type, soft, hard };
}

const limitOf = (n: number) => (n < 0 ? RLIM_INFINITY : n);

/** Returns the value for keel's rlimit operation, where -1 is RLIM_INFINITY. */
export function rlimitValue(limit: number): number {
  return limit < 0 || limit >= 2 ** 63 ? -1 : limit;
}

/** The lines of /proc/PID/limits (proc(5)) in the order of the kernel's numbers, as rlimits.ts has them. */
const LIMIT_LINES = [
  ["Max cpu time", "CPU"],
  ["Max file size", "FSIZE"],
  ["Max data size", "DATA"],
  ["Max stack size", "STACK"],
  ["Max core file size", "CORE"],
  ["Max resident set", "RSS"],
  ["Max processes", "NPROC"],
  ["Max open files", "NOFILE"],
  ["Max locked memory", "MEMLOCK"],
  ["Max address space", "AS"],
  ["Max file locks", "LOCKS"],
  ["Max pending signals", "SIGPENDING"],
  ["Max msgqueue size", "MSGQUEUE"],
  ["Max nice priority", "NICE"],
  ["Max realtime priority", "RTPRIO"],
  ["Max realtime timeout", "RTTIME"],
] as const;

/** Returns the hard limits in a text of /proc/PID/limits; a type that is not in it counts as unlimited. */
export function hardLimitsOf(text: string): (type: string) => number {
  const limits = new Map<string, number>();
  for (const [title, name] of LIMIT_LINES) {
    const hard = new RegExp(`^${title}\\s+\\S+\\s+(\\d+)`, "m").exec(text)?.[1];
    if (hard !== undefined) limits.set(`RLIMIT_${name}`, Number(hard));
  }
  return (type) => limits.get(type) ?? RLIM_INFINITY;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-ulimit" });
}
