// Starts a container: the endpoint, the runtime's plan and the shim in one message to keel, then attached clients, then
// the process itself. Called in the container's lane. Whatever fails on the way is undone, and the record says why.
import { existsSync } from "node:fs";
import { Fault, messageOf } from "../../../lib/errors.ts";
import { followSteps } from "../../../lib/steps.ts";
import { formatNano } from "../../../lib/time.ts";
import { removeTree } from "../../../linux/remove-tree.ts";
import { freezerFile } from "../../../linux/cgroupfs/freezer-state.ts";
import {
  type HealthPlan,
  host,
  type Op,
  type Register,
  type RootSource,
  type ShimPlan,
} from "../../../linux/ops.ts";
import { loadDefaultProfile } from "../../../runtime/apparmor/load.ts";
import { type CgroupPlan, planCgroup } from "../../../runtime/cgroup/plan.ts";
import { planHealth } from "../../../runtime/health/plan.ts";
import type { PlanInput } from "../../../runtime/plan/input.ts";
import { planContainer } from "../../../runtime/plan/plan.ts";
import { connectShim, listenToShim, openShimEvents, type ShimExit } from "../../../runtime/shim/client.ts";
import { earlyEnd } from "../../../runtime/shim/exit-file.ts";
import type { OciResources, OciSpec } from "../../../runtime/spec/oci.ts";
import type { UpperDirs } from "../../../storage/layer/types.ts";
import type { PlannedEndpoint } from "../../network/service.ts";
import { adoptScope, cgroupOf, endScope, newCgroupPlace } from "./cgroup.ts";
import { type ContainerContext, publish } from "../context.ts";
import { writeEtcFiles } from "./etc-files.ts";
import { checkOf } from "../health/config.ts";
import { watchHealth } from "../health/watch.ts";
import { exitCodeOf, lacksDefaultProfile, startFault } from "./failure.ts";
import { lastExit } from "./lost.ts";
import { acquireMounts, releaseMounts, type VolumePlaces } from "../mounts/use.ts";
import { tellParents } from "../network/links.ts";
import { startNameService } from "../network/name-service.ts";
import { hasNameService } from "../network/names.ts";
import { attachedTo, planNetworks } from "../network/sandbox.ts";
import { type ContainerRecord, type RunState } from "../record.ts";
import { externalOf, planExternal, planExternalProbe, startFailure } from "../runtime/external.ts";
import { sharedShm } from "./join.ts";
import { specOfRun } from "../spec/run.ts";
import { isActive } from "./state.ts";
import { planUserNamespace, type UsernsStart } from "./userns.ts";
import { FACT, type LiveContainer, type Run } from "../table.ts";

const SIGKILL = 9;

/** What happens when a run has ended; exit.ts provides it, the service passes it in (the two would import each other). */
export type OnExit = (live: LiveContainer, run: Run, exit: ShimExit, onSettled: () => void) => Promise<void>;

/**
 * Starts the container, from `checkpoint` (a directory of criu's images) when there is one; fails with notModified when it runs, and with
 * the reason when it cannot be started. In its lane.
 */
export async function startContainer(
  context: ContainerContext,
  live: LiveContainer,
  onExit: OnExit,
  checkpoint?: string,
): Promise<void> {
  const record = context.table.find(live.id);
  checkStartable(live, record);
  if (isActive(record))
    throw new Fault("notModified", "container is already running", { code: "container.running" });
  // The restart policy begins anew.
  live.restartDelayMs = 0;
  const state = { restartCount: 0, isStoppedByUser: false };
  await launchOrRecord(context, live, record, { onExit, state, checkpoint });
}

/** Starts a container that waits for its restart; false when somebody else decided otherwise meanwhile. In its lane. */
export async function startAgain(
  context: ContainerContext,
  live: LiveContainer,
  onExit: OnExit,
): Promise<boolean> {
  const record = context.table.get(live.id);
  if (record?.state.status !== "restarting" || live.isRemoving) return false;
  // Counted when it has happened: whoever reads the number finds the traces of so many runs.
  const state = { restartCount: record.state.restartCount + 1 };
  await launchOrRecord(context, live, record, { onExit, state });
  return true;
}

