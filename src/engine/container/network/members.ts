// Which containers are in a network, for its inspect. Pure over the records.
import type { NetworkMember } from "../../network/view.ts";
import type { ContainerTable } from "../table.ts";

/** Returns the containers that have an endpoint in the network. */
export function membersOf(table: Pick<ContainerTable, "all">, networkId: string): NetworkMember[] {
  return table.all().flatMap((r) =>
    r.endpoints.flatMap((e) =>
      e.networkId !== networkId || e.attached === undefined
        ? []
        : [
            {
              containerId: r.id,
              name: r.name,
              endpoint: e.attached,
              prefixLength: e.attached.prefixLength,
              prefixLength6: e.attached.prefixLength6 ?? 0,
            },
          ],
    ),
  );
}
