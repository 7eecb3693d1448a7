// Dockerfile and images to build graph: goes through the stages that the target needs, in order, keeps each one's
// configuration, and makes a vertex of every instruction. What cannot be executed is refused here, before anything runs.

import { Fault } from "../../lib/errors.ts";
import type { CopyInstruction, RunInstruction, StageInstruction } from "../dockerfile/instructions.ts";
import { parseTrigger } from "../dockerfile/parse.ts";
import { findStage, isStageInstruction, type Stage, type StagedDockerfile } from "../dockerfile/stages.ts";
import { suggestion } from "../dockerfile/suggest.ts";
import { type LineRange, syntaxError, withPlace } from "../dockerfile/syntax-error.ts";
import type { SourceImage } from "../solver/ports.ts";
import type { CdiCatalogue } from "../../runtime/cdi/load.ts";
import type { BuildArgs } from "./args.ts";
import { chooseDevices } from "./devices.ts";
import type { Dialect } from "./dialect.ts";
import { fullName } from "./planned-steps.ts";
import type { NamedContexts } from "./named-contexts.ts";
import { stepTitle } from "./step-title.ts";
import type { Outline, OutlinedStage, StageBase } from "./outline.ts";
import { planAdd, planTransfer } from "./plan-copy.ts";
import { planRun, planWorkdir } from "./plan-run.ts";
import { StageState } from "./stage-state.ts";
import type { BuildGraph, CopyOp, FileSource, GraphStage, Vertex, VertexId, VertexOp } from "./vertex.ts";

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
  readonly dialect: Dialect;
  /** `--build-context`. */
  readonly contexts: NamedContexts;
  /** Rights that the user gives beyond the usual ones, such as `security.insecure`. */
  readonly allowed: readonly string[];
  /** The host's CDI devices. */
  readonly devices: () => Promise<Pick<CdiCatalogue, "devices">>;
}

