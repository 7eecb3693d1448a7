// After a restart of the daemon: running containers are found by their shims, those that ended meanwhile by the exit file
// their shims left, and the restart policy is applied as it would have been.
import { messageOf } from "../../../lib/errors.ts";
import { cgroupOf } from "./cgroup.ts";
import type { ContainerContext } from "../context.ts";
import { settleExit, shouldRestart } from "./exit.ts";
import { lastExit } from "./lost.ts";
import { endOrphans } from "./orphans.ts";
import { type ContainerRecord, isRunning } from "../record.ts";
import { connectRun, type OnExit } from "./start.ts";
import type { LiveContainer } from "../table.ts";

/** Restores all runs; a container that cannot be restored counts as ended, and never keeps the daemon from starting. */
export async function restoreRuns(
  context: ContainerContext,
  onExit: OnExit,
  start: (live: LiveContainer) => Promise<void>,
): Promise<void> {
  await endOrphans(context);
  const records = context.table.all();
  const adopted: ContainerRecord[] = [];
  await Promise.all(
    records.filter(isRunning).map(async (record) => {
      if (await adopt(context, record, onExit)) adopted.push(record);
    }),
  );
  const endpoints = adopted.flatMap((r) =>
    r.endpoints.flatMap((e) =>
      e.attached === undefined ? [] : [{ endpoint: e.attached, containerName: r.name }],
    ),
  );
  for (const warning of await context.networks.restore(endpoints)) context.log("warn", warning);
  for (const record of records.filter((r) => isRunning(r) && !adopted.includes(r))) {
    await settleExit(
      context,
      context.table.live(record.id),
      null,
      await lastExit(context, record.id, cgroupOf(context, record)),
      start,
    );
  }
  await startByPolicy(
    context,
    records.filter((r) => !isRunning(r)),
    start,
  );
}

async function adopt(context: ContainerContext, record: ContainerRecord, onExit: OnExit): Promise<boolean> {
  const live = context.table.live(record.id);
  try {
    const run = await connectRun(context, live, record, record.state.pid, onExit);
    live.run = run;
    run.begin();
    return true;
  } catch (error) {
    context.log("debug", `container ${record.id.slice(0, 12)}: no shim: ${messageOf(error)}`);
    return false;
  }
}

/** Starts what a policy wants running when a daemon starts; compat: only `unless-stopped` remembers that a user stopped it. */
async function startByPolicy(
  context: ContainerContext,
  records: readonly ContainerRecord[],
  start: (live: LiveContainer) => Promise<void>,
): Promise<void> {
  const wanted = records.filter((r) => {
    if (r.state.status === "created") return false;
    if (r.state.status === "restarting") return true;
    const isForgotten = r.hostConfig.RestartPolicy.Name !== "unless-stopped";
    return shouldRestart(
      isForgotten ? { ...r, state: { ...r.state, isStoppedByUser: false } } : r,
      r.state.exitCode,
    );
  });
  await Promise.all(
    wanted.map((r) =>
      start(context.table.live(r.id)).catch((error: unknown) => {
        context.log("error", `container ${r.id.slice(0, 12)}: cannot be started: ${messageOf(error)}`);
      }),
    ),
  );
}
