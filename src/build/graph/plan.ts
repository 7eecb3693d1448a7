// Dockerfile and images to build graph: goes through the stages that the target needs, in order, keeps each one's
// configuration, and makes a vertex of every instruction. What cannot be executed is refused here, before anything runs.

import { Fault } from "../../lib/errors.ts";
import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import { heredocText, parseHeredocMark } from "../dockerfile/heredoc.ts";
import type {
  AddInstruction,
  CopyInstruction,
  RunInstruction,
  StageInstruction,
  ValueInstruction,
} from "../dockerfile/instructions.ts";
import { parseTrigger } from "../dockerfile/parse.ts";
import { findStage, isStageInstruction, type Stage, type StagedDockerfile } from "../dockerfile/stages.ts";
import { type LineRange, syntaxError, withPlace } from "../dockerfile/syntax-error.ts";
import type { SourceImage, StepFile } from "../solver/ports.ts";
import type { BuildArgs } from "./args.ts";
import type { Outline, OutlinedStage, StageBase } from "./outline.ts";
import { StageState } from "./stage-state.ts";
import type {
  BuildGraph,
  CopyOp,
  GraphStage,
  InlineFile,
  RunOp,
  Vertex,
  VertexId,
  VertexOp,
} from "./vertex.ts";

/** Finds an image; called once per use, so the resolver remembers. */
export type ImageResolver = (
  base: Extract<StageBase, { kind: "image" }>,
  step: number,
  stage: number,
) => Promise<SourceImage>;

export interface PlanOptions {
  readonly file: StagedDockerfile;
  readonly outline: Outline;
  readonly args: BuildArgs;
  readonly resolve: ImageResolver;
  /** `--label`: LABEL steps at the end of the target. */
  readonly labels: Readonly<Record<string, string>>;
  /** Network of RUN steps that name none. */
  readonly network: string;
}

/** Refuses what the builder does not execute yet, by the flag's name and line. */
function refuse(what: string, lines: LineRange): never {
  throw new Fault("notImplemented", `${what} is not supported yet (Dockerfile line ${lines.start})`, {
    code: "build.unsupported",
    detail: { line: lines.start, endLine: lines.end },
  });
}

interface Where {
  /** The stage whose instruction it is; only earlier ones can be referred to. */
  readonly stage: Stage;
  /** The stage and step in whose place it shows. */
  readonly shownStage: number;
  readonly step: number;
  readonly text?: string;
  readonly lines: LineRange;
}

class Planner {
  private readonly options: PlanOptions;
  private readonly vertices: Vertex[] = [];
  private readonly planned = new Map<number, GraphStage>();
  private readonly shown: GraphStage[] = [];

  constructor(options: PlanOptions) {
    this.options = options;
  }

  async run(): Promise<BuildGraph> {
    const { file, outline, args } = this.options;
    for (const stage of outline.needed) await this.planStage(stage);
    const target = this.lastOf(outline.target.index);
    for (const { index, instructions } of file.stages) {
      if (this.planned.has(index)) continue;
      for (const i of instructions) if (i.kind === "arg") for (const a of i.args) args.noteDeclared(a.name);
    }
    return {
      vertices: this.vertices,
      stages: this.shown,
      target,
      metaTexts: file.metaArgs.map((arg) => arg.text),
      totalSteps: outline.totalSteps,
      unusedArgs: args.unused(),
    };
  }

  private lastOf(stage: number): VertexId {
    return this.planned.get(stage)?.vertices.at(-1) as VertexId;
  }

  /** Plans a stage. With `quietly` its steps show as part of that place instead of having numbers of their own. */
  private async planStage({ stage, base, firstStep }: OutlinedStage, quietly?: Where): Promise<void> {
    const ids: VertexId[] = [];
    const place = (at: Omit<Where, "stage" | "shownStage">): Where =>
      quietly === undefined ? { ...at, stage, shownStage: stage.index } : { ...quietly, stage };
    const from = place({ step: firstStep, text: stage.from.text, lines: stage.from.lines });
    const { config, op } = await this.startOf(base, from);
    const state = new StageState(config, this.options.args.forStage(), this.options.file.escape);
    const triggers = state.takeTriggers();
    ids.push(this.add(op, undefined, from, state));
    for (const trigger of triggers) {
      const instruction = parseTrigger(trigger);
      if (!isStageInstruction(instruction)) throw syntaxError("FROM isn't allowed as an ONBUILD trigger");
      const { text: _, ...quiet } = from;
      ids.push(await this.planInstruction(instruction, ids.at(-1) as VertexId, quiet, state));
    }
    let step = firstStep;
    for (const instruction of stage.instructions) {
      const where = place({ step: ++step, text: instruction.text, lines: instruction.lines });
      ids.push(await this.planInstruction(instruction, ids.at(-1) as VertexId, where, state));
    }
    if (stage === this.options.outline.target) {
      for (const [name, value] of Object.entries(this.options.labels).sort(([a], [b]) => (a < b ? -1 : 1))) {
        const where = place({ step: ++step, text: `LABEL ${name}=${value}`, lines: stage.from.lines });
        const { comment } = state.applyLabels([{ name, value }]);
        const config: VertexOp = { kind: "config", createdBy: state.createdBy(comment), notes: [] };
        ids.push(this.add(config, ids.at(-1), where, state));
      }
    }
    const planned = { index: stage.index, vertices: ids, triggerCount: triggers.length };
    this.planned.set(stage.index, planned);
    if (quietly === undefined) this.shown.push(planned);
  }

