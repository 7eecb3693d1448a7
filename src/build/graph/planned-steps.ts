// The steps of a graph that do something, with the names under which BuildKit's clients show them.

import { isDigest } from "../../oci/digest.ts";
import type { PlannedStep } from "../events.ts";
import { canonicalString, parseReference, withDefaultTag } from "../../oci/reference.ts";
import type { StagedDockerfile } from "../dockerfile/stages.ts";
import type { BuildGraph, Vertex } from "./vertex.ts";

/** Returns an image's name in full; an image id stays what it is. */
export function fullName(reference: string): string {
  if (isDigest(reference)) return reference;
  try {
    return canonicalString(withDefaultTag(parseReference(reference)));
  } catch {
    return reference; // ignored: the image was found under this name
  }
}

function textOf(vertex: Vertex): string | undefined {
  const { op } = vertex;
  if (op.kind === "image") {
    const { name, registryDigest } = op.image;
    const isPinned = registryDigest === undefined || name.includes("@");
    return `FROM ${fullName(name)}${isPinned ? "" : `@${registryDigest}`}`;
  }
  if (op.kind === "run" || op.kind === "copy" || op.kind === "workdir") return vertex.title ?? vertex.text;
  return undefined;
}

/** Returns the steps, stage by stage. */
export function plannedSteps(graph: BuildGraph, file: StagedDockerfile): PlannedStep[] {
  const isAlone = graph.stages.length === 1;
  /** Images that stages start from. */
  const begun = new Set<string>();
  return graph.stages.flatMap((stage) =>
    stage.vertices.flatMap((id) => {
      const vertex = graph.vertices[id] as Vertex;
      const text = textOf(vertex);
      if (text === undefined) return [];
      const name = file.stages[stage.index]?.from.name || `stage-${stage.index}`;
      const base = vertex.op.kind === "image" ? vertex.op.image.id : undefined;
      const isRepeated = base !== undefined && begun.has(base);
      if (base !== undefined) begun.add(base);
      const at = { stage: vertex.stage, step: vertex.step };
      return [{ at, stageName: isAlone ? "" : name, text, ...(isRepeated ? { isRepeated } : {}) }];
    }),
  );
}
