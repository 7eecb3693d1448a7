// Watches the health of one run: takes what the shim reports, says it in Docker's events, commits the status when it changes (never
// for a mere result), and asks for the reaction to an unhealthy container. One per run, in LiveContainer.
import { messageOf } from "../../../lib/errors.ts";
import { newId } from "../../../lib/id.ts";
import { shownCommand } from "../shown-command.ts";
import type { CompleteCheck } from "../../../runtime/health/check.ts";
import { probeCommand } from "../../../runtime/health/plan.ts";
import type { ProbeCounters, ProbeResult, ShimClient } from "../../../runtime/shim/client.ts";
import { type ContainerContext, publish } from "../context.ts";
import type { ContainerRecord, Health } from "../record.ts";
import { checkOf } from "./config.ts";
import { RunHealth } from "./state.ts";

type Context = Pick<ContainerContext, "table" | "events" | "log" | "unhealthy">;

export class HealthWatch {
  readonly #context: Context;
  readonly #id: string;
  readonly #run: RunHealth;
  /** What its exec events are called after, null for a check that only connects. */
  readonly #command: string | null;
  #probe: { number: number; execId: string } | null = null;

  constructor(context: Context, record: ContainerRecord, check: CompleteCheck, options: { isNew: boolean }) {
    this.#context = context;
    this.#id = record.id;
    this.#run = new RunHealth(check, record.state.health ?? null, options.isNew);
    const command = probeCommand(check.test, record.config.Shell);
    this.#command = command && shownCommand(command);
  }

  get current(): Health {
    return this.#run.current;
  }

  /** A probe's program is being started. */
  began(number: number): void {
    const record = this.#context.table.get(this.#id);
    if (record === undefined || this.#command === null) return;
    this.#probe = { number, execId: newId() };
    const attributes = { execID: this.#probe.execId };
    publish(this.#context, record, `exec_create: ${this.#command}`, attributes);
    publish(this.#context, record, `exec_start: ${this.#command}`, attributes);
  }

  /** A probe is over. */
  ended(counters: ProbeCounters, result: ProbeResult): void {
    const record = this.#context.table.get(this.#id);
    if (record === undefined) return;
    if (this.#probe?.number === result.number && result.ending !== "not-started")
      publish(this.#context, record, "exec_die", {
        execID: this.#probe.execId,
        exitCode: String(result.exitCode),
      });
    this.#probe = null;
    if (this.#run.take(counters, [result])) this.#tell(record);
  }

  /** Asks the shim for what this daemon has not seen. Without an answer (a shim of an older version) the record's word stands. */
  async recover(shim: ShimClient): Promise<void> {
    let answer: Awaited<ReturnType<ShimClient["health"]>>;
    try {
      answer = await shim.health();
    } catch (error) {
      this.#context.log("debug", `container ${this.#id.slice(0, 12)}: no health: ${messageOf(error)}`);
      return;
    }
    const hasChanged = this.#run.take(answer.counters, answer.results);
    const record = this.#context.table.get(this.#id);
    if (record !== undefined && hasChanged) this.#tell(record);
  }

  #tell(record: ContainerRecord): void {
    const { status } = this.current;
    this.#context.table.putState(this.#id, { health: this.#run.kept }).catch((error: unknown) => {
      this.#context.log("error", `container ${this.#id.slice(0, 12)}: ${messageOf(error)}`);
    });
    publish(this.#context, record, `health_status: ${status}`);
    if (status === "unhealthy") this.#context.unhealthy(this.#id);
  }
}

/** Returns the watch of a run, null for a container without a check. `isNew`: the run begins now. */
export function watchHealth(
  context: Context,
  record: ContainerRecord,
  options: { isNew: boolean },
): HealthWatch | null {
  const check = checkOf(record.config);
  return check === null ? null : new HealthWatch(context, record, check, options);
}

/** Returns a container's health as it is now, or as it was last; null where nothing is checked. */
export function healthOf(
  live: { readonly health: HealthWatch | null },
  record: ContainerRecord,
): Health | null {
  return live.health?.current ?? record.state.health ?? null;
}
