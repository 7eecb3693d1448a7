// Groups the instructions of a Dockerfile into stages, and finds a stage by name or number.

import { Fault } from "../../lib/errors.ts";
import type { ArgInstruction, FromInstruction, Instruction, StageInstruction } from "./instructions.ts";
import type { ParsedDockerfile } from "./parse.ts";
import { suggestion } from "./suggest.ts";
import { syntaxError } from "./syntax-error.ts";

/** One FROM with what follows it. */
export interface Stage {
  readonly index: number;
  readonly from: FromInstruction;
  readonly instructions: readonly StageInstruction[];
}

export interface StagedDockerfile {
  /** ARG before the first FROM. */
  readonly metaArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
  readonly escape: string;
  readonly warnings: readonly string[];
}

/**
 * Groups instructions. Throws Fault `dockerfile.syntax` when one stands before the first FROM, or no FROM is there. As BuildKit does it
 * (`isBuildkit`) a later stage takes the name over from an earlier one.
 */
export function groupStages(
  file: ParsedDockerfile,
  { isBuildkit = false }: { isBuildkit?: boolean } = {},
): StagedDockerfile {
  const metaArgs: ArgInstruction[] = [];
  const stages: { index: number; from: FromInstruction; instructions: StageInstruction[] }[] = [];
  const names = new Set<string>();
  for (const instruction of file.instructions) {
    const stage = stages.at(-1);
    if (instruction.kind === "from") {
      if (!isBuildkit && instruction.name !== "" && names.has(instruction.name)) {
        throw syntaxError(`${instruction.name} stage name already used`, instruction.lines);
      }
      names.add(instruction.name);
      stages.push({ index: stages.length, from: instruction, instructions: [] });
    } else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.kind === "arg") metaArgs.push(instruction);
    else throw syntaxError("no build stage in current context", instruction.lines);
  }
  if (stages.length === 0)
    throw syntaxError(
      isBuildkit
        ? "dockerfile contains no stages to build"
        : "No image was generated. Is your Dockerfile empty?",
    );
  return { metaArgs, stages, escape: file.directives.escape, warnings: file.warnings };
}

/** Finds a stage that comes before `before`, by name (any case) or number; undefined when it names none. */
export function findStage(stages: readonly Stage[], reference: string, before: number): Stage | undefined {
  const wanted = reference.toLowerCase();
  const named = stages.findLast((s) => s.index < before && s.from.name !== "" && s.from.name === wanted);
  if (named !== undefined) return named;
  if (!/^\d{1,6}$/.test(reference)) return undefined;
  return stages.find((s) => s.index < before && s.index === Number(reference));
}

/** Returns the stage that `--target` asks for, the last one when it asks for none. */
export function findTarget(stages: readonly Stage[], target: string | undefined): Stage {
  if (target === undefined || target === "") return stages.at(-1) as Stage;
  const stage = findStage(stages, target, stages.length);
  if (stage !== undefined) return stage;
  const names = stages.map(({ from }) => from.name).filter((name) => name !== "");
  const hint = suggestion(target, names, { isCaseSensitive: true });
  throw new Fault("invalidParameter", `failed to reach build target ${target} in Dockerfile${hint}`, {
    code: "dockerfile.target",
    detail: { target, hint },
  });
}

/** Whether an instruction may stand in a stage, for triggers. */
export function isStageInstruction(instruction: Instruction): instruction is StageInstruction {
  return instruction.kind !== "from";
}
