// After a restart of the daemon: running containers are found by their shims, those that ended meanwhile by the exit file
// their shims left, removals that were cut short are finished, and what the restart policies want running is started.
import { existsSync } from "node:fs";
import { messageOf } from "../../../lib/errors.ts";
import { Lane } from "../../../lib/lanes.ts";
import type { ContainerContext } from "../context.ts";
import { watchHealth } from "../health/watch.ts";
import { volumeNames } from "../mounts/points.ts";
import { resumeNameService } from "../network/name-service.ts";
import { type ContainerRecord, isRunning } from "../record.ts";
import { limitRoot } from "../host-config/root-size.ts";
import { removeStopped } from "../remove.ts";
import type { LiveContainer } from "../table.ts";
import { cgroupOf } from "./cgroup.ts";
import { publishEnd, settleExit } from "./exit.ts";
import { lastExit } from "./lost.ts";
import { endOrphans } from "./orphans.ts";
import { startsWithDaemon } from "./restart-policy.ts";
import { settlesWithin } from "./force.ts";
import { connectRun, type OnExit, type StartedRun } from "./start.ts";

/** Containers that are started at the same time when a daemon starts. */
const STARTS = 16;

/** How long the start of the daemon waits for one shim; what it has not answered then is done when it does. */
const ADOPT_WAIT_MS = 2000;

/** How the service starts a container, in its lane. */
type Start = (live: LiveContainer) => Promise<void>;

/** What a daemon does with containers at its start. */
export interface RestoreOptions {
  readonly start: Start;
  /** Stops what a predecessor left running that should have stopped it (`live-restore: false`); absent: it runs on. */
  readonly stop?: ((live: LiveContainer) => Promise<unknown>) | undefined;
}

/** Restores all runs; a container that cannot be restored counts as ended, and never keeps the daemon from starting. */
export async function restoreRuns(
  context: ContainerContext,
  onExit: OnExit,
  { start, stop }: RestoreOptions,
): Promise<void> {
  await endOrphans(context);
  const records = context.table.all();
  const adopted: ContainerRecord[] = [];
  await Promise.all(
    records.filter(isRunning).map(async (record) => {
      if (await adopt(context, record, onExit)) adopted.push(record);
      // Also of a run that is found to have ended: settling it gives them back.
      for (const name of volumeNames(record)) context.volumes.adopt(name, record.id);
    }),
  );
  await context.volumes.repair();
  const endpoints = adopted.flatMap((r) =>
    r.endpoints.flatMap((e) =>
      e.attached === undefined ? [] : [{ endpoint: e.attached, containerName: r.name }],
    ),
  );
  for (const warning of await context.networks.restore(endpoints)) context.log("warn", warning);
  await settleLost(
    context,
    records.filter((r) => isRunning(r) && !adopted.includes(r)),
    start,
  );
  if (stop !== undefined) await stopAll(context, adopted, stop);
  await repairContainers(context);
  context.logs.restore(context.table.all(), (id) => context.table.live(id));
  await startByPolicy(context, start);
}

async function adopt(context: ContainerContext, record: ContainerRecord, onExit: OnExit): Promise<boolean> {
  const live = context.table.live(record.id);
  try {
    live.health = watchHealth(context, record, { isNew: false });
    const run = await connectRun(context, live, record, record.state.pid, onExit);
    live.run = run;
    await settlesWithin(resume(context, record, live, run), ADOPT_WAIT_MS);
    run.begin();
    return true;
  } catch (error) {
    context.log("debug", `container ${record.id.slice(0, 12)}: no shim: ${messageOf(error)}`);
    return false;
  }
}

/** What the shim has to be asked for; one that ends meanwhile, or does not answer, is told of and left at that. */
async function resume(
  context: ContainerContext,
  record: ContainerRecord,
  live: LiveContainer,
  run: StartedRun,
): Promise<void> {
  try {
    await run.ready;
    await live.health?.recover(run.shim);
    await resumeNameService(context, record, run);
  } catch (error) {
    context.log(
      "warn",
      `container ${record.id.slice(0, 12)}: cannot be taken over whole: ${messageOf(error)}`,
    );
  }
}

