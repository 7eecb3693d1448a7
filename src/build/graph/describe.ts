// What a Dockerfile offers to who builds it: its stages, and the arguments, secrets and agents that a target takes. Nothing is built,
// and no image is asked for: what a base image sets is not known. Pure.

import { expandWord } from "../dockerfile/expand.ts";
import type { ArgInstruction, StageInstruction } from "../dockerfile/instructions.ts";
import { parseMount } from "../dockerfile/mounts.ts";
import type { Stage, StagedDockerfile } from "../dockerfile/stages.ts";
import type { LineRange } from "../dockerfile/syntax-error.ts";
import type { BuildArgs } from "./args.ts";
import type { NamedContexts } from "./named-contexts.ts";
import { declareMetaArgs, outlineBuild, type StageBase } from "./outline.ts";

/** A comment directly above what has a name describes it: `# NAME what it is`. "" where there is none. */
export function descriptionOf(comments: readonly string[] | undefined, name: string): string {
  if (name === "") return "";
  const prefix = `${name} `;
  return comments?.find((comment) => comment.startsWith(prefix))?.slice(prefix.length) ?? "";
}

export interface OfferedArg {
  readonly name: string;
  readonly value: string | undefined;
  readonly description: string;
  readonly lines: LineRange;
}

/** A secret, or an agent. */
export interface OfferedInput {
  readonly name: string;
  readonly isRequired: boolean;
  readonly lines: LineRange;
}

export interface TargetDescription {
  readonly stage: Stage;
  readonly description: string;
  readonly args: readonly OfferedArg[];
  readonly secrets: readonly OfferedInput[];
  readonly agents: readonly OfferedInput[];
}

class Description {
  readonly #file: StagedDockerfile;
  readonly #args: BuildArgs;
  readonly #ofStages = new Map<number, BuildArgs>();
  readonly found = new Map<string, OfferedArg>();
  readonly secrets = new Map<string, OfferedInput>();
  readonly agents = new Map<string, OfferedInput>();

  constructor(file: StagedDockerfile, args: BuildArgs) {
    this.#file = file;
    this.#args = args;
  }

  #expand(text: string, lookup: (name: string) => string | undefined): string {
    return expandWord(text, lookup, { escape: this.#file.escape });
  }

  /** Takes in an argument from before the first FROM, and those that its value is made of. */
  useMeta(name: string): void {
    const place = this.#file.metaArgs.findLast((m) => m.args.some((arg) => arg.name === name));
    if (place === undefined || this.found.has(name)) return;
    this.found.set(name, argOf(place, name, this.#args.lookupMeta(name)));
    const text = place.args.find((arg) => arg.name === name)?.value ?? "";
    this.#expand(text, (used) => {
      this.useMeta(used);
      return this.#args.lookupMeta(used);
    });
  }

  addStage({ from, instructions, index }: Stage, base: StageBase): void {
    for (const text of [from.base, from.platform])
      this.#expand(text, (name) => {
        this.useMeta(name);
        return this.#args.lookupMeta(name);
      });
    const args = this.#args.forStage(base.kind === "stage" ? this.#ofStages.get(base.stage) : undefined);
    this.#ofStages.set(index, args);
    const env = new Map<string, string>();
    const lookup = (name: string): string | undefined => env.get(name) ?? args.lookup(name);
    for (const instruction of instructions) this.#addInstruction(instruction, { args, env, lookup });
  }

  #addInstruction(
    instruction: StageInstruction,
    stage: { args: BuildArgs; env: Map<string, string>; lookup: (name: string) => string | undefined },
  ): void {
    const { args, env, lookup } = stage;
    if (instruction.kind === "env")
      for (const { name, value } of instruction.pairs) env.set(name, this.#expand(value, lookup));
    if (instruction.kind === "arg")
      for (const { name, value } of instruction.args) {
        args.declare(name, value === undefined ? undefined : this.#expand(value, lookup));
        // Without a value of its own it is the one from before the first FROM.
        if (value === undefined) this.useMeta(name);
        const known = value === undefined ? this.found.get(name) : undefined;
        if (known === undefined || known.value !== args.lookup(name))
          this.found.set(name, argOf(instruction, name, args.lookup(name)));
      }
    if (instruction.kind !== "run") return;
    for (const text of instruction.mounts) {
      const { type, id, source, target, isRequired } = parseMount(text, (value) =>
        this.#expand(value, lookup),
      );
      const { lines } = instruction;
      if (type === "secret") {
        const name = id || source || target.slice(target.lastIndexOf("/") + 1);
        if (!this.secrets.has(name)) this.secrets.set(name, { name, isRequired, lines });
      }
      const agent = id || "default";
      if (type === "ssh" && !this.agents.has(agent))
        this.agents.set(agent, { name: agent, isRequired, lines });
    }
  }
}

function argOf(place: ArgInstruction, name: string, value: string | undefined): OfferedArg {
  return { name, value, description: descriptionOf(place.comments, name), lines: place.lines };
}

const byLine = <T extends { readonly lines: LineRange }>(found: Iterable<T>): T[] =>
  [...found].toSorted((a, b) => a.lines.start - b.lines.start);

/** Describes a target, the last stage where none is named. Throws Fault `dockerfile.syntax`. */
export function describeTarget(
  file: StagedDockerfile,
  args: BuildArgs,
  { target, contexts }: { readonly target: string | undefined; readonly contexts: NamedContexts },
): TargetDescription {
  declareMetaArgs(file, args);
  const outline = outlineBuild(file, args, { target, extraSteps: 0, contexts, dialect: "buildkit" });
  const description = new Description(file, args);
  for (const { stage, base } of outline.needed) description.addStage(stage, base);
  const { from } = outline.target;
  return {
    stage: outline.target,
    description: descriptionOf(from.comments, from.name),
    args: byLine(description.found.values()),
    secrets: byLine(description.secrets.values()),
    agents: byLine(description.agents.values()),
  };
}
