// The user namespace of a container that starts: one of its own, or, when it shares another container's network, ipc or processes,
// that one's, which owns them, as long as it has the same ids.
import { isDeepStrictEqual } from "node:util";
import { idMapTexts } from "../../../linux/idmap.ts";
import { HOST_NS, host, type Op, type Register } from "../../../linux/ops.ts";
import { USERNS } from "../../../runtime/plan/userns.ts";
import type { ContainerContext } from "../context.ts";
import { joinedContainer } from "../host-config/modes.ts";
import { type ContainerRecord, isRunning } from "../record.ts";

/** What a start has to know of it. */
export interface UsernsStart {
  /** Put it into register USERNS; to be run before all others. */
  readonly ops: readonly Op[];
  /** Its file, when it is another container's. */
  readonly path: string | undefined;
}

/** Returns the namespace to which what is made for a container belongs. */
export function ownerOfNamespaces({ idMap }: Pick<ContainerRecord, "idMap">): Register {
  return idMap === undefined ? HOST_NS : USERNS;
}

/** Plans the user namespace of a start. */
export function planUserNamespace(
  { table }: Pick<ContainerContext, "table">,
  { hostConfig: h, idMap }: Pick<ContainerRecord, "hostConfig" | "idMap">,
): UsernsStart {
  if (idMap === undefined) return { ops: [], path: undefined };
  for (const mode of [h.NetworkMode, h.IpcMode, h.PidMode]) {
    const reference = joinedContainer(mode);
    const other = reference === undefined ? undefined : table.find(reference);
    if (other === undefined || !isRunning(other) || !isDeepStrictEqual(other.idMap, idMap)) continue;
    const path = `/proc/${other.state.pid}/ns/user`;
    return { ops: [host.usernsOpen(USERNS, path)], path };
  }
  return { ops: [host.usernsNew(USERNS, idMapTexts(idMap))], path: undefined };
}
