// What COPY --from and RUN --mount=from may name, as BuildKit has it: a stage counts wherever it stands, and one that stands later,
// or leads back, is an error. The classic builder takes such a name for an image.

import type { StageInstruction } from "../dockerfile/instructions.ts";
import { mountOrigin } from "../dockerfile/mounts.ts";
import { findStage, type Stage, type StagedDockerfile } from "../dockerfile/stages.ts";
import type { Fault } from "../../lib/errors.ts";
import { syntaxError } from "../dockerfile/syntax-error.ts";
import type { NamedContexts } from "./named-contexts.ts";

/** Returns the names that an instruction takes files from. */
export function originsOf(instruction: StageInstruction): string[] {
  if (instruction.kind === "copy") return [instruction.from];
  return instruction.kind === "run" ? instruction.mounts.map(mountOrigin) : [];
}

interface Use {
  readonly stage: Stage;
  readonly by: StageInstruction;
}

function usesOf(file: StagedDockerfile, stage: Stage, contexts: NamedContexts): Use[] {
  return stage.instructions.flatMap((by) =>
    originsOf(by).flatMap((from) => {
      if (from === "" || contexts.find(from) !== undefined) return [];
      const found = findStage(file.stages, from, file.stages.length);
      if (found === undefined && by.kind === "copy" && /^\d+$/.test(from))
        throw syntaxError(`invalid stage index ${from}`);
      return found === undefined ? [] : [{ stage: found, by }];
    }),
  );
}

const shownName = ({ from, index }: Stage): string => from.name || `stage-${index}`;

function circular(first: Stage, way: readonly Use[]): Fault {
  const [lines, ...alsoAt] = way.map(({ by }) => by.lines);
  return syntaxError(`circular dependency detected on stage: ${shownName(first)}`, lines, alsoAt);
}

/** Throws where stages lead back to one another. */
function checkCircles(stages: readonly Stage[], uses: ReadonlyMap<Stage, readonly Use[]>): void {
  const done = new Set<Stage>();
  const visit = (stage: Stage, path: readonly Use[], first: Stage): void => {
    if (done.has(stage)) return;
    for (const use of uses.get(stage) ?? []) {
      const way = [...path, use];
      if (use.stage === first || path.some(({ stage: before }) => before === use.stage))
        throw circular(first, way);
      visit(use.stage, way, first);
    }
    done.add(stage);
  };
  for (const stage of stages) visit(stage, [], stage);
}

/** Checks where files come from. Throws Fault `dockerfile.syntax`. */
export function checkOrigins(
  file: StagedDockerfile,
  needed: ReadonlySet<number>,
  contexts: NamedContexts,
): void {
  const uses = new Map(file.stages.map((stage) => [stage, usesOf(file, stage, contexts)]));
  checkCircles(file.stages, uses);
  for (const [stage, used] of uses)
    for (const { stage: from, by } of needed.has(stage.index) ? used : [])
      if (by.kind === "copy" && from.index >= stage.index)
        throw syntaxError(
          `cannot copy from stage ${JSON.stringify(by.from)}, it needs to be defined before current stage ${JSON.stringify(shownName(stage))}`,
          by.lines,
        );
}
