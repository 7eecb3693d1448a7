// The rules of `process`, of a config.json and of a file for `exec --process` alike.

import { capabilityNumber } from "../../caps/names.ts";
import { parseIdList } from "../id-list.ts";
import type { OciCapabilities, OciProcess, OciScheduler } from "../oci.ts";
import { isRlimitType } from "../rlimits.ts";
import type { Warn } from "./check.ts";
import type { BundleFacts } from "./facts.ts";
import { invalid } from "./shape.ts";

/** Returns the process without the capabilities that Linux does not know. Throws Fault invalidParameter. */
export function checkProcess(process: OciProcess, facts: BundleFacts, warn: Warn): OciProcess {
  const { cwd, args = [], env = [] } = process;
  if (cwd === "") throw invalid("process.cwd", "Cwd property must not be empty", "an absolute path");
  if (!cwd.startsWith("/")) throw invalid("process.cwd", "Cwd must be an absolute path", "an absolute path");
  if (args.length === 0) throw invalid("process.args", "args must not be empty", "at least the program");
  env.forEach((entry, i) => {
    if (!entry.includes("=") || entry.startsWith("="))
      throw invalid(
        `process.env[${i}]`,
        `invalid environment variable ${JSON.stringify(entry)}`,
        "name=value",
      );
  });
  if (process.selinuxLabel && !facts.hasSelinux())
    throw invalid(
      "process.selinuxLabel",
      "selinux label is specified in config, but selinux is disabled or not supported",
    );
  checkRlimits(process);
  if (process.scheduler) checkScheduler(process.scheduler);
  for (const name of ["initial", "final"] as const) {
    const cpus = process.execCPUAffinity?.[name];
    if (cpus !== undefined) parseIdList(cpus, `process.execCPUAffinity.${name}`);
  }
  if (!process.capabilities) return process;
  return { ...process, capabilities: knownCapabilities(process.capabilities, warn) };
}

function checkRlimits(process: OciProcess): void {
  const seen = new Set<string>();
  for (const [i, { type, soft, hard }] of (process.rlimits ?? []).entries()) {
    const at = `process.rlimits[${i}]`;
    if (!isRlimitType(type))
      throw invalid(`${at}.type`, `invalid rlimit type: ${type}`, "a name of getrlimit(2)");
    if (seen.has(type)) throw invalid(`${at}.type`, `${type} is given twice`, "each type once");
    if (soft > hard) throw invalid(at, `the soft limit ${soft} is above the hard limit ${hard}`);
    seen.add(type);
  }
}

/** sched_setattr(2): which fields belong to which policy. */
function checkScheduler(s: OciScheduler): void {
  const at = "process.scheduler";
  const isFair = s.policy === "SCHED_OTHER" || s.policy === "SCHED_BATCH";
  const isRealTime = s.policy === "SCHED_FIFO" || s.policy === "SCHED_RR";
  const nice = s.nice ?? 0;
  if (isFair && (nice < -20 || nice > 19))
    throw invalid(
      `${at}.nice`,
      `invalid scheduler.nice: ${nice} when scheduler.policy is ${s.policy}`,
      "-20 to 19",
    );
  if (s.priority && !isRealTime)
    throw invalid(
      `${at}.priority`,
      "scheduler.priority can only be specified for SchedFIFO or SchedRR policy",
    );
  if (s.policy !== "SCHED_DEADLINE" && (s.runtime || s.deadline || s.period))
    throw invalid(at, "scheduler runtime/deadline/period can only be specified for SchedDeadline policy");
}

/** compat: as runc does, so that a file that was written for a newer kernel still runs. */
function knownCapabilities(capabilities: OciCapabilities, warn: Warn): OciCapabilities {
  const unknown = new Set<string>();
  const known = (names: readonly string[]) =>
    names.filter((name) => {
      if (capabilityNumber(name) !== undefined) return true;
      unknown.add(name);
      return false;
    });
  const sets = Object.fromEntries(
    Object.entries(capabilities).map(([set, names]) => [set, known(names as string[])]),
  ) as OciCapabilities;
  if (unknown.size > 0) warn(`ignoring unknown or unavailable capabilities: [${[...unknown].join(" ")}]`);
  return sets;
}
