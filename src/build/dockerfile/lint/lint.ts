// `--check`: looks at a Dockerfile for what works and is a mistake nevertheless, rule by rule and in the order of BuildKit's linter.
// `# check=skip=RULE,…;error=true` at the top of the file leaves rules out, or makes findings errors. Nothing is built.

import { Fault, messageOf } from "../../../lib/errors.ts";
import type { Instruction, StageInstruction } from "../instructions.ts";
import { parseTrigger } from "../parse.ts";
import type { Stage, StagedDockerfile } from "../stages.ts";
import { syntaxError } from "../syntax-error.ts";
import { type LintConfig, parseCheckOptions } from "./config.ts";
import { checkDefaults, checkFrom, metaValues } from "./from.ts";
import { LintReport } from "./report.ts";
import type { LintFinding } from "./rules.ts";
import { ignoredBy, type LintedImage, StageLinter, type StageSurroundings } from "./stage.ts";
import { expandKnown, type Values } from "./values.ts";
import { checkCasing, checkInstructions, checkStageNames } from "./whole-file.ts";

export interface LintOptions {
  /** Patterns of .dockerignore. */
  readonly ignored: readonly string[];
  /** `--build-arg`. */
  readonly given: Readonly<Record<string, string | null>>;
  /** Takes what is found; absent: the linter keeps it. */
  readonly findings?: LintFinding[];
}

/** Tells what the images set that stages start from; undefined: it is not known. */
export type ImageLookup = (reference: string) => LintedImage | undefined;

function configOf(text: string): LintConfig {
  try {
    return parseCheckOptions(text);
  } catch (error) {
    throw syntaxError(`failed to parse check options: ${messageOf(error)}`);
  }
}

/** Returns the triggers as they run in a stage: in the place of its FROM. */
function triggersIn({ from }: Stage, texts: readonly string[]): StageInstruction[] {
  return texts.flatMap((text) => {
    try {
      const trigger = parseTrigger(text);
      return trigger.kind === "from" ? [] : [{ ...trigger, comments: [], lines: from.lines }];
    } catch {
      return []; // ignored: the build reports it
    }
  });
}

const triggersOf = (stage: Stage | undefined): string[] =>
  (stage?.instructions ?? []).flatMap((i) => (i.kind === "onbuild" ? [i.trigger] : []));

const imageOf = (reference: string, lookup: ImageLookup): LintedImage | undefined =>
  reference === "scratch" ? { env: [], hasShell: false, triggers: [] } : lookup(reference);

/** Looks at one Dockerfile, in steps: what one finds is worth having where a later one cannot be done. */
export class Linter {
  readonly #report: LintReport;
  readonly #options: LintOptions;
  readonly #isError: boolean;

  /** `check` is the file's directive; a build argument takes its place. Throws Fault `dockerfile.syntax`. */
  constructor(check: string, options: LintOptions) {
    // compat: a directive ends at its first blank.
    const config = configOf(options.given["BUILDKIT_DOCKERFILE_CHECK"] ?? (check.split(" ", 1)[0] as string));
    this.#report = new LintReport(config, options.findings);
    this.#options = options;
    this.#isError = config.isError;
  }

  get findings(): readonly LintFinding[] {
    return this.#report.findings;
  }

  /** Throws Fault `dockerfile.lint` when there are findings, and they are to fail the build (`error=true`). */
  finish(): void {
    const rules = [...new Set(this.findings.map(({ rule }) => rule))].sort();
    if (this.#isError && rules.length > 0)
      throw new Fault("invalidParameter", `lint violation found for rules: ${rules.join(", ")}`, {
        code: "dockerfile.lint",
      });
  }

  /** Looks at the instructions as such. */
  checkInstructions(instructions: readonly Instruction[]): void {
    checkInstructions(instructions, this.#report);
  }

  /** Looks at the stages as such, and at what they start from; `predefined` are arguments such as TARGETPLATFORM. */
  checkStages(file: StagedDockerfile, predefined: Values): void {
    const { given } = this.#options;
    checkStageNames(file.stages, this.#report);
    checkCasing(file.stages, this.#report);
    checkDefaults(file, predefined, this.#report);
    const values = metaValues(file, predefined, given);
    const declared = [
      ...new Set([...file.metaArgs.flatMap(({ args }) => args.map(({ name }) => name)), ...values.keys()]),
    ];
    for (const { from } of file.stages)
      checkFrom(from, values, { declared, escape: file.escape, report: this.#report });
  }

  /** Looks at what the stages do, those that are `needed`, by their numbers. */
  checkSteps(
    file: StagedDockerfile,
    needed: ReadonlySet<number>,
    known: { readonly predefined: Values; readonly imageOf: ImageLookup },
  ): void {
    const { given, ignored } = this.#options;
    const around: StageSurroundings = {
      report: this.#report,
      escape: file.escape,
      globals: metaValues(file, known.predefined, given),
      given,
      isIgnored: ignoredBy(ignored),
    };
    const linters = new Map<Stage, StageLinter>();
    for (const stage of file.stages) {
      if (!needed.has(stage.index)) continue;
      const reference =
        expandKnown(stage.from.base, around.globals, { escape: file.escape })?.text ?? stage.from.base;
      const earlier = file.stages.findLast(
        (s) => s.index < stage.index && s.from.name !== "" && s.from.name === reference,
      );
      const image = earlier === undefined ? imageOf(reference, known.imageOf) : undefined;
      const linter = new StageLinter((earlier && linters.get(earlier)) ?? image, around);
      linters.set(stage, linter);
      const triggers = triggersIn(stage, [...(image?.triggers ?? []), ...triggersOf(earlier)]);
      for (const instruction of [...triggers, ...stage.instructions]) linter.check(instruction);
    }
  }
}
