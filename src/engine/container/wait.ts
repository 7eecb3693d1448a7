// Waiting for a container's end (ContainerWait): resolves with the exit code when the condition holds.
import { Fault } from "../../lib/errors.ts";
import { isRunning } from "./record.ts";
import type { ContainerTable } from "./table.ts";

/** Registers a wait; the returned promise resolves to the exit code, or rejects with the signal's reason. */
export function waitFor(
  table: ContainerTable,
  id: string,
  condition: string | undefined,
  signal: AbortSignal,
): Promise<number> {
  const record = table.find(id);
  const live = table.live(record.id);
  const kind = condition || "not-running";
  if (!["not-running", "next-exit", "removed"].includes(kind))
    throw new Fault("invalidParameter", `invalid condition: "${kind}"`, { code: "container.wait-condition" });
  const isOver = !isRunning(record) && record.state.status !== "restarting";
  if (kind === "not-running" && isOver) return Promise.resolve(record.state.exitCode);
  const waiters = kind === "removed" ? live.removeWaiters : live.exitWaiters;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      waiters.delete(tell);
      reject(signal.reason);
    };
    const tell = (exitCode: number): void => {
      signal.removeEventListener("abort", onAbort);
      resolve(exitCode);
    };
    waiters.add(tell);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
