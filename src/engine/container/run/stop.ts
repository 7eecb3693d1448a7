// Ends a container's process: kill sends one signal, stop asks with the container's stop signal and after the timeout
// does not ask any more. Both wait for the exit to be settled where they promise that the container has stopped.
import { Fault, SysError } from "../../../lib/errors.ts";
import { type ContainerContext, publish } from "../context.ts";
import { isRunning } from "../record.ts";
import { parseSignal } from "../signals.ts";
import type { LiveContainer } from "../table.ts";

const SIGKILL = 9;
const SIGTERM = 15;
const DEFAULT_TIMEOUT_SECONDS = 10;

export interface StopOptions {
  /** Name or number; the container's own, or SIGTERM, when absent. */
  signal?: string | undefined;
  /** Seconds until SIGKILL, -1 for ever; the container's own, or 10, when absent. */
  timeoutSeconds?: number | undefined;
  /** false: the restart policy stays in charge (restart does that). */
  isByUser?: boolean;
}

/** Stops a running container and returns when its exit is settled. */
export async function stopRunning(
  context: ContainerContext,
  live: LiveContainer,
  options: StopOptions,
): Promise<void> {
  const record = context.table.find(live.id);
  const { run } = live;
  const signal = parseSignal(options.signal ?? record.config.StopSignal ?? "SIGTERM");
  if (options.isByUser !== false) await context.table.putState(live.id, { isStoppedByUser: true });
  if (run === null) return;
  if (record.state.status === "paused") await context.thaw(live.id);
  const seconds = options.timeoutSeconds ?? record.config.StopTimeout ?? DEFAULT_TIMEOUT_SECONDS;
  await sendUnlessOver(context, live, signal);
  if (seconds < 0) return run.settled;
  if (await settlesWithin(run.settled, seconds * 1000)) return;
  await sendUnlessOver(context, live, SIGKILL);
  await run.settled;
}

/** What is to be stopped may end by itself at any moment. */
async function sendUnlessOver(context: ContainerContext, live: LiveContainer, signal: number): Promise<void> {
  if (live.run !== null) await sendSignal(context, live, signal);
}

/** Resolves to whether `settled` came within the time. */
async function settlesWithin(settled: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false);
  });
  try {
    return await Promise.race([settled.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Sends a signal to the first process; fails with conflict when there is none. */
export async function sendSignal(
  context: ContainerContext,
  live: LiveContainer,
  signal: number,
): Promise<void> {
  const record = context.table.find(live.id);
  if (live.run === null || !isRunning(record))
    throw new Fault("conflict", `cannot kill container: ${live.id}: container ${live.id} is not running`, {
      code: "container.not-running",
    });
  try {
    // SIGKILL goes to everything in the container: without a pid namespace of its own the children would stay.
    await live.run.shim.signal(signal, { all: signal === SIGKILL && record.hostConfig.PidMode !== "" });
  } catch (error) {
    if (!(error instanceof SysError) && !(error instanceof Fault && error.kind === "unavailable"))
      throw error;
    // ignored: the process ended while the signal was on its way; its exit is being settled
  }
  publish(context, record, "kill", { signal: String(signal) });
}

/** Kills with the given signal (default SIGKILL); a deadly one also ends the restart policy's interest. */
export async function killContainer(
  context: ContainerContext,
  live: LiveContainer,
  signalText: string | undefined,
): Promise<void> {
  const signal = parseSignal(signalText ?? "SIGKILL");
  const record = context.table.find(live.id);
  if (!isRunning(record))
    throw new Fault("conflict", `cannot kill container: ${live.id}: container ${live.id} is not running`, {
      code: "container.not-running",
    });
  const { run } = live;
  const isDeadly = signal === SIGKILL || signal === SIGTERM;
  if (isDeadly) await context.table.putState(live.id, { isStoppedByUser: true });
  await sendSignal(context, live, signal);
  if (signal !== SIGKILL) return;
  if (record.state.status === "paused") await context.thaw(live.id);
  await run?.settled;
}
