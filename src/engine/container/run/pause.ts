// Pause and unpause: the container's cgroup is frozen, and its record says so.
import { Fault, messageOf, SysError } from "../../../lib/errors.ts";
import { freezeCgroup, planThaw } from "../../../linux/cgroupfs/freezer.ts";
import { type ContainerContext, publish } from "../context.ts";
import { externalOf, pauseExternal, resumeExternal } from "../runtime/external.ts";
import type { LiveContainer } from "../table.ts";
import { cgroupOf } from "./cgroup.ts";
import { requireProcess } from "./state.ts";

const ENOENT = 2;
const ENODEV = 19;

/** A cgroup goes with the container's last process, a moment before the engine hears of the end. */
const isGone = (error: unknown): boolean =>
  error instanceof SysError
    ? error.errno === ENOENT || error.errno === ENODEV
    : error instanceof Fault && error.kind === "notFound";

/** Freezes a container's processes; false when there are none any more, and the end of the run is settled then. */
async function freeze(
  context: Pick<ContainerContext, "table" | "keel" | "cgroups" | "cgroupParent" | "paths">,
  live: LiveContainer,
  signal?: AbortSignal,
): Promise<boolean> {
  const options = signal === undefined ? {} : { signal };
  const record = context.table.find(live.id);
  const external = externalOf(context, record);
  const cgroup = cgroupOf(context, record);
  try {
    if (external !== undefined) await pauseExternal(context, external);
    else await freezeCgroup((ops) => context.keel.run(ops), cgroup, options);
    return true;
  } catch (error) {
    if (!isGone(error)) throw error;
    await live.run?.settled;
    return false;
  }
}

/** Freezes the container; fails with conflict, or with deadline when its processes cannot be frozen. In its lane. */
export async function pauseContainer(
  context: ContainerContext,
  live: LiveContainer,
  signal: AbortSignal,
): Promise<void> {
  const record = context.table.find(live.id);
  if (record.state.status === "paused")
    throw new Fault("conflict", `container ${live.id} is already paused`, { code: "container.paused" });
  requireProcess(record);
  const { run } = live;
  let isFrozen: boolean;
  try {
    isFrozen = await freeze(context, live, signal);
  } catch (error) {
    const { kind, code } =
      error instanceof Fault ? error : { kind: "system" as const, code: "container.pause" };
    throw new Fault(kind, `cannot pause container ${live.id}: ${messageOf(error)}`, { code, cause: error });
  }
  // Its end may have been settled while it was frozen: a cgroup with nobody in it freezes, too.
  if (!isFrozen || live.run !== run) requireProcess(context.table.find(live.id));
  publish(context, await context.table.putState(live.id, { status: "paused" }), "pause");
}

/** Lets a paused container run on. In its lane. */
export async function unpauseContainer(context: ContainerContext, live: LiveContainer): Promise<void> {
  if (context.table.find(live.id).state.status !== "paused")
    // compat: an error of the daemon's, not of the request's.
    throw new Fault("system", `Container ${live.id} is not paused`, { code: "container.not-paused" });
  await thaw(context, live.id);
  publish(context, context.table.find(live.id), "unpause");
}

/** Lets a frozen container run on and says so in its record. */
export async function thaw(
  context: Pick<ContainerContext, "table" | "keel" | "cgroups" | "cgroupParent" | "paths">,
  id: string,
): Promise<void> {
  const record = context.table.find(id);
  const external = externalOf(context, record);
  try {
    if (external !== undefined) await resumeExternal(context, external);
    else await context.keel.run(planThaw(cgroupOf(context, record)));
  } catch (error) {
    if (!isGone(error)) throw error; // ignored: it has ended meanwhile, which is being settled
  }
  if (context.table.get(id)?.state.status === "paused")
    await context.table.putState(id, { status: "running" });
}
