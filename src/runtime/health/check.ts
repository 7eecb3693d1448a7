// A health check with everything decided: Docker's defaults filled in, times in milliseconds. What an image or a request says about it
// is the vocabulary's Healthcheck (oci/image-config.ts); what the shim is told is HealthPlan (plan.ts).
import type { Healthcheck } from "../../oci/image-config.ts";

export interface CompleteCheck {
  /** The kind (CMD, CMD-SHELL, HTTP, TCP) and what belongs to it. */
  readonly test: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  /** Failures in a row that mean unhealthy. */
  readonly retries: number;
}

/** Kinds of tests that are known. NONE is known, too, and is no check. */
export const TEST_KINDS: readonly string[] = ["CMD", "CMD-SHELL", "HTTP", "TCP"];

/** moby, daemon/health.go. */
const DEFAULTS = { intervalMs: 30_000, timeoutMs: 30_000, startIntervalMs: 5_000, retries: 3 };

/** Returns the check that is to be made, null where there is none (compat: also for a kind that nobody knows). */
export function completeCheck(check: Healthcheck | undefined): CompleteCheck | null {
  const test = check?.test ?? [];
  if (check === undefined || !TEST_KINDS.includes(test[0] ?? "")) return null;
  return {
    test,
    intervalMs: milliseconds(check.intervalNanos) || DEFAULTS.intervalMs,
    timeoutMs: milliseconds(check.timeoutNanos) || DEFAULTS.timeoutMs,
    startPeriodMs: milliseconds(check.startPeriodNanos),
    startIntervalMs: milliseconds(check.startIntervalNanos) || DEFAULTS.startIntervalMs,
    retries: Math.max(0, check.retries ?? 0) || DEFAULTS.retries,
  };
}

function milliseconds(nanos: number | undefined): number {
  return Math.ceil(Math.max(0, nanos ?? 0) / 1e6);
}