/** Refuses what the builder does not execute, by the flag's name and line. */
function refuse(what: string, lines: LineRange): never {
  throw new Fault("notImplemented", `${what} is not supported (Dockerfile line ${lines.start})`, {
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
  readonly title?: string;
  readonly lines: LineRange;
}

class Planner {
  private readonly options: PlanOptions;
  private readonly vertices: Vertex[] = [];
  private readonly planned = new Map<number, GraphStage>();
  /** What a stage leaves, by its number. */
  private readonly ends = new Map<number, StageState>();
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
    const { args, dialect, file } = this.options;
    // compat: with BuildKit the arguments of a stage are also those of the stages that are built on it.
    const inherited = dialect === "buildkit" && base.kind === "stage" ? this.ends.get(base.stage) : undefined;
    const state = new StageState(config, args.forStage(inherited?.args), file.escape, { dialect, inherited });
    this.ends.set(stage.index, state);
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
        // compat: BuildKit's history has no line for it.
        const isRecorded = comment !== undefined && this.options.dialect === "classic";
        const config: VertexOp = {
          kind: "config",
          notes: [],
          ...(isRecorded ? { createdBy: state.createdBy(comment) } : {}),
        };
        ids.push(this.add(config, ids.at(-1), where, state));
      }
    }
    const planned = { index: stage.index, vertices: ids, triggerCount: triggers.length };
    this.planned.set(stage.index, planned);
    if (quietly === undefined) this.shown.push(planned);
  }

  private add(
    op: VertexOp,
    parent: VertexId | undefined,
    where: Where,
    state: Pick<StageState, "config" | "author">,
  ): VertexId {
    const id = this.vertices.length;
    this.vertices.push({
      id,
      op,
      ...(parent === undefined ? {} : { parent }),
      stage: where.shownStage,
      step: where.step,
      ...(where.text === undefined ? {} : { text: where.text }),
      ...(where.title === undefined ? {} : { title: where.title }),
      lines: where.lines,
      config: state.config,
      author: state.author,
    });
    return id;
  }

  private async startOf(base: StageBase, where: Where) {
    // compat: to BuildKit an empty image has a working directory.
    const empty = this.options.dialect === "buildkit" ? { workingDir: "/" } : {};
    if (base.kind === "scratch") return { config: empty, op: { kind: "scratch" } as VertexOp };
    if (base.kind === "image") {
      const image = await this.resolve(base, where);
      const { platform } = base;
      const op: VertexOp = { kind: "image", image, ...(platform === undefined ? {} : { platform }) };
      return { config: image.config.config, op };
    }
    const vertex = await this.resultOf(base.stage, where);
    const config = (this.vertices[vertex] as Vertex).config;
    return { config, op: { kind: "stage", stage: base.stage, vertex } as VertexOp };
  }

  /** Finds the image of a FROM. */
  private async resolve(base: Extract<StageBase, { kind: "image" }>, where: Where): Promise<SourceImage> {
    try {
      return await this.options.resolve(base, where.step, where.shownStage);
    } catch (error) {
      if (this.options.dialect === "classic") throw error;
      // compat: BuildKit's introduction.
      const full = fullName(base.reference);
      const what = `${base.reference}: failed to resolve source metadata for ${full}: `;
      throw withPlace(error, what, where.lines);
    }
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
      const title = stepTitle(instruction, state);
      const op = await this.opOf(instruction, where, state);
      return this.add(op, parent, title === undefined ? where : { ...where, title }, state);
    } catch (error) {
      throw withPlace(error, "", instruction.lines);
    }
  }

  private async opOf(instruction: StageInstruction, where: Where, state: StageState): Promise<VertexOp> {
    switch (instruction.kind) {
      case "run":
        return this.planRun(instruction, where, state);
      case "copy":
        return this.planCopy(instruction, where, state);
      case "add":
        return planAdd(instruction, state);
      case "workdir":
        return planWorkdir(instruction, state);
      default: {
        const change = state.apply(instruction);
        if (change === undefined) refuse(instruction.text, instruction.lines);
        return {
          kind: "config",
          notes: change.notes ?? [],
          ...(change.comment === undefined ? {} : { createdBy: state.createdBy(change.comment) }),
        };
      }
    }
  }

  private planRun(run: RunInstruction, where: Where, state: StageState): Promise<VertexOp> {
    if (run.security === "insecure" && !this.options.allowed.includes("security.insecure"))
      throw new Fault("forbidden", "security.insecure is not allowed: build with --allow security.insecure", {
        code: "build.entitlement",
      });
    return planRun(run, state, {
      network: this.options.network,
      originOf: (from) => this.sourceOf(from, `invalid mount origin ${from}: `, run.lines, where),
      devicesOf: async (wanted) => chooseDevices(wanted, await this.options.devices(), this.options.allowed),
    });
  }

  private async planCopy(copy: CopyInstruction, where: Where, state: StageState): Promise<CopyOp> {
    const prefix = `invalid from flag value ${copy.from}: `;
    return {
      ...planTransfer(copy, "COPY", state),
      source: copy.from === "" ? "" : await this.sourceOf(copy.from, prefix, copy.lines, where),
      keepsParents: copy.keepsParents,
      unpacksLocal: false,
      unpacksRemote: false,
      keepsGitDir: false,
      checksum: "",
    };
  }

  /** Finds what `--from` names: a context of the command line, an earlier stage, or else an image. */
  private async sourceOf(from: string, prefix: string, lines: LineRange, where: Where): Promise<FileSource> {
    const named = this.options.contexts.find(from);
    if (named?.kind === "files") return named.name;
    const { file } = this.options;
    const found = named === undefined ? findStage(file.stages, from, where.stage.index) : undefined;
    if (found !== undefined) return this.resultOf(found.index, where);
    if (named === undefined && /^\d+$/.test(from)) {
      const isCurrent = Number(from) === where.stage.index;
      const why = isCurrent ? "refers to current build stage" : "index out of bounds";
      throw syntaxError(`${prefix}${why}`, lines);
    }
    const { text: _, ...quiet } = where;
    // compat: the empty image may be copied from as well as built on.
    if (named === undefined && from === "scratch") return this.addScratch(quiet);
    try {
      const base = { kind: "image", reference: named?.reference ?? from } as const;
      const image = await this.options.resolve(base, where.step, where.shownStage);
      return this.addRoot({ kind: "image", image }, quiet);
    } catch (error) {
      const names = file.stages.slice(0, where.stage.index).map((stage) => stage.from.name);
      const hint = named === undefined ? suggestion(from, names, { isCaseSensitive: true }) : "";
      throw withPlace(error, hint === "" ? prefix : `${prefix.slice(0, -2)}${hint}: `, lines);
    }
  }

  private addScratch(where: Where): VertexId {
    return this.addRoot({ kind: "scratch" }, where);
  }

  /** Adds a root that no stage is built on. */
  private addRoot(op: VertexOp, where: Where): VertexId {
    return this.add(op, undefined, where, { config: {}, author: "" });
  }
}

/** Plans a build. Throws Fault `dockerfile.syntax`, `build.unsupported` or what resolving an image throws. */
export function planBuild(options: PlanOptions): Promise<BuildGraph> {
  return new Planner(options).run();
}
