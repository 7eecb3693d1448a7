// Works a build graph off, from the target down: inputs first, independent stages at the same time, equal steps once,
// known results from the cache. What goes wrong first is what the build fails with; everything else is stopped and
// waited for, so that no draft, session or container is left when the promise settles.

import { Fault, messageOf } from "../../lib/errors.ts";
import type { Digest } from "../../oci/digest.ts";
import { hostPlatform, type Platform } from "../../oci/platform.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import { recordFromImages } from "../cache/from-images.ts";
import type { ImportedRecord, ImportingCache } from "../cache/imported.ts";
import { keyOf } from "../cache/key.ts";
import type { Contexts } from "../context/contexts.ts";
import { withPlace } from "../dockerfile/syntax-error.ts";
import type { BuildEvent, StepRef } from "../events.ts";
import type { Explainer } from "../explain/explainer.ts";
import { digested } from "../explain/inputs.ts";
import { BUILDKIT_COMMENT, type Dialect } from "../graph/dialect.ts";
import { type BuildGraph, sourcesOf, type Vertex } from "../graph/vertex.ts";
import type { BuildResult, BuiltStep } from "../request.ts";
import { clampTimes } from "./clamp-times.ts";
import { waitFor } from "./flights.ts";
import { type Execution, StepPreparer } from "./prepare-step.ts";
import type {
  BuildClient,
  BuildPorts,
  CacheRecord,
  CommittedLayer,
  LayerDraft,
  SourceImage,
} from "./ports.ts";
import {
  chainWith,
  resultOfImage,
  resultOfScratch,
  resultOfStep,
  type StepResult,
  withSteps,
} from "./result.ts";
import { explainForBuildKit } from "../export/explain.ts";
import { asRun, runDebugShell } from "./debug-step.ts";
import type { RunSettings } from "./run-step.ts";

export interface SolveOptions {
  readonly graph: BuildGraph;
  readonly ports: BuildPorts & { readonly cache: ImportingCache };
  readonly contexts: Contexts;
  readonly client: BuildClient | undefined;
  /** The target's image is listed as little as those of its steps. */
  readonly isHidden: boolean;
  /** The image carries its steps with it. */
  readonly carriesSteps: boolean;
  /** Seconds since the epoch: the time of the image and of its new history. */
  readonly epochSec: number | undefined;
  /** Files of layers are not younger than `epochSec`. */
  readonly rewritesTimes: boolean;
  /** Where alone known results are looked for; undefined: in the cache. */
  readonly cacheImages: readonly SourceImage[] | undefined;
  /** Whether a stage is built without what is known. */
  readonly isUncached: (stage: number) => boolean;
  /** Compares steps with earlier builds; undefined where there are none to compare with. */
  readonly explainer: Explainer | undefined;
  /** What it finds is told. */
  readonly explains: boolean;
  /** The user gets a shell where a step fails. */
  readonly debugs: boolean;
  readonly platform: Platform | undefined;
  readonly run: RunSettings;
  readonly dialect: Dialect;
  readonly emit: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
}

/** The target's image, and the steps on the way to it. */
export type Solved = Pick<BuildResult, "imageId" | "steps">;

/** Docker's limit on the layers of an image, and its error text. */
const MAX_LAYERS = 125;

/** What a step made: its record and the layer of it, if it changed files. */
interface Made {
  readonly record: CacheRecord;
  readonly layer: LayerId | undefined;
}

class Solver {
  private readonly options: SolveOptions;
  private readonly abort = new AbortController();
  /** By vertex. */
  private readonly results: Promise<StepResult>[] = [];
  /** Records in the making, by key, so that equal steps of parallel stages are done once. */
  private readonly inFlight = new Map<string, Promise<Made>>();
  /** Steps that were done or found, in that order. */
  private readonly steps: Omit<BuiltStep, "isOfTarget">[] = [];
  /** Images of steps, stored while the build goes on. */
  private readonly stored: Promise<unknown>[] = [];
  private readonly signal: AbortSignal;
  private readonly preparer: StepPreparer;
  /** What went wrong first; what follows from it is only "cancelled". */
  private firstFailure: { error: unknown } | undefined;

