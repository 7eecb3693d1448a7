// The containers of the daemon: what ContainerPort (server/ports.ts) asks for, each operation in a module of its own. This
// class finds the container, takes its lane, and calls; it also brings runs back after a restart of the daemon.
import type {
  ArchiveStream,
  ByteStream,
  Call,
  Hijack,
  OutputStream,
  PendingWait,
  UploadBody,
} from "../../api/call.ts";
import type { Filters, InputOf } from "../../api/contract.ts";
import type * as operations from "../../api/operations/container.ts";
import type {
  Checkpoints,
  CommitResponse,
  ContainerCreateResponse,
  ContainerInspect,
  ContainerSummary,
  ContainersPrune,
  ContainerTop,
  FilesystemChanges,
  PathStat,
} from "../../api/schemas/container.ts";
import type { ContainerStats } from "../../api/schemas/stats.ts";
import { isAtLeast } from "../../lib/version-order.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import { listPids } from "../../linux/cgroupfs/processes.ts";
import { listFamily } from "../../linux/procfs/family.ts";
import { psTable } from "../../linux/procfs/ps.ts";
import { attach, runAttached } from "./attach.ts";
import { cgroupOf } from "./run/cgroup.ts";
import { checkpointsOf, createCheckpoint } from "./checkpoint/create.ts";
import {
  checkCheckpointName,
  findCheckpointDir,
  listCheckpoints,
  removeCheckpoint,
} from "./checkpoint/places.ts";
import { commitContainer } from "./commit.ts";
import { type ContainerContext, publish } from "./context.ts";
import { createContainer } from "./create.ts";
import { archive, archiveInfo, type CopyTarget, putArchive } from "./files/copy.ts";
import { completePortBindings } from "./host-config/complete.ts";
import { HealthReactions } from "./health/reaction.ts";
import { healthOf } from "./health/watch.ts";
import { settleExit } from "./run/exit.ts";
import { appArmorProfileOf, inspectOf, summaryOf } from "./inspect.ts";
import { selectContainers } from "./list.ts";
import { openLogs } from "./log/output.ts";
import { prunableContainers, pruneContainers } from "./prune.ts";
import { type ContainerRecord, isRunning } from "./record.ts";
import { linkNames, removeLink, shownLinks } from "./network/links.ts";
import { deleteContainer } from "./remove.ts";
import { updatePorts } from "./network/publish.ts";
import { takePorts } from "./network/take-ports.ts";
import { wantedMac } from "./network/view.ts";
import { renameContainer } from "./rename.ts";
import { sizesOf, writtenBytes } from "./files/size.ts";
import { restoreRuns } from "./run/restore.ts";
import { pauseContainer, unpauseContainer } from "./run/pause.ts";
import { resizeContainer } from "./run/resize.ts";
import { type OnExit, startAgain, startContainer } from "./run/start.ts";
import { isActive, requireProcess } from "./run/state.ts";
import { killContainer, killForPolicy, type StopOptions, stopContainer } from "./run/stop.ts";
import { StatsReaders } from "./stats/readers.ts";
import { takeSample } from "./stats/sample.ts";
import { updateContainer } from "./run/update.ts";
import { waitFor } from "./run/wait.ts";
import { externalOf, listExternal } from "./runtime/external.ts";
import { parseSignal } from "./signals.ts";
import type { LiveContainer } from "./table.ts";

type Input<O extends keyof typeof operations> = InputOf<(typeof operations)[O]>;

/** In the order of the API's numbers. */
const CHANGE_KINDS = ["modified", "added", "deleted"];

/** A start that is refused with these leaves the container as it is; what fails later ends a `--rm` container. */
const START_REFUSALS: readonly string[] = ["container.running", "container.paused", "container.removing"];

