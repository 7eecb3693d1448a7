// What happens when a container's process has ended: the endpoint goes back, the record says how it ended, whoever waits
// is told, the restart policy decides, and `--rm` removes. Runs outside the container's lane, since `stop` holds the lane
// while it waits for exactly this.
import { rm } from "node:fs/promises";
import { messageOf } from "../../../lib/errors.ts";
import { formatNano, parseNano } from "../../../lib/time.ts";
import type { ShimExit } from "../../../runtime/shim/client.ts";
import { type ContainerContext, publish } from "../context.ts";
import { releaseEndpoints, withoutAttached } from "../network/release.ts";
import type { ContainerRecord } from "../record.ts";
import { removeStopped } from "../remove.ts";
import type { LiveContainer, Run } from "../table.ts";

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 60_000;
/** A run that lasted this long earns the short delay again. */
const STABLE_NANO = 10_000_000_000n;

/** How a container is started again; the service provides it. */
export type Restart = (live: LiveContainer) => Promise<void>;

/** Settles the end of a run. */
export async function settleExit(
  context: ContainerContext,
  live: LiveContainer,
  run: Run | null,
  exit: ShimExit,
  restart: Restart,
): Promise<void> {
  const before = context.table.get(live.id);
  if (before === undefined) {
    live.run = null;
    return;
  }
  for (const execId of live.execIds) live.execEnded(execId, 137);
  await releaseEndpoints(context, before);
  await rm(context.paths.stateDir(live.id), { recursive: true, force: true });
  const finishedAt = formatNano(exit.finishedAtNano);
  // Run and state change in one step: nobody sees a container that neither runs nor has ended.
  if (live.run === run) live.run = null;
  // As it is now: a user may have stopped it while the endpoint was released.
  const latest = context.table.get(live.id) ?? before;
  const willRestart = shouldRestart(latest, exit.exitCode) && !live.isRemoving;
  const record = await context.table.putState(
    live.id,
    {
      status: willRestart ? "restarting" : "exited",
      pid: 0,
      exitCode: exit.exitCode,
      isOomKilled: exit.isOomKilled,
      finishedAt,
    },
    { endpoints: latest.endpoints.map(withoutAttached) },
  );
  if (exit.isOomKilled) publish(context, record, "oom");
  publish(context, record, "die", {
    exitCode: String(exit.exitCode),
    execDuration: String(secondsBetween(before.state.startedAt, exit.finishedAtNano)),
  });
  for (const tell of [...live.exitWaiters]) tell(exit.exitCode);
  live.exitWaiters.clear();
  if (willRestart) scheduleRestart(context, live, record, exit, restart);
  else if (record.hostConfig.AutoRemove && !live.isRemoving) await autoRemove(context, live, record);
}

async function autoRemove(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
): Promise<void> {
  live.isRemoving = true;
  try {
    await removeStopped(context, live, record);
  } catch (error) {
    live.isRemoving = false;
    context.log("error", `container ${live.id.slice(0, 12)}: cannot be removed: ${messageOf(error)}`);
  }
}

function secondsBetween(startedAt: string, endNano: bigint): number {
  const start = parseNano(startedAt);
  return start === null ? 0 : Number((endNano - start) / 1_000_000_000n);
}

/** The restart policy's answer to an exit (docker run --restart). */
export function shouldRestart(record: ContainerRecord, exitCode: number): boolean {
  const { Name, MaximumRetryCount } = record.hostConfig.RestartPolicy;
  if (record.state.isStoppedByUser) return false;
  if (Name === "always" || Name === "unless-stopped") return true;
  return (
    Name === "on-failure" &&
    exitCode !== 0 &&
    (MaximumRetryCount === 0 || record.state.restartCount < MaximumRetryCount)
  );
}

function scheduleRestart(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
  exit: ShimExit,
  restart: Restart,
): void {
  const start = parseNano(record.state.startedAt);
  const wasStable = start !== null && exit.finishedAtNano - start >= STABLE_NANO;
  live.restartDelayMs =
    wasStable || live.restartDelayMs === 0 ? FIRST_DELAY_MS : Math.min(MAX_DELAY_MS, live.restartDelayMs * 2);
  live.restartTimer = setTimeout(() => {
    void restart(live).catch((error: unknown) => {
      context.log("error", `container ${live.id.slice(0, 12)}: cannot be restarted: ${messageOf(error)}`);
    });
  }, live.restartDelayMs);
}