function checkStartable(live: LiveContainer, record: ContainerRecord): void {
  const { status } = record.state;
  if (live.isRemoving || status === "removing" || status === "dead")
    throw new Fault("conflict", "container is marked for removal and cannot be started", {
      code: "container.removing",
    });
  if (status === "paused")
    throw new Fault("conflict", "cannot start a paused container, try unpause instead", {
      code: "container.paused",
    });
}

interface Launch {
  onExit: OnExit;
  /** What the record says besides once the container runs. */
  state: Partial<RunState>;
  checkpoint?: string | undefined;
}

async function launchOrRecord(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
  start: Launch,
): Promise<void> {
  clearTimeout(live.restartTimer);
  live.isRestartCalledOff = false;
  live.isForced = false;
  try {
    const current = withCgroup(context, withRuntime(context, record, start.checkpoint !== undefined));
    await launch(context, live, current, start).catch(async (error: unknown) => {
      if (!lacksDefaultProfile(error)) throw error;
      await loadDefaultProfile((text) => context.log("warn", text));
      await launch(context, live, current, start);
    });
  } catch (error) {
    throw await recordFailure(context, record, await startFailure(context, record.id, error));
  }
}

/** Looked up again at each start: the daemon's configuration may have changed. Our own restores by its command line, as others do. */
function withRuntime(
  { defaults, systemd }: ContainerContext,
  { external: known, ...record }: ContainerRecord,
  isRestored: boolean,
): ContainerRecord {
  const chosen = known === undefined ? null : defaults.runtimes.choose(known.name);
  const external = chosen ?? (isRestored ? defaults.runtimes.own : undefined);
  if (external === undefined) return record;
  const command = [...external.command, ...(systemd === undefined ? [] : ["--systemd-cgroup"])];
  return { ...record, external: { ...external, command } };
}

/** A record with its place. */
type PlacedRecord = ContainerRecord & Required<Pick<ContainerRecord, "cgroup">>;

function withCgroup(context: ContainerContext, record: ContainerRecord): PlacedRecord {
  return { ...record, cgroup: newCgroupPlace(context, record.hostConfig.CgroupParent, record.id) };
}

