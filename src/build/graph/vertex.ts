// The build graph: what has to be done, and on the result of what. A vertex is one step; its inputs are other vertices.
// Words are expanded and configurations worked out; digests of files come in when it is solved. Plain data.
//
//   from ──parent──▶ run ──parent──▶ copy ──parent──▶ config …        one chain per stage
//                                     ▲ source
//   from ──▶ run (another stage) ─────┘

import type { LineRange } from "../dockerfile/syntax-error.ts";
import type { RunConfig } from "../../oci/image-config.ts";
import type { SourceImage, StepFile } from "../solver/ports.ts";

/** Index of a vertex in its graph; inputs have smaller ones. */
export type VertexId = number;

/** A file whose content stands in the Dockerfile. */
export interface InlineFile {
  readonly name: string;
  readonly text: string;
}

export interface RunOp {
  readonly kind: "run";
  readonly args: readonly string[];
  /** The image's variables and the build arguments. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly network: string;
  readonly files: readonly StepFile[];
  readonly createdBy: string;
  /** The environment as far as it decides about the result: without undeclared proxy variables. */
  readonly keyEnv: readonly string[];
}

export interface CopyOp {
  readonly kind: "copy";
  readonly verb: "COPY" | "ADD";
  /** A vertex, or the uploaded context. */
  readonly source: VertexId | "context";
  readonly sources: readonly string[];
  readonly contents: readonly InlineFile[];
  /** Absolute; a trailing slash says that it is a directory. */
  readonly destination: string;
  /** As written, for the history. */
  readonly shownDestination: string;
  readonly chown: string;
  readonly chmod: string;
  readonly isLink: boolean;
  readonly excludes: readonly string[];
  /** Unpack archives of the context. */
  readonly unpacksLocal: boolean;
  /** Unpack archives from the network. */
  readonly unpacksRemote: boolean;
  /** `sha256:…` that a downloaded file must have, or "". */
  readonly checksum: string;
  /** The shell in whose name the history speaks. */
  readonly shell: readonly string[];
}

export type VertexOp =
  | { readonly kind: "image"; readonly image: SourceImage }
  | { readonly kind: "scratch" }
  /** The result of another stage, as a new stage's beginning. */
  | { readonly kind: "stage"; readonly stage: number; readonly vertex: VertexId }
  | { readonly kind: "config"; readonly createdBy: string; readonly notes: readonly string[] }
  | { readonly kind: "workdir"; readonly path: string; readonly createdBy: string }
  | RunOp
  | CopyOp;

/** One step. */
export interface Vertex {
  readonly id: VertexId;
  readonly op: VertexOp;
  /** The vertex whose files this one starts from. */
  readonly parent?: VertexId;
  readonly stage: number;
  /** Number in the output, from 1; the steps of triggers carry that of their FROM. */
  readonly step: number;
  /** The instruction as written; absent for what has no line of its own in the output (triggers, COPY --from=image). */
  readonly text?: string;
  readonly lines: LineRange;
  /** `config` of the image after this step. */
  readonly config: RunConfig;
  readonly author: string;
}

/** One stage of the Dockerfile that the target needs. */
export interface GraphStage {
  readonly index: number;
  /** First to last; not empty. */
  readonly vertices: readonly VertexId[];
  /** Steps of ONBUILD triggers at its beginning. */
  readonly triggerCount: number;
}

/** A whole build, ready to be solved. */
export interface BuildGraph {
  readonly vertices: readonly Vertex[];
  /** In the order of the Dockerfile. */
  readonly stages: readonly GraphStage[];
  readonly target: VertexId;
  /** The texts of ARG before the first FROM; steps 1, 2, … */
  readonly metaTexts: readonly string[];
  readonly totalSteps: number;
  readonly unusedArgs: readonly string[];
}
