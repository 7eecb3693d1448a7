// `build --debug`: a shell where a step has failed, in a container like the step's: its root, mounts (secrets, agents and caches
// among them), network, devices and rights. What is changed in the root goes nowhere.

import type { RunOp, Vertex } from "../graph/vertex.ts";
import type { BuildPorts, LayerDraft, StepTerminal } from "./ports.ts";
import { requestOf, type RunStep } from "./run-step.ts";

const SHELL = "/bin/sh";

/** The shell of a shell form command, which is known to be there. */
function shellOf([shell = "", flag = "", ...rest]: readonly string[]): string {
  return flag.startsWith("-") && rest.length === 1 ? shell : SHELL;
}

/** Returns what a step that is no command would find if it were one. */
export function asRun({ op, config }: Vertex): RunOp {
  if (op.kind === "run") return op;
  return {
    kind: "run",
    args: [SHELL],
    env: config.env ?? [],
    keyEnv: [],
    cwd: config.workingDir ?? "/",
    user: config.user ?? "",
    network: "default",
    files: [],
    mounts: [],
    isInsecure: false,
    devices: [],
    createdBy: "",
  };
}

/** Runs the shell until the user leaves it. Throws what the step's container throws. */
export async function runDebugShell(
  step: RunStep,
  draft: LayerDraft,
  terminal: StepTerminal,
  { ports, signal }: { readonly ports: BuildPorts; readonly signal: AbortSignal },
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  stack.defer(() => void terminal.stream.destroy());
  const made = await step.mounts.make(draft, stack);
  const request = { ...requestOf(step, draft, made), args: [shellOf(step.op.args)] };
  await ports.steps.run({ ...request, terminal, onOutput: () => undefined, signal });
}
