// Removes containers. The files are thrown away before the record: a removal that fails leaves a dead container with the
// reason, which can be removed again, and one that a crash cut short is finished or made dead by the next daemon.
import { removeTree } from "../../linux/remove-tree.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import { followSteps } from "../../lib/steps.ts";
import { type ContainerContext, publish } from "./context.ts";
import { keepContainer, keepFiles } from "./keep.ts";
import type { ContainerRecord } from "./record.ts";
import { anonymousVolumes, removeVolumes } from "./mounts/remove.ts";
import { cgroupOf } from "./run/cgroup.ts";
import { removeCgroups } from "./run/lost.ts";
import { isActive } from "./run/state.ts";
import { killInLane } from "./run/stop.ts";
import { FACT, layersOf, type LiveContainer, PASSING } from "./table.ts";

/** With `volumes` those that nobody named go, too; with `isKept` it can be brought back, together with what has the same group. */
export interface RemoveOptions {
  readonly volumes: boolean;
  readonly isKept?: boolean;
  readonly group?: string;
}

/** ContainerDelete; `reference` is how the caller names the container. Fails with conflict, or system when it cannot be removed. */
export async function deleteContainer(
  context: ContainerContext,
  live: LiveContainer,
  reference: string,
  options: { force: boolean } & RemoveOptions,
): Promise<void> {
  if (live.isRemoving)
    throw new Fault("conflict", `removal of container ${reference} is already in progress`, {
      code: "container.removing",
    });
  try {
    if (!options.force) requireStopped(context.table.find(live.id));
    live.isRemoving = true;
    await live.lane.run(async () => {
      // Whoever came first may have removed it, or started it.
      const record = context.table.get(live.id);
      if (record === undefined) return;
      if (options.force && isActive(record)) await killInLane(context, live);
      else requireStopped(record);
      await removeStopped(context, live, context.table.find(live.id), options);
    });
  } catch (error) {
    live.isRemoving = false;
    const { kind, code } =
      error instanceof Fault ? error : { kind: "system" as const, code: "container.remove" };
    throw new Fault(kind, `cannot remove container "${reference}": ${messageOf(error)}`, {
      code,
      cause: error,
    });
  }
}

function requireStopped(record: ContainerRecord): void {
  const { status } = record.state;
  if (!isActive(record)) return;
  throw new Fault(
    "conflict",
    status === "paused"
      ? "container is paused and must be unpaused first"
      : `container is ${status}: stop the container before removing or force remove`,
    { code: "container.running" },
  );
}

/** Removes files and record, with `volumes` those that nobody named; tells those who wait, publishes `destroy`. In the container's lane. */
export async function removeStopped(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
  options: RemoveOptions,
): Promise<void> {
  const steps = followSteps("remove");
  live.isRemoving = true;
  clearTimeout(live.restartTimer);
  // By this the next daemon knows a removal from a loss, if the power fails when the files are gone and the record is not. What goes at its
  // end it removes in either case.
  const isPassing = !options.isKept && record.hostConfig.AutoRemove;
  const commit = isPassing ? PASSING : { durable: !options.isKept, ...FACT };
  await context.table.putState(live.id, { status: "removing", error: "" }, {}, commit);
  await context.logs.release(live.id);
  let isKept = false;
  try {
    isKept = options.isKept === true && (await keepFiles(context, live.id));
    if (!isKept) {
      await context.layers.removeUpper(live.id);
      await context.disk.removeTree(context.paths.dir(live.id));
    }
  } catch (error) {
    throw await recordDeath(context, live, error);
  }
  steps.done("files");
  const anonymous = options.volumes ? anonymousVolumes(record) : [];
  const kept = isKept ? keepContainer(context, record, options.group) : undefined;
  const changes = [
    ...context.volumes.disown(anonymous),
    ...(kept === undefined ? [] : [context.kept.putChange(kept)]),
  ];
  try {
    await context.table.remove(record, changes);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "store.write-failed") throw error;
    // A full disk has room when what was thrown away above is gone, which nobody else waits for.
    await context.layers.emptied();
    await context.table.remove(record, changes);
  }
  steps.done("commit");
  steps.end();
  publish(context, record, "destroy");
  await removeVolumes(context, anonymous, kept === undefined ? {} : { isKept, group: kept.group });
  if (kept !== undefined) context.kept.settle(kept);
  live.tellRemoved({ exitCode: record.state.exitCode, error: "" });
  context.inBackground(`remove the files of container ${live.id.slice(0, 12)}`, async () => {
    // The directory goes last: by it the next daemon finds cgroups that are left.
    if (await removeCgroups(context, cgroupOf(context, record), { attempts: 30 }))
      await removeTree(context.paths.stateDir(live.id));
    for (const layer of layersOf(record)) await context.images.removeUnneededLayers(layer);
  });
}

async function recordDeath(context: ContainerContext, live: LiveContainer, cause: unknown): Promise<Fault> {
  const error = `unable to remove filesystem: ${messageOf(cause)}`;
  const { state } = await context.table.putState(live.id, { status: "dead", error }, {}, FACT);
  live.isRemoving = false;
  live.tellRemoved(state);
  return new Fault("system", error, { code: "container.dead", cause });
}