/** Settles what ended meanwhile, in the order of the ends. Whether it runs again is decided with all the others. */
async function settleLost(
  context: ContainerContext,
  records: readonly ContainerRecord[],
  restart: Start,
): Promise<void> {
  const lost = await Promise.all(
    records.map(async (r) => ({
      record: r,
      live: context.table.live(r.id),
      exit: await lastExit(context, r.id, cgroupOf(context, r)),
    })),
  );
  lost.sort((a, b) => (a.exit.finishedAtNano < b.exit.finishedAtNano ? -1 : 1));
  // All ends come first, at their own times; what is done about them comes after.
  for (const { record, exit } of lost) publishEnd(context, record, exit);
  for (const { live, exit } of lost) {
    live.isRestartCalledOff = true;
    await settleExit(context, live, null, exit, { restart, isTold: true });
  }
}

async function stopAll(
  context: ContainerContext,
  records: readonly ContainerRecord[],
  stop: NonNullable<RestoreOptions["stop"]>,
): Promise<void> {
  const stopOne = (r: ContainerRecord): Promise<unknown> =>
    stop(context.table.live(r.id)).catch((error: unknown) => {
      context.log("warn", `container ${r.id.slice(0, 12)}: cannot be stopped: ${messageOf(error)}`);
    });
  await Promise.all(records.map(stopOne));
}

/** Finishes what was being removed, `--rm` among it, and makes the directories again that a power cut took: a name can be lost that no sync waited for. */
async function repairContainers(context: ContainerContext): Promise<void> {
  for (const { id } of context.table.all()) {
    const live = context.table.live(id);
    await live.lane
      .run(() => repairContainer(context, live))
      .catch((error: unknown) => {
        context.log("error", `container ${id.slice(0, 12)}: cannot be repaired: ${messageOf(error)}`);
      });
  }
}

async function repairContainer(context: ContainerContext, live: LiveContainer): Promise<void> {
  const record = context.table.get(live.id);
  if (record === undefined || isRunning(record)) return;
  const { status } = record.state;
  const dirs = context.layers.upperOf(live.id, record.idMap);
  const hasFiles = existsSync(dirs.upper);
  const isRemoved = status === "removing" || (status === "dead" && !hasFiles);
  if (isRemoved || record.hostConfig.AutoRemove) {
    // Whether it was to be kept is not known: what is whole is.
    const isKept = hasFiles && !record.hostConfig.AutoRemove;
    await removeStopped(context, live, record, { volumes: record.hostConfig.AutoRemove, isKept });
  } else if (!hasFiles) {
    await limitRoot(context, record, await context.layers.createUpper(live.id, record.idMap));
    if (record.state.startedAt !== "")
      context.log(
        "warn",
        `container ${live.id.slice(0, 12)}: its files were lost: it starts with its image's`,
      );
  } else if (!existsSync(dirs.work)) await context.layers.createUpper(live.id, record.idMap);
}

/** Starts what a policy wants running; containers that join the namespaces of others come after these. */
async function startByPolicy(context: ContainerContext, start: Start): Promise<void> {
  const wanted = context.table.all().filter(startsWithDaemon).reverse();
  const joins = (r: ContainerRecord): boolean =>
    [r.hostConfig.NetworkMode, r.hostConfig.PidMode, r.hostConfig.IpcMode].some((mode) =>
      mode.startsWith("container:"),
    );
  for (const r of wanted.filter((r) => r.state.status === "restarting"))
    await context.table.putState(r.id, { status: "exited" });
  const lane = new Lane(STARTS);
  const startAll = (records: readonly ContainerRecord[]) =>
    Promise.all(
      records.map((r) =>
        lane
          .run(() => start(context.table.live(r.id)))
          .catch((error: unknown) => {
            context.log("error", `container ${r.id.slice(0, 12)}: cannot be started: ${messageOf(error)}`);
          }),
      ),
    );
  await startAll(wanted.filter((r) => !joins(r)));
  await startAll(wanted.filter(joins));
}
