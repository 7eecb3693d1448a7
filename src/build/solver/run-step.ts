// The RUN step: mounts made, command run in a container of its own, mounts let go.

import { Fault } from "../../lib/errors.ts";
import { newId } from "../../lib/id.ts";
import { formatPlatform, hostPlatform, type Platform, platformDistance } from "../../oci/platform.ts";
import type { BuildEvent, StepRef } from "../events.ts";
import { BASE, environmentInputs, type StepInputs } from "../explain/inputs.ts";
import type { RunOp, Vertex } from "../graph/vertex.ts";
import type { MadeMounts, PreparedMounts } from "./mounts.ts";
import type { BuildPorts, LayerDraft, StepLimits, StepRequest } from "./ports.ts";

/** What holds for every RUN of a build. */
export interface RunSettings {
  readonly extraHosts: readonly string[];
  readonly shmSizeBytes: number;
  readonly limits: StepLimits;
}

export interface RunStep {
  readonly vertex: Vertex;
  readonly op: RunOp;
  readonly mounts: PreparedMounts;
  readonly settings: RunSettings;
  /** What the root's programs are made for. */
  readonly platform: Platform;
}

interface RunContext {
  readonly ports: BuildPorts;
  readonly emit: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
}

/** Returns what decides about a command's result, piece by piece. */
export function inputsOfRun(op: RunOp, mounts: PreparedMounts, parentChain: string): StepInputs {
  const { args, keyEnv, cwd, user, network, files, isInsecure, devices } = op;
  const mounted = mounts.key.map((key, i) => [
    `mount ${op.mounts[i]?.kind ?? ""} ${i + 1}`,
    JSON.stringify(key),
  ]);
  return {
    [BASE]: parentChain,
    "the command": JSON.stringify([args, isInsecure]),
    "the working directory": cwd,
    "the user": user,
    "the network": network,
    "a here-document": JSON.stringify(files),
    ...(devices.length === 0 ? {} : { "the devices": JSON.stringify(devices) }),
    ...environmentInputs(keyEnv),
    ...(Object.fromEntries(mounted) as StepInputs),
  };
}

/** The container of a step, with everything that its command finds. */
export function requestOf(
  { op, settings }: RunStep,
  draft: LayerDraft,
  made: MadeMounts,
): Omit<StepRequest, "onOutput" | "signal"> {
  const containerId = newId();
  return {
    containerId,
    root: draft.root(),
    args: op.args,
    env: [...op.env, ...made.env],
    cwd: op.cwd,
    user: op.user,
    network: op.network,
    hostname: containerId.slice(0, 12),
    ...settings,
    files: op.files,
    mounts: made.mounts,
    isInsecure: op.isInsecure,
    devices: op.devices,
  };
}

/** Runs the command on a draft. Throws Fault `build.step-failed` when it ends with another code than 0. */
export async function executeRun(step: RunStep, draft: LayerDraft, context: RunContext): Promise<void> {
  const { vertex, op } = step;
  const { ports, emit, signal } = context;
  signal.throwIfAborted();
  const at: StepRef = { stage: vertex.stage, step: vertex.step };
  await using stack = new AsyncDisposableStack();
  const made = await step.mounts.make(draft, stack);
  const request: StepRequest = {
    ...requestOf(step, draft, made),
    onOutput: (stream, bytes) => emit({ type: "output", at, stream, bytes }),
    signal,
  };
  const { containerId } = request;
  emit({ type: "running", at, containerId });
  const { exitCode } = await ports.steps.run(request).catch((error: unknown) => {
    throw explainForeign(error, step.platform);
  });
  if (exitCode !== 0) throw stepFailed(vertex, op, exitCode);
  made.succeed();
  emit({ type: "removed", at, containerId });
}

/** The kernel starts programs of another platform through binfmt_misc; without an interpreter there they cannot be started. */
function explainForeign(error: unknown, platform: Platform): unknown {
  const host = hostPlatform();
  const isStart = error instanceof Fault && error.code === "build.step-start";
  if (!isStart || platformDistance(host, platform) !== undefined) return error;
  const { architecture } = platform;
  return new Fault(
    "invalidParameter",
    `cannot run a command for ${formatPlatform(platform)} on a ${formatPlatform(host)} host: no interpreter for ${architecture} is registered with binfmt_misc (install qemu-user-static, or build on ${architecture})`,
    { code: "build.foreign-platform", detail: error.detail, cause: error },
  );
}

function stepFailed(vertex: Vertex, op: RunOp, exitCode: number): Fault {
  const command = op.args.join(" ");
  return new Fault("system", `The command '${command}' returned a non-zero code: ${exitCode}`, {
    code: "build.step-failed",
    detail: { exitCode, command, line: vertex.lines.start, endLine: vertex.lines.end },
  });
}
