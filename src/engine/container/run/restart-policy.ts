// The restart policies (`docker run --restart`): whether a container that has ended is started again, and after what delay.
// Pure rules, as dockerd's restart manager has them; exit.ts and restore.ts act on them.
//
//   policy           after an exit                               when a daemon starts
//   no               never                                       never
//   always           always                                      always, also when a user had stopped it
//   unless-stopped   unless a user stopped it                    unless a user stopped it
//   on-failure[:N]   exit code not 0, fewer than N restarts      the same, by the last exit code
//
// Besides, `stop`, and `kill` with a signal that means to end the container, call off the restart after the exit they cause.
import type { ContainerRecord } from "../record.ts";

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 60_000;
/** A run that lasted this long earns the short delay again. */
const STABLE_NANO = 10_000_000_000n;

type PolicyFacts = Pick<ContainerRecord, "hostConfig"> & {
  readonly state: Pick<ContainerRecord["state"], "isStoppedByUser" | "restartCount">;
};

/** Whether the policy wants the container to run again after an exit with this code. */
export function wantsRestart(record: PolicyFacts, exitCode: number): boolean {
  const { Name, MaximumRetryCount } = record.hostConfig.RestartPolicy;
  switch (Name) {
    case "always":
      return true;
    case "unless-stopped":
      return !record.state.isStoppedByUser;
    case "on-failure":
      return exitCode !== 0 && (MaximumRetryCount === 0 || record.state.restartCount < MaximumRetryCount);
    default:
      return false;
  }
}

/** Whether a container that does not run is to be started with the daemon. One that never ran is not. */
export function startsWithDaemon(record: ContainerRecord): boolean {
  const { status, startedAt, exitCode } = record.state;
  // Its restart was promised before the daemon ended.
  if (status === "restarting") return true;
  return status === "exited" && startedAt !== "" && wantsRestart(record, exitCode);
}

/** Returns the delay before the next start, from the one before (0: none yet) and how long the run lasted. */
export function nextDelayMs(previousMs: number, ranNano: bigint): number {
  if (previousMs === 0 || ranNano >= STABLE_NANO) return FIRST_DELAY_MS;
  return Math.min(MAX_DELAY_MS, previousMs * 2);
}
