// From a health check to what the shim does about it: which program runs in the container, or where to connect, and when. Decides
// everything and touches nothing.
import type { ExecPlan, HealthPlan } from "../../linux/ops.ts";
import { Fault } from "../../lib/errors.ts";
import { planExec } from "../plan/exec.ts";
import type { ExecRequest } from "../plan/input.ts";
import type { OciSpec } from "../spec/oci.ts";
import type { CompleteCheck } from "./check.ts";
import { httpTarget, tcpTarget } from "./target.ts";

const DEFAULT_SHELL = ["/bin/sh", "-c"];
/** The name of a running probe in its shim; ids of `exec` are longer. */
const PROBE_ID = "health";
/** Statuses that say that a server is well. */
const GOOD_STATUS = { statusFrom: 200, statusTo: 399 };

/** Returns the command of a check that runs a program, null for one that only connects. `shell` is the image's SHELL, if it has one. */
export function probeCommand(test: readonly string[], shell: readonly string[] | undefined): string[] | null {
  const [kind, ...rest] = test;
  if (kind === "CMD") return rest;
  if (kind === "CMD-SHELL") return [...(shell?.length ? shell : DEFAULT_SHELL), ...rest];
  return null;
}

export interface HealthContext {
  spec: OciSpec;
  shell: readonly string[] | undefined;
  freezer: HealthPlan["freezer"];
  /** How a program comes to run in the container. */
  planExec?: ((spec: OciSpec, request: ExecRequest) => ExecPlan) | undefined;
}

/**
 * Plans a check. `spec` is the container's: a probe has its user, directory, environment and limits. Throws Fault invalidParameter
 * for a check that says too little or names a place that cannot be reached.
 */
export function planHealth(check: CompleteCheck, context: HealthContext): HealthPlan {
  return {
    intervalMs: check.intervalMs,
    timeoutMs: check.timeoutMs,
    startPeriodMs: check.startPeriodMs,
    startIntervalMs: check.startIntervalMs,
    freezer: context.freezer,
    probe: planProbe(check.test, context),
  };
}

function planProbe(
  test: readonly string[],
  { spec, shell, planExec: plan = planExec }: HealthContext,
): HealthPlan["probe"] {
  const command = probeCommand(test, shell);
  if (command !== null) {
    if (command.length === 0) throw missing("a command", test);
    return { kind: "exec", exec: plan(spec, { execId: PROBE_ID, args: command }) };
  }
  const [kind, target] = test;
  if (target === undefined || test.length > 2) throw missing("one target", test);
  const place = kind === "HTTP" ? httpTarget(target) : tcpTarget(target);
  return { kind: "connect", ...place, ...GOOD_STATUS };
}

function missing(what: string, test: readonly string[]): Fault {
  return new Fault("invalidParameter", `invalid health check: ${test[0]} takes ${what}`, {
    code: "health.test",
  });
}