async function launch(
  context: ContainerContext,
  live: LiveContainer,
  record: PlacedRecord,
  { onExit, state, checkpoint }: Launch,
): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const steps = followSteps("start");
  // Of the run before, when this one follows at once.
  if (existsSync(context.paths.stateDir(record.id))) await removeTree(context.paths.stateDir(record.id));
  const plan = await planNetworks(context, record);
  steps.done("networks");
  let failure: unknown;
  let isPluggedIn = false;
  // keel takes back what a request did that failed; what a whole one did is ours to take back.
  undo.defer(() => (isPluggedIn ? unplug(context, plan.planned) : plan.undo(failure)));
  await writeEtcFiles(context, record, plan.planned);
  steps.done("etc-files");
  for (const { network } of plan.planned) {
    context.networks.publish(network.id, "connect", record.id);
    undo.defer(() => context.networks.publish(network.id, "disconnect", record.id));
  }
  const places = await acquireMounts(context, record);
  undo.defer(() => releaseMounts(context, record));
  const log = await context.logs.plan(record);
  const dirs = context.layers.upperOf(record.id, record.idMap);
  steps.done("mounts");
  const userns = planUserNamespace(context, record);
  const shimPlan = await planShim(context, record, {
    dirs,
    log,
    netns: plan.netns,
    places,
    userns,
    checkpoint,
  });
  steps.done("plan");
  const { results } = await context.keel
    .run([...userns.ops, ...plan.ops, ...shimPlan.ops])
    .catch((error: unknown) => {
      failure = error;
      throw error;
    });
  steps.done("keel");
  isPluggedIn = true;
  const [, pid, notes] = results.at(-1) as [shimPid: number, pid: number, warnings: string[]];
  for (const warning of [...shimPlan.warnings, ...notes])
    context.log("warn", `container ${record.id.slice(0, 12)}: ${warning}`);
  undo.defer(() => endScope(context, record.cgroup));
  undo.defer(() => abandon(context, record.id));
  if (record.external === undefined) await adoptScope(context, record.cgroup, { pid, ...shimPlan });
  live.health = watchHealth(context, record, { isNew: true });
  undo.defer(() => {
    live.health = null;
  });
  const run = await connectRun(context, live, record, pid, onExit).catch(async (error: unknown) => {
    throw await earlyEnd(error, context.paths.socket(record.id));
  });
  await run.ready;
  steps.done("connect");
  const endpoints = record.endpoints.map((e, i) => attachedTo(e, plan.planned[i] as PlannedEndpoint));
  if (hasNameService(record)) {
    // Before the process runs: it may ask for itself at once.
    context.nameService.names.update({ ...record, endpoints });
    undo.defer(() => context.nameService.names.remove(record.id));
    await startNameService(context, record.id, run);
  }
  steps.done("names");
  await Promise.all([...live.pendingAttaches].map((a) => a.connect(run.socketPath)));
  live.pendingAttaches.clear();
  // By the clock that will say when it ended: a program that ends at once must not have ended before it began.
  steps.done("attach");
  const { startedAtNano } = await run.shim.start();
  steps.done("exec");
  undo.move();
  live.run = run;
  const started = await context.table.putState(
    record.id,
    {
      status: "running",
      pid,
      exitCode: 0,
      error: "",
      isOomKilled: false,
      startedAt: formatNano(startedAtNano),
      health: live.health?.current ?? null,
      ...state,
    },
    { endpoints, cgroup: record.cgroup, external: record.external },
  );
  steps.done("commit");
  steps.end();
  await tellParents(context, started);
  context.logs.started(started);
  publish(context, started, "start");
  run.begin();
}

async function planShim(
  context: ContainerContext,
  record: PlacedRecord,
  {
    dirs,
    log,
    netns,
    places,
    userns,
    checkpoint,
  }: {
    dirs: UpperDirs;
    log: ShimPlan["log"];
    netns: Register | string | undefined;
    places: VolumePlaces;
    userns: UsernsStart;
    checkpoint: string | undefined;
  },
): Promise<{ ops: Op[]; warnings: string[]; resources: OciResources; plan: CgroupPlan }> {
  const { paths } = context;
  const { external } = record;
  const { spec, warnings } = await specOfRun(context, record, { places, userns });
  const asked = spec.linux?.resources ?? {};
  const resources = context.systemd?.limits(asked) ?? asked;
  const cgroup = planCgroup(context.cgroups, { ...record.cgroup, resources });
  const planInput: PlanInput = {
    id: record.id,
    spec,
    root: rootOf(context, record, dirs),
    isUsernsMade: true,
    rootTarget: paths.rootTarget(),
    stageTarget: paths.stageTarget(),
    stateDir: paths.stateDir(record.id),
    log,
    spillDir: paths.dir(record.id),
    stdin: { isOpen: record.config.OpenStdin, isOnce: record.config.StdinOnce },
    terminal: { rows: record.hostConfig.ConsoleSize[0] ?? 0, columns: record.hostConfig.ConsoleSize[1] ?? 0 },
    ...(netns === undefined ? {} : { netns }),
    ...sharedShm(context, record),
    cgroup,
    hasBarrier: true,
    health: healthPlanOf(context, record, spec),
  };
  const plan =
    external === undefined
      ? planContainer(planInput)
      : await planExternal(context, { ...record, external }, planInput, checkpoint);
  return {
    ops: [...plan.hostOps, host.shim(plan.shim)],
    warnings: [...warnings, ...cgroup.warnings, ...plan.warnings],
    resources,
    plan: cgroup,
  };
}

/** The root that the process gets: its own directory keeps the owners that the host knows. */
function rootOf({ layers }: ContainerContext, record: ContainerRecord, dirs: UpperDirs): RootSource {
  const { upper, work } = dirs;
  return layers.mappedRoot(
    layers.containerRoot(layers.rootSource(record.layer, { upper, work })),
    record.idMap,
  );
}

