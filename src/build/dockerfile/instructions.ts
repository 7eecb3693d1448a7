// The instructions of a Dockerfile as data, parsed but not expanded: what the reference calls their syntax.
// What they do to an image is graph/.

import type { RunDevice } from "./devices.ts";
import type { Heredoc } from "./heredoc.ts";
import type { LineRange } from "./syntax-error.ts";

interface Common {
  /** The instruction as written, joined to one line, here-documents not included: what `Step 1/2 : …` shows. */
  readonly text: string;
  readonly lines: LineRange;
  /** The flags as written, for messages. */
  readonly flags: readonly string[];
  /** Comments directly above it, without `#`. */
  readonly comments?: readonly string[];
  /** An empty line stands between its continued lines. */
  readonly hasEmptyContinuation?: boolean;
}

/** A command in shell form (one word, for a shell) or exec form. */
export interface CommandLine {
  readonly words: readonly string[];
  readonly isShellForm: boolean;
}

export interface KeyValue {
  readonly name: string;
  readonly value: string;
}

export interface FromInstruction extends Common {
  readonly kind: "from";
  readonly base: string;
  /** Lower case; "" when the stage has none. */
  readonly name: string;
  readonly platform: string;
}

export interface ArgInstruction extends Common {
  readonly kind: "arg";
  readonly args: readonly { readonly name: string; readonly value?: string }[];
}

export interface EnvInstruction extends Common {
  readonly kind: "env";
  readonly pairs: readonly KeyValue[];
}

export interface LabelInstruction extends Common {
  readonly kind: "label";
  readonly pairs: readonly KeyValue[];
}

export interface RunInstruction extends Common {
  readonly kind: "run";
  readonly command: CommandLine;
  readonly heredocs: readonly Heredoc[];
  /** `--mount` as written. */
  readonly mounts: readonly string[];
  readonly network: "default" | "none" | "host";
  readonly security: "sandbox" | "insecure";
  readonly devices: readonly RunDevice[];
}

/** Sources and destination of COPY and ADD. */
export interface Transfer {
  readonly sources: readonly string[];
  /** Files given in the Dockerfile itself. */
  readonly contents: readonly Heredoc[];
  readonly destination: string;
  readonly chown: string;
  readonly chmod: string;
  readonly isLink: boolean;
  /** `--exclude` patterns. */
  readonly excludes: readonly string[];
}

export interface CopyInstruction extends Common, Transfer {
  readonly kind: "copy";
  /** Stage name or number, or an image; "" for the context. */
  readonly from: string;
  readonly keepsParents: boolean;
}

export interface AddInstruction extends Common, Transfer {
  readonly kind: "add";
  readonly checksum: string;
  /** Undefined: local archives are unpacked, remote ones are not. */
  readonly unpack?: boolean;
  readonly keepGitDir?: boolean;
}

export interface CommandInstruction extends Common {
  readonly kind: "cmd" | "entrypoint";
  readonly command: CommandLine;
}

export interface HealthcheckInstruction extends Common {
  readonly kind: "healthcheck";
  /** ["NONE"], ["CMD", …] or ["CMD-SHELL", command]. */
  readonly test: readonly string[];
  /** Durations in nanoseconds; 0 inherits. */
  readonly intervalNanos: number;
  readonly timeoutNanos: number;
  readonly startPeriodNanos: number;
  readonly startIntervalNanos: number;
  readonly retries: number;
}

export interface ListInstruction extends Common {
  readonly kind: "expose" | "volume" | "shell";
  readonly values: readonly string[];
}

export interface ValueInstruction extends Common {
  readonly kind: "workdir" | "user" | "stopsignal" | "maintainer";
  readonly value: string;
}

export interface OnbuildInstruction extends Common {
  readonly kind: "onbuild";
  /** The instruction to run later, here-documents included. */
  readonly trigger: string;
}

/** Everything that may follow FROM. */
export type StageInstruction =
  | ArgInstruction
  | EnvInstruction
  | LabelInstruction
  | RunInstruction
  | CopyInstruction
  | AddInstruction
  | CommandInstruction
  | HealthcheckInstruction
  | ListInstruction
  | ValueInstruction
  | OnbuildInstruction;

export type Instruction = FromInstruction | StageInstruction;

/** Every keyword, upper case. */
export const KEYWORDS = [
  "ADD",
  "ARG",
  "CMD",
  "COPY",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "FROM",
  "HEALTHCHECK",
  "LABEL",
  "MAINTAINER",
  "ONBUILD",
  "RUN",
  "SHELL",
  "STOPSIGNAL",
  "USER",
  "VOLUME",
  "WORKDIR",
] as const;