  private add(op: VertexOp, parent: VertexId | undefined, where: Where, state: StageState): VertexId {
    const id = this.vertices.length;
    this.vertices.push({
      id,
      op,
      ...(parent === undefined ? {} : { parent }),
      stage: where.shownStage,
      step: where.step,
      ...(where.text === undefined ? {} : { text: where.text }),
      lines: where.lines,
      config: state.config,
      author: state.author,
    });
    return id;
  }

  private async startOf(base: StageBase, where: Where) {
    if (base.kind === "scratch") return { config: {}, op: { kind: "scratch" } as VertexOp };
    if (base.kind === "image") {
      const image = await this.options.resolve(base, where.step, where.shownStage);
      return { config: image.config.config, op: { kind: "image", image } as VertexOp };
    }
    const vertex = await this.resultOf(base.stage, where);
    const config = (this.vertices[vertex] as Vertex).config;
    return { config, op: { kind: "stage", stage: base.stage, vertex } as VertexOp };
  }

  /** Returns the last vertex of an earlier stage. */
  private async resultOf(index: number, where: Where): Promise<VertexId> {
    if (!this.planned.has(index)) {
      // Only a trigger can need a stage that the outline did not see; it is built without steps of its own.
      const { file, outline } = this.options;
      const base = outline.bases[index] as StageBase;
      const { text: _, ...quietly } = where;
      await this.planStage({ stage: file.stages[index] as Stage, base, firstStep: where.step }, quietly);
    }
    return this.lastOf(index);
  }

  private async planInstruction(
    instruction: StageInstruction,
    parent: VertexId,
    where: Where,
    state: StageState,
  ): Promise<VertexId> {
    try {
      return this.add(await this.opOf(instruction, where, state), parent, where, state);
    } catch (error) {
      throw withPlace(error, "", instruction.lines);
    }
  }

  private async opOf(instruction: StageInstruction, where: Where, state: StageState): Promise<VertexOp> {
    switch (instruction.kind) {
      case "run":
        return planRun(instruction, state, this.options);
      case "copy":
        return this.planCopy(instruction, where, state);
      case "add":
        return planAdd(instruction, state);
      case "workdir":
        return planWorkdir(instruction, state);
      default: {
        const change = state.apply(instruction);
        if (change === undefined) refuse(instruction.text, instruction.lines);
        return { kind: "config", createdBy: state.createdBy(change.comment), notes: change.notes ?? [] };
      }
    }
  }

  private async planCopy(copy: CopyInstruction, where: Where, state: StageState): Promise<CopyOp> {
    if (copy.keepsParents) refuse("COPY --parents", copy.lines);
    const source = copy.from === "" ? "context" : await this.sourceVertex(copy, where, state);
    return {
      ...planTransfer(copy, "COPY", state),
      source,
      unpacksLocal: false,
      unpacksRemote: false,
      checksum: "",
    };
  }

  /** Finds what COPY --from names: an earlier stage, or else an image. */
  private async sourceVertex(copy: CopyInstruction, where: Where, state: StageState): Promise<VertexId> {
    const { file } = this.options;
    const found = findStage(file.stages, copy.from, where.stage.index);
    if (found !== undefined) return this.resultOf(found.index, where);
    const fail = (why: string) => syntaxError(`invalid from flag value ${copy.from}: ${why}`, copy.lines);
    if (/^\d+$/.test(copy.from)) {
      const isCurrent = Number(copy.from) === where.stage.index;
      throw fail(isCurrent ? "refers to current build stage" : "index out of bounds");
    }
    try {
      const base = { kind: "image", reference: copy.from } as const;
      const image = await this.options.resolve(base, where.step, where.shownStage);
      const { text: _, ...quiet } = where;
      return this.add({ kind: "image", image }, undefined, quiet, state);
    } catch (error) {
      throw withPlace(error, `invalid from flag value ${copy.from}: `, copy.lines);
    }
  }
}

