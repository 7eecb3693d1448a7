// What a container must be for an operation to make sense, and Docker's words when it is not.
import { Fault } from "../../../lib/errors.ts";
import { type ContainerRecord, isRunning } from "../record.ts";

/** Whether there is something to stop: a process, or one that the restart policy is about to start. */
export function isActive(record: ContainerRecord): boolean {
  return isRunning(record) || record.state.status === "restarting";
}

export function notRunning(id: string): Fault {
  return new Fault("conflict", `container ${id} is not running`, { code: "container.not-running" });
}

/** Fails with conflict unless the container has a process, be it paused. */
export function requireProcess(record: ContainerRecord): void {
  if (record.state.status === "restarting")
    throw new Fault("conflict", `Container ${record.id} is restarting, wait until the container is running`, {
      code: "container.restarting",
    });
  if (!isRunning(record)) throw notRunning(record.id);
}