function healthPlanOf(context: ContainerContext, record: ContainerRecord, spec: OciSpec): HealthPlan | null {
  const check = checkOf(record.config);
  if (check === null) return null;
  const freezer = freezerFile(cgroupOf(context, record));
  const container = externalOf(context, record);
  return planHealth(check, {
    spec,
    shell: record.config.Shell,
    freezer,
    planExec: container === undefined ? undefined : (_spec, request) => planExternalProbe(container, request),
  });
}

/** A run whose end is not acted on yet. */
export interface StartedRun extends Run {
  /** Resolves when the shim has answered. */
  readonly ready: Promise<void>;
  /** From here on the end of the process is acted on; before, the start itself may still fail. */
  begin(): void;
}

/** Connects to a shim whose process waits at the barrier, or runs already (after a restart of the daemon). */
export async function connectRun(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
  pid: number,
  onExit: OnExit,
): Promise<StartedRun> {
  const { id } = record;
  const socketPath = context.paths.socket(id);
  const exit = Promise.withResolvers<ShimExit>();
  const settled = Promise.withResolvers<void>();
  const events = await listenToShim(socketPath, {
    onExit: (e) => exit.resolve(e),
    onExecExit: (e) => {
      if (!live.execEnded(e.execId, e.exitCode))
        publish(context, context.table.get(id) ?? record, "exec_die", {
          execID: e.execId,
          exitCode: String(e.exitCode),
        });
    },
    onRotation: () => context.logs.rotated(record, live),
    onWarning: (w) => context.log("warn", `container ${id.slice(0, 12)}: ${w}`),
    onProbe: (number) => live.health?.began(number),
    onHealth: (counters, result) => live.health?.ended(counters, result),
    onLost: () => exit.resolve(lastExit(context, id, cgroupOf(context, record), live)),
  });
  const shim = await connectShim(socketPath);
  const run = {
    pid,
    socketPath,
    shim,
    exited: exit.promise,
    settled: settled.promise,
    ready: events.ready,
    begin(): void {
      void exit.promise.then(async (e) => {
        events[Symbol.dispose]();
        shim.close();
        try {
          await onExit(live, run, e, settled.resolve);
        } catch (error) {
          context.log("error", `container ${id.slice(0, 12)}: after its exit: ${messageOf(error)}`);
        }
        settled.resolve();
      });
    },
  };
  return run;
}

/** Takes the endpoints of a start that failed after its request out of their networks: their ports must not become another's. */
async function unplug(context: ContainerContext, planned: readonly PlannedEndpoint[]): Promise<void> {
  for (const { record } of planned) await context.networks.detach(record);
}

/** Ends what was launched and could not be started, and waits until its shim is gone. */
async function abandon(context: ContainerContext, id: string): Promise<void> {
  await killShim(context.paths.socket(id));
  await removeTree(context.paths.stateDir(id));
}

/** Kills everything in a shim's container and returns when the shim is gone, also when there was none. */
export async function killShim(socketPath: string): Promise<void> {
  const gone = Promise.withResolvers<void>();
  try {
    using _events = await openShimEvents(socketPath, {
      onExit: () => gone.resolve(),
      onExecExit: () => {},
      onWarning: () => {},
      onLost: () => gone.resolve(),
    });
    const shim = await connectShim(socketPath);
    await shim.signal(SIGKILL, { all: true });
    shim.close();
    await gone.promise;
  } catch {
    // ignored: a shim that does not answer has gone and taken its container with it
  }
}

/** Writes the reason into the record and returns the fault for the user, in Docker's words. */
async function recordFailure(
  context: ContainerContext,
  record: ContainerRecord,
  error: unknown,
): Promise<Fault> {
  const fault = startFault(error);
  const exitCode = exitCodeOf(error);
  const status = record.state.status === "restarting" ? "exited" : record.state.status;
  await context.table.putState(record.id, { status, pid: 0, exitCode, error: fault.message }, {}, FACT);
  return fault;
}