/** Turns the words of RUN and its here-documents into what is executed. */
function commandOf(run: RunInstruction, state: StageState): { args: readonly string[]; files: StepFile[] } {
  const [line = ""] = run.command.words;
  const [first] = run.heredocs;
  if (!run.command.isShellForm || first === undefined) {
    if (run.command.words.length === 0) throw syntaxError("RUN requires at least one argument", run.lines);
    return { args: state.commandWords(run.command), files: [] };
  }
  if (parseHeredocMark(line) === undefined) {
    // The shell reads the here-documents itself.
    const full = [line, ...run.heredocs.map((h) => h.content + h.name)].join("\n");
    return { args: [...state.shell, full], files: [] };
  }
  const script = heredocText(first);
  if (!script.startsWith("#!")) return { args: [...state.shell, script], files: [] };
  const path = `/dev/pipes/${cleanPath(`/${first.name}`).slice(1).replaceAll("/", "_")}`;
  return { args: [path], files: [{ path, content: script, mode: 0o755 }] };
}

function planRun(run: RunInstruction, state: StageState, options: PlanOptions): RunOp {
  if (run.mounts.length > 0) refuse("RUN --mount", run.lines);
  if (run.devices.length > 0) refuse("RUN --device", run.lines);
  if (run.security !== "sandbox") refuse(`RUN --security=${run.security}`, run.lines);
  const { args, files } = commandOf(run, state);
  const buildEnv = state.buildEnvironment();
  const recorded = buildEnv.filter((entry) => state.isRecorded(entry)).sort();
  const prefix = buildEnv.length > 0 ? [`|${recorded.length}`, ...recorded] : [];
  return {
    kind: "run",
    args,
    env: [...state.env, ...buildEnv],
    keyEnv: [...state.env, ...recorded],
    cwd: state.config.workingDir || "/",
    user: state.config.user ?? "",
    network: run.network === "default" ? options.network : run.network,
    files,
    createdBy: [...prefix, ...args].join(" "),
  };
}

function planWorkdir(instruction: ValueInstruction, state: StageState): VertexOp {
  const path = state.enterDirectory(instruction);
  return { kind: "workdir", path, createdBy: [...state.shell, `#(nop) WORKDIR ${path}`].join(" ") };
}

type TransferOp = Omit<CopyOp, "source" | "unpacksLocal" | "unpacksRemote" | "checksum">;

function planTransfer(
  transfer: CopyInstruction | AddInstruction,
  verb: "COPY" | "ADD",
  state: StageState,
): TransferOp {
  const sources = transfer.sources.map((s) => state.expand(s));
  const contents = transfer.contents.map((h): InlineFile => {
    const text = heredocText(h);
    return { name: h.name, text: h.isExpanded ? state.expandContent(text) : text };
  });
  const shownDestination = state.expand(transfer.destination);
  const destination = absoluteDestination(shownDestination, state.config.workingDir ?? "/");
  if (sources.length + contents.length > 1 && !destination.endsWith("/")) {
    throw syntaxError(
      `When using ${verb} with more than one source file, the destination must be a directory and end with a /`,
      transfer.lines,
    );
  }
  return {
    kind: "copy",
    verb,
    sources,
    contents,
    destination,
    shownDestination,
    chown: state.expand(transfer.chown),
    chmod: state.expand(transfer.chmod),
    isLink: transfer.isLink,
    excludes: transfer.excludes.map((e) => state.expand(e)),
    shell: state.shell,
  };
}

function absoluteDestination(destination: string, workingDir: string): string {
  const path = cleanPath(destination.startsWith("/") ? destination : `/${workingDir}/${destination}`);
  // compat: `dir/.` names a file called dir, to the classic builder and to BuildKit alike.
  const isDirectory = destination.endsWith("/") || destination === ".";
  return isDirectory && path !== "/" ? `${path}/` : path;
}

function planAdd(add: AddInstruction, state: StageState): CopyOp {
  if (add.keepGitDir !== undefined) refuse("ADD --keep-git-dir", add.lines);
  const op = planTransfer(add, "ADD", state);
  for (const source of op.sources) {
    if (/^(?:git@|git:\/\/|ssh:\/\/)|^https?:\/\/[^#?]*\.git(?:#|$)/.test(source)) {
      refuse(`ADD of a git repository (${source})`, add.lines);
    }
  }
  const checksum = state.expand(add.checksum);
  if (checksum !== "" && !/^sha256:[0-9a-f]{64}$/.test(checksum)) {
    throw syntaxError(
      `invalid --checksum ${JSON.stringify(checksum)}: want sha256: and 64 hex digits`,
      add.lines,
    );
  }
  if (checksum !== "" && !(op.sources.length === 1 && /^https?:\/\//.test(op.sources[0] as string))) {
    throw syntaxError("checksum can't be specified for non-HTTP sources", add.lines);
  }
  return {
    ...op,
    source: "context",
    unpacksLocal: add.unpack ?? true,
    unpacksRemote: add.unpack ?? false,
    checksum,
  };
}

/** Plans a build. Throws Fault `dockerfile.syntax`, `build.unsupported` or what resolving an image throws. */
export function planBuild(options: PlanOptions): Promise<BuildGraph> {
  return new Planner(options).run();
}
