// `build --explain`: says of every step why it was run. For that each build notes what decided about its steps; the next build of the
// same context compares. A step is found again by its words in its stage, or by its place there when the words have changed.

import { createHash } from "node:crypto";
import type { Vertex, VertexId } from "../graph/vertex.ts";
import { BASE, changesOf, listed, type StepInputs } from "./inputs.ts";

/** What decided about steps the last time, durable in the engine. What is lost makes explanations shorter, nothing else. */
export interface StepHistory {
  get(slot: string): Promise<StepInputs | undefined>;
  /** Notes a step's inputs; `key` says whether they are those that were noted before. */
  put(slot: string, key: string, inputs: StepInputs): void;
}

export interface ExplainedStep {
  readonly vertex: Vertex;
  readonly key: string;
  /** Digested. */
  readonly inputs: StepInputs;
  readonly isCached: boolean;
  /** The user wants it to be run. */
  readonly isForced: boolean;
}

export interface ExplainerOptions {
  readonly history: StepHistory;
  /** What is built, and for which platform: equal for builds that are compared. */
  readonly subject: string;
  readonly vertices: readonly Vertex[];
}

export class Explainer {
  private readonly options: ExplainerOptions;
  /** Steps that were run in this build. */
  private readonly ran = new Set<VertexId>();

  constructor(options: ExplainerOptions) {
    this.options = options;
  }

  private slots({ id, stage, text = "" }: Vertex): string[] {
    const { subject, vertices } = this.options;
    const first = vertices.findIndex((v) => v.stage === stage);
    return [text, `#${id - first}`].map((name) =>
      createHash("sha256")
        .update(JSON.stringify([subject, stage, name]))
        .digest("hex"),
    );
  }

  /** Notes a step that is done, without a word. */
  note({ vertex, key, inputs, isCached }: ExplainedStep): void {
    if (!isCached) this.ran.add(vertex.id);
    for (const slot of this.slots(vertex)) this.options.history.put(slot, key, inputs);
  }

  /** Notes a step that is done and returns why it was run. */
  async explain(step: ExplainedStep): Promise<string> {
    const { history } = this.options;
    let before: StepInputs | undefined;
    for (const slot of this.slots(step.vertex)) before ??= await history.get(slot);
    const why = this.whyOf(step, before);
    this.note(step);
    return why;
  }

  private whyOf(
    { vertex, inputs, isCached, isForced }: ExplainedStep,
    before: StepInputs | undefined,
  ): string {
    if (isCached) return "not run: its result is known, nothing that decides about it has changed";
    if (isForced) return "run: the cache is not to be used for it";
    if (before === undefined) return "run: it was not run here before";
    const changes = changesOf(inputs, before);
    if (inputs[BASE] !== before[BASE]) changes.unshift(this.baseChange(vertex));
    if (changes.length === 0) return "run: nothing has changed, but its result is no longer in the cache";
    return `run: ${listed(changes)}`;
  }

  /** Names the step that has changed the root. */
  private baseChange(vertex: Vertex): string {
    const { vertices } = this.options;
    for (let id = vertex.parent; id !== undefined; ) {
      const parent = vertices[id] as Vertex;
      if (this.ran.has(id)) return `${BASE} changed with ${JSON.stringify(parent.text ?? "a trigger")}`;
      if (parent.op.kind === "image") return `${BASE} changed: ${parent.op.image.name} is another image`;
      id = parent.op.kind === "stage" ? parent.op.vertex : parent.parent;
    }
    return `${BASE} changed`;
  }
}