export class ContainerService {
  readonly #context: ContainerContext;
  readonly #reactions: HealthReactions;
  readonly #stats = new StatsReaders({
    take: (id) => {
      const record = this.#context.table.get(id);
      return record === undefined ? undefined : takeSample(this.#context, record);
    },
    isRunning: (id) => {
      const record = this.#context.table.get(id);
      return record !== undefined && isRunning(record);
    },
  });
  #isClosing = false;

  constructor(context: ContainerContext) {
    this.#context = context;
    this.#reactions = new HealthReactions(context, {
      restart: (live) => this.#restartUnhealthy(live),
      stop: async (live) => void (await stopContainer(context, live, {})),
      kill: (live) => killForPolicy(context, live),
    });
  }

  /** Finds the runs that went on while no daemon was there, and settles those that ended; with `stops` they end as by `close`. */
  async restore(options: { stops: boolean }): Promise<void> {
    const stop = (live: LiveContainer): Promise<unknown> =>
      stopContainer(this.#context, live, { isByUser: false });
    await restoreRuns(this.#context, this.#onExit, {
      start: this.#start,
      stop: options.stops ? stop : undefined,
    });
    this.#reactions.open();
  }

  readonly #onExit: OnExit = (live, run, exit, onSettled) => {
    // From the beginning of the daemon's end on nothing is restarted: the next daemon does that.
    if (this.#isClosing) live.isRestartCalledOff = true;
    return settleExit(this.#context, live, run, exit, { restart: this.#restart, onSettled });
  };

  readonly #start = (live: LiveContainer, checkpoint?: string): Promise<void> =>
    live.lane.run(() => startContainer(this.#context, live, this.#onExit, checkpoint));

  /** A start by the restart policy. */
  readonly #restart = (live: LiveContainer): Promise<void> =>
    live.lane.run(async () => {
      if (!this.#isClosing) await startAgain(this.#context, live, this.#onExit);
    });

  /** Arranges what `--health-on-failure` asks for. */
  unhealthy(id: string): void {
    this.#reactions.unhealthy(id);
  }

  /** Counted as a restart, since nobody asked for it just now. */
  async #restartUnhealthy(live: LiveContainer): Promise<void> {
    const { restartCount } = this.#context.table.find(live.id).state;
    await this.#stopAndStart(live, {});
    await this.#context.table.putState(live.id, { restartCount: restartCount + 1 });
    publish(this.#context, this.#context.table.find(live.id), "restart");
  }

  #find(reference: string): { record: ContainerRecord; live: LiveContainer } {
    const record = this.#context.table.find(reference);
    return { record, live: this.#context.table.live(record.id) };
  }

  create(input: Input<"containerCreate">, call: Call): Promise<ContainerCreateResponse> {
    return createContainer(this.#context, input, call);
  }

  /** Creates, attaches and starts in one (an extension): the answer's head has the id. */
  async run(input: Input<"containerCreate">, hijack: Hijack, call: Call): Promise<void> {
    if (input.body.Tty)
      throw new Fault(
        "invalidParameter",
        "a container with a terminal is not created and begun in one request",
        {
          code: "container.begun-tty",
        },
      );
    const { Id: id, Warnings } = await this.create(input, call);
    const start = (): Promise<void> => this.#startByUser(this.#context.table.live(id));
    await runAttached(this.#context, { id, warnings: Warnings, start }, hijack, call.signal);
  }

  async start(input: Input<"containerStart">): Promise<void> {
    const { checkpoint = "", checkpointDir = "" } = input;
    if (checkpoint !== "") checkCheckpointName(checkpoint);
    const { record, live } = this.#find(input.id);
    if (checkpoint === "") return this.#startByUser(live);
    const owner = checkpointsOf(this.#context, record, `/${record.name}`); // compat: here with the slash
    await this.#startByUser(live, await findCheckpointDir(owner, checkpointDir, checkpoint));
  }

  async checkpoint(input: Input<"containerCheckpoint">): Promise<void> {
    checkCheckpointName(input.body.CheckpointID ?? ""); // compat: before the container is looked for, as below
    await createCheckpoint(this.#context, this.#find(input.id).live, input.id, input.body);
  }

  async checkpoints(input: Input<"containerCheckpoints">): Promise<Checkpoints> {
    const owner = checkpointsOf(this.#context, this.#find(input.id).record, input.id);
    return (await listCheckpoints(owner, input.dir ?? "")).map((Name) => ({ Name }));
  }

  async deleteCheckpoint(input: Input<"containerCheckpointDelete">): Promise<void> {
    checkCheckpointName(input.checkpoint);
    const owner = checkpointsOf(this.#context, this.#find(input.id).record, input.id);
    await removeCheckpoint(owner, input.dir ?? "", input.checkpoint);
  }

  /** A `--rm` container whose start fails is removed, as if it had ended. */
  async #startByUser(live: LiveContainer, checkpoint?: string): Promise<void> {
    const { hostConfig } = this.#context.table.find(live.id);
    try {
      await this.#start(live, checkpoint);
    } catch (error) {
      const wasTried = !(error instanceof Fault && START_REFUSALS.includes(error.code));
      if (wasTried && hostConfig.AutoRemove)
        await deleteContainer(this.#context, live, live.id, { force: true, volumes: true });
      throw error;
    }
  }

  async stop(input: Input<"containerStop">): Promise<void> {
    const { live, record } = this.#find(input.id);
    if (!isActive(record) && live.lane.isIdle) throw alreadyStopped();
    const isDone = await prefixed(`cannot stop container: ${input.id}`, () =>
      stopContainer(this.#context, live, input),
    );
    if (!isDone) throw alreadyStopped();
  }

  async restart(input: Input<"containerRestart">): Promise<void> {
    const { live } = this.#find(input.id);
    const words = `Cannot restart container ${input.id}`;
    try {
      await this.#stopAndStart(live, input);
    } catch (error) {
      // Somebody else has started it meanwhile.
      if (!(error instanceof Fault && error.code === "container.running"))
        // compat: an error of the daemon's, whatever it was.
        throw new Fault("system", `${words}: ${messageOf(error)}`, {
          code: "container.restart",
          cause: error,
        });
    }
    publish(this.#context, this.#context.table.find(live.id), "restart");
  }

  async #stopAndStart(live: LiveContainer, options: StopOptions): Promise<void> {
    live.isBeingRestarted = true;
    try {
      await stopContainer(this.#context, live, options);
      await this.#startByUser(live);
    } finally {
      live.isBeingRestarted = false;
    }
  }

  async kill(input: Input<"containerKill">): Promise<void> {
    await prefixed(`cannot kill container: ${input.id}`, async () => {
      if (input.signal !== undefined) parseSignal(input.signal);
      await killContainer(this.#context, this.#find(input.id).live, input.signal);
    });
  }

  async pause(input: Input<"containerPause">, call: Call): Promise<void> {
    const { live } = this.#find(input.id);
    await live.lane.run(() => pauseContainer(this.#context, live, call.signal));
  }

  async unpause(input: Input<"containerUnpause">): Promise<void> {
    const { live } = this.#find(input.id);
    await live.lane.run(() => unpauseContainer(this.#context, live));
  }

  async update(input: Input<"containerUpdate">, call: Call): Promise<{ Warnings: string[] | null }> {
    const { live } = this.#find(input.id);
    // compat: before API 1.40 an update knew nothing of the limit of processes.
    const { PidsLimit, ...rest } = input.body;
    const body = isAtLeast(call.version, "1.40") ? { ...rest, PidsLimit } : rest;
    return live.lane.run(async () => {
      const record = this.#context.table.find(live.id);
      const { PublishAdd, PublishRemove, ...limits } = body;
      const warnings = await updateContainer(this.#context, record, limits);
      await updatePorts(this.#context, live.id, {
        add: completePortBindings(PublishAdd ?? {}),
        remove: completePortBindings(PublishRemove ?? {}),
      });
      return { Warnings: warnings.length === 0 ? null : warnings };
    });
  }

  async rename(input: Input<"containerRename">): Promise<void> {
    if (!input.name?.trim())
      throw new Fault("invalidParameter", "Neither old nor new names may be empty", {
        code: "container.name-invalid",
      });
    const wanted = input.name;
    const { live } = this.#find(input.id);
    await live.lane.run(() => renameContainer(this.#context, live, wanted));
  }

  async takePorts(input: Input<"containerTakePorts">): Promise<void> {
    await takePorts(this.#context, this.#find(input.id).record.id, input.from ?? "");
  }

  async delete(input: Input<"containerDelete">): Promise<void> {
    if (input.link) return removeLink(this.#context, input.id);
    await deleteContainer(this.#context, this.#find(input.id).live, input.id, {
      force: input.force,
      volumes: input.volumes,
      isKept: true,
    });
  }

  /** What a prune with these filters takes, with what each has written. */
  async prunable(filters: Filters): Promise<{ name: string; sizeBytes: number }[]> {
    return Promise.all(
      prunableContainers(this.#context, filters).map(async (record) => ({
        name: record.name,
        sizeBytes: await writtenBytes(this.#context, record),
      })),
    );
  }

  prune(input: Input<"containerPrune">): Promise<ContainersPrune> {
    return pruneContainers(this.#context, input.filters);
  }

  async wait(input: Input<"containerWait">, call: Call): Promise<PendingWait> {
    const end = waitFor(this.#context.table, input.id, input.condition, call.signal);
    return {
      exit: end.then(({ exitCode, error }) => ({
        StatusCode: exitCode,
        ...(error === "" ? {} : { Error: { Message: error } }),
      })),
    };
  }

  attach(input: Input<"containerAttach">, hijack: Hijack, call: Call): Promise<void> {
    return attach(this.#context, input, hijack, call.signal);
  }

  async logs(input: Input<"containerLogs">, call: Call): Promise<OutputStream> {
    const { live, record } = this.#find(input.id);
    return openLogs(this.#context, live, record, input, call.signal);
  }

  async resize(input: Input<"containerResize">): Promise<void> {
    const { live, record } = this.#find(input.id);
    await resizeContainer(this.#context, live, record, input);
  }

  async top(input: Input<"containerTop">): Promise<ContainerTop> {
    const { record } = this.#find(input.id);
    requireProcess(record);
    const external = externalOf(this.#context, record);
    const pids =
      external === undefined
        ? processesOf(this.#context, record)
        : await listExternal(this.#context, external);
    const { titles, processes } = psTable(pids, input.psArgs ?? "");
    publish(this.#context, record, "top");
    return { Titles: [...titles], Processes: processes.map((p) => [...p]) };
  }

  async stats(input: Input<"containerStats">, call: Call): Promise<AsyncIterable<ContainerStats>> {
    const options = { stream: input.stream, oneShot: input.oneShot ?? false };
    return this.#stats.read(this.#find(input.id).record.id, options, call.signal);
  }

  async changes(input: Input<"containerChanges">): Promise<FilesystemChanges> {
    const { record } = this.#find(input.id);
    const changes = await this.#context.layers.changes(
      this.#context.layers.upperOf(record.id, record.idMap),
      record.layer,
    );
    if (changes.length === 0) return null;
    return changes.map((c) => ({ Kind: CHANGE_KINDS.indexOf(c.kind), Path: c.path }));
  }

  async export(input: Input<"containerExport">): Promise<ByteStream> {
    const { record } = this.#find(input.id);
    publish(this.#context, record, "export");
    return this.#context.layers.packView(this.#context.layers.upperOf(record.id, record.idMap), record.layer);
  }

  #copyTarget(reference: string): CopyTarget {
    return { ...this.#find(reference), reference };
  }

  async archiveInfo(input: Input<"containerArchiveInfo">): Promise<PathStat> {
    return archiveInfo(this.#context, this.#copyTarget(input.id), input.path);
  }

  async archive(input: Input<"containerArchive">): Promise<ArchiveStream> {
    return archive(this.#context, this.#copyTarget(input.id), input.path);
  }

  async putArchive(input: Input<"putContainerArchive">, body: UploadBody): Promise<void> {
    await putArchive(this.#context, this.#copyTarget(input.id), input, body);
  }

  commit(input: Input<"imageCommit">): Promise<CommitResponse> {
    return commitContainer(this.#context, input);
  }

  async inspect(input: Input<"containerInspect">, call: Call): Promise<ContainerInspect> {
    const { record, live } = this.#find(input.id);
    const dir = this.#context.paths.dir(record.id);
    const source = this.#context.layers.rootSource(record.layer, {
      upper: `${dir}/upper`,
      work: `${dir}/work`,
    });
    return inspectOf(record, {
      paths: this.#context.paths,
      execIds: live.execIds,
      source,
      links: shownLinks(this.#context.table, record),
      sizes: input.size ? await sizesOf(this.#context, record) : undefined,
      health: healthOf(live, record),
      // compat: gone with 1.52
      mac: isAtLeast(call.version, "1.52") ? {} : wantedMac(record),
      apparmorProfile: appArmorProfileOf(record),
      logStatus: await this.#context.logs.status(record),
    });
  }

  async list(input: Input<"containerList">): Promise<ContainerSummary[]> {
    const { table, images } = this.#context;
    const now = Date.now();
    const isDescendant = (r: ContainerRecord, image: string): boolean =>
      images.has(image) && images.isDescendant(r.imageId, image);
    const selected = selectContainers(table.all(), input, { find: (ref) => table.find(ref), isDescendant });
    const summaries = selected.map((r) => ({
      ...summaryOf(r, images.nameFor(r.config.Image, r.imageId), healthOf(table.live(r.id), r), now),
      Names: [`/${r.name}`, ...linkNames(table, r.id)].sort(), // compat: its own name wherever it falls
    }));
    if (!input.size) return summaries;
    return Promise.all(
      summaries.map(async (s) => ({ ...s, ...(await sizesOf(this.#context, table.find(s.Id))) })),
    );
  }

  /**
   * Ends at an orderly end of the daemon: from here on no policy restarts anything, the next daemon does that. With `stops`
   * (`live-restore: false`) the containers are stopped, otherwise they run on.
   */
  async close(options: { stops: boolean }): Promise<void> {
    this.#isClosing = true;
    this.#reactions.close();
    if (!options.stops) return;
    const running = this.#context.table.all().filter(isRunning);
    await Promise.all(
      running.map((r) => stopContainer(this.#context, this.#context.table.live(r.id), { isByUser: false })),
    );
  }

  /** What is wrong with the delivery of logs, in sentences; null when nothing is. */
  logWarnings(): string[] | null {
    const lost = this.#context.logs.droppedCount;
    return lost === 0 ? null : [`WARNING: ${lost} lines of logs were lost before they could be delivered`];
  }

  /** Number of containers whose process exists. */
  get runningCount(): number {
    return this.#context.table.all().filter(isRunning).length;
  }
}

/** The container's processes, as far as a cgroup holds them together, else its first one with all that it has started. */
function processesOf(context: ContainerContext, record: ContainerRecord): number[] {
  return context.cgroups.mode === "none" ? listFamily(record.state.pid) : listPids(cgroupOf(context, record));
}

function alreadyStopped(): Fault {
  return new Fault("notModified", "container is already stopped", { code: "container.not-running" });
}

/** Puts words in front of what fails. */
async function prefixed<T>(words: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { kind, code, detail } = error;
    throw new Fault(kind, `${words}: ${error.message}`, { code, detail, cause: error });
  }
}
