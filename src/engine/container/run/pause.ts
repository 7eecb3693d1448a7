// Pause and unpause: the container's cgroup is frozen, and its record says so.
import { Fault, messageOf, SysError } from "../../../lib/errors.ts";
import { freezeCgroup, planThaw } from "../../../linux/cgroupfs/freezer.ts";
import { type ContainerContext, publish } from "../context.ts";
import { volumeNames } from "../mounts/points.ts";
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

/** Lets a running container stand still, so that its files are those of one moment; disposing of it lets it run on. */
export async function holdStill(
  context: ContainerContext,
  live: LiveContainer,
): Promise<AsyncDisposable | undefined> {
  const isPaused = await live.lane.run(async () => {
    if (context.table.find(live.id).state.status !== "running") return false;
    try {
      await pauseContainer(context, live, new AbortController().signal);
    } catch (error) {
      if (error instanceof Fault && error.code === "container.not-running") return false; // it has ended meanwhile
      throw error;
    }
    return true;
  });
  if (!isPaused) return undefined;
  const unpause = async (): Promise<void> => {
    if (context.table.get(live.id)?.state.status === "paused") await unpauseContainer(context, live);
  };
  return { [Symbol.asyncDispose]: () => live.lane.run(unpause) };
}

/** Lets all running containers that have a volume stand still. What fails lets those that do run on. */
export async function holdUsersOf(context: ContainerContext, volume: string): Promise<AsyncDisposable> {
  await using held = new AsyncDisposableStack();
  for (const record of context.table.all())
    if (record.state.status === "running" && volumeNames(record).includes(volume))
      held.use(await holdStill(context, context.table.live(record.id)));
  return held.move();
}

/** Whether a container's first process is gone, for which every runtime has words of its own. */
async function hasEnded({ run }: LiveContainer): Promise<boolean> {
  if (run === null) return true;
  const state = await run.shim.state().catch(() => undefined); // ignored: a shim goes with its container
  return state?.status !== "running";
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
    if (!isGone(error) && !(await hasEnded(context.table.live(id)))) throw error; // ignored: its end is being settled
  }
  if (context.table.get(id)?.state.status === "paused")
    await context.table.putState(id, { status: "running" });
}
