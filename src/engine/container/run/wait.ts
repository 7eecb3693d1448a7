// Waiting for a container's end (ContainerWait): resolves when the condition holds. Whoever waits for the next exit hears of
// every one of them, also when the restart policy starts the container again.
import { Fault } from "../../../lib/errors.ts";
import { isRunning } from "../record.ts";
import type { ContainerEnd, ContainerTable } from "../table.ts";

const CONDITIONS = ["not-running", "next-exit", "removed"];

/** Registers a wait; the returned promise rejects with the signal's reason. Fails with invalidParameter, notFound. */
export function waitFor(
  table: ContainerTable,
  id: string,
  condition: string | undefined,
  signal: AbortSignal,
): Promise<ContainerEnd> {
  const kind = condition || "not-running";
  if (!CONDITIONS.includes(kind))
    throw new Fault("invalidParameter", `invalid condition: "${kind}"`, { code: "container.wait-condition" });
  const record = table.find(id);
  const live = table.live(record.id);
  const isOver = !isRunning(record) && record.state.status !== "restarting";
  if (kind === "not-running" && isOver) return Promise.resolve(record.state);
  const waiters = kind === "removed" ? live.removeWaiters : live.exitWaiters;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      waiters.delete(tell);
      reject(signal.reason);
    };
    const tell = (end: ContainerEnd): void => {
      signal.removeEventListener("abort", onAbort);
      resolve(end);
    };
    waiters.add(tell);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