  constructor(options: SolveOptions) {
    this.options = options;
    this.signal = AbortSignal.any([options.signal, this.abort.signal]);
    this.preparer = new StepPreparer(options, { signal: this.signal, resultOf: (id) => this.results[id] });
  }

  async run(): Promise<Solved> {
    const { graph } = this.options;
    try {
      for (const vertex of graph.vertices) this.results.push(this.start(vertex));
      const result = (await this.results[graph.target]) as StepResult;
      await Promise.all(this.stored);
      if (result.imageId === "") {
        throw new Fault("invalidParameter", "No image was generated. Is your Dockerfile empty?", {
          code: "build.no-image",
        });
      }
      const ofTarget = new Set(result.steps.map((step) => step.key));
      const steps = this.steps.map((step) => ({ ...step, isOfTarget: ofTarget.has(step.key) }));
      if (result.config === undefined) return { imageId: result.imageId, steps };
      const final = this.options.carriesSteps ? withSteps(result) : result;
      return { imageId: await this.store(final, { isIntermediate: this.options.isHidden }), steps };
    } catch (error) {
      throw this.fail(error);
    } finally {
      await Promise.allSettled([...this.results, ...this.stored]);
    }
  }

  private fail(error: unknown): unknown {
    this.firstFailure ??= { error };
    this.abort.abort(new Fault("cancelled", "another step of the build failed", { cause: error }));
    return this.firstFailure.error;
  }

  /** Starts a step; it waits for its inputs, which have smaller numbers and so are started. */
  private start(vertex: Vertex): Promise<StepResult> {
    return this.solveVertex(vertex).catch(async (cause: unknown) => {
      const error = withPlace(cause, "", vertex.lines);
      // The first failure stops the others at once, not only when its promise is looked at.
      const isFirst = this.firstFailure === undefined && error instanceof Fault;
      if (isFirst)
        this.options.emit({
          type: "step-failed",
          at: { stage: vertex.stage, step: vertex.step },
          fault: error,
        });
      const thrown = this.fail(error);
      if (isFirst && error.kind !== "cancelled" && this.options.debugs) await this.debug(vertex, error);
      throw thrown;
    });
  }

  /** Lets the user look around in the state that a failed step found, until he leaves. */
  private async debug(vertex: Vertex, failure: Fault): Promise<void> {
    const { client, ports, signal, emit } = this.options;
    // Behind a parent that failed itself there is no state, and nothing can be run in a root without files.
    const parent =
      vertex.parent === undefined ? undefined : await this.results[vertex.parent]?.catch(() => undefined);
    const top = parent?.files.layers.at(-1);
    if (parent === undefined || top === undefined) return;
    try {
      await using stack = new AsyncDisposableStack();
      const terminal = await client?.openTerminal(explainForBuildKit(failure), signal);
      if (terminal === undefined) return;
      const draft = await ports.layers.beginDiff(top);
      stack.defer(() => draft.discard());
      // The build's own signal: that of its steps has been aborted.
      const preparer = new StepPreparer(this.options, { signal, resultOf: (id) => this.results[id] });
      const step = await preparer.runStep(vertex, asRun(vertex), parent, stack);
      await runDebugShell(step, draft, terminal, { ports, signal });
    } catch (error) {
      emit({ type: "warning", message: `the shell has failed: ${messageOf(error)}` });
    }
  }

  private async solveVertex(vertex: Vertex): Promise<StepResult> {
    const { op } = vertex;
    const ids = [vertex.parent, op.kind === "stage" ? op.vertex : undefined, ...sourcesOf(op)];
    const [parent, base] = await Promise.all(
      ids.map(async (id) => (id === undefined ? undefined : this.results[id])),
    );
    this.signal.throwIfAborted();
    const at: StepRef = { stage: vertex.stage, step: vertex.step };
    const { emit } = this.options;
    // Those of FROM are announced before the images are looked for.
    if (vertex.text !== undefined && parent !== undefined) emit({ type: "step", at, text: vertex.text });
    const result = parent === undefined ? this.firstResult(vertex, base) : await this.execute(vertex, parent);
    this.finishStep(vertex, result, at);
    return result;
  }

