// What happens when a container's process has ended: the endpoint goes back, the record says how it ended, whoever waits
// is told, the restart policy decides, and `--rm` removes. Runs outside the container's lane, in which somebody may wait for
// exactly this.
import { messageOf } from "../../../lib/errors.ts";
import { followSteps } from "../../../lib/steps.ts";
import { formatNano, parseNano } from "../../../lib/time.ts";
import { removeTree } from "../../../linux/remove-tree.ts";
import type { ShimExit } from "../../../runtime/shim/client.ts";
import { type ContainerContext, publish } from "../context.ts";
import { afterExit } from "../health/state.ts";
import { healthOf } from "../health/watch.ts";
import { releaseMounts } from "../mounts/use.ts";
import { releaseEndpoints, withoutAttached } from "../network/release.ts";
import { type ContainerRecord, isRunning } from "../record.ts";
import { removeStopped } from "../remove.ts";
import { FACT, type LiveContainer, PASSING, type Run } from "../table.ts";
import { cgroupOf, endScope } from "./cgroup.ts";
import { removeCgroups } from "./lost.ts";
import { nextDelayMs, wantsRestart } from "./restart-policy.ts";

/** How a container is started again; the service provides it. */
export type Restart = (live: LiveContainer) => Promise<void>;

export interface SettleOptions {
  readonly restart: Restart;
  /** Called when the record says that the container has ended, before a `--rm` container is removed. */
  readonly onSettled?: () => void;
  /** The end has been published already. */
  readonly isTold?: boolean;
}

/** Settles the end of a run; null stands for one that ended while no daemon was there. */
export async function settleExit(
  context: ContainerContext,
  live: LiveContainer,
  run: Run | null,
  exit: ShimExit,
  { restart, onSettled, isTold = false }: SettleOptions,
): Promise<void> {
  const before = context.table.get(live.id);
  if (before === undefined) {
    live.run = null;
    return;
  }
  const steps = followSteps("exit");
  for (const execId of live.execIds) live.execEnded(execId, 137);
  await endScope(context, before.cgroup); // before another run may have its name
  await releaseEndpoints(context, before);
  steps.done("endpoints");
  await releaseMounts(context, before);
  await releaseJoined(context, before);
  // Run and state change in one step: nobody sees a container that neither runs nor has ended.
  if (live.run === run) live.run = null;
  // As it is now: a user may have stopped it while the endpoint was released.
  const latest = context.table.get(live.id) ?? before;
  const health = healthOf(live, latest);
  live.health = null;
  const ranNano = durationOf(before, exit);
  const willRestart = !live.isRestartCalledOff && !live.isRemoving && wantsRestart(latest, exit.exitCode);
  const isLeaving = latest.hostConfig.AutoRemove && !live.isRemoving && !live.isBeingRestarted;
  const record = await context.table.putState(
    live.id,
    {
      status: willRestart ? "restarting" : "exited",
      pid: 0,
      exitCode: exit.exitCode,
      isOomKilled: exit.isOomKilled,
      finishedAt: formatNano(exit.finishedAtNano),
      health: health && afterExit(health),
    },
    { endpoints: latest.endpoints.map(withoutAttached) },
    // Of one that goes, the disk is told once: that it is gone. What it says until then leads the next daemon to the same end.
    isLeaving ? PASSING : FACT,
  );
  steps.done("commit");
  steps.end();
  // Only when it is written: a daemon that is killed before this leaves the next one the file that says how the run ended.
  if (!isLeaving)
    context.inBackground(`remove what the run of ${live.id.slice(0, 12)} left`, () =>
      live.lane.run(() => forgetRun(context, live)),
    );
  if (!isTold) publishEnd(context, record, exit);
  context.logs.ended(record, live);
  live.tellExit(record.state);
  if (willRestart) {
    live.restartDelayMs = nextDelayMs(live.restartDelayMs, ranNano);
    scheduleRestart(context, live, restart);
  }
  onSettled?.();
  if (isLeaving) autoRemove(context, live);
}

/**
 * Removes the directory of a shim that has ended, unless another run has it already: a removal does it itself. In the container's
 * lane. The directory goes last: by it the next daemon finds cgroups that are left.
 */
async function forgetRun(context: ContainerContext, live: LiveContainer): Promise<void> {
  const { table, paths } = context;
  const record = table.get(live.id);
  if (record === undefined || live.run !== null || isRunning(record)) return;
  await table.isWritten();
  if (await removeCgroups(context, cgroupOf(context, record), { attempts: 3 }))
    await removeTree(paths.stateDir(live.id));
}

/** Releases endpoints that came while those of `before` were released: a connection that was under way has succeeded. */
async function releaseJoined(context: ContainerContext, before: ContainerRecord): Promise<void> {
  const known = new Set(before.endpoints.map((e) => e.attached?.endpointId));
  for (;;) {
    const latest = context.table.get(before.id) ?? before;
    const joined = latest.endpoints.filter((e) => !known.has(e.attached?.endpointId) && e.attached);
    if (joined.length === 0) return;
    for (const e of joined) known.add(e.attached?.endpointId);
    await releaseEndpoints(context, { ...latest, endpoints: joined });
  }
}

/** Publishes how and when a run ended. */
export function publishEnd(
  context: Pick<ContainerContext, "events">,
  record: ContainerRecord,
  exit: ShimExit,
): void {
  if (exit.isOomKilled) publish(context, record, "oom", {}, exit.finishedAtNano);
  const attributes = {
    exitCode: String(exit.exitCode),
    execDuration: String(durationOf(record, exit) / 1_000_000_000n),
  };
  publish(context, record, "die", attributes, exit.finishedAtNano);
}

function durationOf(record: ContainerRecord, exit: ShimExit): bigint {
  return exit.finishedAtNano - (parseNano(record.state.startedAt) ?? exit.finishedAtNano);
}

function autoRemove(context: ContainerContext, live: LiveContainer): void {
  live.isRemoving = true;
  context.inBackground(`remove container ${live.id.slice(0, 12)}`, () =>
    live.lane.run(async () => {
      const record = context.table.get(live.id);
      try {
        if (record !== undefined) await removeStopped(context, live, record, { volumes: true });
      } catch (error) {
        live.isRemoving = false; // it can be asked for again
        if (record !== undefined)
          live.tellRemoved({ exitCode: record.state.exitCode, error: messageOf(error) });
        throw error;
      }
    }),
  );
}

function scheduleRestart(context: ContainerContext, live: LiveContainer, restart: Restart): void {
  live.restartTimer = setTimeout(() => {
    void restart(live).catch((error: unknown) => {
      context.log("error", `container ${live.id.slice(0, 12)}: cannot be restarted: ${messageOf(error)}`);
      const record = context.table.get(live.id);
      if (record !== undefined) live.tellExit(record.state);
    });
  }, live.restartDelayMs);
}
