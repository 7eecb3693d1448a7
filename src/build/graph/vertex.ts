// The build graph: what has to be done, and on the result of what. A vertex is one step; its inputs are other vertices.
// Words are expanded and configurations worked out; digests of files come in when it is solved. Plain data.
//
//   from ──parent──▶ run ──parent──▶ copy ──parent──▶ config …        one chain per stage
//                                     ▲ source
//   from ──▶ run (another stage) ─────┘

import type { CacheSharing } from "../dockerfile/mounts.ts";
import type { LineRange } from "../dockerfile/syntax-error.ts";
import type { Dialect } from "./dialect.ts";
import type { Platform } from "../../oci/platform.ts";
import type { RunConfig } from "../../oci/image-config.ts";
import type { SourceImage, StepFile } from "../solver/ports.ts";

/** Index of a vertex in its graph; inputs have smaller ones. */
export type VertexId = number;

/** A file whose content stands in the Dockerfile. */
export interface InlineFile {
  readonly name: string;
  readonly text: string;
}

/** Where files come from: the result of another step, or a context by its name, "" being the build's own. */
export type FileSource = VertexId | string;

/** Whom a file belongs to that is made for a mount. */
interface MountOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What RUN mounts, variables expanded, targets absolute. */
export type MountOp =
  | {
      readonly kind: "bind";
      readonly target: string;
      readonly isReadonly: boolean;
      readonly source: FileSource;
      /** Path in the source. */
      readonly path: string;
    }
  | ({
      readonly kind: "cache";
      readonly target: string;
      readonly isReadonly: boolean;
      readonly id: string;
      readonly sharing: CacheSharing;
      /** What it holds at first. */
      readonly origin?: { readonly source: FileSource; readonly path: string };
    } & MountOwner)
  | { readonly kind: "tmpfs"; readonly target: string; readonly sizeBytes: number }
  | ({
      readonly kind: "secret";
      readonly id: string;
      /** Absent: only in the environment. */
      readonly target?: string;
      readonly env?: string;
      readonly isRequired: boolean;
    } & MountOwner)
  | ({
      readonly kind: "ssh";
      readonly id: string;
      readonly target: string;
      readonly isRequired: boolean;
    } & MountOwner);

export interface RunOp {
  readonly kind: "run";
  readonly args: readonly string[];
  /** The image's variables and the build arguments. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly network: string;
  readonly files: readonly StepFile[];
  readonly mounts: readonly MountOp[];
  /** `--security=insecure`: the step has every right. */
  readonly isInsecure: boolean;
  /** CDI devices, by id. */
  readonly devices: readonly string[];
  readonly createdBy: string;
  /** The environment as far as it decides about the result: without undeclared proxy variables. */
  readonly keyEnv: readonly string[];
}

export interface CopyOp {
  readonly kind: "copy";
  readonly verb: "COPY" | "ADD";
  readonly source: FileSource;
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
  /** Sources keep the directories they are in. */
  readonly keepsParents: boolean;
  /** Unpack archives of the context. */
  readonly unpacksLocal: boolean;
  /** Unpack archives from the network. */
  readonly unpacksRemote: boolean;
  /** `sha256:…` that a downloaded file must have, the commit that a repository must be at, or "". */
  readonly checksum: string;
  /** A repository is copied with its `.git`. */
  readonly keepsGitDir: boolean;
  /** The shell in whose name the history speaks. */
  readonly shell: readonly string[];
  readonly dialect: Dialect;
}

export type VertexOp =
  /** `platform`: the one that FROM asks for. */
  | { readonly kind: "image"; readonly image: SourceImage; readonly platform?: Platform }
  | { readonly kind: "scratch" }
  /** The result of another stage, as a new stage's beginning. */
  | { readonly kind: "stage"; readonly stage: number; readonly vertex: VertexId }
  /** Without `createdBy` the history does not speak of it. */
  | { readonly kind: "config"; readonly createdBy?: string; readonly notes: readonly string[] }
  /** `user` as in the configuration: whom a new directory belongs to. */
  | { readonly kind: "workdir"; readonly path: string; readonly user: string; readonly createdBy: string }
  | RunOp
  | CopyOp;

/** Returns the steps whose files an operation reads besides its parent's. */
export function sourcesOf(op: VertexOp): VertexId[] {
  if (op.kind === "copy") return typeof op.source === "number" ? [op.source] : [];
  if (op.kind !== "run") return [];
  return op.mounts.flatMap((mount) => {
    const source = mount.kind === "bind" ? mount.source : mount.kind === "cache" ? mount.origin?.source : "";
    return typeof source === "number" ? [source] : [];
  });
}

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
  /** The same as BuildKit's clients show it: variables replaced, a script by its first line. */
  readonly title?: string;
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
