// First look at a staged Dockerfile: what each stage starts from, which stages the target needs, how the steps are
// numbered. Needs no image. Pure.

import type { Platform } from "../../oci/platform.ts";
import { parsePlatform } from "../../oci/platform.ts";
import { parseReference } from "../../oci/reference.ts";
import { expandWord } from "../dockerfile/expand.ts";
import type { FromInstruction } from "../dockerfile/instructions.ts";
import { findStage, findTarget, type Stage, type StagedDockerfile } from "../dockerfile/stages.ts";
import { syntaxError, withPlace } from "../dockerfile/syntax-error.ts";
import type { BuildArgs } from "./args.ts";
import type { Dialect } from "./dialect.ts";
import type { NamedContexts } from "./named-contexts.ts";
import { checkOrigins, originsOf } from "./origins.ts";

/** What a stage starts from. */
export type StageBase =
  | { readonly kind: "scratch" }
  | { readonly kind: "stage"; readonly stage: number }
  | { readonly kind: "image"; readonly reference: string; readonly platform?: Platform };

/** A stage that the target needs, with its place in the output. */
export interface OutlinedStage {
  readonly stage: Stage;
  readonly base: StageBase;
  /** Step number of its FROM. */
  readonly firstStep: number;
}

export interface Outline {
  /** In the order of the Dockerfile; the target is the last one. */
  readonly needed: readonly OutlinedStage[];
  /** Every stage's base, by index, also of those that are not needed. */
  readonly bases: readonly StageBase[];
  readonly target: Stage;
  readonly totalSteps: number;
}

/** Evaluates ARG before the first FROM. */
export function declareMetaArgs(file: StagedDockerfile, args: BuildArgs): void {
  for (const instruction of file.metaArgs) {
    for (const arg of instruction.args) {
      const expand = (text: string) =>
        expandWord(text, (name) => args.lookupMeta(name), { escape: file.escape });
      args.declareMeta(expand(arg.name), arg.value === undefined ? undefined : expand(arg.value));
    }
  }
}

interface OutlineOptions {
  readonly target?: string | undefined;
  readonly extraSteps: number;
  readonly contexts: NamedContexts;
  /** Absent: the classic builder's. */
  readonly dialect?: Dialect | undefined;
}

function baseOf(
  file: StagedDockerfile,
  stage: Stage,
  args: BuildArgs,
  { contexts, dialect }: OutlineOptions,
): StageBase {
  const { from } = stage;
  const expand = (text: string) => expandWord(text, (name) => args.lookupMeta(name), { escape: file.escape });
  const reference = expand(from.base);
  if (reference === "") throw syntaxError(`base name (${from.base}) should not be blank`, from.lines);
  // A context of the stage's own name stands in for the whole stage's base.
  const own = stage.from.name === "" ? undefined : contexts.find(stage.from.name);
  // Nobody needs such a stage: its name means the files, wherever it stands.
  if (own?.kind === "files") return { kind: "scratch" };
  const given = own ?? contexts.find(reference);
  if (given?.kind === "image") return { kind: "image", reference: given.reference };
  if (given?.kind === "files")
    throw syntaxError(`a stage cannot start from the files of the context "${given.name}"`, from.lines);
  // compat: BuildKit keeps names in lower case, and looks for what FROM says as it stands.
  const name = dialect === "buildkit" ? reference : reference.toLowerCase();
  const named = file.stages.findLast(
    (s) => s.index < stage.index && s.from.name !== "" && s.from.name === name,
  );
  if (named !== undefined) return { kind: "stage", stage: named.index };
  if (reference === "scratch") return { kind: "scratch" };
  if (dialect === "buildkit" && given === undefined) checkReference(reference, from);
  const platform = expand(from.platform);
  if (platform === "") return { kind: "image", reference };
  try {
    return { kind: "image", reference, platform: parsePlatform(platform) };
  } catch (error) {
    throw withPlace(error, `failed to parse platform ${platform}: `, from.lines);
  }
}

/** Throws for what can be no image, as BuildKit does before it looks for one. */
function checkReference(reference: string, { lines }: FromInstruction): void {
  try {
    parseReference(reference);
  } catch (error) {
    throw withPlace(error, `failed to parse stage name ${JSON.stringify(reference)}: `, lines);
  }
}

/** Returns the stages that COPY --from and RUN --mount of a stage name. */
function usedStages(file: StagedDockerfile, stage: Stage, contexts: NamedContexts): number[] {
  return stage.instructions.flatMap(originsOf).flatMap((from) => {
    if (from === "" || contexts.find(from) !== undefined) return [];
    const found = findStage(file.stages, from, stage.index);
    return found === undefined ? [] : [found.index];
  });
}

/** Finds out what the target needs; `extraSteps` are appended to it (labels of the command line). */
export function outlineBuild(file: StagedDockerfile, args: BuildArgs, options: OutlineOptions): Outline {
  const { contexts } = options;
  const target = findTarget(file.stages, options.target);
  if (target.from.name !== "" && contexts.find(target.from.name)?.kind === "files")
    throw syntaxError(`the stage "${target.from.name}" is a context of files`, target.from.lines);
  const bases = file.stages.slice(0, target.index + 1).map((stage) => baseOf(file, stage, args, options));
  const wanted = new Set<number>();
  const pending = [target.index];
  while (pending.length > 0) {
    const index = pending.pop() as number;
    if (wanted.has(index)) continue;
    wanted.add(index);
    const base = bases[index] as StageBase;
    if (base.kind === "stage") pending.push(base.stage);
    pending.push(...usedStages(file, file.stages[index] as Stage, contexts));
  }
  if (options.dialect === "buildkit") checkOrigins(file, wanted, contexts);
  let step = file.metaArgs.length + 1;
  const needed: OutlinedStage[] = [];
  for (const stage of file.stages) {
    if (!wanted.has(stage.index)) continue;
    needed.push({ stage, base: bases[stage.index] as StageBase, firstStep: step });
    step += 1 + stage.instructions.length;
  }
  return { needed, bases, target, totalSteps: step - 1 + options.extraSteps };
}
