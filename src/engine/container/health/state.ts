// What results of probes mean: Docker's states of health, judged from the shim's counters, so that a daemon that was away comes to
// the same answer as one that saw every result.
//
//   starting ──success──→ healthy ──`retries` failures in a row──→ unhealthy ──success──→ healthy
//      └──`retries` failures in a row, those in the start period not counted──→ unhealthy
import { formatDuration } from "../../../lib/units/duration.ts";
import { formatNano } from "../../../lib/time.ts";
import type { ProbeCounters, ProbeResult } from "../../../runtime/shim/client.ts";
import type { CompleteCheck } from "../../../runtime/health/check.ts";
import type { Health, HealthResult } from "../record.ts";

const MAX_RESULTS = 5;

/** Returns the status and the failing streak that follow from what was counted since the container's start. */
export function judge(counters: ProbeCounters, retries: number): Pick<Health, "status" | "failingStreak"> {
  const failingStreak = counters.failures - counters.earlyFailures;
  if (failingStreak >= retries) return { status: "unhealthy", failingStreak };
  return { status: counters.successes > 0 ? "healthy" : "starting", failingStreak };
}

/** Returns a result as it is shown, in moby's words (daemon/health.go) and runc's. */
export function resultOf(probe: ProbeResult, check: CompleteCheck): HealthResult {
  const output = textOf(probe.output) + (probe.isTruncated ? "..." : "");
  const times = { start: formatNano(probe.startedAtNano), end: formatNano(probe.endedAtNano) };
  switch (probe.ending) {
    case "ended":
      return { ...times, exitCode: probe.exitCode, output };
    case "timed-out": {
      const what = `Health check exceeded timeout (${formatDuration(check.timeoutMs * 1e6)})`;
      return { ...times, exitCode: -1, output: output === "" ? what : `${what}: ${output}` };
    }
    case "not-started": {
      const isProgram = check.test[0]?.startsWith("CMD") === true;
      const what = `OCI runtime exec failed: exec failed: unable to start container process: ${output}: unknown`;
      return { ...times, exitCode: -1, output: isProgram ? what : output };
    }
  }
}

const WELL_FORMED = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** compat: every byte that is no part of a whole character is one U+FFFD, as in Go's JSON. */
function textOf(bytes: Buffer): string {
  try {
    return WELL_FORMED.decode(bytes);
  } catch {
    return [...pieces(bytes)].join(""); // ignored: some of it is not UTF-8
  }
}

function* pieces(bytes: Buffer): Generator<string> {
  for (let at = 0; at < bytes.length; ) {
    const size = sequenceLength(bytes[at] as number);
    const character = bytes.subarray(at, at + size);
    let text = "\ufffd";
    try {
      text = WELL_FORMED.decode(character);
      at += size;
    } catch {
      at += 1; // ignored: this byte is the one that is replaced
    }
    yield text;
  }
}

function sequenceLength(first: number): number {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** The health of one run of a container, kept in memory while the daemon is connected to its shim. */
export class RunHealth {
  readonly #check: CompleteCheck;
  /** Of earlier runs. */
  readonly #before: readonly HealthResult[];
  #probes: { number: number; result: HealthResult }[] = [];
  #now: Pick<Health, "status" | "failingStreak">;

  /** `last` is what the record says: of this run after a restart of the daemon, else of an earlier one. */
  constructor(check: CompleteCheck, last: Health | null, isNew: boolean) {
    this.#check = check;
    this.#before = last?.log ?? [];
    this.#now = isNew || last === null ? { status: "starting", failingStreak: 0 } : last;
  }

  /** Takes results, in whatever order; the counters are those after the newest. Returns whether the status has changed. */
  take(counters: ProbeCounters, probes: readonly ProbeResult[]): boolean {
    const before = this.#now.status;
    const newest = this.#probes.at(-1)?.number ?? 0;
    const known = new Set(this.#probes.map((p) => p.number));
    const fresh = probes.filter((p) => !known.has(p.number));
    this.#probes = [
      ...this.#probes,
      ...fresh.map((p) => ({ number: p.number, result: resultOf(p, this.#check) })),
    ]
      .sort((a, b) => a.number - b.number)
      .slice(-MAX_RESULTS);
    if (fresh.some((p) => p.number > newest)) this.#now = judge(counters, this.#check.retries);
    return this.#now.status !== before;
  }

  /** As it is now. */
  get current(): Health {
    const log = [...this.#before, ...this.#probes.map((p) => p.result)].slice(-MAX_RESULTS);
    return { status: this.#now.status, failingStreak: this.#now.failingStreak, log };
  }

  /** What is committed when the status changes: the results of this run can be had from the shim again. */
  get kept(): Health {
    return { ...this.current, log: this.#before };
  }
}

/** compat: what is not checked any more is unhealthy (moby, daemon/container/health.go, CloseMonitorChannel). */
export function afterExit(health: Health): Health {
  return { ...health, status: "unhealthy" };
}
