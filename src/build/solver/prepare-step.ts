// From a vertex to a step on its way: what its key is made of, and what it does to a root. Opens what the step reads, runs nothing.

import { availableParallelism } from "node:os";
import { Fault } from "../../lib/errors.ts";
import { keyOf } from "../cache/key.ts";
import { isUrl } from "../context/download.ts";
import { isGitSource } from "../../lib/git/git-ref.ts";
import { BASE, type StepInputs } from "../explain/inputs.ts";
import { LayerTree } from "../files/layer-tree.ts";
import { EMPTY_TREE } from "../files/source-tree.ts";
import type { CopyOp, FileSource, RunOp, Vertex, VertexId } from "../graph/vertex.ts";
import { executeCopy, inputsOfCopy, keyOfCopy, prepareCopy } from "./copy-step.ts";
import { type OpenedSource, prepareMounts } from "./mounts.ts";
import type { LayerDraft } from "./ports.ts";
import type { StepResult } from "./result.ts";
import { executeRun, inputsOfRun, type RunStep } from "./run-step.ts";
import { Semaphore } from "./semaphore.ts";
import type { SolveOptions } from "./solve.ts";
import { makeWorkdir } from "./workdir-step.ts";

/** A step on its way: how it is looked up and how it is done. */
export interface Execution {
  readonly key: string;
  /** What the key is made of, piece by piece; empty for what touches no file. */
  readonly inputs: StepInputs;
  readonly createdBy: string | undefined;
  /** The step is a layer even when it changes no file. */
  readonly keepsEmpty: boolean;
  /** Changes the draft; absent for steps that touch no file. */
  readonly change?: (draft: LayerDraft) => Promise<void>;
}

const NOTHING: OpenedSource = { tree: EMPTY_TREE, top: undefined, identity: undefined };

interface How {
  readonly signal: AbortSignal;
  /** What a step that was started before makes. */
  readonly resultOf: (vertex: VertexId) => Promise<StepResult> | undefined;
}

export class StepPreparer {
  private readonly options: SolveOptions;
  private readonly how: How;
  private readonly runs = new Semaphore(Math.max(2, availableParallelism()));

  constructor(options: SolveOptions, how: How) {
    this.options = options;
    this.how = how;
  }

  /** What `stack` holds is needed until the step is done. */
  async prepare(vertex: Vertex, parent: StepResult, stack: AsyncDisposableStack): Promise<Execution> {
    const { op } = vertex;
    const { chainId } = parent.files;
    switch (op.kind) {
      case "run":
        return this.prepareRun(vertex, op, parent, stack);
      case "copy":
        return this.prepareCopyStep(op, parent, stack);
      case "workdir":
        return {
          ...this.keyed(op.path !== "/", "workdir", [chainId, op.path, op.user]),
          inputs: { [BASE]: chainId, "the directory": op.path, "the user": op.user },
          createdBy: op.createdBy,
          change: (draft) => makeWorkdir(draft, op),
        };
      case "config":
        for (const message of op.notes) {
          this.options.emit({ type: "note", at: { stage: vertex.stage, step: vertex.step }, message });
        }
        return {
          key: keyOf("config", [parent.key, op.createdBy]),
          inputs: {},
          createdBy: op.createdBy,
          keepsEmpty: false,
        };
      default:
        throw new Fault("system", `a step of kind ${op.kind} cannot follow another`);
    }
  }

  private async prepareRun(
    vertex: Vertex,
    op: RunOp,
    parent: StepResult,
    stack: AsyncDisposableStack,
  ): Promise<Execution> {
    const { ports } = this.options;
    const step = await this.runStep(vertex, op, parent, stack);
    const { mounts } = step;
    const parts = [op.args, op.keyEnv, op.cwd, op.user, op.network, op.files, mounts.key, op.isInsecure];
    if (op.devices.length > 0) parts.push(op.devices);
    const { keepsEmpty, key } = this.keyed(true, "run", [parent.files.chainId, ...parts]);
    return {
      key,
      inputs: inputsOfRun(op, mounts, parent.files.chainId),
      createdBy: op.createdBy,
      keepsEmpty,
      change: (draft) =>
        this.runs.run(() =>
          executeRun(step, draft, { ports, emit: this.options.emit, signal: this.how.signal }),
        ),
    };
  }

  /** Opens what a command's mounts take their files from; it stays open as long as the stack. */
  async runStep(
    vertex: Vertex,
    op: RunOp,
    parent: StepResult,
    stack: AsyncDisposableStack,
  ): Promise<RunStep> {
    const { ports, client } = this.options;
    const mounts = await prepareMounts(op.mounts, {
      ports,
      client,
      open: (source) => this.open(source, stack),
      signal: this.how.signal,
    });
    const { os, architecture, variant } = parent.image;
    const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
    return { vertex, op, mounts, settings: this.options.run, platform };
  }

  /** A step that may be an empty layer is another one than the same step without a layer. */
  private keyed(mayBeEmpty: boolean, kind: string, parts: readonly unknown[]) {
    const keepsEmpty = mayBeEmpty && this.options.dialect === "buildkit";
    const { rewritesTimes, epochSec } = this.options;
    const times = rewritesTimes && epochSec !== undefined ? [{ epochSec }] : [];
    return { keepsEmpty, key: keyOf(keepsEmpty ? `${kind}-layer` : kind, [...parts, ...times]) };
  }

  private async prepareCopyStep(
    op: CopyOp,
    parent: StepResult,
    stack: AsyncDisposableStack,
  ): Promise<Execution> {
    const { contexts, ports } = this.options;
    const isRemoteOnly = op.verb === "ADD" && op.sources.every((s) => isUrl(s) || isGitSource(s));
    const source = isRemoteOnly ? NOTHING : await this.open(op.source, stack);
    const copy = await prepareCopy(op, {
      tree: source.tree,
      identity: source.identity,
      contexts,
      cache: ports.cache,
      signal: this.how.signal,
      now: ports.now,
    });
    const { keepsEmpty, key } = this.keyed(true, "copy", [keyOfCopy(copy, parent.files.chainId)]);
    return {
      key,
      inputs: inputsOfCopy(copy, parent.files.chainId),
      createdBy: copy.createdBy,
      keepsEmpty,
      change: async (draft) => {
        await using session = await draft.openFs();
        await executeCopy(copy, session, ports.layers);
      },
    };
  }

  /** Opens what files are taken from; it stays open as long as the stack. */
  private async open(source: FileSource, stack: AsyncDisposableStack): Promise<OpenedSource> {
    if (typeof source === "string")
      return { tree: await this.options.contexts.open(source), top: undefined, identity: undefined };
    const { files } = (await this.how.resultOf(source)) as StepResult;
    const top = files.layers.at(-1);
    if (top === undefined) return { tree: EMPTY_TREE, top, identity: files.chainId };
    const session = await this.options.ports.layers.openView(top);
    stack.use(session);
    return { tree: new LayerTree(session), top, identity: files.chainId };
  }
}