  private finishStep(vertex: Vertex, result: StepResult, at: StepRef): void {
    const { emit, graph } = this.options;
    const stage = graph.stages.find((s) => s.index === vertex.stage);
    const triggers = stage?.triggerCount ?? 0;
    const isFirst = stage?.vertices[0] === vertex.id;
    if (isFirst && triggers > 0) emit({ type: "triggers", at, count: triggers });
    // FROM is done when its triggers are.
    const isLastTrigger = triggers > 0 && stage?.vertices[triggers] === vertex.id;
    const isDone = isFirst ? triggers === 0 : vertex.text !== undefined || isLastTrigger;
    if (isDone) emit({ type: "done", at, imageId: result.imageId });
    if (stage?.vertices.at(-1) === vertex.id) {
      emit({ type: "stage-done", stage: vertex.stage, imageId: result.imageId });
    }
  }

  private firstResult(vertex: Vertex, base: StepResult | undefined): StepResult {
    const { op } = vertex;
    if (op.kind === "image") return resultOfImage(op.image, keyOf("image", [op.image.id]));
    if (op.kind === "stage" && base !== undefined) return base;
    const platform = this.options.platform ?? hostPlatform();
    return resultOfScratch(platform, keyOf("scratch", [platform]));
  }

  private async execute(vertex: Vertex, parent: StepResult): Promise<StepResult> {
    await using stack = new AsyncDisposableStack();
    const execution = await this.preparer.prepare(vertex, parent, stack);
    const { key, createdBy } = execution;
    const { record, layer, isCached } = await this.record(vertex, parent, execution);
    const at: StepRef = { stage: vertex.stage, step: vertex.step };
    if (isCached) this.options.emit({ type: "cached", at });
    await this.explain(vertex, execution, isCached);
    const { config, author } = vertex;
    const comment = this.options.dialect === "buildkit" ? { comment: BUILDKIT_COMMENT } : {};
    const { epochSec } = this.options;
    const created = epochSec === undefined ? {} : { createdAt: new Date(epochSec * 1000).toISOString() };
    const shown = { ...record, ...created };
    const result = resultOfStep(parent, { key, record: shown, layer, config, author, createdBy, ...comment });
    this.storeIntermediate(vertex, result);
    const { createdAt, diffId } = record;
    const { layers } = result.files;
    this.steps.push({ key, createdAt, layers, ...(diffId === undefined ? {} : { diffId }) });
    return result;
  }

  private async explain(vertex: Vertex, { key, inputs }: Execution, isCached: boolean): Promise<void> {
    const { explainer, explains, isUncached, emit } = this.options;
    if (explainer === undefined || vertex.op.kind === "config") return;
    const isForced = isUncached(vertex.stage);
    const step = { vertex, key, inputs: digested(inputs), isCached, isForced };
    if (!explains) return explainer.note(step);
    const message = `explain: ${await explainer.explain(step)}`;
    emit({ type: "note", at: { stage: vertex.stage, step: vertex.step }, message });
  }

  /** compat: the classic builder makes an image of every step; BuildKit does not. */
  private get keepsStepImages(): boolean {
    return this.options.dialect === "classic";
  }

  /**
   * Stores the image of a step, cached or not, so that every step's image has its parent and can be looked into
   * (`docker run <id>`); the target's comes last.
   */
  private storeIntermediate(vertex: Vertex, result: StepResult): void {
    if (!this.keepsStepImages || vertex.id === this.options.graph.target || result.config === undefined)
      return;
    const stored = this.store(result, { isIntermediate: true });
    stored.catch(() => undefined); // ignored: run() awaits and reports it
    this.stored.push(stored);
  }

  private store(result: StepResult, how: { isIntermediate: boolean }): Promise<string> {
    return this.options.ports.images.create({
      config: result.config as Uint8Array,
      layers: result.files.layers,
      ...how,
      ...(result.parentId === "" || !this.keepsStepImages ? {} : { parentId: result.parentId }),
    });
  }

