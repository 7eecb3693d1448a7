// Containers whose namespaces another one joins: they have to run, and to share what is asked of them.
import { Fault } from "../../../lib/errors.ts";
import type { PlanInput } from "../../../runtime/plan/input.ts";
import type { ContainerContext } from "../context.ts";
import { joinedContainer } from "../host-config/modes.ts";
import type { JoinableNamespace } from "../host-config/settings.ts";
import { type ContainerRecord, isRunning } from "../record.ts";

type Tables = Pick<ContainerContext, "table">;

/** Returns the process in whose network a container starts; fails with notFound or conflict. */
export function networkOwner({ table }: Tables, reference: string): number {
  const other = table.find(reference);
  if (isRunning(other)) return other.state.pid;
  throw new Fault(
    "conflict",
    `cannot join network namespace of a non running container: container ${other.name} is ${other.state.status}`,
    { code: "container.not-running" },
  );
}

/** Returns the process whose pid or ipc namespace a container joins; fails with notFound, system (compat) or invalidParameter. */
export function namespaceOwner({ table }: Tables, reference: string, kind: JoinableNamespace): number {
  const other = table.find(reference);
  const prefix = `failed to join ${kind.toUpperCase()} namespace: container ${other.id}`;
  if (!isRunning(other))
    throw new Fault("system", `${prefix} is not running`, { code: "container.not-running" });
  if (kind === "ipc" && !sharesIpc(other))
    throw new Fault(
      "invalidParameter",
      `${prefix}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
      { code: "container.ipc-private" },
    );
  return other.state.pid;
}

/** Returns where the /dev/shm of the container is whose ipc namespace is joined; nothing for all others. */
export function sharedShm(
  tables: Tables,
  { hostConfig }: Pick<ContainerRecord, "hostConfig">,
): Pick<PlanInput, "sharedShm"> {
  const reference = joinedContainer(hostConfig.IpcMode);
  if (reference === undefined) return {};
  return { sharedShm: `/proc/${namespaceOwner(tables, reference, "ipc")}/ns/mnt` };
}

function sharesIpc(record: ContainerRecord): boolean {
  const { IpcMode } = record.hostConfig;
  return IpcMode === "shareable" || IpcMode === "host" || joinedContainer(IpcMode) !== undefined;
}
