// The steps of a graph that do something, with the names under which BuildKit's clients show them.

import type { PlannedStep } from "../events.ts";
import { canonicalString, parseReference, withDefaultTag } from "../../oci/reference.ts";
import type { StagedDockerfile } from "../dockerfile/stages.ts";
import type { BuildGraph, Vertex } from "./vertex.ts";

/** An image id stays what it is. */
function fullName(reference: string): string {
  try {
    return canonicalString(withDefaultTag(parseReference(reference)));
  } catch {
    return reference; // ignored: the image was found under this name
  }
}

function textOf(vertex: Vertex): string | undefined {
  const { op } = vertex;
  if (op.kind === "image") return `FROM ${fullName(op.image.name)}`;
  if (op.kind === "run" || op.kind === "copy" || op.kind === "workdir") return vertex.text;
  return undefined;
}

/** Returns the steps, stage by stage. */
export function plannedSteps(graph: BuildGraph, file: StagedDockerfile): PlannedStep[] {
  const isAlone = graph.stages.length === 1;
  return graph.stages.flatMap((stage) =>
    stage.vertices.flatMap((id) => {
      const vertex = graph.vertices[id] as Vertex;
      const text = textOf(vertex);
      if (text === undefined) return [];
      const name = file.stages[stage.index]?.from.name || `stage-${stage.index}`;
      return [{ at: { stage: vertex.stage, step: vertex.step }, stageName: isAlone ? "" : name, text }];
    }),
  );
}