  /** Finds what a step makes, or does it; a step that another stage or another build is doing right now is waited for. */
  private async record(
    vertex: Vertex,
    parent: StepResult,
    execution: Execution,
  ): Promise<Made & { isCached: boolean }> {
    const { key } = execution;
    const { ports, isUncached, cacheImages } = this.options;
    for (;;) {
      const running = this.inFlight.get(key);
      if (running !== undefined) return { ...(await running), isCached: true };
      if (isUncached(vertex.stage)) break;
      const known = await this.lookUp(parent, execution);
      if (known !== undefined) return { ...known, isCached: true };
      if (this.inFlight.has(key)) continue;
      const elsewhere = cacheImages === undefined ? ports.flights.find(key) : undefined;
      if (elsewhere === undefined) break;
      await waitFor(elsewhere, this.signal);
    }
    const made = this.perform(vertex, parent, execution);
    this.inFlight.set(key, made);
    ports.flights.begin(key, made);
    return { ...(await made), isCached: false };
  }

  private async lookUp(parent: StepResult, execution: Execution): Promise<Made | undefined> {
    const { cache, layers } = this.options.ports;
    const { cacheImages } = this.options;
    const found: ImportedRecord | undefined =
      cacheImages === undefined
        ? await cache.get(execution.key)
        : recordFromImages(cacheImages, parent.image, execution.createdBy);
    if (found === undefined) return undefined;
    const { open, ...record } = found;
    if (record.diffId === undefined) return { record, layer: undefined };
    const layer = await layers.find(chainWith(parent.files, record.diffId));
    if (layer !== undefined) return { record, layer };
    const fetched = open && (await this.fetch(open(), parent, record.diffId));
    return fetched && { record, layer: fetched };
  }

  /** Gets a known step's layer from where it is; when that fails, the step is done. */
  private async fetch(
    content: AsyncIterable<Uint8Array>,
    parent: StepResult,
    diffId: Digest,
  ): Promise<LayerId | undefined> {
    try {
      return await this.options.ports.layers.unpack(content, parent.files.layers.at(-1) ?? null, diffId);
    } catch (error) {
      this.signal.throwIfAborted();
      const message = `a step of the imported cache cannot be had: ${messageOf(error)}`;
      this.options.emit({ type: "warning", message });
      return undefined;
    }
  }

  private async perform(vertex: Vertex, parent: StepResult, execution: Execution): Promise<Made> {
    const { ports } = this.options;
    const layer =
      execution.change === undefined
        ? undefined
        : await this.makeLayer(parent.files.layers, execution.change, execution.keepsEmpty);
    const record: CacheRecord = {
      version: 1,
      createdAt: ports.now(),
      ...(layer === undefined ? {} : { diffId: layer.diffId }),
      // Without images of the steps the cache alone keeps their layers.
      ...(layer === undefined || this.keepsStepImages ? {} : { chainId: layer.chainId }),
      ...(vertex.op.kind === "config" ? {} : { description: vertex.text ?? vertex.op.kind }),
    };
    await ports.cache.put(execution.key, record);
    return { record, layer: layer?.id };
  }

  private async makeLayer(
    below: readonly LayerId[],
    change: (draft: LayerDraft) => Promise<void>,
    keepsEmpty: boolean,
  ): Promise<CommittedLayer | undefined> {
    if (below.length >= MAX_LAYERS)
      throw new Fault("invalidParameter", "max depth exceeded", { code: "build.layers" });
    await using stack = new AsyncDisposableStack();
    const draft = await this.options.ports.layers.beginDiff(below.at(-1) ?? null);
    stack.defer(() => draft.discard());
    await change(draft);
    this.signal.throwIfAborted();
    const { rewritesTimes, epochSec } = this.options;
    if (rewritesTimes && epochSec !== undefined) await clampTimes(draft, epochSec);
    const committed = await draft.commit({ keepsEmpty });
    return committed.isEmpty && !keepsEmpty ? undefined : committed;
  }
}

/** Solves a graph: makes the target's image. Throws the Fault of the first step that failed. */
export function solveGraph(options: SolveOptions): Promise<Solved> {
  return new Solver(options).run();
}
