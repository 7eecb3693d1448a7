// RUN and WORKDIR to what is executed: words, environment, mounts, and how the history calls it.

import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import type { RunDevice } from "../dockerfile/devices.ts";
import { heredocText, parseHeredocMark } from "../dockerfile/heredoc.ts";
import type { RunInstruction, ValueInstruction } from "../dockerfile/instructions.ts";
import { syntaxError } from "../dockerfile/syntax-error.ts";
import type { StepFile } from "../solver/ports.ts";
import { runCreatedBy } from "./dialect.ts";
import { planMounts } from "./mounts.ts";
import type { StageState } from "./stage-state.ts";
import type { FileSource, RunOp, VertexOp } from "./vertex.ts";

interface Command {
  readonly args: readonly string[];
  /** As the history has it. */
  readonly shown: readonly string[];
  readonly files: readonly StepFile[];
}

const command = (args: readonly string[]): Command => ({ args, shown: args, files: [] });

/** Turns the words of RUN and its here-documents into what is executed. */
function commandOf(run: RunInstruction, state: StageState): Command {
  const [line = ""] = run.command.words;
  const [first] = run.heredocs;
  if (!run.command.isShellForm || first === undefined) {
    if (run.command.words.length === 0) throw syntaxError("RUN requires at least one argument", run.lines);
    return command(state.commandWords(run.command));
  }
  if (parseHeredocMark(line) === undefined) {
    // The shell reads the here-documents itself.
    const full = [line, ...run.heredocs.map((h) => h.content + h.name)].join("\n");
    return command([...state.shell, full]);
  }
  const script = heredocText(first);
  if (!script.startsWith("#!")) return command([...state.shell, script]);
  const path = `/dev/pipes/${cleanPath(`/${first.name}`).slice(1).replaceAll("/", "_")}`;
  // compat: the history speaks of a shell all the same.
  return { args: [path], shown: [...state.shell, path], files: [{ path, content: script, mode: 0o755 }] };
}

export interface RunPlanning {
  /** Network of a RUN that names none. */
  readonly network: string;
  readonly originOf: (from: string) => Promise<FileSource>;
  readonly devicesOf: (wanted: readonly RunDevice[]) => Promise<readonly string[]>;
}

/** Plans a RUN. Throws Fault `dockerfile.syntax`. */
export async function planRun(run: RunInstruction, state: StageState, planning: RunPlanning): Promise<RunOp> {
  const { args, shown, files } = commandOf(run, state);
  const buildEnv = state.buildEnvironment();
  const recorded = state.recordedArgs();
  const keyArgs = buildEnv.filter((entry) => state.isRecorded(entry)).sort();
  const isEmpty = state.dialect === "classic" && buildEnv.length > 0 && recorded.length === 0;
  return {
    kind: "run",
    args,
    env: [...state.commandEnv, ...buildEnv],
    keyEnv: [...state.commandEnv, ...keyArgs],
    cwd: state.config.workingDir || "/",
    user: state.config.user ?? "",
    network: run.network === "default" ? planning.network : run.network,
    files,
    mounts: await planMounts(run.mounts, {
      expand: (text) => state.expand(text),
      workingDir: state.config.workingDir ?? "/",
      originOf: planning.originOf,
    }),
    isInsecure: run.security === "insecure",
    devices: run.devices.length === 0 ? [] : await planning.devicesOf(run.devices),
    // compat: the classic builder counts to zero where only undeclared proxy variables are given.
    createdBy: isEmpty ? ["|0", ...args].join(" ") : runCreatedBy(state.dialect, recorded, shown),
  };
}

/** Plans a WORKDIR. */
export function planWorkdir(instruction: ValueInstruction, state: StageState): VertexOp {
  const shown = state.enterDirectory(instruction);
  const path = cleanPath(shown);
  const text = `WORKDIR ${shown}`;
  const isClassic = state.dialect === "classic";
  return {
    kind: "workdir",
    path,
    user: isClassic ? "" : (state.config.user ?? ""),
    createdBy: isClassic ? [...state.shell, `#(nop) ${text}`].join(" ") : text,
  };
}
