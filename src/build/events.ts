// What a build tells while it runs: typed facts, in the order they happen. export/ turns them into Docker's
// stream; a BuildKit status stream can be made of the same facts.

import type { Fault } from "../lib/errors.ts";

/** Position of a step: `stage` counts from 0 in the order of the Dockerfile, `step` from 1 over the whole build. */
export interface StepRef {
  readonly stage: number;
  readonly step: number;
}

/** A step of the graph that does something: it has an own line where steps are shown by name. */
export interface PlannedStep {
  readonly at: StepRef;
  /** Name of its stage, `stage-N` without one, "" where there is one stage only. */
  readonly stageName: string;
  /** The instruction with its variables replaced; `FROM` with the reference in full. */
  readonly text: string;
  /** An earlier step is the same: it has no line of its own. */
  readonly isRepeated?: boolean;
}

export type BuildEvent =
  /** The plan is known; `total` steps will be shown, in these stages. */
  | { readonly type: "planned"; readonly total: number; readonly stages: readonly number[] }
  /** Work beside the steps begins or is over; `what` is its name, such as `[internal] load .dockerignore`. Only BuildKit's clients see it. */
  | { readonly type: "work"; readonly what: string; readonly isOver: boolean; readonly error?: string }
  /** How many bytes it has moved so far, as `name`. */
  | {
      readonly type: "transferred";
      readonly what: string;
      readonly name: string;
      readonly bytes: number;
      readonly isOver: boolean;
    }
  /** What will be done, with the base images known. */
  | { readonly type: "graph"; readonly steps: readonly PlannedStep[] }
  /** A remark on the Dockerfile itself. */
  | {
      readonly type: "warning";
      readonly message: string;
      /** Where it is explained, and what the rule is, of what `--check` finds. */
      readonly url?: string;
      readonly detail?: string;
    }
  | { readonly type: "step"; readonly at: StepRef; readonly text: string }
  /** One line of pull progress in Docker's JSON form. */
  | { readonly type: "pull"; readonly at: StepRef; readonly line: Readonly<Record<string, unknown>> }
  | { readonly type: "triggers"; readonly at: StepRef; readonly count: number }
  | { readonly type: "cached"; readonly at: StepRef }
  | { readonly type: "running"; readonly at: StepRef; readonly containerId: string }
  | {
      readonly type: "output";
      readonly at: StepRef;
      readonly stream: "stdout" | "stderr";
      readonly bytes: Uint8Array;
    }
  | { readonly type: "removed"; readonly at: StepRef; readonly containerId: string }
  /** A remark that belongs to a step. */
  | { readonly type: "note"; readonly at: StepRef; readonly message: string }
  /** The build fails because of this step. */
  | { readonly type: "step-failed"; readonly at: StepRef; readonly fault: Fault }
  /** The step is done; `imageId` is its image, "" on scratch. */
  | { readonly type: "done"; readonly at: StepRef; readonly imageId: string }
  | { readonly type: "stage-done"; readonly stage: number; readonly imageId: string }
  /** Build arguments that no stage declared. */
  | { readonly type: "unused-args"; readonly names: readonly string[] }
  /** The image exists under its id. */
  | { readonly type: "built"; readonly imageId: string }
  /** Something is done with the result; emitted by the engine. */
  | { readonly type: "exporting"; readonly what: string }
  /** A name was given to the image; emitted by the engine. */
  | { readonly type: "tagged"; readonly name: string }
  /** The build ended without an image. */
  | { readonly type: "failed"; readonly fault: Fault };
