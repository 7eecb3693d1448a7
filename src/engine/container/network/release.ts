// Takes a container whose process has gone out of its networks.
import { messageOf } from "../../../lib/errors.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord, NetworkEndpoint } from "../record.ts";

/** Gives addresses and ports back; what fails is logged, since the process is gone whatever happens. */
export async function releaseEndpoints(context: ContainerContext, record: ContainerRecord): Promise<void> {
  context.nameService.names.remove(record.id); // before its addresses become another's
  for (const e of record.endpoints) {
    if (e.attached === undefined) continue;
    try {
      await context.networks.detach(e.attached);
    } catch (error) {
      context.log(
        "error",
        `container ${record.id.slice(0, 12)}: cannot leave network ${e.networkName}: ${messageOf(error)}`,
      );
    }
    context.networks.publish(e.networkId, "disconnect", record.id);
  }
}

/** Returns the endpoint as it is between runs. */
export function withoutAttached(e: NetworkEndpoint): NetworkEndpoint {
  const { attached: _, ...rest } = e;
  return rest;
}
