// ContainerPrune: removes the containers that do not run and fit the filters, and says how much their own files took.
import type { Filters } from "../../api/contract.ts";
import type { ContainersPrune } from "../../api/schemas/container.ts";
import { randomHex } from "../../lib/id.ts";
import { parseNano } from "../../lib/time.ts";
import { pruneMatcher } from "../prune-filter.ts";
import type { ContainerContext } from "./context.ts";
import { writtenBytes } from "./files/size.ts";
import type { ContainerRecord } from "./record.ts";
import { removeStopped } from "./remove.ts";

const PRUNABLE = ["created", "exited", "dead"];

/** The containers that a prune with these filters takes. Fails with invalidParameter for wrong filters. */
export function prunableContainers(context: ContainerContext, filters: Filters): ContainerRecord[] {
  const fits = pruneMatcher(filters);
  return context.table
    .all()
    .filter(
      (record) =>
        PRUNABLE.includes(record.state.status) &&
        fits({ createdNano: parseNano(record.createdAt) ?? 0n, labels: record.config.Labels }),
    );
}

/** Removes the containers; one that is in use by then stays. Fails with invalidParameter for wrong filters. */
export async function pruneContainers(context: ContainerContext, filters: Filters): Promise<ContainersPrune> {
  const ContainersDeleted: string[] = [];
  let SpaceReclaimed = 0;
  const group = randomHex();
  for (const record of prunableContainers(context, filters)) {
    const live = context.table.live(record.id);
    const sizeBytes = await live.lane.run(async () => {
      const current = context.table.get(record.id);
      if (current === undefined || live.isRemoving || !PRUNABLE.includes(current.state.status))
        return undefined;
      const size = await writtenBytes(context, record);
      await removeStopped(context, live, current, { volumes: false, isKept: true, group });
      return size;
    });
    if (sizeBytes === undefined) continue;
    SpaceReclaimed += sizeBytes;
    ContainersDeleted.push(record.id);
  }
  const attributes = { reclaimed: String(SpaceReclaimed) };
  context.events.publish({ type: "container", action: "prune", actorId: "", attributes });
  return { ContainersDeleted: ContainersDeleted.length === 0 ? null : ContainersDeleted, SpaceReclaimed };
}
