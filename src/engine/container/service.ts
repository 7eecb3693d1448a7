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
import type { InputOf } from "../../api/contract.ts";
import type * as operations from "../../api/operations/container.ts";
import type {
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
import { Fault } from "../../lib/errors.ts";
import { freezeCgroup, planThaw } from "../../linux/cgroupfs/freezer.ts";
import { listPids } from "../../linux/cgroupfs/processes.ts";
import { psTable } from "../../linux/procfs/ps.ts";
import { attach } from "./attach.ts";
import { cgroupOf } from "./run/cgroup.ts";
import { commitContainer } from "./commit.ts";
import { type ContainerContext, publish } from "./context.ts";
import { createContainer } from "./create.ts";
import { archive, archiveInfo, type CopyTarget, putArchive } from "./files/copy.ts";
import { settleExit } from "./run/exit.ts";
import { inspectOf, summaryOf } from "./inspect.ts";
import { selectContainers } from "./list.ts";
import { openLogs } from "./log-stream.ts";
import { parseName } from "./names.ts";
import { pruneContainers } from "./prune.ts";
import { type ContainerRecord, isRunning } from "./record.ts";
import { linkNames, removeLink, shownLinks } from "./network/links.ts";
import { removeStopped } from "./remove.ts";
import { sizesOf } from "./files/size.ts";
import { restoreRuns } from "./run/restore.ts";
import { sampleContainer } from "./stats.ts";
import { type OnExit, startContainer } from "./run/start.ts";
import { killContainer, type StopOptions, stopRunning } from "./run/stop.ts";
import { updateContainer } from "./run/update.ts";
import type { LiveContainer } from "./table.ts";
import { waitFor } from "./wait.ts";

type Input<O extends keyof typeof operations> = InputOf<(typeof operations)[O]>;

/** In the order of the API's numbers. */
const CHANGE_KINDS = ["modified", "added", "deleted"];

/** A start that is refused with these leaves the container as it is; what fails later ends a `--rm` container. */
const START_REFUSALS: readonly string[] = ["container.running", "container.paused", "container.removing"];

export class ContainerService {
  readonly #context: ContainerContext;
  #isClosing = false;

  constructor(context: ContainerContext) {
    this.#context = context;
  }

  /** Finds the runs that went on while no daemon was there, and settles those that ended. */
  restore(): Promise<void> {
    return restoreRuns(this.#context, this.#onExit, this.#start);
  }

  readonly #onExit: OnExit = (live, run, exit) => settleExit(this.#context, live, run, exit, this.#restart);

  readonly #start = (live: LiveContainer): Promise<void> =>
    live.lane.run(() => startContainer(this.#context, live, this.#onExit));

  /** A start by the restart policy: counted, and given up silently when somebody else was faster. */
  readonly #restart = async (live: LiveContainer): Promise<void> => {
    await live.lane.run(async () => {
      const record = this.#context.table.get(live.id);
      if (record?.state.status !== "restarting" || live.isRemoving || this.#isClosing) return;
      await this.#context.table.putState(live.id, { restartCount: record.state.restartCount + 1 });
      await startContainer(this.#context, live, this.#onExit);
    });
  };

  #find(reference: string): { record: ContainerRecord; live: LiveContainer } {
    const record = this.#context.table.find(reference);
    return { record, live: this.#context.table.live(record.id) };
  }

  create(input: Input<"containerCreate">): Promise<ContainerCreateResponse> {
    return createContainer(this.#context, input);
  }

  async start(input: Input<"containerStart">): Promise<void> {
    if (input.checkpoint !== undefined)
      throw new Fault("notImplemented", "checkpoints are not supported by this version", {
        code: "container.checkpoint",
      });
    const { live, record } = this.#find(input.id);
    try {
      await this.#start(live);
    } catch (error) {
      const wasTried = !(error instanceof Fault && START_REFUSALS.includes(error.code));
      if (wasTried && record.hostConfig.AutoRemove) await live.lane.run(() => this.#remove(live));
      throw error;
    }
  }

  async stop(input: Input<"containerStop">): Promise<void> {
    const { live, record } = this.#find(input.id);
    await live.lane.run(async () => {
      const status = this.#context.table.find(record.id).state.status;
      if (status === "restarting") return this.#cancelRestart(live);
      if (live.run === null)
        throw new Fault("notModified", "container is already stopped", { code: "container.not-running" });
      await this.#stop(live, input);
    });
  }

  async #stop(live: LiveContainer, options: StopOptions): Promise<void> {
    await stopRunning(this.#context, live, options);
    // It may have ended by itself a moment before, with a restart arranged already.
    if (this.#context.table.get(live.id)?.state.status === "restarting") await this.#cancelRestart(live);
    const record = this.#context.table.get(live.id);
    if (record !== undefined) publish(this.#context, record, "stop");
  }

  async #cancelRestart(live: LiveContainer): Promise<void> {
    clearTimeout(live.restartTimer);
    await this.#context.table.putState(live.id, { status: "exited", isStoppedByUser: true });
    const record = this.#context.table.find(live.id);
    for (const tell of [...live.exitWaiters]) tell(record.state.exitCode);
    live.exitWaiters.clear();
  }

  async restart(input: Input<"containerRestart">): Promise<void> {
    const { live } = this.#find(input.id);
    await live.lane.run(async () => {
      clearTimeout(live.restartTimer);
      if (live.run !== null) await this.#stop(live, input);
      await startContainer(this.#context, live, this.#onExit);
    });
    publish(this.#context, this.#context.table.find(live.id), "restart");
  }

  async kill(input: Input<"containerKill">): Promise<void> {
    const { live } = this.#find(input.id);
    await killContainer(this.#context, live, input.signal);
  }

  async pause(input: Input<"containerPause">, call: Call): Promise<void> {
    const { live } = this.#find(input.id);
    await live.lane.run(async () => {
      const record = this.#context.table.find(live.id);
      if (record.state.status === "paused")
        throw new Fault("conflict", `container ${input.id} is already paused`, { code: "container.paused" });
      if (!isRunning(record)) throw notRunning(input.id);
      await freezeCgroup((ops) => this.#context.keel.run(ops), cgroupOf(this.#context, record), {
        signal: call.signal,
      });
      publish(this.#context, await this.#context.table.putState(live.id, { status: "paused" }), "pause");
    });
  }

  async unpause(input: Input<"containerUnpause">): Promise<void> {
    const { live } = this.#find(input.id);
    await live.lane.run(async () => {
      const record = this.#context.table.find(live.id);
      if (record.state.status !== "paused")
        throw new Fault("conflict", `container ${input.id} is not paused`, { code: "container.not-paused" });
      await this.#context.thaw(live.id);
      publish(this.#context, this.#context.table.find(live.id), "unpause");
    });
  }

  /** Lets a frozen container run on and says so in its record. */
  async thaw(id: string): Promise<void> {
    const record = this.#context.table.find(id);
    await this.#context.keel.run(planThaw(cgroupOf(this.#context, record)));
    await this.#context.table.putState(id, { status: "running" });
  }

  async update(input: Input<"containerUpdate">): Promise<{ Warnings: string[] | null }> {
    const { live } = this.#find(input.id);
    return live.lane.run(async () => {
      const record = this.#context.table.find(live.id);
      const warnings = await updateContainer(this.#context, record, input.body);
      return { Warnings: warnings.length === 0 ? null : warnings };
    });
  }

  async rename(input: Input<"containerRename">): Promise<void> {
    const { live, record } = this.#find(input.id);
    const name = parseName(input.name ?? "");
    await live.lane.run(async () => {
      if (this.#context.table.isNameTaken(name))
        throw new Fault(
          "conflict",
          `Conflict. The container name "/${name}" is already in use by container "${this.#context.table.idOfName(name) ?? ""}". You have to remove (or rename) that container to be able to reuse that name.`,
          { code: "container.name-taken" },
        );
      const current = this.#context.table.find(live.id);
      const renamed = await this.#context.table.put({ ...current, name });
      publish(this.#context, renamed, "rename", { oldName: `/${record.name}` });
    });
  }

  async delete(input: Input<"containerDelete">): Promise<void> {
    if (input.link) return removeLink(this.#context, input.id);
    const { live, record } = this.#find(input.id);
    if (live.isRemoving)
      throw new Fault("conflict", `removal of container ${input.id} is already in progress`, {
        code: "container.removing",
      });
    if (input.force) live.isRemoving = true;
    try {
      if (input.force && live.run !== null)
        await killContainer(this.#context, live, "SIGKILL").catch(ignoreNotRunning);
      await live.lane.run(() => {
        const { status } = this.#context.table.find(record.id).state;
        if (live.run !== null || status === "restarting" || status === "paused")
          if (!input.force)
            throw new Fault(
              "conflict",
              `cannot remove container "${record.name}": container is ${status}: stop the container before removing or force remove`,
              { code: "container.running" },
            );
        return this.#remove(live);
      });
    } catch (error) {
      live.isRemoving = false;
      throw error;
    }
  }

  async #remove(live: LiveContainer): Promise<void> {
    const { run } = live;
    live.isRemoving = true;
    if (run !== null) {
      await run.shim.signal(9, { all: true }).catch(() => {}); // ignored: its exit is being settled
      await run.settled;
    }
    const record = this.#context.table.get(live.id);
    if (record !== undefined) await removeStopped(this.#context, live, record);
  }

  prune(input: Input<"containerPrune">): Promise<ContainersPrune> {
    return pruneContainers(this.#context, input.filters, (live) => this.#remove(live));
  }

  async wait(input: Input<"containerWait">, call: Call): Promise<PendingWait> {
    const code = waitFor(this.#context.table, input.id, input.condition, call.signal);
    return { exit: code.then((StatusCode) => ({ StatusCode })) };
  }

  attach(input: Input<"containerAttach">, hijack: Hijack, call: Call): Promise<void> {
    return attach(this.#context, this.#find(input.id).live, input, hijack, call.signal);
  }

  async logs(input: Input<"containerLogs">, call: Call): Promise<OutputStream> {
    const { live, record } = this.#find(input.id);
    return openLogs(this.#context, live, record, input, call.signal);
  }

  async resize(input: Input<"containerResize">): Promise<void> {
    const { live, record } = this.#find(input.id);
    if (live.run === null) throw notRunning(input.id);
    await live.run.shim.resize(null, input.height, input.width);
    publish(this.#context, record, "resize", { height: String(input.height), width: String(input.width) });
  }

  async top(input: Input<"containerTop">): Promise<ContainerTop> {
    const { record } = this.#find(input.id);
    if (!isRunning(record)) throw notRunning(record.id);
    const { titles, processes } = psTable(listPids(cgroupOf(this.#context, record)), input.psArgs ?? "");
    publish(this.#context, record, "top");
    return { Titles: [...titles], Processes: processes.map((p) => [...p]) };
  }

  async stats(input: Input<"containerStats">, call: Call): Promise<AsyncIterable<ContainerStats>> {
    const options = { stream: input.stream, oneShot: input.oneShot ?? false };
    return sampleContainer(this.#context, this.#find(input.id).record.id, options, call.signal);
  }

  async changes(input: Input<"containerChanges">): Promise<FilesystemChanges> {
    const { record } = this.#find(input.id);
    const changes = await this.#context.layers.changes(this.#context.layers.upperOf(record.id), record.layer);
    if (changes.length === 0) return null;
    return changes.map((c) => ({ Kind: CHANGE_KINDS.indexOf(c.kind), Path: c.path }));
  }

  async export(input: Input<"containerExport">): Promise<ByteStream> {
    const { record } = this.#find(input.id);
    publish(this.#context, record, "export");
    return this.#context.layers.packView(this.#context.layers.upperOf(record.id), record.layer);
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

  async inspect(input: Input<"containerInspect">): Promise<ContainerInspect> {
    const { record, live } = this.#find(input.id);
    const dir = this.#context.paths.dir(record.id);
    const source = this.#context.layers.rootSource(record.layer, {
      upper: `${dir}/upper`,
      work: `${dir}/work`,
    });
    const links = shownLinks(this.#context.table, record);
    const sizes = input.size ? await sizesOf(this.#context, record) : undefined;
    return inspectOf(record, { paths: this.#context.paths, execIds: live.execIds, source, links, sizes });
  }

  async list(input: Input<"containerList">): Promise<ContainerSummary[]> {
    const { table, images } = this.#context;
    const now = Date.now();
    const isDescendant = (r: ContainerRecord, image: string): boolean =>
      images.has(image) && images.isDescendant(r.imageId, image);
    const selected = selectContainers(table.all(), input, { find: (ref) => table.find(ref), isDescendant });
    const links = linkNames(table.all());
    const summaries = selected.map((r) => ({
      ...summaryOf(r, images.nameFor(r.config.Image, r.imageId), now),
      Names: [`/${r.name}`, ...(links.get(r.id) ?? [])],
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
    if (!options.stops) return;
    const running = this.#context.table.all().filter(isRunning);
    await Promise.all(
      running.map((r) => stopRunning(this.#context, this.#context.table.live(r.id), { isByUser: false })),
    );
  }

  /** Number of containers whose process exists. */
  get runningCount(): number {
    return this.#context.table.all().filter(isRunning).length;
  }
}

function notRunning(id: string): Fault {
  return new Fault("conflict", `container ${id} is not running`, { code: "container.not-running" });
}

function ignoreNotRunning(error: unknown): void {
  if (!(error instanceof Fault && error.code === "container.not-running")) throw error;
}
