// Ends a container's process: kill sends one signal, stop asks with the container's stop signal and after the timeout does not
// ask any more. Signals are sent in the container's lane, waits are outside of it, so that a container that takes its time to
// stop can be killed, renamed or updated meanwhile.
import { Fault, messageOf, SysError } from "../../../lib/errors.ts";
import type { RuntimeContainer } from "../../../runtime/external/command.ts";
import { type ContainerContext, publish } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { parseSignal } from "../signals.ts";
import { externalOf, killExternal } from "../runtime/external.ts";
import { FACT, type LiveContainer } from "../table.ts";
import { endRun, sendOrStuck, settlesWithin } from "./force.ts";
import { thaw } from "./pause.ts";
import { isActive, notRunning } from "./state.ts";

const SIGKILL = 9;

export interface StopOptions {
  /** Name or number; the container's own, or SIGTERM, when absent. */
  signal?: string | undefined;
  /** Seconds until SIGKILL, negative for ever; the container's own, or 10, when absent. */
  timeoutSeconds?: number | undefined;
  /** false: the daemon does it at its end, and its restart policy starts the container again with the next one. */
  isByUser?: boolean;
}

/** Whether a signal is meant to end the container: the one that `stop` sends, or any where none is configured. */
export function endsContainer(record: Pick<ContainerRecord, "config">, signal: number): boolean {
  const own = record.config.StopSignal;
  return signal === SIGKILL || !own || parseSignal(own) === signal;
}

/** Stops a container and returns when its exit is settled; false when there was nothing to stop. */
export async function stopContainer(
  context: ContainerContext,
  live: LiveContainer,
  options: StopOptions,
): Promise<boolean> {
  const { config } = context.table.find(live.id);
  const seconds = options.timeoutSeconds ?? config.StopTimeout ?? context.defaults.stopTimeoutSec;
  const asked = await live.lane.run(async () => {
    const record = context.table.get(live.id);
    if (record === undefined || !isActive(record)) return null;
    // compat: a wrong one is refused only where it would be sent.
    const signal = parseSignal(options.signal ?? (config.StopSignal || "SIGTERM"));
    const { run } = live;
    return { run, isStuck: await sendOrStuck(() => sendSignal(context, live, signal, options)) };
  });
  if (asked === null) return false;
  const { run, isStuck } = asked;
  const patienceMs = isStuck ? 0 : seconds < 0 ? undefined : seconds * 1000;
  if (run !== null && !(await settlesWithin(run.settled, patienceMs)))
    await endRun(
      run,
      context,
      live,
      isStuck ? undefined : () => live.lane.run(() => kill(context, live, options)),
    );
  const record = context.table.get(live.id);
  if (record !== undefined) publish(context, record, "stop");
  return true;
}

/** Sends a signal as `docker kill` does; SIGKILL waits for the end. Fails with conflict when nothing runs. */
export async function killContainer(
  context: ContainerContext,
  live: LiveContainer,
  signalText: string | undefined,
): Promise<void> {
  const signal = parseSignal(signalText ?? "SIGKILL");
  const send = () => live.lane.run(() => sendSignal(context, live, signal, {}));
  if (signal !== SIGKILL) return send();
  const { run } = live;
  if (run === null) return send();
  await endRun(run, context, live, send);
}

/** Kills what is active, in the container's lane, and returns when its exit is settled. */
export async function killInLane(context: ContainerContext, live: LiveContainer): Promise<void> {
  const { run } = live;
  const send = () => kill(context, live, {});
  if (run === null) await send();
  else await endRun(run, context, live, send);
}

/** Kills on behalf of the daemon, not of a user: what follows is up to the restart policy. Does not wait for the end. */
export function killForPolicy(context: ContainerContext, live: LiveContainer): Promise<void> {
  return live.lane.run(async () => {
    const record = context.table.get(live.id);
    if (record === undefined || live.run === null) return;
    await deliver(context, live, SIGKILL, record);
    publish(context, record, "kill", { signal: String(SIGKILL) });
  });
}

/** What is to be killed may end by itself at any moment. */
async function kill(context: ContainerContext, live: LiveContainer, options: StopOptions): Promise<void> {
  const record = context.table.get(live.id);
  if (record !== undefined && isActive(record)) await sendSignal(context, live, SIGKILL, options);
}

/** Sends a signal to the first process and notes what that means for the restart policy. Fails with conflict when nothing runs. */
async function sendSignal(
  context: ContainerContext,
  live: LiveContainer,
  signal: number,
  options: StopOptions,
): Promise<void> {
  const record = context.table.find(live.id);
  if (!isActive(record)) throw notRunning(live.id);
  const isFinal = endsContainer(record, signal);
  if (isFinal) live.isRestartCalledOff = true;
  if (options.isByUser !== false) await context.table.putState(live.id, { isStoppedByUser: true }, {}, FACT);
  if (record.state.status === "restarting") return isFinal ? cancelRestart(context, live) : undefined;
  await deliver(context, live, signal, record);
  publish(context, record, "kill", { signal: String(signal) });
  if (!isFinal || context.table.get(live.id)?.state.status !== "paused") return;
  await thaw(context, live.id);
  // compat: the end of a killed container is faster than the news of its thaw.
  if (signal !== SIGKILL) publish(context, record, "unpause");
}

async function deliver(
  context: ContainerContext,
  live: LiveContainer,
  signal: number,
  record: ContainerRecord,
): Promise<void> {
  const external = externalOf(context, record);
  if (external !== undefined && (await sendExternal(context, live, external, signal))) return;
  try {
    // SIGKILL goes to everything in the container: without a pid namespace of its own the children would stay.
    await live.run?.shim.signal(signal, { all: signal === SIGKILL && record.hostConfig.PidMode !== "" });
  } catch (error) {
    if (error instanceof Fault && error.kind === "deadline")
      throw new Fault("system", `container ${live.id}: ${messageOf(error)}`, {
        code: "container.stuck",
        cause: error,
      });
    if (!(error instanceof SysError) && !(error instanceof Fault && error.kind === "unavailable"))
      throw error;
    // ignored: the process ended while the signal was on its way; its exit is being settled
  }
}

/** Sends a signal by the container's runtime; false for one that is to kill and that it cannot send: then the shim does. */
async function sendExternal(
  context: ContainerContext,
  live: LiveContainer,
  container: RuntimeContainer,
  signal: number,
): Promise<boolean> {
  try {
    await killExternal(context, container, signal);
    return true;
  } catch (error) {
    if (signal === SIGKILL) return false;
    const state = await live.run?.shim.state().catch(() => undefined); // ignored: a shim that is gone has no process either
    if (state?.status === "running") throw error;
    return true; // the process ended while the signal was on its way; its exit is being settled
  }
}

/** The container stays as its last exit left it. */
async function cancelRestart(context: ContainerContext, live: LiveContainer): Promise<void> {
  clearTimeout(live.restartTimer);
  const { state } = await context.table.putState(live.id, { status: "exited" }, {}, FACT);
  live.tellExit(state);
}
