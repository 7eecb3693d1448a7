// The end of a run that has to end. SIGKILL is enough for a container whose shim answers; one whose shim is stuck (stopped,
// or held up by the kernel) is ended over its head, so that `kill`, `stop` and `rm -f` have an answer within half a minute.
import { Fault } from "../../../lib/errors.ts";
import { readProcessStat } from "../../../linux/procfs/process.ts";
import type { ContainerContext } from "../context.ts";
import type { LiveContainer, Run } from "../table.ts";

/** How long a killed container may take to be gone, as dockerd waits before it kills the process directly. */
const KILL_WAIT_MS = 10_000;
/** How long after that each of the harder ways may take. */
const FORCE_WAIT_MS = 2_000;
/** The longest that a timer waits, some 24 days; who asks for more means for ever. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Sends SIGKILL by `send` and returns when the exit of `run` is settled; fails with system when nothing helps. Without `send`
 * the shim is known not to answer.
 */
export async function endRun(
  run: Run,
  context: ContainerContext,
  live: LiveContainer,
  send: (() => Promise<void>) | undefined,
): Promise<void> {
  const isStuck = send === undefined || (await sendOrStuck(send));
  if (await settlesWithin(run.settled, isStuck ? 0 : KILL_WAIT_MS)) return;
  const shim = shimOf(run.pid);
  context.log("warn", `container ${live.id.slice(0, 12)}: does not end after SIGKILL, killed directly`);
  // The number is still this process's: its parent, the shim, has not taken note of its end.
  if (shim > 1) signalIfThere(run.pid);
  if (await settlesWithin(run.settled, FORCE_WAIT_MS)) return;
  // Without a shim the kernel ends the container, and the daemon takes note of it in the shim's stead (lost.ts).
  live.isForced = true;
  if (shim > 1) signalIfThere(shim);
  if (await settlesWithin(run.settled, FORCE_WAIT_MS)) return;
  throw new Fault(
    "system",
    `tried to kill container ${live.id}, but did not receive an exit event: process ${run.pid} is held by the kernel`,
    { code: "container.stuck", detail: { pid: run.pid } },
  );
}

/** Whether the shim does not answer; what else goes wrong is thrown. */
export async function sendOrStuck(send: () => Promise<void>): Promise<boolean> {
  try {
    await send();
    return false;
  } catch (error) {
    if (error instanceof Fault && error.code === "container.stuck") return true;
    throw error;
  }
}

/** Returns the process id of the shim that a container's first process has as its parent, 0 when it has none. */
function shimOf(pid: number): number {
  const parent = readProcessStat(`/proc/${pid}`)?.ppid ?? 0;
  return readProcessStat(`/proc/${parent}`)?.comm === "keel-shim" ? parent : 0;
}

function signalIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // ignored: it ended by itself
  }
}

/** Resolves to whether `settled` came within the time; without a time it waits for ever. */
export async function settlesWithin(settled: Promise<void>, timeoutMs: number | undefined): Promise<boolean> {
  if (timeoutMs === undefined || timeoutMs > MAX_TIMER_MS) return settled.then(() => true);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false);
  });
  try {
    return await Promise.race([settled.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
